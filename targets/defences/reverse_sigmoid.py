"""Bend the probabilities so that two different confidences look alike."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from targets.defences.base import Defence, Query
from targets.defences.randomness import back_to_probabilities, positive
from targets.victims.base import Floats

_SUREST = 1e-12  # the logit of 0 and of 1 is infinite


class ReverseSigmoid(Defence):
    """Take ``beta`` x (sigmoid(``gamma`` x logit(p)) - 1/2) off every probability, divide by the sum (Lee et al. 2018).

    Stops: solving equations; a copy trained on the probabilities alone, where large ``beta`` hides sure answers.
    Does not stop: a copy trained on the labels, which survive on two classes and mostly on more.
    Costs the honest customer: confidence itself: very sure and unsure rows read alike; calibration is gone by design.
    """

    def __init__(self, beta: float = 0.4, gamma: float = 1.0):
        self.beta = positive("beta", beta, 1.0)
        self.gamma = positive("gamma", gamma)

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return bent (n, K) that sum to 1."""
        sure = logit(np.clip(probabilities, _SUREST, 1 - _SUREST))
        return back_to_probabilities(probabilities - self.beta * (expit(self.gamma * sure) - 0.5))
