"""What the examiner knows of its own victims' insides: parameters, leaves, hinges. Nothing here goes to a learner."""

from __future__ import annotations

import numpy as np

from targets import Victim


def raw_weights(victim: Victim) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, K) and bias (K,) of a linear victim in the features' own units; two classes have one column."""
    scale, model = victim.estimator[0], victim.estimator[1]
    if hasattr(scale, "mean_"):
        weights = model.coef_ / scale.scale_
        return weights.T, model.intercept_ - weights @ scale.mean_
    return (model.coef_ * scale.scale_).T, model.intercept_ + model.coef_ @ scale.min_


def leaf_box(victim: Victim, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (d,) of the leaf of a tree victim that holds ``row``, within the documented ranges."""
    tree = victim.estimator.tree_
    low = np.array([f.low for f in victim.features], dtype=float)
    high = np.array([f.high for f in victim.features], dtype=float)
    node = 0
    while tree.children_left[node] >= 0:
        i, threshold = tree.feature[node], tree.threshold[node]
        if np.float32(row[i]) <= threshold:
            high[i] = min(high[i], threshold)
            node = tree.children_left[node]
        else:
            low[i] = max(low[i], threshold)
            node = tree.children_right[node]
    return low, high


def true_hinges(victim: Victim, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Where the units of a one-layer network turn on or off between two rows: places in (0, 1), in order."""
    scaler, model = victim.estimator[0], victim.estimator[1]
    before, after = (scaler.transform(row[None])[0] @ model.coefs_[0] + model.intercepts_[0] for row in (start, end))
    crossing = np.sign(before) != np.sign(after)
    return np.sort(before[crossing] / (before[crossing] - after[crossing]))
