"""At most so many rows in any minute, wherever it starts."""

from __future__ import annotations

from targets.defences.base import Query
from targets.defences.limiting import WindowLimit, duration


class SlidingWindow(WindowLimit):
    """At most ``rows`` rows in any stretch of ``seconds`` seconds.

    Stops: a flood, with no edge to burst around.
    Does not stop: theft at the speed of the limit; a thief with n keys, who gets n times as much.
    Costs the honest customer: whoever sends a day's work at once waits until it has left the window. Costs the operator
    a list of what was granted: at most one entry a query in memory, one a row in Redis.
    """

    def _wait(self, key: str, query: Query) -> float:
        return self._counters.sliding(key, len(query.rows), self.rows, self.seconds, query.time)

    def _promise(self) -> str:
        return f"{self.rows:,} rows in any {duration(self.seconds)}"
