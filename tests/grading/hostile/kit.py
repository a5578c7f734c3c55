"""What hostile submissions are made with: a small lab, a notebook to spoil, and what must happen to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LAB = "00_start_here"
FULL = 11
SECRET = "sesame-of-the-course"
CANARY = "canary-that-nobody-may-read"


def graded_part(folder: str) -> dict:
    """Lab 00 without its demonstrations: set-up, answers, checks, paragraph."""
    notebook = json.loads((ROOT / folder / LAB / f"{LAB}.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] = [c for c in notebook["cells"] if "nbgrader" in c["metadata"]]
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


class Notebook:
    """A submission in the making."""

    def __init__(self, *, solved: bool):
        self.data = graded_part("solutions" if solved else "labs")
        for cell in self.cells:
            cell["source"] = cell["source"].replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")

    @property
    def cells(self) -> list[dict]:
        return self.data["cells"]

    def find(self, id: str) -> int:
        """Where the cell ``id`` stands."""
        return next(i for i, cell in enumerate(self.cells) if cell["id"] == id)

    def cell(self, id: str) -> dict:
        """The cell ``id``."""
        return self.cells[self.find(id)]

    def add(self, source: str, after: str = "00-setup", kind: str = "code", **metadata: object) -> None:
        """Put a cell of the learner's own after the cell ``after``."""
        cell = {"cell_type": kind, "id": f"own-{len(self.cells)}", "metadata": dict(metadata), "source": source}
        if kind == "code":
            cell |= {"outputs": [], "execution_count": None}
        self.cells.insert(self.find(after) + 1, cell)

    def save(self, folder: Path) -> None:
        """Write it where nbgrader looks for it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{LAB}.ipynb").write_text(json.dumps(self.data), encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """One hostile or broken submission: what it earns and the words that its report must hold."""

    name: str
    family: str
    make: Callable[[Notebook, Path], object]
    points: float
    says: str
    solved: bool


CASES: dict[str, Case] = {}


def case(*, points: float = 0, says: str = "", solved: bool | None = None) -> Callable:
    """Register a function (notebook, folder) that spoils a submission. ``solved``: it starts from right answers."""

    def register(make: Callable[[Notebook, Path], object]) -> Callable[[Notebook, Path], object]:
        family = make.__module__.rsplit("_", 1)[-1]
        start = points > 0 if solved is None else solved
        CASES[make.__name__] = Case(make.__name__, family, make, points, says, start)
        return make

    return register


def code_case(name: str, source: str, *, points: float = 0, says: str = "", after: str = "00-setup") -> None:
    """Register a submission that runs ``source`` in a cell of its own, early on."""

    def make(notebook: Notebook, folder: Path) -> None:
        notebook.add(source, after)

    family = sys._getframe(1).f_globals["__name__"].rsplit("_", 1)[-1]
    CASES[name] = Case(name, family, make, points, says, points > 0)
