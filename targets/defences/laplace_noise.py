"""Add Laplace noise to every probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from targets.defences.base import Defence, Query
from targets.defences.randomness import Draws, back_to_probabilities, positive
from targets.victims.base import Floats


class LaplaceNoise(Defence):
    """Add noise of a Laplace distribution with ``scale``, cut at 0, divide by the sum; fresh, or keyed by ``secret``.

    Stops: solving equations; at scales that already change many labels, some of a retrained copy's agreement.
    Does not stop: retraining, since noise with mean 0 averages out over different rows; fresh noise on one row
    averages out over repeats; keyed noise does so over rows that differ in a digit nobody reads.
    Costs the honest customer: labels near the boundary, every ranking, calibration; with fresh noise, the same answer
    twice. This is no differential privacy of the training rows: nothing here bounds what all answers together tell.
    """

    def __init__(self, scale: float = 0.1, secret: Any = None, seed: int | None = None):
        self.scale = positive("scale", scale)
        self.keyed = secret is not None
        self._draws = Draws(secret=secret, seed=seed, purpose="laplace")

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return noisy (n, K) that sum to 1."""
        centred = self._draws.uniform(query.rows, probabilities.shape[1]) - 0.5
        noise = -self.scale * np.sign(centred) * np.log1p(-2 * np.abs(centred))
        return back_to_probabilities(probabilities + noise)
