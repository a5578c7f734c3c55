"""How many training rows does a model file hold, number for number?"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import KDTree


def rows_held(found: Any, known: Any, *, tolerance: float = 1e-6) -> float:
    """Share of ``known`` rows (n, d) that stand in ``found`` (m, d), every number within ``tolerance`` of it.

    The tolerance is relative to each column's spread: undoing a scaler loses the last digits of a float.
    """
    known = np.asarray(known, dtype=float)
    found = np.asarray(found, dtype=float).reshape(-1, known.shape[1])
    if not len(found):
        return 0.0
    spread = known.std(axis=0)
    spread[spread == 0] = 1
    gaps, _ = KDTree(found / spread, metric="chebyshev").query(known / spread)
    return float(np.mean(gaps[:, 0] <= tolerance))
