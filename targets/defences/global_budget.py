"""So many rows in a period for all callers together."""

from __future__ import annotations

from targets.defences.limiting import WindowLimit, duration


class GlobalBudget(WindowLimit):
    """At most ``rows`` rows in each window of ``seconds`` seconds, whoever asks. Put it behind every other limit.

    Stops: the thief with n keys, from getting more than this a day in all; a bill without end.
    Does not stop: a slow theft; and it knows no friend from foe.
    Costs the honest customer: everything, once a thief has spent it. A thief with many keys then keeps the service shut
    for all (denial of service by budget); so set it above all honest traffic, and let its alarm ring long before.
    """

    def __init__(self, rows: int = 100_000, seconds: int = 86_400, store: str = "memory://"):
        super().__init__(rows, seconds, "everyone", store)

    def _promise(self) -> str:
        return f"{self.rows:,} rows a {duration(self.seconds)} for all customers together"
