"""The more you ask, the longer you wait."""

from __future__ import annotations

import time
from collections.abc import Callable

from targets.defences.base import Query
from targets.defences.limiting import Limit, positive


class Delay(Limit):
    """Hold replies back: ``rows`` rows pass at once, further ones at ``rate`` a second; nobody is held longer than
    ``longest`` seconds, who would be is refused and told when to come back. ``longest`` 0 makes the delay an advice.

    Stops: nothing on its own; it turns a fast theft into a slow one, without a refusal that tells the thief of a limit.
    Does not stop: a thief with n keys, who waits for n replies at once; a patient one.
    Costs the honest customer: time, in bursts. Costs the operator a worker a held reply: with 4 workers, 4 callers who
    are held keep everybody out, so hold for moments and leave the rest to Retry-After.
    """

    def __init__(
        self,
        rows: int = 1000,
        rate: float = 10.0,
        longest: float = 1.0,
        by: str = "key",
        store: str = "memory://",
        sleep: Callable[[float], None] = time.sleep,
    ):
        super().__init__(rows, by, store)
        self.rate = positive("rate", rate)
        self.longest = 0.0 if longest == 0 else positive("longest", longest)
        if not callable(sleep):
            raise ValueError("sleep is a function of seconds; leave it out")
        self._sleep = sleep

    def _wait(self, key: str, query: Query) -> float:
        room = self.rows + self.longest * self.rate
        wait, level = self._counters.pour(key, len(query.rows), room, self.rate, query.time)
        if wait == 0 and level > self.rows:
            self._sleep((level - self.rows) / self.rate)
        return wait

    def _promise(self) -> str:
        return f"{self.rows:,} rows at once, then {self.rate:g} a second,"
