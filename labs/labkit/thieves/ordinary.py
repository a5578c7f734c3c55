"""The thief who asks only what nobody finds strange."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors


def ordinary_rows(pool: Any, share: float = 0.8, *, neighbours: int = 3) -> np.ndarray:
    """Row numbers of the ``share`` of ``pool`` (n, d) with the nearest neighbours, in the pool's order.

    A defence that lies to strange rows measures strangeness on rows it knows; the thief measures it on its own, and
    keeps clear of the edge. Features are scaled to one standard deviation.
    """
    pool = np.asarray(pool, dtype=float)
    scale = pool.std(axis=0)
    scale[scale == 0] = 1.0
    near = NearestNeighbors(n_neighbors=min(neighbours, len(pool) - 1), algorithm="brute").fit(pool / scale)
    far = near.kneighbors()[0].mean(axis=1)
    return np.sort(np.argsort(far, kind="stable")[: max(1, round(share * len(pool)))])
