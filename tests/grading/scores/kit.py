"""One lab's honest submissions, graded twice: by stock nbgrader and by this engine, with the same private draws.

Stock nbgrader runs a notebook in a plain kernel, and the judge there is the kernel's own (self-study's), with the
course's secret and the learner's name in its environment.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from tools.by_path import load

ROOT = Path(__file__).resolve().parents[3]
ANSWERS = Path(__file__).parents[1] / "answers"
SECRET = "same draws for both"
LABS = sorted(place.parent.name for place in ROOT.glob("solutions/[0-9][0-9]_*/*.ipynb"))
STOCK = """
import logging, os, sys
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from grading.nbgrader_settings import apply

root, lab, *students = sys.argv[1:]

def convert(kind, student):
    config = Config()
    apply(config)
    config.CourseDirectory.root, config.CourseDirectory.assignment_id = root, lab
    config.CourseDirectory.student_id = student
    converter = kind(coursedir=CourseDirectory(config=config), config=config)
    converter.log.setLevel(logging.ERROR)
    converter.start()

convert(GenerateAssignment, ".")
for student in students:
    os.environ["MODEL_THEFT_LABS_LEARNER"] = student
    convert(Autograde, student)
"""


def assert_equal_grades(lab: str, folder: Path) -> None:
    """Both give the same, the solution everything, the untouched release nothing, and mixed ones a part."""
    stock, engine = grades_of(lab, folder)
    assert engine == stock
    machine = {key: value for key, value in stock.items() if key[1].endswith("-check")}
    assert all(points == most for (who, _), (points, most) in machine.items() if who == "solved")
    assert all(points == 0 for (who, _), (points, _) in machine.items() if who == "untouched")
    for turn in ("mixed 0", "mixed 1"):
        right = [points == most for (who, _), (points, most) in machine.items() if who == turn]
        assert any(right)
        assert not all(right)


def grades_of(lab: str, folder: Path) -> tuple[dict, dict]:
    """{(learner, cell): (points, most)} by stock nbgrader and by the engine."""
    made = submissions(lab)
    for course in ("stock", "engine"):
        _write(folder / course / "solutions" / lab, _notebook("solutions", lab))
        for student, notebook in made.items():
            _write(folder / course / "submitted" / student / lab, notebook)
    _write(folder / "engine" / "labs" / lab, _notebook("labs", lab))
    _run(folder, [sys.executable, "-c", STOCK, str(folder / "stock"), lab, *made])
    _run(folder, [sys.executable, "-m", "grading", "autograde", lab, "--root", str(folder / "engine")])
    return _read(folder / "stock", lab), _read(folder / "engine", lab)


def submissions(lab: str) -> dict[str, dict]:
    """The solution, the release as it is, and two that mix right answers of another hand with named wrong ones."""
    return {
        "solved": _plain(_notebook("solutions", lab)), "untouched": _notebook("labs", lab),
        "mixed 0": _mixed(lab, 0), "mixed 1": _mixed(lab, 1),
    }  # fmt: skip


def _notebook(step: str, lab: str) -> dict:
    """Set-up, answers, checks and paragraphs of a lab; demonstrations are what the notebooks' own tests run."""
    notebook = json.loads((ROOT / step / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def _plain(notebook: dict) -> dict:
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")
    return notebook


def _mixed(lab: str, turn: int) -> dict:
    """Exercises in turns: a right answer, the last of the table; a wrong one, another in each lab."""
    notebook, text = _notebook("labs", lab), (ANSWERS / f"lab_{lab[:2]}.py").read_text(encoding="utf-8")
    table = _tables(lab)
    answer, first = None, True
    for cell in notebook["cells"]:
        marks = cell["metadata"]["nbgrader"]
        if cell["cell_type"] == "code" and marks["solution"]:
            answer = cell
        elif cell["cell_type"] == "code" and marks["grade"]:
            id, name = _checked(cell["source"])
            names = list(table.WRONG[id] if (int(id[3:]) + turn) % 2 else table.RIGHT[id])
            chosen = names[int(lab[:2]) % len(names)] if (int(id[3:]) + turn) % 2 else names[-1]
            what = f"WRONG[{id!r}][{chosen!r}][0]" if (int(id[3:]) + turn) % 2 else f"RIGHT[{id!r}][{chosen!r}]"
            answer["source"] = (_module(text) if first else "") + f"{name} = answers.{what}"
            first = False
    return notebook


def _module(text: str) -> str:
    """A cell's source that makes a module ``answers`` of ``text``; its names stay out of the notebook's way."""
    made = "import sys, types\nanswers = sys.modules['answers'] = types.ModuleType('answers')\n"
    return f"{made}exec({text!r}, answers.__dict__)\n"


def _checked(source: str) -> tuple[str, str]:
    """Exercise and name of the answer in a line such as check("00.1", decide)."""
    call = ast.parse(source).body[-1].value
    return call.args[0].value, call.args[1].id


def _tables(lab: str):
    return load(f"scores_of_{lab[:2]}", ANSWERS / f"lab_{lab[:2]}.py")


def _write(folder: Path, notebook: dict) -> None:
    folder.mkdir(parents=True)
    (folder / f"{folder.name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def _run(folder: Path, command: list[str]) -> None:
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
        "MODEL_THEFT_LABS_SECRET": SECRET, "MODEL_THEFT_LABS_HOME": str(folder / "home"), "MTL_CACHE": "off",
    }  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


def _read(course: Path, lab: str) -> dict:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        return {
            (made.student.id, grade.name): (grade.auto_score, grade.max_score)
            for made in book.assignment_submissions(lab)
            for one in made.notebooks
            for grade in one.grades
        }
