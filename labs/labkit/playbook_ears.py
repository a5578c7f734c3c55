"""Lab 11's monitor in the notebook: a spike rule and lab 10's bet, as a defence that refuses nobody and tells."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.defending import Defence, Query
from labkit.suspicion import how_far, how_new, rank
from labkit.traffic import HOUR

KAPPAS = np.array([0.1, 0.25, 0.5])[:, None]


class Ears(Defence):
    """Hears every query and raises at most one alert a key and detector.

    ``known`` and ``ordinary`` (n, d) are the vendor's rows, for the bet on distance and on new values. ``now`` is set
    by whoever has the clock. Alerts have the fields of the target's own monitors.
    """

    def __init__(self, known: Any, ordinary: Any, *, threshold: float = 100.0, rows_an_hour: int = 200):
        self.now = 0.0
        self._questions = [(score, score(ordinary)) for score in (how_far(known), how_new(known))]
        self._threshold, self._most = threshold, rows_an_hour
        self._capital: dict[str, np.ndarray] = {}
        self._recent: dict[str, list[float]] = {}
        self._seen: dict[str, int] = {}
        self._raised: set[tuple[str, str]] = set()
        self._fresh: list[dict[str, Any]] = []

    def new_alerts(self) -> list[dict[str, Any]]:
        """The alerts since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def before(self, query: Query) -> None:
        """Bet on each row, count the hour."""
        p = np.array([rank(usual, score(query.rows)) for score, usual in self._questions])
        capital = self._capital.get(query.key, np.ones((len(KAPPAS), len(p))))
        path = capital[:, :, None] * np.cumprod(KAPPAS[:, :, None] * p[None] ** (KAPPAS[:, :, None] - 1), axis=2)
        self._capital[query.key] = path[:, :, -1]
        self._seen[query.key] = self._seen.get(query.key, 0) + len(query.rows)
        hour = [time for time in self._recent.get(query.key, []) if time > self.now - HOUR]
        self._recent[query.key] = [*hour, *[self.now] * len(query.rows)]
        self._tell(query.key, "martingale", "medium", float(path.mean(axis=(0, 1)).max()), self._threshold)
        self._tell(query.key, "spike", "low", float(len(self._recent[query.key])), self._most)

    def _tell(self, key: str, detector: str, priority: str, score: float, threshold: float) -> None:
        if score < threshold or (key, detector) in self._raised:
            return
        self._raised.add((key, detector))
        self._fresh.append({
            "time": self.now, "key": key, "detector": detector, "priority": priority, "score": score,
            "queries_seen": self._seen[key], "reason": "far from real rows" if detector != "spike" else "many rows",
        })  # fmt: skip
