"""A linear model of two classes from labels alone: points on its boundary, found by halving."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Api
from labkit.thieves.equation import LinearCopy

START_BITS = 30  # the first boundary point carries all the others
FIRST = 1 / 16  # the first look, as a share of the line


def steal_line_search(api: Api, pool: Any, *, rng: np.random.Generator, per_feature: float = 12) -> LinearCopy:
    """A two-class linear model in ``per_feature`` label queries a feature; ``pool`` (n, d) are the thief's rows.

    Two pool rows with different labels give a line that crosses the boundary; halving finds where. From there, step
    along one feature and search on the line's own direction again: how far the boundary has moved is that feature's
    weight, relative to the line's (Lowd and Meek 2005). Every answer is one bit: the next ones always go to the
    features whose weights are known least.
    """
    pool = np.asarray(pool, dtype=float)
    budget = int(per_feature * pool.shape[1])
    if budget < 2 * START_BITS + 2 * pool.shape[1]:
        raise ValueError(f"{budget} queries are too few for {pool.shape[1]} features: give more per_feature")
    middle, scale = pool.mean(axis=0), pool.std(axis=0)
    scale[scale == 0] = 1.0
    before = api.spent
    below, above = ((row - middle) / scale for row in _opposite_rows(api, pool, rng))
    line = above - below

    def crossed(points: np.ndarray) -> np.ndarray:
        return api.labels(points * scale + middle) == 1

    base = below + line * _halve(lambda t: crossed(below + t[:, None] * line), START_BITS)
    step = np.linalg.norm(line) / 2 * rng.choice([-1.0, 1.0], len(line))
    starts = base + np.diag(step)
    moved = _crossings(lambda k, t: crossed(starts[k] + t[:, None] * line), len(line), budget - (api.spent - before))
    weights = -moved / step  # in units in which weights @ line = 1
    weights = weights / (weights @ line) / scale
    bias = -(base * scale + middle) @ weights
    return LinearCopy(np.column_stack([-weights, weights]) / 2, np.array([-bias, bias]) / 2)


def _halve(crossed: Any, bits: int) -> float:
    low, high = 0.0, 1.0
    for _ in range(bits):
        middle = (low + high) / 2
        low, high = (low, middle) if crossed(np.array([middle]))[0] else (middle, high)
    return (low + high) / 2


def _crossings(crossed: Any, count: int, budget: int) -> np.ndarray:
    """Where each of ``count`` lines crosses the boundary, (count,), from ``budget`` labels ``crossed(k, t)``.

    Most weights are small: look near 0 first, go outwards by doubling, then halve the widest interval again and again.
    """
    up = crossed(np.arange(count), np.zeros(count))
    outward = np.where(up, -1.0, 1.0)
    near, far = np.zeros(count), np.full(count, np.inf)
    budget -= count
    while budget > 0:
        width = np.where(np.isinf(far), np.inf, far - near)
        widest = np.argsort(-width)[:budget]
        k = (
            widest[width[widest] > 0.7 * width[widest[0]]]
            if np.isfinite(width[widest[0]])
            else widest[np.isinf(width[widest])]
        )
        t = np.where(np.isinf(far[k]), np.maximum(2 * near[k], FIRST), (near[k] + far[k]) / 2)
        beyond = crossed(k, outward[k] * t) != up[k]
        far[k[beyond]], near[k[~beyond]] = t[beyond], t[~beyond]
        budget -= len(k)
    return outward * np.where(np.isinf(far), near, (near + far) / 2)


def _opposite_rows(api: Api, pool: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A pool row with label 0 and one with label 1, bought in small batches."""
    found: dict[int, np.ndarray] = {}
    for batch in np.array_split(rng.permutation(pool), max(1, len(pool) // 4)):
        for row, label in zip(batch, api.labels(batch), strict=True):
            found.setdefault(int(label), row)
        if len(found) == 2:
            return found[0], found[1]
    raise ValueError("every row of the pool has the same label: no line crosses the boundary")
