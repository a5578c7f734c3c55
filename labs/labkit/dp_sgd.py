"""Private training by noisy gradients: DP-SGD (Abadi et al. 2016) with the whole table as its batch.

Each step clips every row's gradient, adds them up and blurs the sum; the library says what all steps cost together.
Without random batches there is no gain from sampling to account for, and nothing to get wrong about it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from labkit.dp_composition import gaussian_steps_multiplier
from labkit.dp_logistic import Screening, prepare
from labkit.launch import Rows
from labkit.privacy import clip_lengths

# Public choices, tried out on generated people.
STEPS, RATE, BOUND = 40, 16.0, 0.5


def noisy_sum(gradients: np.ndarray, bound: float, multiplier: float, rng: np.random.Generator) -> np.ndarray:
    """Sum (d,) of ``gradients`` (n, d) clipped to length ``bound``, plus noise of deviation multiplier x bound."""
    return clip_lengths(gradients, bound).sum(axis=0) + rng.normal(0, multiplier * bound, gradients.shape[1])


def train_noisy_gradients(people: Rows, *, epsilon: float, delta: float, rng: np.random.Generator) -> Screening:
    """A private model from ``STEPS`` noisy gradient steps: (epsilon, delta)-private for one replaced row.

    A replaced row takes one clipped gradient away and puts another in: the sum moves by at most 2 x BOUND.
    """
    rows, multiplier = prepare(people.X), 2 * gaussian_steps_multiplier(epsilon, STEPS, delta)
    weights = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        gradients = (expit(rows @ weights) - people.truth)[:, None] * rows
        weights -= RATE * noisy_sum(gradients, BOUND, multiplier, rng) / len(rows)
    return Screening(weights, f"epsilon {epsilon:g}, delta {delta:g} for one of {len(people):,} rows")
