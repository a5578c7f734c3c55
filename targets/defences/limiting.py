"""What every limit shares: whom it counts, what it counts (rows), and how it says no."""

from __future__ import annotations

import ipaddress
from typing import Any

from targets.defences.base import Defence, Query, Refused
from targets.defences.counters import counter_key, counters_for

BY = ("key", "source", "network", "everyone")


class TooLarge(Refused):
    """A batch that no waiting makes smaller: its next step is to send fewer rows."""

    def __init__(self, asked: int, limit: int):
        self.next_step = f"Send at most {limit:,} rows at a time"
        super().__init__(f"this query has {asked:,} rows and the limit is {limit:,}: send fewer", retry_after=1.0)


class Limit(Defence):
    """A limit on rows, asked before the model is. Subclasses say which rule counts (``_wait``).

    ``by`` is whom it counts together: "key" the API key, "source" the sender's address (an IPv6 /64, which one customer
    owns whole), "network" the IPv4 /24 or IPv6 /48 around it, "everyone" all callers. ``store`` is where: "memory://"
    (exact among the threads of one process) or "redis://host:port/db" (exact among processes). Put the narrowest limit
    first in the pipeline: rows that one limit granted and a later one refused stay counted.
    """

    def __init__(self, rows: int, by: str, store: str):
        if by not in BY:
            raise ValueError(f"by is one of {', '.join(BY)}, not {by!r}")
        self.rows, self.by = whole("rows", rows), by
        self._counters = counters_for(store)
        self.store = repr(self._counters)  # its kind only: a URL may hold a password

    def before(self, query: Query) -> None:
        """Count the query's rows, all or none. Raises Refused with the seconds after which it would pass."""
        asked = len(query.rows)
        if asked > self.rows:
            raise TooLarge(asked, self.rows)
        wait = self._wait(counter_key(*self._scope(), self._who(query)), query)
        if wait > 0:
            raise Refused(f"the limit of {self._promise()} is reached", retry_after=wait)

    def _who(self, query: Query) -> str:
        """The name under which ``query`` is counted."""
        return identity(query, self.by)

    def _scope(self) -> tuple[Any, ...]:
        """What tells this limit's counts from another's in the same store; the number of rows is not part of it, so
        that a changed limit does not start everybody afresh.
        """
        return type(self).__name__, self.by

    def _wait(self, key: str, query: Query) -> float:
        """Seconds until the rows of ``query`` may pass; 0 when they may now, and are counted."""
        raise NotImplementedError

    def _promise(self) -> str:
        """The limit in words, for the refused customer."""
        raise NotImplementedError


class WindowLimit(Limit):
    """A limit on rows in windows of ``seconds`` seconds; fixed windows, unless ``_wait`` has another rule."""

    def __init__(self, rows: int = 1000, seconds: int = 60, by: str = "key", store: str = "memory://"):
        super().__init__(rows, by, store)
        self.seconds = whole("seconds", seconds)

    def _scope(self) -> tuple[Any, ...]:
        return (*super()._scope(), self.seconds)

    def _wait(self, key: str, query: Query) -> float:
        return self._counters.fixed(key, len(query.rows), self.rows, self.seconds, query.time)


def identity(query: Query, by: str) -> str:
    """The name of the sender of ``query``: as sure as what it is made of (see sources.py for addresses)."""
    if by == "everyone":
        return ""
    if by == "key":
        return query.key
    return network_of(query.source, *((32, 64) if by == "source" else (24, 48)))


def network_of(source: str, bits4: int = 24, bits6: int = 48) -> str:
    """The network around an address, ``bits4`` or ``bits6`` wide; text that is no address stands for itself."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, bits4 if address.version == 4 else bits6), strict=False))


def whole(name: str, value: Any) -> int:
    """``value`` as a whole number from 1 up, or ValueError naming the setting."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number from 1 up, not {value!r}")
    return value


def positive(name: str, value: Any) -> float:
    """``value`` as a finite number above 0, or ValueError naming the setting."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError(f"{name} is a number above 0, not {value!r}")
    return float(value)


def duration(seconds: int) -> str:
    """A length of time in words: "day", "3 hours", "90 seconds"."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return name if seconds == size else f"{seconds // size} {name}s"
    return "second" if seconds == 1 else f"{seconds} seconds"
