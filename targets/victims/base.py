"""What a victim is: a fitted model, the three disjoint parts of its data, and what its vendor tells customers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Feature:
    """One input column as the vendor documents it: round limits and a unit, never the extremes of private rows."""

    name: str
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True)
class Part:
    """Rows ``X`` (n, d) float64 and their true class numbers ``y`` (n,); both arrays are read-only."""

    X: Floats
    y: Ints

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"Part({len(self.y)} rows)"


@dataclass(frozen=True)
class Dataset:
    """What a victim file returns: all rows and their documentation.

    ``scaling`` is "standard" (learned from the training part) or "range" (from the documented limits).
    """

    title: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    X: Floats
    y: Ints
    scaling: str = "standard"


@dataclass(frozen=True, repr=False)
class Victim:
    """A fitted model with its data: ``train`` (50 %), ``pool`` (25 %) and ``test`` (25 %) share no row.

    ``train`` is the defender's secret, ``pool`` is what an outsider may own, ``test`` measures both sides.
    ``estimator`` is the fitted scikit-learn model, ``score`` its ``predict_proba`` for rows already checked.
    """

    name: str
    model: str
    seed: int
    title: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    train: Part
    pool: Part
    test: Part
    estimator: Any
    score: Callable[[Floats], Any]

    def probabilities(self, X: Any) -> Floats:
        """Class probabilities (n, K) of rows ``X`` (n, d). Raises ValueError when the shape is not (n, d)."""
        rows = np.asarray(X, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.features):
            raise ValueError(f"{self.name} takes rows of shape (n, {len(self.features)}), not {rows.shape}")
        if not len(rows):
            return np.zeros((0, len(self.classes)))
        return np.ascontiguousarray(self.score(rows), dtype=np.float64)

    def labels(self, X: Any) -> Ints:
        """The most probable class number (n,) of each row of ``X`` (n, d)."""
        return self.probabilities(X).argmax(axis=1).astype(np.int64)

    def accuracy(self, part: Part) -> float:
        """Share of rows of ``part`` whose true class the model names."""
        return float(np.mean(self.labels(part.X) == part.y))

    def __repr__(self) -> str:
        return f"Victim({self.name!r}, model={self.model!r}, seed={self.seed})"
