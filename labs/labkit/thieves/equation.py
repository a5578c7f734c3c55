"""Linear and softmax models by solving their equations: d + 1 answers hold every weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import qr

from labkit.api import Api
from labkit.thieves.scores import scores, softmax


@dataclass(frozen=True)
class LinearCopy:
    """scores(x) = x W + b, up to a constant a row: ``weights`` (d, K) and ``bias`` (K,), each row's mean is 0."""

    weights: np.ndarray
    bias: np.ndarray

    def scores(self, rows: Any) -> np.ndarray:
        """Scores (n, K) of rows (n, d)."""
        return np.asarray(rows, dtype=float) @ self.weights + self.bias

    def predict_proba(self, rows: Any) -> np.ndarray:
        """Probabilities (n, K)."""
        return softmax(self.scores(rows))

    def predict(self, rows: Any) -> np.ndarray:
        """Class index of each row, (n,)."""
        return self.scores(rows).argmax(axis=1)


def solve_linear(rows: Any, probabilities: Any, *, rank_from: float = 1e-10) -> LinearCopy:
    """The linear model that gives ``probabilities`` (n, K) to ``rows`` (n, d): one linear system for all K classes.

    Rows whose probabilities are 0 or 1 to the last digit are left out. Directions in which the rows (each column scaled
    to its largest deviation) do not vary, down to ``rank_from`` of the largest, get weight 0: least squares of minimum
    norm, so that a pixel which is never inked does no harm.
    """
    X = np.asarray(rows, dtype=float)
    z = scores(probabilities)
    sound = ~np.isnan(z).any(axis=1)
    if not sound.any():
        raise ValueError("every probability is 0 or 1: ask rows nearer to the boundary")
    X, z = X[sound], z[sound]
    middle = X.mean(axis=0)
    spread = np.abs(X - middle).max(axis=0)
    spread[spread == 0] = 1
    scaled = np.column_stack([(X - middle) / spread, np.ones(len(X))])
    solution = np.linalg.lstsq(scaled, z, rcond=rank_from)[0]
    weights = solution[:-1] / spread[:, None]
    return LinearCopy(weights, solution[-1] - middle @ weights)


def steal_equations(api: Api, *, start: Any = None, reach: float = 0.02) -> LinearCopy:
    """A linear or softmax model in exactly d + 1 queries: ``start`` (d,), then one step along each feature.

    ``start`` defaults to the middle of the documented ranges; a row of the thief's own is as good, if the model is not
    too sure of it. Steps are ``reach`` of each range: equal steps in each feature's own unit keep the system well
    conditioned, and small ones keep probabilities away from 0 and 1.
    """
    card = api.model()
    step = np.diag(reach * (card.high - card.low))
    rows = ((card.low + card.high) / 2 if start is None else np.asarray(start, dtype=float)) + np.vstack(
        [np.zeros(len(step)), step]
    )
    return solve_linear(rows, api.probabilities(rows))


def steal_equations_from_rows(api: Api, pool: Any) -> LinearCopy:
    """The same from d + 1 ordinary rows of ``pool`` (n, d): no query differs from an honest customer's.

    Pivoted QR picks the rows that differ most from each other, before anything is asked.
    """
    pool = np.asarray(pool, dtype=float)
    centred = pool - pool.mean(axis=0)
    spread = centred.std(axis=0)
    spread[spread == 0] = 1
    augmented = np.column_stack([centred / spread, np.ones(len(pool))])
    order = qr(augmented.T, pivoting=True, mode="r")[1]
    rows = pool[order[: pool.shape[1] + 1]]
    return solve_linear(rows, api.probabilities(rows))
