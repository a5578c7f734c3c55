"""What one submission costs the engine once it is warm, beside the same cells again and again in one warm process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gradebench.classes import ROOT
from grading.engine import sandbox
from grading.engine.attempt import Cell, Patience
from grading.engine.examine import Examiner
from grading.engine.memory import _below
from grading.engine.reassemble import Assembled, reassemble
from grading.engine.released import Release
from grading.engine.submission import read

_TICK = os.sysconf("SC_CLK_TCK")
# The judge in the same process, the target in the same process, everything imported: nothing but the cells is paid.
FLOOR = """
import json, os, sys, time
from IPython.core.interactiveshell import InteractiveShell
cells = json.load(open(sys.argv[1]))
shell = InteractiveShell.instance()
for round in range(int(sys.argv[2]) + 1):
    start = time.process_time()
    for cell in cells: shell.run_cell(cell, store_history=True)
    print("\\nFLOOR", time.process_time() - start, flush=True)
"""


@dataclass(frozen=True)
class Cost:
    """Seconds a submission: on the wall, of CPU in all processes, and of CPU where only the cells are paid."""

    wall: float
    cpu: float
    floor: float

    @property
    def ratio(self) -> float:
        """CPU over the floor's."""
        return self.cpu / self.floor


def solved(lab: str) -> tuple[Assembled, list[str]]:
    """The lab's solution as the engine runs it, and the sources of its head."""
    release = Release.read(ROOT / "labs" / lab / f"{lab}.ipynb")
    code = [c["source"] for c in release.notebook["cells"] if c["cell_type"] == "code"]
    return reassemble(release, read(ROOT / "solutions" / lab, lab)), code[: release.locked_first]


def measure(lab: str, *, every_cell: bool, runs: int) -> Cost:
    """The solution of ``lab``, ``runs`` times by the engine and by the floor, in turns."""
    mended, head = solved(lab)
    cells = [c for c in mended.to_run() if c.needed or every_cell]
    ours, floors = [], []
    patience = Patience(every_cell=every_cell)
    with Examiner(sandbox.choose(), setup=head, patience=patience) as examiner, _Floor(cells) as floor:
        examiner.run(cells, warm=True)
        for _ in range(runs):
            ours.append(_one(examiner, cells))
            floors.append(floor.once())
    wall, cpu = (statistics.median(column) for column in zip(*ours, strict=True))
    return Cost(wall, cpu, statistics.median(floors))


def empty(lab: str, runs: int) -> tuple[float, float]:
    """Seconds on the wall and of CPU of a submission in which nothing is run: what forks, walls and the end take."""
    mended, head = solved(lab)
    cells = [*mended.to_run()[: len(head)], Cell("nothing", "1")]
    with Examiner(sandbox.choose(), setup=head) as examiner:
        examiner.run(cells, warm=True)
        spent = [_one(examiner, cells) for _ in range(runs)]
    wall, cpu = (statistics.median(column) for column in zip(*spent, strict=True))
    return wall, cpu


def _one(examiner: Examiner, cells: Sequence[Cell]) -> tuple[float, float]:
    before, own, start = _spent(), time.process_time(), time.perf_counter()
    outcome = examiner.run(cells, warm=True)
    wall = time.perf_counter() - start
    if outcome.incidents or len(outcome.ledger) < sum(c.exercise is not None for c in cells):
        raise SystemExit(f"the solution was not graded as it should be: {outcome.incidents}")
    time.sleep(0.05)  # the judge is let go a moment after its end
    return wall, _spent() - before + time.process_time() - own


def _spent() -> float:
    """CPU seconds of every process below this one that lives, with all that ended below it; the floor's apart."""
    total = 0
    for pid in _below(os.getpid())[1:]:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            if b"FLOOR" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                total += sum(map(int, stat[11:15]))
        except OSError:
            continue
    return total / _TICK


class _Floor:
    """The warm process, held between two of its rounds by signals."""

    def __init__(self, cells: Sequence[Cell]):
        self._cells = [cell.source for cell in cells]

    def __enter__(self) -> _Floor:
        script = FLOOR.replace("    start =", "    sys.stdin.readline()\n    start =")
        made = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "NBGRADER_EXECUTION": "autograde",
                "MODEL_THEFT_LABS_OPENER": "grading.openers:wsgi"}  # fmt: skip
        place = Path(f"/proc/self/fd/{os.memfd_create('cells', 0)}")
        place.write_text(json.dumps(self._cells))
        handle = int(place.name)
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(place), "1000000"], env=made, cwd=ROOT, text=True, pass_fds=[handle],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(handle)
        self.once()  # its imports
        return self

    def once(self) -> float:
        """CPU seconds of one round."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("FLOOR"):
                return float(line.split()[1])
        raise SystemExit("the floor's process ended")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def isolation(runs: int) -> tuple[list[float], list[float]]:
    """Wall seconds of runs that do nothing, confined and not, in turns: the difference is what the walls cost."""
    nothing = [Cell("nothing", "1")]
    found: tuple[list[float], list[float]] = [], []
    with Examiner(sandbox.choose()) as confined, Examiner(sandbox.choose(trust=True)) as free:
        for number in range(runs + 1):
            for examiner, kept in zip((confined, free), found, strict=True):
                start = time.perf_counter()
                examiner.run(nothing)
                if number:
                    kept.append(time.perf_counter() - start)
    return found
