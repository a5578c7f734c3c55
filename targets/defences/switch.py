"""A defence behind a switch, for control rooms: off until somebody turns it on while the target runs."""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import Any

from targets.defences.base import Defence, Query, Refused
from targets.victims.base import Floats


def _do_nothing(query: Query) -> None:
    pass


class Switch(Defence):
    """``switch:rounding:decimals=1``: what ``rounding:decimals=1`` does, while ``on``.

    A query that was let in with the switch on is answered as with the switch on, even if it is turned in between. A
    defence with a method ``watch(query)`` has it called while the switch is off: it looks and does nothing.
    ``on_refusal(query)`` hears of every query that the defence refuses.
    """

    def __init__(self, defence: Defence, name: str):
        self.defence, self.name = defence, name
        self.on = False
        self.refused = 0
        self.on_refusal: Callable[[Query], Any] = lambda query: None
        self.mounted_as = type(defence).__name__  # who failed, if it fails
        self._thread = local()  # the query that this thread is answering, and how the switch stood when it came

    def before(self, query: Query) -> None:
        """What the defence does before the model, if on."""
        self._thread.query, self._thread.on = query, self.on
        if not self._thread.on:
            getattr(self.defence, "watch", _do_nothing)(query)
            return
        try:
            self.defence.before(query)
        except Refused:
            self.refused += 1
            self.on_refusal(query)
            raise

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """What the defence makes of the answer, if on."""
        return self.defence.after(query, probabilities) if self._was_on(query) else probabilities

    def hides_from(self, query: Query) -> bool:
        """Whether the defence hides probabilities, if on."""
        hides = self.defence.hides_probabilities or self.defence.hides_from(query)
        return hides and self._was_on(query)

    def _was_on(self, query: Query) -> bool:
        known = getattr(self._thread, "query", None) is query
        return bool(self._thread.on) if known else self.on

    def __repr__(self) -> str:
        return f"Switch({self.defence!r}, {'on' if self.on else 'off'})"
