"""Flip a coin where the model is unsure: the boundary gets a soft edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from targets.defences.base import Defence, Query
from targets.defences.randomness import Draws, positive
from targets.victims.base import Floats


class BoundaryNoise(Defence):
    """Where the two likeliest classes are less than ``zone`` apart, swap them with probability 1 / (1 + e^``epsilon``).

    After boundary differential privacy (BDPL, Zheng et al. 2019), which measures the zone in the features; here it is
    the margin of the answer. Fresh, or keyed by ``secret`` so that asking again does not help.
    Stops: line searches, which halve their way to the boundary and believe each answer.
    Does not stop: retraining, which averages over rows on both sides; repeats, if the coin is fresh.
    Costs the honest customer: the answer to every doubtful row, the ones that most needed the model.
    """

    def __init__(self, zone: float = 0.3, epsilon: float = 1.0, secret: Any = None, seed: int | None = None):
        self.zone = positive("zone", zone, 1.0)
        self.epsilon = positive("epsilon", epsilon)
        self.keyed = secret is not None
        self._draws = Draws(secret=secret, seed=seed, purpose="boundary")

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return (n, K) with the two largest values of some doubtful rows swapped."""
        second, first = np.argsort(probabilities, axis=1, kind="stable")[:, -2:].T
        every = np.arange(len(probabilities))
        high, low = probabilities[every, first], probabilities[every, second]
        swap = high - low < self.zone
        swap &= self._draws.uniform(query.rows, 1)[:, 0] < 1 / (1 + np.exp(self.epsilon))
        probabilities[every[swap], first[swap]] = low[swap]
        probabilities[every[swap], second[swap]] = high[swap]
        return probabilities
