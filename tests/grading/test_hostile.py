"""The hostile corpus through both commands: no unearned point, no honest point lost, nothing left behind."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.by_path import load

HERE = Path(__file__).parent / "hostile"
OUTSIDE = Path("/tmp/hostile-was-here")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's"),
]


kit = load("hostile_kit", HERE / "kit.py")
for family in sorted(HERE.glob("*.py")):
    if family.stem != "kit":
        load(f"hostile_{family.stem}", family)
CHOSEN = os.environ.get("HOSTILE_CASES", "").split() or list(kit.CASES)
# In a tag, not in a listing of the learner's own source.
ACTING = [re.compile(p, re.IGNORECASE) for p in (
    r"<script>\s*alert", r"<[a-z]+[^<>]*\son(error|load)=", r"<iframe", r"<form", r"<[a-z]+[^<>]*javascript:",
)]  # fmt: skip
HONEST = ("aaa honest", "mmm honest", "zzz honest")


def make_course(course):
    """A course with the small lab, every hostile submission, and honest ones before, between and after."""
    for folder in ("solutions", "labs"):
        place = course / folder / kit.LAB
        place.mkdir(parents=True)
        notebook = kit.graded_part(folder)
        notebook["cells"][0]["source"] += f"\n# {kit.CANARY}" if folder == "solutions" else ""
        (place / f"{kit.LAB}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (course / "secret.txt").write_text(kit.CANARY)
    for name in CHOSEN:
        case = kit.CASES[name]
        folder = course / "submitted" / name / kit.LAB
        notebook = kit.Notebook(solved=case.solved)
        if case.make(notebook, folder) != "made":
            notebook.save(folder)
    for name in HONEST:
        kit.Notebook(solved=True).save(course / "submitted" / name / kit.LAB)


def grade(command, course):
    """Run one of the two commands over the course; returns what it printed."""
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1", "MODEL_THEFT_LABS_SECRET": kit.SECRET, "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    ours = ["grading", "autograde", kit.LAB, "--root", str(course), "--cell-seconds", "10"]
    stock = ["nbgrader", "autograde", kit.LAB, f"--CourseDirectory.root={course}", "--Execute.timeout=10"]
    done = subprocess.run(
        [sys.executable, "-m", *(ours if command == "grading" else stock)],
        cwd=kit.ROOT, env=environment, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=["grading", "nbgrader"])
def graded(request, tmp_path_factory):
    """The course after grading: its folder, {student: points} from the gradebook, what the command said."""
    course = tmp_path_factory.mktemp("course")
    make_course(course)
    before = set(_processes())
    said = grade(request.param, course)
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        scores = {s.student.id: sum(g.auto_score or 0 for n in s.notebooks for g in n.grades)
                  for s in book.assignment_submissions(kit.LAB)}  # fmt: skip
    return course, scores, said, set(_processes()) - before


def _processes():
    """Processes of the uids that submissions run under, or that hold a hostile word."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            uid, command = folder.stat().st_uid, (folder / "cmdline").read_bytes()
        except OSError:
            continue
        suspicious = 61_000 <= uid < 62_000 or b"hostile-sleeper" in command or b"inside.zygote" in command
        if suspicious and not _belongs_to_a_test_under_way(int(folder.name)):
            yield folder.name


def _belongs_to_a_test_under_way(process):
    """What a run leaves behind has lost its parents; what another worker's test is using has not."""
    while process > 1:
        try:
            if b"pytest" in Path(f"/proc/{process}/cmdline").read_bytes():
                return True
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            return False
        process = int(re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)[1])
    return False


@pytest.mark.parametrize("name", CHOSEN)
def test_it_earns_what_it_deserves_and_the_report_says_why(graded, name):
    course, scores, _, _ = graded
    case = kit.CASES[name]
    with (course / ".model-theft-labs" / "graded" / f"{kit.LAB}.csv").open(encoding="utf-8") as file:
        row = next(r for r in csv.DictReader(file) if r["learner"] == name)
    assert scores[name] == case.points, row
    place = course / "autograded" / name / kit.LAB / f"{kit.LAB}.ipynb"
    cells = json.loads(place.read_text(encoding="utf-8"))["cells"]
    report = cells[0]["source"] if cells[0]["id"] == "examiner-says" else ""
    assert case.says in report + row["wrong with the file"], row
    # A traceback shows its source, the word included.
    shown = [o for cell in cells for o in cell.get("outputs", []) if o["output_type"] != "error"]
    assert "LEAK" not in json.dumps(shown)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_neighbour_gets_full_marks(graded, name):
    assert graded[1][name] == kit.FULL


def test_nothing_is_left_behind(graded):
    course, scores, _, processes = graded
    assert not processes
    assert not OUTSIDE.exists()
    assert not OUTSIDE.with_suffix(".sqlite").exists()
    assert set(scores) == {*CHOSEN, *HONEST}
    left = {p.name for p in (course / "autograded").rglob("*") if p.is_file()}
    assert left == {f"{kit.LAB}.ipynb"}


def test_feedback_acts_on_nobody_and_holds_no_secret(graded):
    course = graded[0]
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_feedback", kit.LAB, f"--CourseDirectory.root={course}"],
        cwd=kit.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    pages = {p.parts[-3]: p.read_text(encoding="utf-8") for p in (course / "feedback").rglob("*.html")}
    assert len(pages) == len(graded[1])
    for student, page in pages.items():
        for acting in ACTING:
            assert not acting.search(page), (student, acting.pattern)
        if student != "reads_every_file":  # which carries the words in its own source
            assert kit.CANARY not in page
            assert "BEGIN SOLUTION" not in page


def test_the_corpus_is_large_enough():
    assert len(kit.CASES) >= 60
    assert len({case.family for case in kit.CASES.values()}) >= 7
