"""From solutions/ to labs/: the registry's facts go into the notebooks, then nbgrader takes the answers out."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from grading.exercise import Exercise, find, manual_task
from grading.nbgrader_settings import ROOT, apply

SOLUTIONS, LABS = ROOT / "solutions", ROOT / "labs"
_GRADE_ID = re.compile(r"^\d\d-(\d+)-(\w+)$")


def lab_folders(root: Path = SOLUTIONS) -> list[str]:
    """Names of all labs, in order: "00_start_here", …"""
    return sorted(p.name for p in root.glob("[0-9][0-9]_*") if (p / f"{p.name}.ipynb").exists())


def release_labs(names: list[str]) -> int:
    """Bring the notebooks of ``names`` (all if empty) up to date; files a learner keeps beside them stay."""
    for name in names or lab_folders():
        source = SOLUTIONS / name / f"{name}.ipynb"
        text = synced(source.read_text(encoding="utf-8"), name)
        if text != source.read_text(encoding="utf-8"):
            source.write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        generate(names or lab_folders(), Path(folder))
        for name in names or lab_folders():
            (LABS / name).mkdir(exist_ok=True)
            shutil.copyfile(Path(folder) / name / f"{name}.ipynb", LABS / name / f"{name}.ipynb")
            print(f"labs/{name}/{name}.ipynb")
    return 0


def synced(text: str, name: str) -> str:
    """``text`` of a solution notebook with ids, points, headings and nbgrader's marks as the registry says them."""
    notebook = json.loads(text)
    lab = name[:2]
    for cell in notebook["cells"]:
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k in ("tags",)}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        _mark(cell, lab)
    facts = notebook["metadata"].get("model_theft_labs", {})
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "model_theft_labs": facts,
    }
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _mark(cell: dict, lab: str) -> None:
    """Set nbgrader's metadata by the cell's id: NN-k-check is graded, NN-k-task a heading, NN-k-anything an answer."""
    if cell["id"] == f"{lab}-setup":
        cell["metadata"]["nbgrader"] = _nbgrader(cell, locked=True)
        return
    found = _GRADE_ID.match(cell["id"])
    if not found:
        return
    number, kind = found.groups()
    id = f"{lab}.{number}"
    if kind == "task":
        _write_heading(cell, find(id))
    elif kind == "check":
        cell["metadata"]["nbgrader"] = _nbgrader(cell, locked=True, grade=True, points=find(id).points)
    elif kind == "paragraph":
        task = manual_task(id)
        cell["metadata"]["nbgrader"] = _nbgrader(cell, grade=True, solution=True, points=task.points)
    else:
        cell["metadata"]["nbgrader"] = _nbgrader(cell, solution=True)


def _nbgrader(cell: dict, **marks: Any) -> dict:
    base = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
    return {**base, **marks, "grade_id": cell["id"], "cell_type": cell["cell_type"]}


def _write_heading(cell: dict, exercise: Exercise) -> None:
    points = f"{exercise.points:g} point{'s' if exercise.points != 1 else ''}"
    objectives = ", ".join(exercise.objectives)
    head = [
        f"### Exercise {exercise.id}: {exercise.title}\n",
        "\n",
        f'*{points} · about {exercise.minutes} minutes · CAS-005 {objectives} · stuck? `hint("{exercise.id}")`*\n',
    ]
    lines = "".join(cell["source"]).splitlines(keepends=True)
    body = lines[3:] if lines and lines[0].startswith("### Exercise") else ["\n", *lines]
    cell["source"] = head + body


def generate(names: list[str], folder: Path, source: Path = SOLUTIONS) -> None:
    """Run nbgrader's own generate_assignment for ``names`` into ``folder``, without a gradebook."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    for name in names:
        config = Config()
        apply(config)
        config.CourseDirectory.source_directory = str(source)
        config.CourseDirectory.release_directory = str(folder)
        config.CourseDirectory.assignment_id = name
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
        converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
        converter.log.setLevel(logging.ERROR)
        converter.start()
