"""The lab as it was handed out, and which of its cells belong to which exercise."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from grading.exercise import find

_CHECK = re.compile(r"^(\d\d)-(\d+)-check$")


class NotOurs(Exception):
    """An assignment that this engine cannot judge."""


@dataclass(frozen=True)
class Release:
    """The lab as it was handed out: the only authority on graded cells."""

    name: str
    notebook: dict
    exercises: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Release:
        """Read a released notebook. Raises NotOurs if a graded cell cannot belong to an exercise."""
        return cls.of(path.stem, json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, name: str, notebook: dict) -> Release:
        """The released notebook ``name`` that was read already."""
        exercises = {}
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
            marks = cell["metadata"].get("nbgrader", {})
            if marks.get("grade") and not marks.get("solution"):
                exercises[marks["grade_id"]] = _exercise(marks, name)
        return cls(name, notebook, exercises)

    def verify(self) -> None:
        """Raise NotOurs if a graded cell's exercise is not in the registry, or worth something else there."""
        marks = {c["id"]: c["metadata"]["nbgrader"] for c in self.notebook["cells"] if c["id"] in self.exercises}
        for cell, id in self.exercises.items():
            try:
                points = _points(id)
            except KeyError:
                raise _not_ours(self.name, cell) from None
            if float(marks[cell]["points"]) != float(points):
                raise NotOurs(
                    f"{self.name}: {cell} is worth {marks[cell]['points']}, exercise {id} {points:g}. Run make labs."
                )

    @property
    def locked_first(self) -> int:
        """How many code cells at the head are locked: everybody's are the same."""
        count = 0
        for cell in self.notebook["cells"]:
            if cell["cell_type"] == "code":
                marks = cell["metadata"].get("nbgrader", {})
                if not marks.get("locked") or marks.get("grade"):
                    return count
                count += 1
        return count

    @property
    def setup(self) -> list[str]:
        """Sources of those cells."""
        code = [cell["source"] for cell in self.notebook["cells"] if cell["cell_type"] == "code"]
        return code[: self.locked_first]


def _points(id: str) -> float:
    """What exercise ``id`` is worth, read from its text where that says so: its import would bring every victim."""
    place = find_spec("grading.exercises")
    assert place is not None
    file = Path(next(iter(place.submodule_search_locations or ("",)))) / f"lab_{id.split('.')[0]}.py"
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("exercise"), args=[ast.Constant(value), *_], keywords=keywords) if value == id:
                for word in keywords:
                    if word.arg == "points" and isinstance(word.value, ast.Constant):
                        return float(str(word.value.value))
    return find(id).points


def _exercise(marks: dict, name: str) -> str:
    match = _CHECK.match(marks["grade_id"])
    if not match:
        raise _not_ours(name, marks["grade_id"])
    return f"{match[1]}.{match[2]}"


def _not_ours(name: str, cell: str) -> NotOurs:
    return NotOurs(
        f"{name}: the graded cell {cell!r} belongs to no exercise in grading/exercises/. This engine grades by "
        "exercises; for other assignments use nbgrader without the last line of nbgrader_config.py."
    )
