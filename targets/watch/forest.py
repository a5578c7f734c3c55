"""An isolation forest over windows of a key's queries, and what looking again and again costs."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.ensemble import IsolationForest

from targets.victims.base import Floats
from targets.watch.monitor import Monitor
from targets.watch.reference import Reference

WINDOW, STEP = 30, 10
LOOKS_A_DAY = 10  # windows of a customer with 120 rows
WINDOWS = 600  # windows of held-out rows to learn from, and as many to set the threshold with


class Forest(Monitor):
    """Score: how easily a key's last 30 rows are isolated from windows of held-out rows; looked at every 10 rows.

    ``share`` is the false-alarm rate wished for, and ``looks`` how many windows of one key will be judged. A threshold
    that a window passes once in a hundred is passed sooner or later by a customer who is looked at thirty times: with
    ``looks`` = 1 that price is not paid, with the number of looks it is (Bonferroni), as far as the windows reach.
    """

    name = "isolation forest"

    def __init__(self, reference: Reference, share: float = 0.01, looks: int = 1, seed: int = 0):
        self.reference, self.looks = reference, looks
        rng = np.random.default_rng(seed)
        # Held-out rows come first in the reference; windows drawn from them stand for customers.
        own = reference.rows[: len(reference.margin)]
        far = reference.how_far(own)
        windows = [rng.permutation(len(own))[:WINDOW] for _ in range(2 * WINDOWS)]
        table = np.array([_features(own[window], far[window]) for window in windows])
        self._forest = IsolationForest(n_estimators=60, random_state=seed).fit(table[:WINDOWS])
        ordinary = -self._forest.score_samples(table[WINDOWS:])
        super().__init__(float(np.quantile(ordinary, max(0.0, 1 - share / looks))))

    def start(self) -> _Window:
        """A new key's state."""
        return _Window(self)

    def judge(self, windows: list[Floats]) -> Floats:
        """Score of each window of scaled rows, (len(windows),)."""
        table = [_features(window, self.reference.how_far(window)) for window in windows]
        return np.asarray(-self._forest.score_samples(np.array(table)))


def _features(scaled: Floats, far: Floats) -> list[float]:
    """What is told of a window: distances to real rows and among its own, spread, the most extreme value."""
    apart = cdist(scaled, scaled)
    np.fill_diagonal(apart, np.inf)
    near = apart.min(axis=1)
    return [far.mean(), far.max(), near.mean(), near.min(), scaled.std(axis=0).mean(), np.abs(scaled).max()]


class _Window:
    def __init__(self, monitor: Forest):
        self._monitor = monitor
        self._rows: list[Floats] = []
        self._count, self._score = 0, 0.0

    def update(self, rows: Floats, time: float = 0.0) -> Floats:
        """The score after each of ``rows`` (n, d), (n,)."""
        scaled = self._monitor.reference.scaled(rows)
        held, first = np.vstack([*self._rows, *scaled]), len(self._rows)
        counts = self._count + 1 + np.arange(len(rows))
        scores = np.full(len(rows), np.nan)
        due = [i for i, count in enumerate(counts) if count % STEP == 0 and count >= WINDOW]
        if due:
            scores[due] = self._monitor.judge([held[first + i + 1 - WINDOW : first + i + 1] for i in due])
        for i in range(len(rows)):
            self._score = scores[i] = self._score if np.isnan(scores[i]) else float(scores[i])
        self._rows, self._count = list(held[1 - WINDOW :]), self._count + len(rows)
        return scores

    def reason(self) -> str:
        """In words."""
        return f"its last {WINDOW} queries look like no customer's"
