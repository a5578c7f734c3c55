"""Grade one submission: read, mend, run, judge; and what is told of it, to the learner and to the instructor."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from grading.engine.attempt import Outcome
from grading.engine.content import harmless
from grading.engine.examine import Examiner
from grading.engine.outputs import graded
from grading.engine.reassemble import Assembled, reassemble
from grading.engine.released import Release
from grading.engine.submission import Finding, Submission, read

_INCIDENTS = {
    "time": "ran out of time",
    "memory": "ran out of memory",
    "died": "ended by itself",
    "protocol": "tampered with the line to the examiner",
    "judge": "lost the judge",
}


@dataclass
class Graded:
    """The result of one submission: scores by exercise, findings, and the notebook to keep. Plain data."""

    student: str
    content: str
    scores: dict[str, float] = field(default_factory=dict)
    points: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    walls: list[str] = field(default_factory=list)
    seconds: float = 0.0
    notebook: dict = field(default_factory=dict)

    @property
    def earned(self) -> float:
        """Points that the machine gives."""
        return round(sum(self.scores.values()), 2)

    def as_data(self) -> dict:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict) -> Graded:
        """From JSON."""
        return cls(**{**data, "findings": [Finding(**f) for f in data["findings"]]})


def grade(examiner: Examiner, release: Release, folder: Path, student: str, *, slot: int = 0) -> Graded:
    """Grade what ``student`` handed in, in ``folder``. Raises only for failures of the engine's own."""
    submission = read(folder, release.name)
    content = fingerprint(submission, release, student, examiner.secret)
    return grade_what_was_read(examiner, release, submission, Graded(student, content), slot=slot)


def grade_what_was_read(
    examiner: Examiner, release: Release, submission: Submission, result: Graded, *, slot: int = 0
) -> Graded:
    """The rest of it, which needs no folder of the learner's: fills ``result`` and returns it."""
    mended = reassemble(release, submission)
    outcome = Outcome()
    if submission.readable:
        warm = mended.locked > 0
        outcome = examiner.run(mended.to_run(), learner=result.student, files=submission.files, warm=warm, slot=slot)
    result.walls, result.seconds = outcome.walls, round(outcome.seconds, 3)
    result.findings = [*mended.findings, *_incidents(outcome)]
    _fill(mended, outcome, result, submission.readable)
    result.notebook = _notebook(release, mended, result)
    return result


def fingerprint(submission: Submission, release: Release, student: str, secret: str) -> str:
    """Names everything that a grade follows from: the submission, the lab, the code, the course's secret."""
    names = json.dumps([asdict(f) for f in submission.findings]).encode()
    parts = [
        submission.content,
        names,
        json.dumps(release.notebook, sort_keys=True).encode(),
        student.encode("utf-8", "replace"),
    ]
    digest = hashlib.sha256(code_version(release.name[:2]) + hashlib.sha256(secret.encode()).digest())
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


@cache
def code_version(lab: str) -> bytes:
    """A digest of the code that grades lab ``lab`` ("01"): examiner, targets, labkit, not other labs' exercises."""
    labkit = importlib.util.find_spec("labkit")
    assert labkit is not None
    assert labkit.origin is not None
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[2]
    for package in (root / "grading", root / "targets", Path(labkit.origin).parent):
        for file in sorted(package.rglob("*.py")):
            if file.parent.name == "exercises" and file.name not in ("__init__.py", f"lab_{lab}.py"):
                continue
            digest.update(str(file.relative_to(package)).encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.digest()


def _incidents(outcome: Outcome) -> list[Finding]:
    return [
        Finding(_INCIDENTS[kind], f"{words[:1].upper()}{words[1:]}.", serious=True) for kind, words in outcome.incidents
    ]


def _fill(mended: Assembled, outcome: Outcome, result: Graded, readable: bool) -> None:
    """Outputs into the mended cells; graded cells from the ledger, whatever the kernel showed."""
    for cell in mended.cells:
        if cell["cell_type"] == "markdown" and not _is_the_labs_own(cell):
            safe = harmless(cell["source"])
            if safe != cell["source"]:
                cell["source"] = safe
                words = (
                    "A text cell held something that acts (a script, a form, a strange link); it is shown as a listing."
                )
                result.findings.append(Finding("active content", words, cell["id"]))
        if cell["cell_type"] != "code":
            continue
        id = cell["id"]
        exercise = mended.exercises.get(id)
        if exercise is None:
            cell["outputs"] = outcome.outputs.get(id, [])
        else:
            verdict = outcome.ledger.get(exercise)
            cell["outputs"] = graded(verdict, _why(outcome, readable))
            points = float(cell["metadata"]["nbgrader"]["points"])
            earned = 0.0 if verdict is None else min(round(float(verdict["score"]) * points, 2), points)
            result.points[exercise], result.scores[exercise] = points, earned
            if verdict and verdict.get("extra", {}).get("unjudged"):
                words = f"The examiner failed on an answer: {verdict['extra']['unjudged']} Look at it yourself."
                result.findings.append(Finding("examiner's error", words, id, serious=True))
        cell["execution_count"] = outcome.counts.get(id)


def _is_the_labs_own(cell: dict) -> bool:
    return not cell["id"].startswith("added-") and not cell["metadata"].get("nbgrader", {}).get("solution")


def _why(outcome: Outcome, readable: bool) -> str:
    if not readable:
        return "there was no notebook to run"
    if outcome.incidents:
        return f"the run ended before this check: {outcome.incidents[-1][1]}"
    return "no check of this exercise reached the judge"


def _notebook(release: Release, mended: Assembled, result: Graded) -> dict:
    """The graded notebook: the learner's verdict on the file first, then the mended cells."""
    notebook = {k: copy.deepcopy(v) for k, v in release.notebook.items() if k != "cells"}
    notebook["cells"] = mended.cells
    if result.findings:
        words = learner_words(result.findings)
        notebook["cells"] = [
            {"id": "examiner-says", "cell_type": "markdown", "metadata": {}, "source": words},
            *mended.cells,
        ]
    return notebook


def learner_words(findings: list[Finding]) -> str:
    """What the learner reads on top of the graded notebook."""
    lines = ["**About the file you handed in.** Repairs cost no points.", ""]
    for finding in findings:
        where = f" (cell `{finding.cell}`)" if finding.cell else ""
        sign = "**Costs points:** " if finding.serious else ""
        lines.append(f"- {sign}{_plain(finding.words)}{where}")
    return "\n".join(lines) + "\n"


def _plain(words: str) -> str:
    """Words that may hold a learner's file name: without anything that Markdown or HTML would take as its own."""
    return "".join(c if c.isprintable() and c not in "<>[]`*_\\" else " " for c in words)


def table_row(result: Graded) -> dict[str, Any]:
    """One line of the instructor's table."""
    serious = [f for f in result.findings if f.serious]
    repairs = sorted({f.kind for f in result.findings if not f.serious})
    return {
        "learner": result.student, "points": result.earned, "of": sum(result.points.values()),
        "wrong with the file": "; ".join(f"{f.kind}: {f.words}" for f in serious), "repaired": ", ".join(repairs),
        "seconds": result.seconds,
    }  # fmt: skip
