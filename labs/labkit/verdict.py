"""What a check says: a score that nbgrader reads, and a card that a person reads."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

UNATTEMPTED, NOT_YET, PASSED = "UNATTEMPTED", "NOT YET", "PASSED"
_LOOK = {  # border, sign: never colour alone
    UNATTEMPTED: ("#767676", "○"),
    NOT_YET: ("#D55E00", "△"),
    PASSED: ("#009E73", "✓"),
}


@dataclass(frozen=True)
class Verdict:
    """The judge's verdict on one exercise. ``score`` is 0 to 1; ``earned`` are points."""

    exercise: str
    title: str
    state: str
    score: float
    points: float
    message: str
    next_step: str = ""
    facts: tuple[str, ...] = ()
    printed: str = ""
    warned: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def earned(self) -> float:
        """Points earned, to two decimals, never above ``points``."""
        return min(round(self.score * self.points, 2), self.points)

    @classmethod
    def from_data(cls, data: dict) -> Verdict:
        """A verdict from the judge's message."""
        return cls(**{**data, "facts": tuple(data["facts"]), "warned": tuple(data["warned"])})

    def __repr__(self) -> str:
        # nbgrader takes a last line that is a number as partial credit, so the repr is the points and nothing else.
        return f"{self.earned:g}"

    def __str__(self) -> str:
        step = f" Next step: {self.next_step}" if self.next_step else ""
        points = f"{self.earned:g} of {self.points:g} points"
        return f"{self.state} {self.exercise} {self.title}: {points}. {self.message}{step}"

    def _repr_html_(self) -> str:
        colour, sign = _LOOK[self.state]
        facts = "".join(f"<li>{html.escape(f)}</li>" for f in self.facts)
        step = f"<p><b>Next step:</b> {html.escape(self.next_step)}</p>" if self.next_step else ""
        return (
            f'<div role="status" style="border:1px solid {colour};border-left-width:6px;border-radius:6px;'
            f'padding:.6em 1em;margin:.4em 0;max-width:48em">'
            f"<b>{sign} {self.state}</b> · {html.escape(self.exercise)} {html.escape(self.title)} · "
            f"{self.earned:g} of {self.points:g} points"
            f"<p>{html.escape(self.message)}</p>{step}"
            + (f"<ul>{facts}</ul>" if facts else "")
            + self._noise()
            + "</div>"
        )

    def _noise(self) -> str:
        lines = [*self.warned, *([self.printed.strip()] if self.printed.strip() else [])]
        if not lines:
            return ""
        text = html.escape("\n".join(lines))
        return f"<details><summary>Your code also said (costs no points)</summary><pre>{text}</pre></details>"
