"""How wide the last hidden layer is, read off the rank of the answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Api
from labkit.thieves.scores import scores


def singular_values(probabilities: Any) -> np.ndarray:
    """Singular values, largest first, of the scores behind ``probabilities`` (n, K), less the mean answer.

    Scores are a linear map of the last hidden layer, so that only as many of them differ from zero as that layer has
    units, if it has fewer than K - 1 (Carlini et al. 2024 measured production language models so).
    """
    z = scores(probabilities)
    z = z[~np.isnan(z).any(axis=1)]
    return np.linalg.svd(z - z.mean(axis=0), compute_uv=False)


def count_dimensions(values: Any, *, floor: float = 1e-9) -> int:
    """How many singular values lie above ``floor`` times the largest."""
    values = np.asarray(values, dtype=float)
    return int((values > floor * values.max()).sum())


def hidden_dimension(api: Api, *, rng: np.random.Generator, queries: int = 100) -> int:
    """Width of the last hidden layer from ``queries`` random rows; K - 1 means "that wide, or wider"."""
    card = api.model()
    rows = rng.uniform(card.low, card.high, (queries, len(card.low)))
    return count_dimensions(singular_values(api.probabilities(rows)))
