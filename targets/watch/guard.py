"""Monitors in the pipeline: every query is watched before it is answered, and an alarmed key is stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from targets.defences.base import Defence, Query, Refused
from targets.watch.alerts import Alert
from targets.watch.monitor import Monitor

MOST_ALERTS = 1000


class Guard(Defence):
    """Shows each query to ``monitors``; each Alert goes to ``deliver`` and is kept, the newest 1,000 in ``alerts``.

    With ``stop``, the query that alarms and all that follow under its key are refused until ``release(key)``. A query
    is watched as a whole: of a batch of a hundred rows no row is answered if the third alarms.
    Stops: whoever asks rows that no customer asks, once the monitors are sure.
    Does not stop: a thief with real rows, with many keys, or slower than the monitors' memory.
    Costs the honest customer: a stop by false alarm, at the rate the monitors promise; always, where its own rows are
    of another kind than the vendor's.
    """

    def __init__(
        self, monitors: Sequence[Monitor], *, stop: bool = True, deliver: Callable[[Alert], Any] = lambda alert: None
    ):
        self.monitors, self.stop = tuple(monitors), stop
        self._deliver = deliver
        self.alerts: list[Alert] = []
        self._stopped: set[str] = set()
        self._lock = Lock()

    def before(self, query: Query) -> None:
        """Watch, then refuse if the key is stopped."""
        if query.key not in self._stopped:
            for monitor in self.monitors:
                alert = monitor.observe(query)
                if alert is not None:
                    self._raise(alert)
        if self.stop and query.key in self._stopped:
            raise Refused("this key is stopped: its queries do not look like a customer's", retry_after=86_400)

    def release(self, key: str) -> None:
        """A person has looked: let ``key`` ask again, and start its watch afresh."""
        with self._lock:
            self._stopped.discard(key)
        for monitor in self.monitors:
            monitor.forgive(key)

    def _raise(self, alert: Alert) -> None:
        with self._lock:
            self.alerts = [*self.alerts[1 - MOST_ALERTS :], alert]
            if self.stop:
                self._stopped.add(alert.key)
        self._deliver(alert)

    def __repr__(self) -> str:
        return f"Guard({', '.join(map(repr, self.monitors))}, stop={self.stop})"
