"""The second half of a network's theft: from the normals of its hidden units to its output layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labkit.thieves.relu_walks import Place


def orient(normals: np.ndarray, shifts: np.ndarray, places: Sequence[Place]) -> tuple[np.ndarray, np.ndarray]:
    """``normals`` (h, d) and ``shifts`` (h,) turned to the side on which each unit is on.

    A slope is the sum of the normals of units that are on, each times what it weighs: written in normals, a unit that
    is off has weight 0.
    """
    weight = np.zeros((len(shifts), 2))
    seen = np.zeros_like(weight)
    for place in places:
        share = np.abs(np.linalg.lstsq(normals.T, place.slope)[0])
        side = (normals @ place.point + shifts > 0).astype(int)
        weight[np.arange(len(side)), side] += share
        seen[np.arange(len(side)), side] += 1
    weight /= np.maximum(seen, 1)
    turn = np.where(weight[:, 0] > weight[:, 1], -1.0, 1.0)
    return normals * turn[:, None], shifts * turn


def fit_outputs(hidden: np.ndarray, answers: np.ndarray, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (K,) and output weights (h, K) that explain ``answers`` (n, K) by ``hidden`` (n, h).

    Least squares in log-ratios against each row's likeliest class. Rounding moves log p by about 1 / p, so that is what
    an equation's weight undoes; answers of the last two digits are left out.
    """
    X = np.column_stack([hidden, np.ones(len(hidden))])
    scale = np.sqrt((X**2).mean(axis=0))
    X = X / np.where(scale == 0, 1, scale)
    (n, m), K = X.shape, answers.shape[1]
    top = answers.argmax(axis=1)
    likely = answers[np.arange(n), top]
    normal, right = np.zeros((K, m, K, m)), np.zeros((K, m))
    for k in range(K):
        for t in range(K):
            use = (top == t) & (answers[:, k] > 10.0 * 10.0**-decimals) & (k != t)
            p = answers[use, k]
            square = (p / (1 + p / likely[use])) ** 2
            gram = X[use].T @ (X[use] * square[:, None])
            side = X[use].T @ (square * np.log(p / likely[use]))
            for a, sign in ((k, 1.0), (t, -1.0)):
                normal[a, :, a] += gram
                right[a] += sign * side
            normal[k, :, t] -= gram
            normal[t, :, k] -= gram
    solution = _solve(normal.reshape(K * m, K * m)[m:, m:], right.reshape(-1)[m:])
    weights = np.concatenate([np.zeros(m), solution]).reshape(K, m).T / np.where(scale == 0, 1, scale)[:, None]
    return weights[-1], weights[:-1]


def _solve(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The least solution of normal equations whose unknowns differ widely in size."""
    size = np.sqrt(np.diag(normal)) + 1e-300
    values, vectors = np.linalg.eigh(normal / size[:, None] / size)
    good = values > 1e-14 * values[-1]
    return vectors[:, good] @ (vectors[:, good].T @ (right / size) / values[good]) / size
