"""So many rows a day."""

from __future__ import annotations

from targets.defences.base import Query
from targets.defences.limiting import Limit

DAY = 86_400


class DailyBudget(Limit):
    """At most ``rows`` rows a day; a day ends at midnight UTC.

    Stops: theft in an afternoon. A copy that needs q rows takes q / rows days, in which somebody may look at the log.
    Does not stop: the patient thief, who comes back every day; a thief with n keys, for whom a day holds n budgets.
    Costs the honest customer: the heavy one, whose day is over at noon. Sell budgets by contract and verify who signs.
    """

    def __init__(self, rows: int = 1000, by: str = "key", store: str = "memory://"):
        super().__init__(rows, by, store)

    def _wait(self, key: str, query: Query) -> float:
        return self._counters.fixed(key, len(query.rows), self.rows, DAY, query.time)

    def _promise(self) -> str:
        return f"{self.rows:,} rows a day (UTC)"
