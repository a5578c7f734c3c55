"""From probabilities back to the scores behind them: the step that makes exact theft possible."""

from __future__ import annotations

from typing import Any

import numpy as np

# Below this a probability is zero or about to be: its logarithm says nothing.
FAINTEST = 1e-290


def scores(probabilities: Any) -> np.ndarray:
    """Scores (n, K) of a softmax or logistic model, up to a constant a row: centred logarithms of (n, K).

    A softmax hides only that constant, so that differences of scores are differences of logarithms, to the last digit
    of the answers (Tramèr et al. 2016). A probability of 0 or 1 hides everything: such a row becomes NaN.
    """
    p = np.asarray(probabilities, dtype=float)
    if p.ndim != 2 or p.shape[1] < 2:
        raise ValueError(f"probabilities must have shape (rows, classes) with two classes or more; got {p.shape}")
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    logs[(p < FAINTEST).any(axis=1)] = np.nan
    return logs - logs.mean(axis=1, keepdims=True)


def softmax(z: np.ndarray) -> np.ndarray:
    """Probabilities (n, K) of scores (n, K)."""
    shares = np.exp(z - z.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
