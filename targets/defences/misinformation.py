"""Answer strange rows wrongly, and everybody else truthfully."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from targets.defences.base import Defence, Query
from targets.defences.known import known_rows
from targets.defences.randomness import positive
from targets.victims.base import Floats

NEIGHBOURS = 3


class Misinformation(Defence):
    """Rows farther from ``known`` rows than all but a ``share`` of those are from each other are answered wrongly.

    After adaptive misinformation (Kariyappa and Qureshi 2020), which trains the wrong answers; here every class's
    probability moves one class on. ``known`` is a table of rows (n, d), or the name of a victim, whose training rows
    of ``seed`` are taken. Distance: mean to the three nearest, features scaled to one standard deviation.
    Stops: a thief without data, whose invented rows are all strange.
    Does not stop: a thief with rows like the customers'; on two classes, a thief who notices and swaps the labels back.
    Costs the honest customer: a wrong answer, without a word, to every unusual row: at least ``share`` of them.
    """

    def __init__(self, known: Any = None, share: float = 0.02, seed: int = 0):
        self.share = positive("share", share, 0.5)
        rows, self.known = known_rows(known, seed, NEIGHBOURS + 1)
        self._middle, self._scale = rows.mean(axis=0), rows.std(axis=0)
        self._scale[self._scale == 0] = 1.0
        self._near = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(self._scaled(rows))
        own = self._near.kneighbors()[0].mean(axis=1)  # without rows to ask about: each known row among the others
        self._limit = float(np.quantile(own, 1 - self.share))

    def strange(self, rows: Floats) -> np.ndarray:
        """Which of ``rows`` (n, d) are far from everything known, (n,) of bool."""
        far = self._near.kneighbors(self._scaled(rows))[0].mean(axis=1)
        return np.asarray(far > self._limit)

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return (n, K); in strange rows class k reads what class k - 1 had."""
        strange = self.strange(query.rows)
        probabilities[strange] = np.roll(probabilities[strange], 1, axis=1)
        return probabilities

    def _scaled(self, rows: Floats) -> Floats:
        return np.asarray((rows - self._middle) / self._scale, dtype=np.float64)
