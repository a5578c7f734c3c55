"""A burst, then a steady rate."""

from __future__ import annotations

from targets.defences.base import Query
from targets.defences.limiting import Limit, positive


class TokenBucket(Limit):
    """A bucket of ``rows`` tokens, refilled at ``rate`` a second; a row takes one. In any t seconds at most
    rows + rate · t rows pass.

    Stops: a flood, while a customer who was quiet may send a burst.
    Does not stop: theft at the speed of the refill (rate · 86,400 rows a day); a thief with n keys, who gets n bursts
    and n refills.
    Costs the honest customer: work beyond the burst is spread over time; nothing to who stays below the rate.
    """

    def __init__(self, rows: int = 1000, rate: float = 1.0, by: str = "key", store: str = "memory://"):
        super().__init__(rows, by, store)
        self.rate = positive("rate", rate)

    def _wait(self, key: str, query: Query) -> float:
        return self._counters.pour(key, len(query.rows), self.rows, self.rate, query.time)[0]

    def _promise(self) -> str:
        return f"{self.rows:,} rows at once, then {self.rate:g} a second,"
