"""A defence that watches, tells, and stops: the martingale stops, a spike of rows is only reported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from targets.defences.base import Defence, Query, Refused
from targets.victims import load_victim
from targets.watch.alerts import Alert
from targets.watch.guard import Guard
from targets.watch.martingale import Martingale
from targets.watch.reference import Reference
from targets.watch.rules import Spike


@lru_cache(maxsize=8)
def reference_of(victim: str, seed: int) -> Reference:
    """What is ordinary for a victim; made once, for all who ask."""
    return Reference.of(load_victim(victim, seed=seed))


class Sentry(Defence):
    """``sentry:victim=credit``: a martingale calibrated with rows of ``victim``, and a rule for ``rows`` an hour.

    Every alert goes to ``tell``, which a target connects to its outbox. A key that the martingale alarms is refused
    from then on; with ``stop=False`` it is only reported. Behind a switch that is off, it goes on watching.
    Stops: whoever asks rows that no customer asks, once the martingale's capital reaches ``threshold``.
    Does not stop: a thief with real rows, with many keys, or in no hurry at all.
    Costs the honest customer: a stop by false alarm, at most one in ``threshold`` of those who ask ordinary rows.
    """

    def __init__(
        self, victim: str = "digits", seed: int = 0, stop: bool = True, threshold: float = 100.0, rows: int = 200
    ):
        martingale = Martingale(reference_of(victim, seed), threshold)
        self.tell: Callable[[Alert], Any] = lambda alert: None
        self._acting = Guard([martingale], stop=bool(stop), deliver=self._pass_on)
        self._counting = Guard([Spike(rows)], stop=False, deliver=self._pass_on)
        self.martingale = martingale

    def before(self, query: Query) -> None:
        """Watch, and refuse a key that is stopped."""
        self._counting.before(query)
        self._acting.before(query)

    def watch(self, query: Query) -> None:
        """Watch, and let everybody pass."""
        with suppress(Refused):
            self.before(query)

    def release(self, key: str) -> None:
        """A person has looked: let ``key`` ask again, and start its watch afresh."""
        self._counting.release(key)
        self._acting.release(key)

    def _pass_on(self, alert: Alert) -> None:
        self.tell(alert)

    def __repr__(self) -> str:
        return f"Sentry({self.martingale!r})"
