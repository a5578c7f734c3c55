"""A class of honest learners: solved, untouched, half done, solved otherwise, with guesses and cells of their own."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

from benchmarks.gradebench.answers import GUESSES, OTHERWISE, OWN_CELL

ROOT = Path(__file__).resolve().parents[2]
# In sixteenths of a class. "data" looks at the lab's rows in a cell of its own, "figure" draws one with Matplotlib,
# "magic" times the learner's function: for that one every cell is run.
MIX = (
    "solved", "otherwise", "untouched", "half", "data", "solved", "tests", "otherwise", "half, otherwise", "untouched",
    "figure", "solved", "magic", "half", "otherwise",
)  # fmt: skip


def read(step: str, lab: str) -> dict[str, Any]:
    """The notebook of ``lab`` in solutions/ or labs/, sources as text."""
    notebook = json.loads((ROOT / step / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def submission(lab: str, kind: str) -> dict[str, Any]:
    """The notebook that a learner of this ``kind`` hands in."""
    made, stubs = read("solutions", lab), {c["id"]: c for c in read("labs", lab)["cells"]}
    if kind == "untouched":
        return read("labs", lab)
    answers = [c for c in made["cells"] if c["metadata"].get("nbgrader", {}).get("solution")]
    for number, cell in enumerate(answers):
        cell["source"] = re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", cell["source"])
        if ("otherwise" in kind or number % 2) and cell["id"] in OTHERWISE:
            cell["source"] = OTHERWISE[cell["id"]].strip()
        if "half" in kind and number >= len(answers) // 2:
            cell["source"] = stubs[cell["id"]]["source"]
    for cell in made["cells"]:
        guess = re.match(r'guess\("([\w-]+)", None\)', cell["source"])
        if guess:
            cell["source"] = f'guess("{guess[1]}", {GUESSES[guess[1]]})'
    if kind in OWN_CELL:
        last = max(i for i, c in enumerate(made["cells"]) if c["id"].endswith("-check"))
        cell = {"id": "own-cell", "cell_type": "code", "metadata": {}, "source": OWN_CELL[kind][lab[:2]]}
        made["cells"].insert(last, {**cell, "outputs": [], "execution_count": None})
    return made


def make(folder: Path, lab: str, count: int, *, light: bool = False) -> list[str]:
    """A course in ``folder`` with ``count`` submissions to ``lab``; returns their kinds.

    ``light``: answers and checks without the demonstrations, so that there is next to nothing to run.
    """
    kinds = [MIX[i % len(MIX)] for i in range(count)]
    if light:
        kinds = ["tests" if kind == "data" else kind for kind in kinds]
    notebooks = {f"submitted/learner{i:03}": submission(lab, kind) for i, kind in enumerate(kinds)}
    notebooks |= {step: read(step, lab) for step in ("solutions", "labs")}
    for place, notebook in notebooks.items():
        if light:
            notebook = copy.deepcopy(notebook)
            notebook["cells"] = [c for c in notebook["cells"] if "nbgrader" in c["metadata"] or c["id"] == "own-cell"]
        (folder / place / lab).mkdir(parents=True)
        (folder / place / lab / f"{lab}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return kinds
