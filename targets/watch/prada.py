"""PRADA: are the distances between a key's queries normally distributed? (Juuti and others 2019, arXiv 1805.02628)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import shapiro

from targets.victims.base import Floats
from targets.watch.monitor import Monitor
from targets.watch.reference import Reference

LEAST, MOST = (
    50,
    500,
)  # the paper waits for 100 distances; the labs' streams are short. Above 500 the oldest are left out


class Prada(Monitor):
    """Score: 1 - W, with W of the Shapiro-Wilk test on each query's distance to the nearest earlier one of its class.

    The paper alarms below W = 0.90 to 0.95 (here ``threshold`` = 0.10 to 0.05), on image models, whose customers'
    distances look normal. Distances in a table are skewed whoever asks, so the published threshold accuses customers;
    a threshold raised until it does not (see ``benchmarks/results/detection.md``) misses most thieves.
    """

    name = "PRADA"

    def __init__(self, reference: Reference, threshold: float = 0.05, least: int = LEAST):
        super().__init__(threshold)
        self.reference, self.least = reference, least

    def start(self) -> _Distances:
        """A new key's state."""
        return _Distances(self)


class _Distances:
    def __init__(self, monitor: Prada):
        self._monitor = monitor
        self._past: dict[int, list[Floats]] = {}
        self._found: list[float] = []
        self._score = 0.0

    def update(self, rows: Floats, time: float = 0.0) -> Floats:
        """The score after each of ``rows`` (n, d), (n,)."""
        if not len(rows):
            return np.zeros(0)
        labels = self._monitor.reference.answer(rows).argmax(axis=1)
        scaled = self._monitor.reference.scaled(rows)
        return np.array([self._add(int(label), row) for label, row in zip(labels, scaled, strict=True)])

    def _add(self, label: int, row: Floats) -> float:
        past = self._past.setdefault(label, [])
        if past:
            self._found = [*self._found[1 - MOST :], float(cdist(row[None], np.asarray(past)).min())]
            if len(self._found) >= self._monitor.least:
                self._score = _not_normal(np.array(self._found))
        past.append(row)
        return self._score

    def reason(self) -> str:
        """In words."""
        return f"distances between its queries: W = {1 - self._score:.2f}"


def _not_normal(found: Floats) -> float:
    """1 - W without outliers beyond three deviations, as the paper does; 1 when all distances are equal."""
    kept = found[np.abs(found - found.mean()) <= 3 * found.std()]
    return 1.0 if np.ptp(kept) == 0 else float(1 - shapiro(kept).statistic)
