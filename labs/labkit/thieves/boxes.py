"""A box of feature space for each answer: what a thief knows of a decision tree, and what is still unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TreeCopy:
    """Boxes low < x <= high, (L, d) each; ``answers`` (L, K) and ``labels`` (L,) inside. Of two the smaller wins."""

    low: np.ndarray
    high: np.ndarray
    answers: np.ndarray
    labels: np.ndarray

    @property
    def leaves(self) -> int:
        """Number of boxes."""
        return len(self.answers)

    def predict_proba(self, rows: Any) -> np.ndarray:
        """The answer (n, K) of the box each row lies in; outside every box, that of the nearest."""
        return self.answers[self.box_of(rows)]

    def predict(self, rows: Any) -> np.ndarray:
        """Class index of each row, (n,)."""
        return self.labels[self.box_of(rows)]

    def box_of(self, rows: Any) -> np.ndarray:
        """Number of the box that answers for each row, (n,)."""
        X = np.asarray(rows, dtype=float)
        # No more cells than this at once: a table of all rows by all boxes by all features would be large.
        parts = np.array_split(X, max(1, len(X) * self.low.size // 2_000_000))
        return np.concatenate([self._box_of(part) for part in parts if len(part)])

    def _box_of(self, X: np.ndarray) -> np.ndarray:
        width = self.high - self.low
        full = self.high.max(axis=0) - self.low.min(axis=0)
        outside = np.maximum(np.maximum(self.low - X[:, None], X[:, None] - self.high), 0) / full
        size = np.log(width / full).sum(axis=1)
        # A row at the lower edge of a box is not in it (the tree sends it left): that counts as a tiny distance.
        outside = outside + 1e-12 * ((self.low >= X[:, None]) & (self.low > self.low.min(axis=0)))
        return np.lexsort((np.broadcast_to(size, outside.shape[:2]), outside.sum(axis=2)), axis=1)[:, 0]


class Unknown:
    """The part of a box that no found box covers yet, as a list of boxes."""

    def __init__(self, low: np.ndarray, high: np.ndarray):
        self._scale = high - low
        self._parts: list[tuple[np.ndarray, np.ndarray]] = [(low.copy(), high.copy())]

    def __bool__(self) -> bool:
        return bool(self._parts)

    def middle_of_largest(self) -> np.ndarray:
        """The middle (d,) of the largest unknown part."""
        low, high = max(self._parts, key=lambda part: float(np.log((part[1] - part[0]) / self._scale).sum()))
        return (low + high) / 2

    def holds(self, row: np.ndarray) -> bool:
        """Whether ``row`` (d,) lies in an unknown part."""
        return any((low < row).all() and (row <= high).all() for low, high in self._parts)

    def remove(self, low: np.ndarray, high: np.ndarray, thinnest: float) -> None:
        """Take the box ``low`` to ``high`` out; slivers thinner than ``thinnest`` of a range go with it."""
        self._parts = [
            rest
            for part in self._parts
            for rest in _minus(*part, low, high)
            if ((rest[1] - rest[0]) > thinnest * self._scale).all()
        ]


def _minus(
    low: np.ndarray, high: np.ndarray, out_low: np.ndarray, out_high: np.ndarray
) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """The box ``low`` to ``high`` without the other one, cut into boxes along the other one's faces."""
    if (out_high <= low).any() or (out_low >= high).any():
        return [(low, high)]
    low, high = low.copy(), high.copy()
    rest = []
    for i in range(len(low)):
        if out_low[i] > low[i]:
            cut = high.copy()
            cut[i] = out_low[i]
            rest.append((low.copy(), cut))
            low[i] = out_low[i]
        if out_high[i] < high[i]:
            cut = low.copy()
            cut[i] = out_high[i]
            rest.append((cut, high.copy()))
            high[i] = out_high[i]
    return rest
