"""What a control room shows of each key: what it asked, what it was answered, what its holder can have learned."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from targets.defences.base import Defence, Query
from targets.querylog import Record
from targets.victims import load_victim
from targets.victims.base import Floats, Ints, Victim
from targets.watch.features import key_features
from targets.watch.sentry import reference_of

MOST_KEYS, MOST_ROWS = 50, 1000  # remembered: the busiest of a lab, and the newest rows of each
LEAST, GROWTH = 5, 1.15  # rows for a first estimate, and how many more before the next
ESTIMATES = 3  # at most so many a look: a dashboard must not slow its target


@dataclass
class _Kept:
    """One key's answered queries, and the estimates made so far: (rows answered, agreement)."""

    queries: list[tuple[float, str, Floats, Floats]] = field(default_factory=list)
    answered: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    features: dict[str, Any] | None = None

    @property
    def due(self) -> float:
        """How much it has grown since the last estimate; an estimate is due from 1."""
        last = self.curve[-1][0] if self.curve else LEAST / GROWTH
        return self.answered / (last * GROWTH)

    def add(self, query: Query, probabilities: Floats) -> None:
        """Keep one answered query; forget the oldest beyond MOST_ROWS rows."""
        self.queries.append((query.time, query.source, query.rows, np.array(probabilities)))
        self.answered += len(query.rows)
        while sum(len(rows) for _, _, rows, _ in self.queries[1:]) >= MOST_ROWS:
            del self.queries[0]


class Board(Defence):
    """``board:victim=credit``, last in the pipeline of a target with a control room. A device of the labs.

    It changes no answer; it remembers rows and answers by key, which a privacy notice would have to say.
    """

    def __init__(self, victim: str = "digits", seed: int = 0):
        self._victim = load_victim(victim, seed=seed)
        self._reference = reference_of(victim, seed)
        self._truth = self._victim.labels(self._victim.test.X)
        self._keys: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()
        self.baseline = float(np.bincount(self._truth).max() / len(self._truth))

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Remember, and pass on."""
        with self._lock:
            self._keys.setdefault(query.key, _Kept()).add(query, probabilities)
            self._keys.move_to_end(query.key)
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        return probabilities

    def told(self) -> dict[str, dict[str, Any]]:
        """By key: rows ``answered``, ``features`` of its answered rows, ``curve`` of estimated agreement.

        Estimates are made anew for the few keys that have grown most; the others' are a little older.
        """
        with self._lock:
            due = sorted((kept.due, key) for key, kept in self._keys.items() if kept.due >= 1)[-ESTIMATES:]
            work = [(key, self._keys[key], list(self._keys[key].queries), self._keys[key].answered) for _, key in due]
        for key, kept, queries, answered in work:
            estimate = agreement_estimate(queries, self._victim, self._truth)
            records = [Record(t, key, source, len(rows), "answered", 0.0, "", rows) for t, source, rows, _ in queries]
            features = asdict(key_features(records, self._reference)[key])
            with self._lock:
                kept.curve.append((answered, estimate))
                kept.features = features
        with self._lock:
            return {
                key: {"answered": kept.answered, "features": kept.features, "curve": list(kept.curve)}
                for key, kept in self._keys.items()
            }

    def __repr__(self) -> str:
        return f"Board({self._victim.name!r})"


def agreement_estimate(queries: list[tuple[float, str, Floats, Floats]], victim: Victim, truth: Ints) -> float:
    """How far a copy made of these answers agrees with the victim on its test rows, 0 to 1: the better of two copies.

    A thief may know a better one, or hold more keys: read it as "at least about so much has left the house".
    """
    rows = np.vstack([rows for _, _, rows, _ in queries])
    answers = np.vstack([answers for _, _, _, answers in queries])
    copies = (DecisionTreeRegressor(random_state=0), RandomForestRegressor(25, random_state=0, n_jobs=1))
    guesses = [copy.fit(rows, answers).predict(victim.test.X).argmax(axis=1) for copy in copies]
    return max(float(np.mean(guess == truth)) for guess in guesses)
