"""A result that came over a network, held to shape before it goes anywhere."""

from __future__ import annotations

import math
from typing import Any

from grading.engine.grade import Graded
from grading.engine.released import Release
from grading.engine.submission import Finding

MOST_FINDINGS, LONGEST = 2_000, 2_000


def received(data: Any, release: Release, student: str, content: str) -> Graded:
    """The result in ``data`` for ``student``. Raises ValueError with what no worker of ours sends."""
    if not isinstance(data, dict) or data.get("student") != student:
        raise ValueError("a worker answered with something else than this learner's result")
    points = {id: _points(release, cell) for cell, id in release.exercises.items()}
    scores = data.get("scores")
    if data.get("points") != points or not isinstance(scores, dict) or set(scores) != set(points):
        raise ValueError("a worker's result names other exercises than the lab's")
    for id, score in scores.items():
        if not _is_number(score) or not 0 <= score <= points[id]:
            raise ValueError(f"a worker gave {str(score)[:20]} points for exercise {id}, which has {points[id]:g}")
    walls, seconds = data.get("walls"), data.get("seconds")
    if not isinstance(walls, list) or not isinstance(seconds, (int, float)):
        raise ValueError("a worker's result lacks its walls or its seconds")
    notebook = _notebook(data.get("notebook"), release)
    return Graded(
        student, content, {id: float(s) for id, s in scores.items()}, points, _findings(data.get("findings")),
        [str(wall)[:200] for wall in walls[:20]], float(seconds), notebook,
    )  # fmt: skip


def _points(release: Release, cell: str) -> float:
    return float(next(c["metadata"]["nbgrader"]["points"] for c in release.notebook["cells"] if c["id"] == cell))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _findings(raw: Any) -> list[Finding]:
    if not isinstance(raw, list):
        raise ValueError("a worker's result lacks its findings")
    found = []
    for one in raw[:MOST_FINDINGS]:
        if not isinstance(one, dict) or set(one) != {"kind", "words", "cell", "serious"}:
            raise ValueError("a worker's result holds a malformed finding")
        kind, words, cell = (str(one[name])[:LONGEST] for name in ("kind", "words", "cell"))
        found.append(Finding(kind, words, cell, one["serious"] is True))
    return found


def _notebook(raw: Any, release: Release) -> dict:
    """The lab's own frame, with the cells that came; every locked cell must still say what the lab says."""
    cells = raw.get("cells") if isinstance(raw, dict) else None
    if not isinstance(cells, list) or not all(map(_is_cell, cells)):
        raise ValueError("a worker's result holds no notebook")
    there = {cell["id"]: cell for cell in cells}
    for cell in release.notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("locked"):
            came = there.get(cell["id"], {})
            if any(came.get(part) != cell[part] for part in ("source", "metadata", "cell_type")):
                raise ValueError(f"a worker's result changed the lab's cell {cell['id']}")
    return {**{key: value for key, value in release.notebook.items() if key != "cells"}, "cells": cells}


def _is_cell(cell: Any) -> bool:
    return (
        isinstance(cell, dict)
        and cell.get("cell_type") in ("code", "markdown", "raw")
        and isinstance(cell.get("id"), str)
        and isinstance(cell.get("source"), str)
        and isinstance(cell.get("metadata"), dict)
        and (cell["cell_type"] != "code" or isinstance(cell.get("outputs"), list))
    )
