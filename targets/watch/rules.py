"""Rules that count: what a security operations centre writes on its first day."""

from __future__ import annotations

import numpy as np

from targets.victims.base import Floats
from targets.watch.monitor import Monitor


class Spike(Monitor):
    """Score: rows of a key in the last ``seconds`` seconds, in multiples of ``rows``; alarmed from 1.

    Counts, and looks at nothing else: it sees a thief in a hurry and a customer with a nightly job alike, and never one
    who takes its time.
    """

    name = "spike"
    priority = "low"

    def __init__(self, rows: int = 200, seconds: float = 3600.0):
        super().__init__(1.0)
        if rows < 1 or seconds <= 0:
            raise ValueError(f"a spike is at least 1 row in some seconds, not {rows} rows in {seconds:g} s")
        self.rows, self.seconds = rows, seconds

    def start(self) -> _Count:
        """A new key's state."""
        return _Count(self)


class _Count:
    def __init__(self, rule: Spike):
        self._rule = rule
        self._recent: list[tuple[float, int]] = []

    def update(self, rows: Floats, time: float = 0.0) -> Floats:
        """The score after each row; all rows of a query share its time, in seconds."""
        self._recent = [(t, n) for t, n in self._recent if t > time - self._rule.seconds]
        before = sum(n for _, n in self._recent)
        self._recent.append((time, len(rows)))
        return (before + 1.0 + np.arange(len(rows))) / self._rule.rows

    def reason(self) -> str:
        """In words."""
        return f"{sum(n for _, n in self._recent):,} rows within {self._rule.seconds:g} s"
