"""A week of honest traffic, invented, and a thief in a hurry, played against a limit by a simulated clock.

Sixty customers: 50 people who look single cases up in office hours (about 60 rows a day each; 20 of them behind one
network), 8 nightly jobs of 200 rows in four quick requests, 2 heavy ones who send 100 rows every half hour, day and
night. Nobody asks again after a refusal. The thief asks 50 rows at a time as fast as it is let, with one key or ten.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.defending.settings import ROLE
from targets import Defence, Query, Refused

DAY = 86_400
DAYS = 7
HORIZON = 60  # days a thief is watched
START = 1_800_000_000 // DAY * DAY  # a midnight UTC
BATCH = 50
GROUPS = ("people", "nightly", "heavy")


@dataclass(frozen=True)
class Request:
    """One honest request."""

    time: float
    key: str
    source: str
    rows: int

    @property
    def group(self) -> str:
        """Whose kind it is."""
        return self.key.split()[0]


def honest_week(rng: np.random.Generator) -> list[Request]:
    """All requests of the week, in order of time."""
    found = []
    for number in range(50):
        source = f"10.0.0.{number}" if number < 20 else f"10.1.{number}.1"
        for day in range(DAYS):
            for moment in rng.uniform(9 * 3600, 17 * 3600, rng.poisson(20)):
                found.append(Request(START + day * DAY + moment, f"people {number}", source, int(rng.integers(1, 6))))
    for number in range(8):
        for day in range(DAYS):
            begin = START + day * DAY + rng.uniform(0, 4 * 3600)
            found += [Request(begin + 2 * k, f"nightly {number}", f"10.2.{number}.1", 50) for k in range(4)]
    for number in range(2):
        for moment in np.arange(rng.uniform(0, 1800), DAYS * DAY, 1800):
            found.append(Request(START + float(moment), f"heavy {number}", f"10.3.{number}.1", 100))
    return sorted(found, key=lambda request: request.time)


def refused(defence: Defence, week: Sequence[Request], thief: Sequence[tuple[str, str]] = ()) -> dict[str, float]:
    """Share of honest rows refused in each group, while a thief who owns the keys ``thief`` takes all it can get."""
    asked, lost = dict.fromkeys(GROUPS, 0), dict.fromkeys(GROUPS, 0)
    due = [(float(START), key, source) for key, source in thief]
    for request in week:
        while due and due[0][0] <= request.time:
            time, key, source = heapq.heappop(due)
            heapq.heappush(due, (time + max(1.0, _ask(defence, time, key, source, BATCH)), key, source))
        asked[request.group] += request.rows
        if _ask(defence, request.time, request.key, request.source, request.rows):
            lost[request.group] += request.rows
    return {group: lost[group] / asked[group] for group in GROUPS}


def seconds_to(defence: Defence, rows: int, thief: Sequence[tuple[str, str]]) -> float | None:
    """Seconds until a thief with the keys ``thief`` has ``rows`` answers; None if it takes longer than HORIZON days."""
    due = [(float(START), key, source) for key, source in thief]
    got, time = 0, float(START)
    while got < rows:
        time, key, source = heapq.heappop(due)
        if time > START + HORIZON * DAY:
            return None
        size = min(BATCH, rows - got)
        wait = _ask(defence, time, key, source, size)
        got += 0 if wait else size
        heapq.heappush(due, (time + wait, key, source))
    return time - START


def keys(count: int, networks: int) -> list[tuple[str, str]]:
    """``count`` keys of one thief, spread over ``networks`` networks of 256 addresses."""
    return [(f"thief {number}", f"10.9.{number % networks}.{number}") for number in range(count)]


def _ask(defence: Defence, time: float, key: str, source: str, rows: int) -> float:
    """Ask; 0 when it was answered, else the seconds the refusal says to wait."""
    try:
        defence.before(Query(_table(rows), key, source, time, ROLE))
    except Refused as refusal:
        return max(float(refusal.retry_after), 1e-3)
    return 0.0


def _table(rows: int, made: dict[int, Any] = {}) -> Any:  # noqa: B006 (a cache of a few read-only arrays)
    return made.setdefault(rows, np.zeros((rows, 1)))
