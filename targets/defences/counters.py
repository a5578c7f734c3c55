"""Counters that a limit asks "may n more rows pass?": in memory by default, in Redis by URL. Exact under concurrency.

Each backend has three operations, one a rule; each is atomic, counts nothing when it says no, and returns the seconds
to wait (0: granted). Times are the caller's (``Query.time``), so a test or a simulation brings its own clock.

Why not the ``limits`` library for everything? Its strategies read ``time.time()`` themselves; its fixed window counts
refused rows too, so that a customer who retries a batch too large eats the rest of the window; its sliding window
counter is an estimate; it has no token bucket; its memory storage runs a timer thread, which a browser has not. What
fits is used (redis_counters.py): URL, connection and errors of Redis, and the script of its moving window, which takes
the time as an argument.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any, Protocol

# Added to a wait, so that who waits that long is past the edge however the clock rounds. In seconds.
TICK = 0.001
_FILL_ERROR = 1e-9  # rows; rounding in a bucket's level


class CountersGone(Exception):
    """The counters cannot be reached. A limit then fails closed: the target answers 503 until they are back."""


class Counters(Protocol):
    """What a limit needs of its counters. ``now`` in seconds; returned waits in seconds, 0.0 when granted."""

    def fixed(self, key: str, rows: int, limit: int, seconds: int, now: float) -> float:
        """At most ``limit`` rows in each window [k·seconds, (k + 1)·seconds)."""

    def sliding(self, key: str, rows: int, limit: int, seconds: int, now: float) -> float:
        """At most ``limit`` rows in any ``seconds``, ends included."""

    def pour(self, key: str, rows: int, room: float, rate: float, now: float) -> tuple[float, float]:
        """A bucket that holds ``room`` rows and leaks ``rate`` rows a second: (wait, its level after this)."""


def counters_for(url: str) -> Counters:
    """The counters at ``url``: "memory://", "redis://host:port/db", "redis+unix:///path". Or ValueError."""
    if url == "memory://":
        return MemoryCounters()
    if url.partition("://")[0] in ("redis", "rediss", "redis+unix"):
        from targets.defences.redis_counters import RedisCounters  # only who uses Redis needs its client

        return RedisCounters(url)
    raise ValueError(f"store is memory:// or a redis:// URL, not {url.partition('://')[0]!r}")


@lru_cache(maxsize=4096, typed=True)
def counter_key(*parts: object) -> str:
    """One name for what is counted. Hashed: API keys are secrets, and a client must not choose a long or odd name."""
    text = "".join(f"{len(str(part))}:{part}" for part in parts)  # with its length, no part runs into the next
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


class MemoryCounters:
    """Counters of this process: exact among its threads. With several processes each counts for itself, so n processes
    grant up to n times the limit; then give a Redis URL.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[str, tuple[float, Any]] = {}
        self._sweep_at = 1024

    def fixed(self, key: str, rows: int, limit: int, seconds: int, now: float) -> float:
        """See Counters."""
        return self._change(key, now, 2 * seconds, lambda state: fixed_rule(state, rows, limit, seconds, now))

    def sliding(self, key: str, rows: int, limit: int, seconds: int, now: float) -> float:
        """See Counters."""
        return self._change(key, now, 2 * seconds, lambda state: sliding_rule(state, rows, limit, seconds, now))

    def pour(self, key: str, rows: int, room: float, rate: float, now: float) -> tuple[float, float]:
        """See Counters."""
        return self._change(key, now, 2 * room / rate, lambda state: pour_rule(state, rows, room, rate, now))

    def _change(self, key: str, now: float, life: float, rule: Callable[[Any], tuple[Any, Any]]) -> Any:
        with self._lock:
            outcome, state = rule(self._states[key][1] if key in self._states else None)
            self._states[key] = (now + life, state)
            if len(self._states) >= self._sweep_at:
                # A thief who invents a key a request must not fill the memory: what has run out goes.
                self._states = {k: kept for k, kept in self._states.items() if kept[0] > now}
                self._sweep_at = max(1024, 2 * len(self._states))
        return outcome

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        return "memory"


# The rules. A clock that steps back a little (threads arrive out of order) never gives rows back: the state's own time
# counts. One that was put back by more than a window would lock everybody out until it catches up; what was granted
# then counts as granted now.


def fixed_rule(state: tuple[int, int] | None, rows: int, limit: int, seconds: int, now: float) -> tuple[float, Any]:
    """State: (number of the window, rows granted in it)."""
    index = int(now // seconds)
    start, used = state or (index, 0)
    if index > start:
        start, used = index, 0
    elif index < start - 1:
        start = index + 1  # a whole window more, or each step back would bring another edge
    if used + rows <= limit:
        return 0.0, (start, used + rows)
    return (start + 1) * seconds - now + TICK, (start, used)


def sliding_rule(state: Any, rows: int, limit: int, seconds: int, now: float) -> tuple[float, Any]:
    """State: the last ``limit`` rows granted, as [time, rows] in order of arrival, and their number.

    Granted when the row ``limit`` places before the last of these is older than the window. That holds whatever order
    the times arrive in: every limit-th row is more than a window later than the one before.
    """
    granted: deque[list[float]]
    granted, total = state or (deque[list[float]](), 0)
    must_be_old = total + rows - limit
    for time, count in granted:
        if must_be_old <= 0:
            break
        must_be_old -= count
        if must_be_old <= 0 and time > now + seconds:
            return seconds + TICK, (deque([[now, total]]), total)
        if must_be_old <= 0 and time >= now - seconds:
            return time + seconds - now + TICK, (granted, total)
    granted.append([now, rows])
    total += rows
    while total > limit:
        drop = min(int(granted[0][1]), total - limit)
        granted[0][1] -= drop
        total -= drop
        if not granted[0][1]:
            granted.popleft()
    return 0.0, (granted, total)


def pour_rule(
    state: tuple[float, float] | None, rows: int, room: float, rate: float, now: float
) -> tuple[tuple[float, float], Any]:
    """State: (level in rows, the time it was right). The level leaks at ``rate``."""
    level, last = state or (0.0, now)
    if last > now + room / rate:
        last = now
    level = max(0.0, level - max(0.0, now - last) * rate)
    last = max(last, now)
    if level + rows <= room + _FILL_ERROR:
        return (0.0, level + rows), (level + rows, last)
    return ((level + rows - room) / rate + last - now + TICK, level), (level, last)
