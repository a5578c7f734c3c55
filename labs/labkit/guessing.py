"""Predict, then look: a written guess before a run, the gap after it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from labkit import progress


@dataclass(frozen=True)
class Guess:
    """A prediction and, once known, what came out."""

    name: str
    guess: Any
    actual: Any = None

    def __repr__(self) -> str:
        if self.guess is None:
            return "No prediction yet: write yours in the cell and run it again. A wrong one teaches more than none."
        if self.actual is None:
            return f"Prediction noted: {self.guess}"
        return f"You said {self.guess}; it is {_short(self.actual)}. {self._gap()}"

    def _gap(self) -> str:
        if isinstance(self.guess, (int, float)) and isinstance(self.actual, (int, float)):
            return f"Off by {_short(abs(self.guess - self.actual))}."
        return "Right." if self.guess == self.actual else "Not that. Say in one sentence why."

    def _repr_html_(self) -> str:
        return f'<p role="status">{html.escape(repr(self))}</p>'


def guess(name: str, value: Any) -> Guess:
    """Note your prediction under ``name`` ("01-a"): a number or a choice; None means not yet."""
    if value is not None:
        progress.note(name[:2], "guesses", name, value)
    return Guess(name, value)


def reveal(name: str, actual: Any) -> Guess:
    """Set what came out beside the prediction noted under ``name``."""
    value = progress.load(name[:2])["guesses"].get(name)
    return Guess(name, value, actual)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
