"""What every monitor is: a score for each key that grows with suspicion, and an alert when it reaches a threshold."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np

from targets.defences.base import Query
from targets.victims.base import Floats
from targets.watch.alerts import Alert

MOST_KEYS = 20_000  # keys remembered at once; the one that was quiet longest is forgotten first


class State(Protocol):
    """One key's memory."""

    def update(self, rows: Floats, time: float = 0.0) -> Floats:
        """The score after each of ``rows`` (n, d), (n,); all were asked at ``time``, in seconds."""
        ...

    def reason(self) -> str:
        """Why the score is what it is, in a few words."""
        ...


@dataclass
class _Watched:
    state: Any
    queries: int = 0
    alarmed: bool = False
    score: float = 0.0


class Monitor:
    """Inherit, give a ``name`` and ``start``. Free of Flask; safe to share between threads.

    ``threshold``: a key is alarmed once, at the row at which its score first reaches it.
    """

    name = "monitor"
    priority = "medium"

    def __init__(self, threshold: float):
        self.threshold = threshold
        self._keys: OrderedDict[str, _Watched] = OrderedDict()
        self._lock = Lock()

    def start(self) -> State:
        """A new key's state."""
        raise NotImplementedError(f"{type(self).__name__} has no start()")

    def scores(self, rows: Any) -> Floats:
        """The score after each row of one key's whole stream (n, d), (n,); remembers nothing."""
        return self.start().update(np.asarray(rows, dtype=np.float64))

    def observe(self, query: Query) -> Alert | None:
        """Take one query into account; an Alert when its key's score reaches the threshold for the first time."""
        with self._lock:
            watched = self._watched(query.key)
            scores = watched.state.update(query.rows, query.time)
            before, watched.queries = watched.queries, watched.queries + len(query.rows)
            watched.score = float(scores[-1]) if len(scores) else watched.score
            over = np.flatnonzero(scores >= self.threshold)
            if watched.alarmed or not len(over):
                return None
            watched.alarmed = True
            score, seen = float(scores[over[0]]), before + int(over[0]) + 1
            return Alert(query.time, query.key, self.name, self.priority, score, seen, watched.state.reason())

    def standing(self) -> dict[str, float]:
        """The present score of every key remembered."""
        with self._lock:
            return {key: watched.score for key, watched in self._keys.items()}

    def alarmed(self, key: str) -> bool:
        """Whether ``key`` has been alarmed."""
        with self._lock:
            return key in self._keys and self._keys[key].alarmed

    def forgive(self, key: str) -> None:
        """Forget ``key``: after a false alarm it starts afresh."""
        with self._lock:
            self._keys.pop(key, None)

    def _watched(self, key: str) -> _Watched:
        if key not in self._keys:
            self._keys[key] = _Watched(self.start())
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        self._keys.move_to_end(key)
        return self._keys[key]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold:g})"
