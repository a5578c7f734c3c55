"""The ways to grade one class: our engine, stock nbgrader in batch, otter-grader two at a time. Each from nothing."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gradebench import environment
from benchmarks.gradebench.classes import ROOT, read
from grading.exercise import find

# Stock nbgrader with the course's settings, without the line that puts its command on our engine.
STOCK = "from grading.nbgrader_settings import apply\nc = get_config()\napply(c)\n"
# otter's tests ask the judge in the notebook's process, as the check cells do under stock nbgrader; full marks or none.
OTTER_TEST = """
OK_FORMAT = True
test = {{"name": "{name}", "points": {points}, "suites": [{{"cases": [{{"code": r'''
>>> from labkit import check
>>> check("{exercise}", {answer}).score == 1.0
True
'''}}], "scored": True, "type": "doctest", "setup": "", "teardown": ""}}]}}
"""


@dataclass
class Run:
    """Wall and CPU seconds of the whole class, with all that was started, and the points by learner."""

    wall: float
    cpu: float
    points: dict[str, float] = field(default_factory=dict)


def variables() -> dict[str, str]:
    """What every way runs under: one thread, commands of this environment, the target in the notebook's process.

    The last spares the other graders the start of a server for each submission; ours does not look at it.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    made = {k: v for k, v in os.environ.items() if not k.startswith("MODEL_THEFT_LABS_")}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**made, **threads, "PATH": path, "MODEL_THEFT_LABS_OPENER": "grading.openers:wsgi"}


def ours(course: Path, lab: str, *options: str) -> Run:
    """``python -m grading autograde``: all cores, sandboxes, the judge outside."""
    command = [sys.executable, "-m", "grading", "autograde", lab, "--root", str(course), *options]
    return _timed([command], ROOT, lambda: _gradebook(course))


def stock(course: Path, lab: str) -> Run:
    """``nbgrader autograde`` for the whole class in one process; the lab is in its gradebook before."""
    (course / "nbgrader_config.py").write_text(f"{STOCK}c.CourseDirectory.root = {str(course)!r}\n", encoding="utf-8")
    nbgrader = [sys.executable, "-m", "nbgrader"]
    made = [*nbgrader, "generate_assignment", lab, "--force"]
    subprocess.run(made, cwd=course, env=variables(), check=True, capture_output=True)
    return _timed([[*nbgrader, "autograde", lab]], course, lambda: _gradebook(course))


def otter(course: Path, lab: str) -> Run:
    """``otter run`` for each submission, two processes at a time: what it offers where there is no Docker."""
    archive = _otter_tests(course, lab)
    commands, results = [], {}
    for folder in sorted((course / "submitted").iterdir()):
        place = course / "otter" / folder.name
        place.mkdir(parents=True)
        _for_otter(folder / lab / f"{lab}.ipynb", place / f"{lab}.ipynb")
        results[folder.name] = place / "results.json"
        command = [str(environment.OTTER), "run", "--no-logo", "-a", str(archive), "-o", str(place)]
        commands.append([*command, str(place / f"{lab}.ipynb")])
    return _timed(commands, course, lambda: {name: _otter_points(file) for name, file in results.items()})


def _timed(commands: list[list[str]], folder: Path, points: Callable[[], dict[str, float]]) -> Run:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda command: _ran(command, folder), commands))
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if failed := next((d for d in done if d.returncode), None):
        raise SystemExit(f"{' '.join(failed.args)} failed:\n{failed.stdout[-1000:]}\n{failed.stderr[-2000:]}")
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, points())


def _ran(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=variables(), capture_output=True, text=True, check=False)


def _gradebook(course: Path) -> dict[str, float]:
    """Points that the machine gave, by learner."""
    query = (
        "select sa.student_id, sum(g.auto_score) from grade g join submitted_notebook n on g.notebook_id = n.id "
        "join submitted_assignment sa on n.assignment_id = sa.id group by sa.student_id"
    )
    with sqlite3.connect(course / "gradebook.db") as book:
        return {student: round(points or 0.0, 2) for student, points in book.execute(query)}


def _checks(lab: str) -> list[tuple[str, str, str]]:
    """(cell, exercise, answer's name) of every check cell."""
    cells = [c for c in read("labs", lab)["cells"] if c["id"].endswith("-check")]
    return [(c["id"], *_arguments(c["source"])) for c in cells]


def _arguments(source: str) -> tuple[str, str]:
    exercise, answer = source.strip().removeprefix("check(").removesuffix(")").split(", ")
    return exercise.strip('"'), answer


def _otter_tests(course: Path, lab: str) -> Path:
    tests = course / "otter-tests"
    shutil.rmtree(tests, ignore_errors=True)
    tests.mkdir()
    for cell, exercise, answer in _checks(lab):
        name = cell.replace("-", "_")
        text = OTTER_TEST.format(name=name, points=find(exercise).points, exercise=exercise, answer=answer)
        (tests / f"{name}.py").write_text(text, encoding="utf-8")
    archive = course / "autograder.zip"
    made = [str(environment.OTTER), "generate", "-t", str(tests), "-o", str(archive), "--no-environment"]
    made += ["--no-requirements", "--no-config"]
    subprocess.run(made, cwd=course, env=variables(), check=True, capture_output=True)
    return archive


def _for_otter(source: Path, target: Path) -> None:
    """The same notebook with otter's calls in place of our check cells."""
    notebook = json.loads(source.read_text(encoding="utf-8"))
    first = 'import otter\ngrader = otter.Notebook(tests_dir="./tests")'
    cell: dict[str, Any] = {
        "id": "otter",
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": first,
    }
    for one in notebook["cells"]:
        if one["id"].endswith("-check"):
            one["source"] = f'grader.check("{one["id"].replace("-", "_")}")'
    notebook["cells"].insert(0, cell)
    target.write_text(json.dumps(notebook), encoding="utf-8")


def _otter_points(file: Path) -> float:
    tests = json.loads(file.read_text(encoding="utf-8"))["tests"]
    return round(sum(test.get("score", 0.0) for test in tests if test["name"] != "Public Tests"), 2)
