"""A device of the labs, not a defence: the API key names the defence its holder meets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from targets.defences.base import Defence, Query, Refused
from targets.victims.base import Floats

KEPT = 64


class Menu(Defence):
    """One target, many defences to compare: the key ``thief@rounding:decimals=1`` meets rounding, ``thief`` nothing.

    A target is a process of a second or two; a grid of thirty settings would start thirty. Never mount this where
    keys come from customers. What hides probabilities elsewhere answers with one-hot rows here. A defence with state
    lives as long as its text is among the last used.
    """

    def __init__(self, build: Callable[[str], Defence]):
        self._build = build
        self._made: OrderedDict[str, Defence] = OrderedDict()
        self._lock = Lock()

    def before(self, query: Query) -> None:
        """Pass on to the defence named after "@". Raises Refused with the mistake if there is no such defence."""
        self._of(query).before(query)

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return what the defence named after "@" returns."""
        return self._of(query).after(query, probabilities)

    def _of(self, query: Query) -> Defence:
        text = query.key.partition("@")[2]
        if not text:
            return Defence()
        with self._lock:
            if text not in self._made:
                try:
                    self._made[text] = self._build(text)
                except ValueError as error:
                    raise Refused(f"the key asks for a defence that cannot be had: {error}", retry_after=0) from None
            self._made.move_to_end(text)
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
            return self._made[text]
