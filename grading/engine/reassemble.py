"""The clean release with a learner's answers put in: copied, split, moved, deleted, retyped and renamed cells mended.

The release decides which cells are graded, what they say and what they are worth; of the submission only answers and
cells of the learner's own are taken.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from grading.engine.attempt import Cell
from grading.engine.islands import left_out
from grading.engine.released import Release
from grading.engine.submission import Finding, Submission


@dataclass
class Assembled:
    """The mended notebook, its code cells to run, and what had to be mended."""

    cells: list[dict]
    findings: list[Finding] = field(default_factory=list)
    locked: int = 0
    exercises: dict[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    def to_run(self) -> list[Cell]:
        """Its code cells, each with the exercise it may score, and whether any score may depend on it."""
        code = [c for c in self.cells if c["cell_type"] == "code"]
        return [
            Cell(c["id"], c["source"], self.exercises.get(c["id"]), number, c["id"] not in self.left_out)
            for number, c in enumerate(code, 1)
        ]


def reassemble(release: Release, submission: Submission) -> Assembled:
    """Put the learner's answers into the release."""
    return _Assembly(release, submission).result()


class _Assembly:
    def __init__(self, release: Release, submission: Submission):
        self.release, self.given = release, submission.cells
        self.findings = list(submission.findings)
        self.known = {c["id"]: c for c in release.notebook["cells"]}
        self.by_label: dict[str, list[int]] = {}
        for i, cell in enumerate(self.given):
            label = cell["label"] if cell["label"] in self.known else cell["id"]
            # A second copy of an unlabelled cell is the learner's own.
            if label in self.known and (_marks(self.known[label]) or label not in self.by_label):
                self.by_label.setdefault(label, []).append(i)
        self.used: set[int] = {i for places in self.by_label.values() for i in places}

    def result(self) -> Assembled:
        answers = {id: self._answer(cell) for id, cell in self.known.items() if _marks(cell).get("solution")}
        self._look_at_order()
        cells = []
        extras = self._extras()
        cells += extras.pop("", [])
        for id, cell in self.known.items():
            made = self._place(cell, answers)
            if made is not None:
                cells.append(made)
            cells += extras.pop(id, [])
        # Set-up cells run once for everybody only while nothing of the learner's stands before them.
        head = [c["id"] for c in cells if c["cell_type"] == "code"][: self.release.locked_first]
        locked = self.release.locked_first if all(not i.startswith("added-") for i in head) else 0
        unneeded = left_out(cells, self.known, locked)
        return Assembled(cells, self.findings, locked, self.release.exercises, unneeded)

    def _place(self, cell: dict, answers: dict[str, str | None]) -> dict | None:
        """What stands for a cell of the release in the mended notebook; None if the learner took it out."""
        marks, id = _marks(cell), cell["id"]
        made = {k: v for k, v in cell.items() if k not in ("outputs", "execution_count")}
        made["metadata"] = dict(cell["metadata"])
        if marks.get("solution"):
            made["source"] = cell["source"] if answers[id] is None else answers[id]
        elif marks or cell["cell_type"] != "code":
            self._look_at_locked(cell)
        else:
            places = self.by_label.get(id)
            if not places:
                return None
            made["source"] = self.given[places[-1]]["source"]
        return made

    def _answer(self, cell: dict) -> str | None:
        """The learner's text for an answer cell; None for the stub."""
        id = cell["id"]
        places = self.by_label.get(id, [])
        texts = [self.given[i] for i in places]
        if not texts:
            adopted = self._adopt(cell)
            if adopted is None and self.given:
                self._find(
                    "missing cell",
                    "This answer cell was missing; it was put back empty, so it earns nothing.",
                    id,
                    True,
                )
            return adopted
        if any(t["cell_type"] != cell["cell_type"] for t in texts):
            self._find(
                "retyped cell",
                f"This cell had become a {texts[0]['cell_type']} cell; it was read as {cell['cell_type']}.",
                id,
            )
        if len(texts) == 1:
            return texts[0]["source"]
        return self._merge(cell, [t["source"] for t in texts])

    def _merge(self, cell: dict, texts: list[str]) -> str:
        """One answer of several cells with the same label: pieces of a split are joined, of copies the last counts."""
        name = _defined(cell["source"])
        whole = [t for t in texts if t.strip() and (name is None or name in _definitions(t))]
        joined = "\n".join(texts)
        if cell["cell_type"] != "code" or (len(whole) <= 1 and _parses(joined)):
            self._find("split cell", f"This answer stood in {len(texts)} cells; they were joined.", cell["id"])
            return joined if cell["cell_type"] == "code" else "\n\n".join(dict.fromkeys(texts))
        edited = [t for t in whole if t.strip() != cell["source"].strip()] or whole or texts
        self._find(
            "copied cell",
            f"This answer stood in {len(texts)} cells with the same label; the last one counts.",
            cell["id"],
        )
        return edited[-1]

    def _adopt(self, cell: dict) -> str | None:
        """A cell that lost its label but defines what this answer cell should."""
        name = _defined(cell["source"])
        for i in range(len(self.given) - 1, -1, -1):
            text = self.given[i]["source"]
            if name and i not in self.used and name in _definitions(text):
                self.used.add(i)
                self.by_label[cell["id"]] = [i]
                self._find(
                    "label lost", f"This cell had lost its label; it was found by its function {name}.", cell["id"]
                )
                return text
        return None

    def _look_at_locked(self, cell: dict) -> None:
        marks, id = _marks(cell), cell["id"]
        if not marks or not self.given:
            return
        places = self.by_label.get(id, [])
        kind = "check" if marks.get("grade") else "set-up"
        if not places:
            self._find(f"missing {kind} cell", f"The {kind} cell was missing; it was put back.", id)
        elif len(places) > 1:
            self._find(f"copied {kind} cell", f"The {kind} cell stood there {len(places)} times; one was kept.", id)
        if any(self.given[i]["source"].strip() != cell["source"].strip() for i in places):
            self._find(f"edited {kind} cell", f"The {kind} cell had been changed; the original was run.", id)

    def _look_at_order(self) -> None:
        order = {id: n for n, id in enumerate(self.known)}
        labelled = [(places[0], order[id]) for id, places in self.by_label.items() if _marks(self.known[id])]
        wanted = [n for _, n in sorted(labelled)]
        if wanted != sorted(wanted):
            self._find("moved cells", "Some cells had been moved; they were run in the lab's order.")

    def _extras(self) -> dict[str, list[dict]]:
        """The learner's own cells, by the release's cell they follow; without any label, so that none is graded."""
        extras: dict[str, list[dict]] = {}
        anchor = ""
        place = {i: id for id, places in self.by_label.items() for i in places}
        for i, cell in enumerate(self.given):
            if i in place:
                anchor = place[i]
            elif i not in self.used:
                made: dict[str, Any] = {"id": f"added-{i}", "cell_type": cell["cell_type"], "metadata": {}}
                extras.setdefault(anchor, []).append({**made, "source": cell["source"]})
        return extras

    def _find(self, kind: str, words: str, cell: str = "", serious: bool = False) -> None:
        self.findings.append(Finding(kind, words, cell, serious))


def _marks(cell: dict) -> dict:
    return cell["metadata"].get("nbgrader", {})


def _defined(stub: str) -> str | None:
    """The name that an answer cell's stub defines first."""
    match = re.search(r"^(?:def|class)\s+(\w+)", stub, re.MULTILINE)
    return match[1] if match else None


def _definitions(text: str) -> set[str]:
    return set(re.findall(r"^(?:def|class)\s+(\w+)", text, re.MULTILINE)) | set(
        re.findall(r"^(\w+)\s*=", text, re.MULTILINE)
    )


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
