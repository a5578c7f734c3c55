"""Which cells of a submission its grade cannot depend on, so that they need not be run.

Code cells are bridges between the global names that they touch. Answers and checks stand on the mainland. Any other
cell, the lab's demonstration or the learner's own, is left out if no bridge, over any number of cells, leads from its
names to the mainland: then nothing that it makes, changes or asks can be seen there. A cell of the learner's own is run
all the same unless it needs what a demonstration that is left out makes. Tools do not carry: functions, classes and
modules that the locked head imports from packages that keep nothing between calls. A demonstration that changes a
setting of the whole process or cannot be read stands on the mainland itself, as one that calls the learner's code does
by its name. An answer or a learner's cell that cannot be read means that every cell is run; touches.py says when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grading.engine.touches import DOORS, STATEFUL, STATELESS, Touches, is_builtin, touches

MAINLAND = "*"


@dataclass(frozen=True)
class _Cell:
    """A code cell as it is read here. ``role``: head, check, answer, own (the learner's) or demonstration."""

    id: str
    role: str
    read: Touches


def left_out(cells: Iterable[dict[str, Any]], released: dict[str, dict[str, Any]], head: int) -> frozenset[str]:
    """Ids of the code cells in ``cells`` (a mended notebook's) that no grade depends on.

    ``released`` are the lab's cells by id; ``head`` is how many code cells the locked head has, untouched.
    """
    code = [_read(cell, released, i < head) for i, cell in enumerate(c for c in cells if c["cell_type"] == "code")]
    last = max((i for i, cell in enumerate(code) if cell.role not in ("head", "demonstration")), default=-1)
    after = {cell.id for cell in code[last + 1 :] if cell.role == "demonstration"}
    # After the last graded or changed cell nothing is left that could see what the others do.
    code = code[: last + 1]
    tools = _tools(code)
    if not head or not all(_says_all(cell, tools) for cell in code if cell.role != "demonstration"):
        return frozenset()
    bridges = {cell.id: _bridge(cell, tools, code) for cell in code}
    mainland = _connected({MAINLAND}, bridges.values())
    apart = [cell for cell in code if cell.role in ("demonstration", "own") and not bridges[cell.id] & mainland]
    shown = [cell for cell in apart if cell.role == "demonstration"]
    made = {name for cell in shown for name in _given(cell)}
    around = [bridges[cell.id] for cell in apart]
    needy = {c.id for c in apart if c.role == "own" and _connected(bridges[c.id], around) & made}
    return frozenset(after | {cell.id for cell in shown} | needy)


def _read(cell: dict[str, Any], released: dict[str, dict[str, Any]], in_head: bool) -> _Cell:
    original = released.get(cell["id"])
    changed = original is None or original["source"] != cell["source"]
    marks = original["metadata"].get("nbgrader", {}) if original else {}
    if in_head:
        role = "head"
    elif marks.get("solution"):
        role = "answer"
    elif changed:
        role = "own"
    else:
        role = "check" if marks.get("grade") else "demonstration"
    return _Cell(cell["id"], role, touches(cell["source"], learners=changed))


def _says_all(cell: _Cell, tools: frozenset[str]) -> bool:
    """Whether the text of a cell that is run anyway says all that it may touch."""
    return not cell.read.unreadable and not cell.read.alters & tools


def _bridge(cell: _Cell, tools: frozenset[str], code: Sequence[_Cell]) -> frozenset[str]:
    """The names that this cell connects."""
    names = cell.read.names - tools
    if cell.role == "head":
        return names
    names |= {name for name, _ in cell.read.imports} - tools
    if cell.role == "own":
        return names
    if cell.role == "demonstration":
        return names if _says_all(cell, tools) else names | {MAINLAND}
    if cell.role == "check" and not any("check" in _given(one) for one in code if one.role != "head"):
        # It asks for a fresh world, whatever was asked before: who else calls check is all the same to it.
        names -= {"check"}
    return names | {MAINLAND}


def _given(cell: _Cell) -> set[str]:
    """Names that this cell gives a meaning."""
    return {*cell.read.binds, *(name for name, _ in cell.read.imports)}


def _tools(code: Sequence[_Cell]) -> frozenset[str]:
    """Names that mean the same stateless thing in every cell: imported by the head, or Python's own."""
    bound = {name for cell in code for name in cell.read.binds}
    imports = [pair for cell in code for pair in cell.read.imports]
    head = {pair for cell in code if cell.role == "head" for pair in cell.read.imports if _is_stateless(pair[1])}
    imported = {name for name, origin in head if all(other == origin for same, other in imports if same == name)}
    known = {name for name, _ in imports}
    own = {name for cell in code for name in cell.read.names if is_builtin(name) and name not in known}
    return frozenset((imported | own) - bound)


def _is_stateless(origin: str) -> bool:
    module, _, name = origin.partition(":")
    parts = {*module.split("."), name}
    # A constant in capitals may be a list or a dictionary, which any cell could change.
    return module.split(".")[0] in STATELESS and not parts & (STATEFUL | DOORS) and not name.isupper()


def _connected(start: Iterable[str], bridges: Iterable[frozenset[str]]) -> set[str]:
    """All names that bridges lead to from those in ``start``."""
    reached, bridges = set(start), list(bridges)
    while True:
        crossing = [bridge for bridge in bridges if bridge & reached and not bridge <= reached]
        if not crossing:
            return reached
        reached = reached.union(*crossing)
