"""``check`` and ``hint``: the notebook's door to the judge. This half holds no answers, only the dialogue."""

from __future__ import annotations

import html
import importlib
import os
from dataclasses import dataclass
from typing import Any

from labkit import progress
from labkit.learner_side import LearnerSide
from labkit.verdict import Verdict

# Module that judges: the one in this process, or labkit.judged, the line to a graded run's judge.
JUDGE = "MODEL_THEFT_LABS_JUDGE"


def check(exercise: str, answer: Any) -> Verdict:
    """Let the judge try ``answer`` (your function, object or value) for ``exercise`` ("01.2").

    Your prints and warnings are kept aside and cost nothing. The verdict is saved to your progress.
    """
    verdict = Verdict.from_data(_judge().judge(exercise, LearnerSide(answer)))
    progress.note_check(exercise, verdict.state, verdict.earned)
    return verdict


@dataclass(frozen=True)
class Hint:
    """One hint of an exercise; ``number`` of ``total``."""

    exercise: str
    number: int
    total: int
    text: str

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.total} for {self.exercise}: {self.text}"

    def _repr_html_(self) -> str:
        more = (
            ""
            if self.number == self.total
            else f" Still stuck? <code>hint({self.exercise!r}, {self.number + 1})</code>"
        )
        text = html.escape(self.text)
        if "\n" in self.text:
            text = f"<pre>{text}</pre>"
        return f"<div><b>Hint {self.number} of {self.total}.</b> {text}{more}</div>"


def hint(exercise: str, number: int = 1) -> Hint:
    """Show hint ``number`` of ``exercise``: 1 a nudge, 2 the method, 3 nearly the code."""
    hints = _judge().hints(exercise)
    if not 1 <= number <= len(hints):
        raise ValueError(f"exercise {exercise} has hints 1 to {len(hints)}; got {number!r}")
    seen = progress.load(exercise[:2])["hints"].get(exercise, 0)
    progress.note(exercise[:2], "hints", exercise, max(seen, number))
    return Hint(exercise, number, len(hints), hints[number - 1])


def _judge() -> Any:
    # By name, at the last moment: labkit must not depend on the examiner's room, which a sandboxed kernel cannot read.
    return importlib.import_module(os.environ.get(JUDGE, "grading.selfstudy"))
