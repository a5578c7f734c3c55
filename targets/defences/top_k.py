"""Answer with the k likeliest classes only."""

from __future__ import annotations

import numpy as np

from targets.defences.base import Defence, Query
from targets.victims.base import Floats


class TopK(Defence):
    """Keep the ``k`` largest probabilities of each row as they are; every other class reads 0.

    Stops: solving softmax models as published, which reads every class of every row.
    Does not stop: retraining, which lives on the largest probabilities; anything on two classes with k = 1, where the
    second probability follows from the first.
    Costs the honest customer: the tail, so rows no longer sum to 1; runners-up below rank k.
    """

    def __init__(self, k: int = 1):
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"k is a whole number from 1 up, not {k!r}")
        self.k = k

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return (n, K) with all but the ``k`` largest set to 0."""
        if self.k >= probabilities.shape[1]:
            return probabilities
        dropped = np.argsort(-probabilities, axis=1, kind="stable")[:, self.k :]
        np.put_along_axis(probabilities, dropped, 0.0, axis=1)
        return probabilities
