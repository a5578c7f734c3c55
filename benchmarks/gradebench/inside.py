"""Where the time of a run goes, and the memory: looked at from outside while the engine works."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.gradebench.classes import ROOT
from benchmarks.gradebench.cost import solved
from benchmarks.gradebench.ways import variables
from grading.engine import sandbox
from grading.engine.attempt import Attempt, Cell, Patience
from grading.engine.examine import Examiner
from grading.engine.memory import _below


def profile(lab: str) -> dict[str, float]:
    """Wall seconds of one submission (the solution) by kind of cell, all cells run, and of the engine's own start."""
    mended, head = solved(lab)
    spent: dict[str, float] = {}
    answers = {c["id"] for c in mended.cells if c["metadata"].get("nbgrader", {}).get("solution")}

    def kind(cell: Cell) -> str:
        if cell.exercise:
            return "check cells: the judge asks, the answers work"
        return "answer cells" if cell.id in answers else "demonstrations"

    plain = Attempt._one

    def one(self: Attempt, cell: Cell) -> None:
        start = time.perf_counter()
        plain(self, cell)
        spent[kind(cell)] = spent.get(kind(cell), 0.0) + time.perf_counter() - start

    with Examiner(sandbox.choose(), setup=head, patience=Patience(every_cell=True)) as examiner:
        start = time.perf_counter()
        examiner._ready()
        once = time.perf_counter() - start
        examiner.run([Cell("nothing", "1")], warm=False)
        Attempt._one = one  # type: ignore[method-assign]
        try:
            start = time.perf_counter()
            examiner.run(mended.to_run(), warm=True)
            whole = time.perf_counter() - start
        finally:
            Attempt._one = plain  # type: ignore[method-assign]
    rest = whole - sum(spent.values())
    return {**spent, "fork, walls, end": rest, "warm processes and head, once a class": once}


def memory(course: Path, lab: str, jobs: int) -> dict[str, float]:
    """Highest megabytes while the class is graded with every cell run: all kernels and judges with the warm processes
    they come from, by worker (shared pages counted once), and the largest kernel and judge (shared pages and all).
    """
    command = [sys.executable, "-m", "grading", "autograde", lab, "--root", str(course), "--jobs", str(jobs), "--force"]
    command += ["--run-every-cell"]
    highest = {"worker": 0.0, "kernel": 0.0, "judge": 0.0, "writer": 0.0}
    with subprocess.Popen(command, cwd=ROOT, env=variables(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            worker = 0.0
            for pid in _below(process.pid):
                with suppress(OSError, ValueError, IndexError):
                    role = _role(pid, process.pid)
                    pss, rss = _megabytes(pid)
                    worker += pss / jobs if role in ("kernel", "judge") else 0.0
                    highest[role] = max(highest[role], pss if role == "writer" else rss)
            highest["worker"] = max(highest["worker"], worker)
            time.sleep(0.5)
    return highest


def _role(pid: int, main: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes()
    if b"judge_server" in words:
        return "judge"
    return "kernel" if b"inside.zygote" in words and pid != main else "writer"


def _megabytes(pid: int) -> tuple[float, float]:
    facts = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    pss, rss = (int(facts[name].split()[0]) / 1024 for name in ("Pss", "Rss"))
    return pss, rss


def load() -> str:
    """How busy the machine is, in words."""
    one, five, _ = os.getloadavg()
    return f"load {one:.1f} over a minute, {five:.1f} over five, on {os.cpu_count()} cores"
