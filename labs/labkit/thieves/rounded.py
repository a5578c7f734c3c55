"""A linear or softmax model behind rounded answers: more questions buy the digits back."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from labkit.api import Api
from labkit.thieves.equation import LinearCopy
from labkit.thieves.scores import softmax


def steal_rounded(api: Api, pool: Any, *, budget: int, rng: np.random.Generator, rounds: int = 4) -> LinearCopy:
    """Fit a linear copy to ``budget`` rounded answers; ``pool`` (n, d) are rows of the thief's own.

    A rounded answer of 0 or 1 says little, one near one half pins a score down. So only the first share is asked at
    random; later rows lie between two pool rows, where the copy so far finds two classes equally likely.
    """
    pool = np.asarray(pool, dtype=float)
    shares = [len(s) for s in np.array_split(np.arange(budget), rounds)]
    rows = pool[rng.choice(len(pool), shares[0], replace=shares[0] > len(pool))]
    answers = api.probabilities(rows)
    copy = fit_soft(rows, answers)
    for share in shares[1:]:
        more = _undecided(copy, pool, share, rng)
        rows, answers = np.vstack([rows, more]), np.vstack([answers, api.probabilities(more)])
        copy = fit_soft(rows, answers)
    return copy


def fit_soft(rows: Any, answers: Any, *, ridge: float = 1e-7) -> LinearCopy:
    """The linear copy of greatest likelihood given soft ``answers`` (n, K), which need not sum to 1."""
    X, p = np.asarray(rows, dtype=float), np.asarray(answers, dtype=float)
    p = p / p.sum(axis=1, keepdims=True)
    middle, scale = X.mean(axis=0), X.std(axis=0)
    scale[scale == 0] = 1.0
    A = np.column_stack([(X - middle) / scale, np.ones(len(X))])
    shape = (A.shape[1], p.shape[1])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(shape)
        z = A @ w
        top = z.max(axis=1, keepdims=True)
        total = np.log(np.exp(z - top).sum(axis=1)) + top[:, 0]
        slope = A.T @ (softmax(z) - p) / len(A) + 2 * ridge * w
        return float((total - (p * z).sum(axis=1)).mean() + ridge * (w**2).sum()), slope.ravel()

    found = minimize(
        loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-13}
    )
    w = found.x.reshape(shape)
    w = w - w.mean(axis=1, keepdims=True)
    weights = w[:-1] / scale[:, None]
    return LinearCopy(weights, w[-1] - middle @ weights)


def _undecided(copy: LinearCopy, pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points between two pool rows of different predicted label, where the copy halves its mind, (count, d)."""
    labels = copy.predict(pool)
    if len(np.unique(labels)) == 1:
        return pool[rng.choice(len(pool), count)]
    first = rng.choice(len(pool), count)
    second = np.array([rng.choice(np.flatnonzero(labels != labels[i])) for i in first])
    low, high = np.zeros(count), np.ones(count)
    for _ in range(30):
        t = (low + high) / 2
        stays = copy.predict(pool[first] + t[:, None] * (pool[second] - pool[first])) == labels[first]
        low, high = np.where(stays, t, low), np.where(stays, high, t)
    t = np.clip(low + rng.normal(0, 0.03, count), 0, 1)
    return pool[first] + t[:, None] * (pool[second] - pool[first])
