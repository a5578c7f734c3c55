"""kill -9 of every process at every stage: honest points survive, and nothing else does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grading.engine import sandbox
from grading.engine.attempt import Attempt, Cell
from grading.engine.examine import Examiner
from grading.engine.reassemble import reassemble
from grading.engine.released import Release
from grading.engine.submission import read

ROOT = Path(__file__).resolve().parents[3]
LAB = "00_start_here"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's"),
]


@pytest.fixture(scope="module")
def cells():
    """Set-up, answers and checks of the solved lab."""
    release = Release.read(ROOT / "labs" / LAB / f"{LAB}.ipynb")
    mended = reassemble(release, read(ROOT / "solutions" / LAB, LAB))
    marked = {c["id"] for c in release.notebook["cells"] if "nbgrader" in c["metadata"]}
    return [cell for cell in mended.to_run() if cell.id in marked]


@pytest.fixture(scope="module")
def examiner(cells):
    with Examiner(sandbox.choose(), secret="kill", setup=[cells[0].source]) as one:
        yield one


class KillingOnce(list):
    """Cells that, on the way to the one numbered ``at``, let ``kill`` loose, the first time."""

    def __init__(self, cells, at, kill):
        super().__init__(cells)
        self.at, self.kill = at, kill

    def __iter__(self):
        for i, cell in enumerate(list.__iter__(self)):
            if i == self.at and self.kill:
                kill, self.kill = self.kill, None
                kill()
            yield cell


def _kill(pid):
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (
        Path(f"/proc/{pid}/stat").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    ):
        assert time.monotonic() < deadline


STAGES = (0, 1, 2, 5, 10)


@pytest.mark.parametrize("at", STAGES)
@pytest.mark.parametrize("process", ["sandbox", "judges"])
def test_a_dead_process_of_the_engine_costs_a_learner_nothing(examiner, cells, process, at):
    def kill():
        _kill((examiner._zygote if process == "sandbox" else examiner._judges)._process.pid)

    outcome = examiner.run(KillingOnce(cells, at, kill), warm=True)
    assert [v["score"] for v in outcome.ledger.values()] == [1.0] * 5
    assert not outcome.incidents


@pytest.mark.parametrize("at", STAGES[1:])
def test_a_dead_judge_is_replaced_and_the_submission_run_again(examiner, cells, at, monkeypatch):
    judges = []
    start = Attempt.start

    def note(self, files, judge):
        start(self, files, judge)
        judges.append(self._judge)

    monkeypatch.setattr(Attempt, "start", note)

    def kill():
        signal.pidfd_send_signal(judges[-1], signal.SIGKILL)

    outcome = examiner.run(KillingOnce(cells, at, kill), warm=True)
    assert [v["score"] for v in outcome.ledger.values()] == [1.0] * 5
    assert len(judges) == 2


@pytest.mark.parametrize(("at", "earned"), [(1, 0), (3, 1), (5, 2), (10, 4)])
def test_a_dead_kernel_keeps_what_was_earned(examiner, cells, at, earned):
    dying = [*cells[:at], Cell("die", "import os, signal\nos.kill(os.getpid(), 9)\nos._exit(9)"), *cells[at:]]
    outcome = examiner.run(dying, warm=True)
    assert sum(v["score"] for v in outcome.ledger.values()) == earned
    assert outcome.incidents[0][0] == "died"


def test_a_killed_run_goes_on_where_it_was_and_leaves_no_process(tmp_path, cells):
    for folder in ("solutions", "labs"):
        shutil.copytree(ROOT / folder / LAB, tmp_path / folder / LAB)
    for student in ("anna", "ben", "cleo"):
        notebook = json.loads((ROOT / "solutions" / LAB / f"{LAB}.ipynb").read_text(encoding="utf-8"))
        notebook["cells"] = [c for c in notebook["cells"] if "nbgrader" in c["metadata"]]
        (tmp_path / "submitted" / student / LAB).mkdir(parents=True)
        (tmp_path / "submitted" / student / LAB / f"{LAB}.ipynb").write_text(json.dumps(notebook))
    command = [sys.executable, "-m", "grading", "autograde", LAB, "--root", str(tmp_path), "--jobs", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert "11 of 11 points" in process.stdout.readline()
        family = _below(process.pid)
        process.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in family):
        assert time.monotonic() < deadline, "the run's processes outlive it"
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout.count("11 of 11 points") <= 2
    assert "kept, 0 not graded" in again.stdout
    third = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "0 graded, 3 unchanged" in third.stdout


def _below(pid):
    found = [int(c) for f in Path(f"/proc/{pid}/task").glob("*/children") for c in f.read_text().split()]
    return found + [deeper for one in found for deeper in _below(one)]
