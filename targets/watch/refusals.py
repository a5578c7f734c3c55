"""A rule that counts refusals: a customer's client waits when it is told to, a thief's asks on."""

from __future__ import annotations

import numpy as np

from targets.victims.base import Floats
from targets.watch.monitor import Monitor, State


class Refusals(Monitor):
    """Score: refused queries of a key in the last ``seconds`` seconds, in multiples of ``refused``; alarmed from 1.

    Show it refused queries only. It says that a limit is being tested, not that anything was stolen; a badly written
    client that ignores Retry-After looks the same.
    """

    name = "refusals"
    priority = "medium"

    def __init__(self, refused: int = 10, seconds: float = 600.0):
        super().__init__(1.0)
        if refused < 1 or seconds <= 0:
            raise ValueError(f"count at least 1 refusal in some seconds, not {refused} in {seconds:g} s")
        self.refused, self.seconds = refused, seconds

    def start(self) -> State:
        """A new key's state."""
        return _Count(self)


class _Count:
    def __init__(self, rule: Refusals):
        self._rule = rule
        self._recent: list[float] = []

    def update(self, rows: Floats, time: float = 0.0) -> Floats:
        """The score after one refused query, whatever the number of its rows, (n,)."""
        recent = [t for t in self._recent if t > time - self._rule.seconds]
        self._recent = [*recent[-self._rule.refused :], time]
        return np.full(len(rows), len(self._recent) / self._rule.refused)

    def reason(self) -> str:
        """In words."""
        return f"{len(self._recent):,} queries refused within {self._rule.seconds:g} s, and it asks on"
