"""Add Gaussian noise to every probability."""

from __future__ import annotations

from typing import Any

from scipy.special import ndtri

from targets.defences.base import Defence, Query
from targets.defences.randomness import Draws, back_to_probabilities, positive
from targets.victims.base import Floats


class GaussianNoise(Defence):
    """Add normal noise of standard deviation ``sigma``, cut at 0, divide by the sum; fresh, or keyed by ``secret``.

    Stops: solving equations; at strengths that already change many labels, some of a retrained copy's agreement.
    Does not stop: retraining, since noise with mean 0 averages out over different rows; fresh noise on one row
    averages out over repeats; keyed noise does so over rows that differ in a digit nobody reads.
    Costs the honest customer: labels near the boundary, every ranking, calibration; with fresh noise, the same answer
    twice.
    """

    def __init__(self, sigma: float = 0.1, secret: Any = None, seed: int | None = None):
        self.sigma = positive("sigma", sigma)
        self.keyed = secret is not None
        self._draws = Draws(secret=secret, seed=seed, purpose="gaussian")

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return noisy (n, K) that sum to 1."""
        noise = self.sigma * ndtri(self._draws.uniform(query.rows, probabilities.shape[1]))
        return back_to_probabilities(probabilities + noise)
