"""Reading what a learner handed in: whatever is on disk becomes cells and findings in plain words."""

from __future__ import annotations

import base64
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST_NOTEBOOK, LARGEST_FILES, MOST_FILES, MOST_CELLS = 40 << 20, 8 << 20, 200, 2_000


@dataclass(frozen=True)
class Finding:
    """Something about a submission: ``kind`` for tables, ``words`` for people. ``cell`` names it, where one does.

    Repairs cost nothing; ``serious`` findings are why points are missing.
    """

    kind: str
    words: str
    cell: str = ""
    serious: bool = False


@dataclass
class Submission:
    """What was read: raw cells in order, other files by name (base64), findings, and the bytes that were judged."""

    cells: list[dict] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    content: bytes = b""
    readable: bool = False


def read(folder: Path, name: str) -> Submission:
    """Read the notebook ``name``.ipynb and the files beside it from a learner's ``folder``."""
    found = Submission()
    place = _locate(folder, name, found)
    if place is None:
        return found
    data = _read_file(place, folder, LARGEST_NOTEBOOK)
    if isinstance(data, str):
        found.findings.append(Finding("unreadable file", f"{place.name} {data}", serious=True))
        return found
    found.content = data
    read_text(data, found)
    _read_others(folder, place, found)
    return found


def read_text(data: bytes, found: Submission) -> None:
    """Take the cells out of a notebook's bytes, of any age and in any state."""
    try:
        raw = json.loads(data.decode("utf-8-sig"))
        cells = raw.get("cells")
        if cells is None and isinstance(raw.get("worksheets"), list):
            cells = [_modern(c) for sheet in raw["worksheets"] for c in sheet["cells"]]
            found.findings.append(
                Finding("old format", "The notebook is in a format from before 2015; it was converted.")
            )
        if not isinstance(cells, list):
            raise TypeError
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        words = (
            "The file is no notebook any more (its JSON is broken). Open it in JupyterLab, save it, hand it in again."
        )
        found.findings.append(Finding("broken notebook", words, serious=True))
        return
    if len(cells) > MOST_CELLS:
        found.findings.append(
            Finding("too many cells", f"It has {len(cells):,} cells; the first {MOST_CELLS:,} were read.")
        )
    found.cells = [cell for cell in map(_cell, cells[:MOST_CELLS]) if cell is not None]
    dropped = min(len(cells), MOST_CELLS) - len(found.cells)
    if dropped:
        found.findings.append(Finding("broken cells", f"{dropped} of its cells were no cells and were left out."))
    found.readable = True


def _cell(raw: Any) -> dict | None:
    """A cell held to shape: type, text, id, and nbgrader's label if it carries one."""
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = raw.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return None
    metadata = raw.get("metadata")
    label = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    label = label.get("grade_id") if isinstance(label, dict) else None
    # Lone surrogates cannot be written to any file again.
    source = source.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    return {
        "cell_type": raw["cell_type"],
        "source": source,
        "id": raw["id"] if isinstance(raw.get("id"), str) else "",
        "label": label if isinstance(label, str) else "",
    }


def _modern(cell: Any) -> dict:
    kind = cell["cell_type"]
    if kind == "heading":
        return {**cell, "cell_type": "markdown"}
    return {**cell, "source": cell.get("input", cell.get("source", ""))}


def _locate(folder: Path, name: str, found: Submission) -> Path | None:
    """The learner's notebook: by its name, else the only one there."""
    place = folder / f"{name}.ipynb"
    if os.path.lexists(place):
        return place
    others = sorted(p for p in folder.glob("*.ipynb") if p.is_file()) if folder.is_dir() else []
    if not others:
        words = f"There is no notebook in this submission; {name}.ipynb was expected."
        found.findings.append(Finding("missing notebook", words, serious=True))
        return None
    words = f"The notebook is called {others[-1].name} instead of {name}.ipynb; it was graded all the same."
    if len(others) > 1:
        words += f" There are {len(others)} notebooks; the last by name was taken."
    found.findings.append(Finding("renamed notebook", words))
    return others[-1]


def _read_file(place: Path, folder: Path, most: int) -> bytes | str:
    """Its bytes; or why not, in words that go on after its name. Links out of the folder are not followed."""
    try:
        real = Path(os.path.realpath(place))
        if not real.is_relative_to(os.path.realpath(folder)):
            return "is a link to a file outside the submission; it was not read."
        handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            os.close(handle)
            return "is no ordinary file; it was not read."
        with os.fdopen(handle, "rb") as file:
            if facts.st_size > most:
                return f"has {facts.st_size >> 20:,} MB; a graded run reads up to {most >> 20} MB."
            return file.read(most + 1)[:most]
    except OSError as error:
        return f"cannot be read ({error.strerror})."


def _read_others(folder: Path, notebook: Path, found: Submission) -> None:
    """Files beside the notebook, for the learner's own code to read; no library can be replaced by one."""
    room = LARGEST_FILES
    for path, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [f for f in folders if not f.startswith((".", "__pycache__"))]
        for name in sorted(names):
            place = Path(path) / name
            if place == notebook or name in ("timestamp.txt",) or name.startswith(".") or name.endswith(".ipynb"):
                continue
            data = _read_file(place, folder, room)
            if isinstance(data, str) or len(found.files) >= MOST_FILES:
                why = data if isinstance(data, str) else "is one file too many and was left out."
                found.findings.append(Finding("file left out", f"{name[:80]} {why}"))
                if len(found.findings) > 20:
                    return
                continue
            room -= len(data)
            found.files[str(place.relative_to(folder))] = base64.b64encode(data).decode()
            found.content += b"\0" + name.encode("utf-8", "replace") + b"\0" + data
