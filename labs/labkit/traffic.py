"""Days of traffic in a second: honest customers, a thief with many keys, and limits that count them.

Time is simulated: a request carries its own, and a limit that takes the time from the query cannot tell. The limits
here serve a simulation, one request after the other; what a real app needs beyond that is lab 06's first exercise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.defending import Defence, Query, Refused

DAY, HOUR = 86_400.0, 3_600.0
MONDAY = 20_836 * DAY  # 18 January 2027, midnight UTC


@dataclass(frozen=True)
class Request:
    """One request: when (seconds), under which key, from which address, how many rows, and whether a thief sent it."""

    time: float
    key: str
    source: str
    rows: int
    thief: bool = False


def honest_week(rng: np.random.Generator, *, days: int = 7, customers: int = 20) -> list[Request]:
    """Customers of an API: most ask a few rows through the working day; "office" sends a burst at nine o'clock;
    "nightly" is the heavy one, 200 rows each night at two. All but "nightly" are below 100 rows on any usual day.
    """
    requests = []
    for day in range(days):
        start = MONDAY + day * DAY
        for i in range(customers):
            for _ in range(rng.poisson(3)):
                when = start + HOUR * rng.uniform(8, 18)
                requests.append(Request(when, f"customer {i}", f"198.51.{i}.7", int(rng.integers(1, 9))))
        requests += [Request(start + 9 * HOUR + 2 * i, "office", "203.0.113.20", 10) for i in range(6)]
        requests += [Request(start + 2 * HOUR + 5 * i, "nightly", "203.0.113.40", 25) for i in range(8)]
    return sorted(requests, key=lambda request: request.time)


def thieves(*, keys: int = 1, days: int = 7, batch: int = 5, networks: int = 4) -> list[Request]:
    """A thief with ``keys`` accounts in ``networks`` networks: each asks ``batch`` rows every quarter of an hour."""
    requests = []
    for quarter in range(int(days * 96)):
        for i in range(keys):
            source = f"192.0.{2 + i % networks}.{10 + i // networks}"
            requests.append(Request(MONDAY + quarter * 900.0 + i, f"account {i}", source, batch, thief=True))
    return requests


@dataclass(frozen=True)
class Reception:
    """A request and whether it was granted; ``wait`` is what a refusal told, in seconds."""

    request: Request
    granted: bool
    wait: float = 0.0


def play(defence: Any, requests: Iterable[Request]) -> list[Reception]:
    """Send ``requests``, in order of time, past ``defence.before`` and note what it said."""
    receptions = []
    for request in sorted(requests, key=lambda one: one.time):
        query = Query(np.zeros((request.rows, 1)), request.key, request.source, request.time)
        try:
            defence.before(query)
            receptions.append(Reception(request, True))
        except Refused as refused:
            receptions.append(Reception(request, False, float(refused.retry_after)))
    return receptions


def rows_granted(receptions: Iterable[Reception], *, days: float | None = None) -> int:
    """Rows that the thief's requests were granted, in the first ``days`` days if given."""
    until = float("inf") if days is None else MONDAY + days * DAY
    return sum(r.request.rows for r in receptions if r.request.thief and r.granted and r.request.time < until)


def honest_refused(receptions: Iterable[Reception], key: str | None = None) -> float:
    """Share of honest requests refused, 0 to 1; of one customer's if ``key`` is given."""
    honest = [r for r in receptions if not r.request.thief and key in (None, r.request.key)]
    return sum(not r.granted for r in honest) / max(1, len(honest))


class FixedWindow(Defence):
    """At most ``rows`` rows a key in each window of ``seconds`` seconds of the clock; ``contracts`` names exceptions,
    {key: rows}.
    """

    def __init__(self, rows: int, seconds: float, contracts: Mapping[str, int] | None = None):
        self.rows, self.seconds, self.contracts = rows, seconds, dict(contracts or {})
        self._used: dict[tuple[str, int], int] = {}

    def before(self, query: Query) -> None:
        """Count by (who, number of the window)."""
        window = int(query.time // self.seconds)
        who = query.key if query.key in self.contracts else self._who(query)
        used = self._used.get((who, window), 0)
        if used + len(query.rows) > self.contracts.get(query.key, self.rows):
            raise Refused("the window's rows are spent", retry_after=(window + 1) * self.seconds - query.time)
        self._used[who, window] = used + len(query.rows)

    def _who(self, query: Query) -> str:
        return query.key


class DailyBudget(FixedWindow):
    """At most ``rows`` rows a key and day (UTC)."""

    def __init__(self, rows: int, contracts: Mapping[str, int] | None = None):
        super().__init__(rows, DAY, contracts)


class NetworkBudget(DailyBudget):
    """At most ``rows`` rows a day for all accounts of one /24 network together, contracts apart."""

    def _who(self, query: Query) -> str:
        return "network " + query.source.rpartition(".")[0]


class GlobalBudget(DailyBudget):
    """At most ``rows`` rows a day for everybody together."""

    def _who(self, query: Query) -> str:
        return "everyone"


class TokenBucket(Defence):
    """``rows`` tokens a key, refilled at ``rate`` a second; a row takes one."""

    def __init__(self, rows: int, rate: float):
        self.rows, self.rate = rows, rate
        self._buckets: dict[str, tuple[float, float]] = {}

    def before(self, query: Query) -> None:
        """Refill for the time since the last query, then take."""
        tokens, last = self._buckets.get(query.key, (float(self.rows), query.time))
        tokens = min(self.rows, tokens + (query.time - last) * self.rate)
        left = tokens - len(query.rows)
        self._buckets[query.key] = (tokens if left < 0 else left, query.time)
        if left < 0:
            raise Refused("the bucket is empty", retry_after=-left / self.rate)


class Several(Defence):
    """Limits one after the other, the narrowest first; as in a pipeline, the first that refuses ends it."""

    def __init__(self, *limits: Defence):
        self.limits: Sequence[Defence] = limits

    def before(self, query: Query) -> None:
        """Ask each."""
        for limit in self.limits:
            limit.before(query)
