"""At most so many rows in each minute of the clock."""

from __future__ import annotations

from targets.defences.limiting import WindowLimit, duration


class FixedWindow(WindowLimit):
    """At most ``rows`` rows in each window of ``seconds`` seconds, counted from 1970-01-01 UTC.

    Stops: a flood; a runaway script. One counter a customer, so it is the cheapest limit there is.
    Does not stop: twice the limit around an edge (all of one window's rows at its end, all of the next one's at its
    start); theft at the speed of the limit; a thief with n keys, who gets n times as much.
    Costs the honest customer: refusals at the end of a busy window, and a crowd of retries at the start of the next.
    """

    def _promise(self) -> str:
        return f"{self.rows:,} rows a {duration(self.seconds)}"
