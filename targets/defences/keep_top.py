"""Noise on the probabilities that never changes the label."""

from __future__ import annotations

import numpy as np

from targets.defences.base import Query
from targets.defences.gaussian_noise import GaussianNoise
from targets.victims.base import Floats


class KeepTop(GaussianNoise):
    """Gaussian noise as in ``gaussian_noise``; where it changed the winner, the two values trade places again.

    Stops: solving equations.
    Does not stop: a thief who throws the probabilities away and trains on the labels, which are all true.
    Costs the honest customer: every ranking behind the first place, calibration; never a label.
    """

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return noisy (n, K) that sum to 1 and have their largest value where ``probabilities`` have it."""
        top = probabilities.argmax(axis=1)
        noisy = super().after(query, probabilities)
        winner = noisy.argmax(axis=1)
        moved = np.flatnonzero(winner != top)
        if len(moved):
            first, last = (moved, top[moved]), (moved, winner[moved])
            noisy[first], noisy[last] = noisy[last], noisy[first]
        return noisy
