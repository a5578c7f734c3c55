"""Logistic regression with differential privacy by output perturbation (Chaudhuri, Monteleoni, Sarwate 2011).

Why it is private. The fit minimises J(w) = mean of log(1 + exp(-s_i w.x_i)) + strength / 2 |w|^2 with |x_i| <= 1 and
s_i = +1 or -1. Replace one row: J changes by a function whose slope is at most 2 / n, because a row's loss has a slope
of at most |x_i| <= 1. J is curved by at least ``strength`` everywhere, so its minimum moves by at most
2 / (n strength). Noise whose density falls as exp(-length x epsilon / sensitivity) makes any two neighbours' outputs
differ in density by at most e^epsilon. A solver stops short of the minimum, by at most gradient / strength; that is
paid for, twice. All of it holds only if limits, length and strength come from public numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from labkit.dp_data import to_unit
from labkit.launch import Rows
from labkit.privacy import clip_lengths

LENGTH = 1.8  # public: eight features in -1..1 and a 1 for the bias are cut to this length
SLACK = 1e-7  # the largest gradient at which a fit counts as the minimum


@dataclass(frozen=True, eq=False)
class Screening:
    """A linear risk model for people: ``weights`` (9,), the last one the bias; ``guarantee`` in words."""

    weights: np.ndarray
    guarantee: str

    def predict_proba(self, rows: Any) -> np.ndarray:
        """Probabilities (n, 2) of "not at risk" and "at risk" for rows (n, 8) as on the form."""
        risk = expit(_with_bias(rows) @ self.weights / LENGTH)
        return np.column_stack([1 - risk, risk])

    def predict(self, rows: Any) -> np.ndarray:
        """0 or 1 for each row, (n,)."""
        return (_with_bias(rows) @ self.weights > 0).astype(int)

    def __repr__(self) -> str:
        return f"Screening({self.guarantee})"


def prepare(rows: Any) -> np.ndarray:
    """Rows (n, 8) as on the form to training rows (n, 9) of length at most 1, by public numbers only."""
    return clip_lengths(_with_bias(rows), LENGTH) / LENGTH


def default_strength(rows: int, epsilon: float, columns: int = 9) -> float:
    """Regularisation from public numbers, 0.4 (columns / (rows epsilon))^0.75: more rows, less of it and less noise.

    Tried out on generated people; trying it out on private rows would be a release that the guarantee does not cover.
    """
    return 0.4 * float(columns / (rows * epsilon)) ** 0.75


def sensitivity(rows: int, strength: float) -> float:
    """How far one replaced row can move the weights (Euclidean length), the solver's slack included."""
    return 2 / (rows * strength) + 2 * SLACK / strength


def train_plain(people: Rows, *, strength: float = 1e-4) -> Screening:
    """The model without noise: no guarantee."""
    return Screening(fit_minimum(prepare(people.X), people.truth, strength), "no guarantee")


def train_private(people: Rows, *, epsilon: float, rng: np.random.Generator) -> Screening:
    """The minimum plus noise of a random direction and a Gamma-distributed length: epsilon-private for one row."""
    strength = default_strength(len(people), epsilon)
    weights = fit_minimum(prepare(people.X), people.truth, strength)
    direction = rng.standard_normal(len(weights))
    length = rng.gamma(len(weights), sensitivity(len(people), strength) / epsilon)
    noisy = weights + length * direction / np.linalg.norm(direction)
    return Screening(noisy, f"epsilon {epsilon:g} for one of {len(people):,} rows")


def fit_minimum(rows: np.ndarray, truth: np.ndarray, strength: float) -> np.ndarray:
    """Weights (d,) at the minimum of J over ``rows`` (n, d) of length at most 1, ``truth`` (n,) 0 or 1.

    Raises ValueError if the solver stops where the gradient is above SLACK: then the sensitivity would be a guess.
    """
    signs = 2.0 * np.asarray(truth) - 1

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = signs * (rows @ w)
        slope = -(signs * expit(-margin)) @ rows / len(rows) + strength * w
        return float(np.logaddexp(0, -margin).mean() + strength / 2 * w @ w), slope

    def curvature(w: np.ndarray) -> np.ndarray:
        p = expit(rows @ w)
        return (rows.T * (p * (1 - p))) @ rows / len(rows) + strength * np.eye(len(w))

    start = np.zeros(rows.shape[1])
    found = minimize(loss, start, jac=True, hess=curvature, method="trust-exact", options={"gtol": SLACK / 10})
    if np.linalg.norm(loss(found.x)[1]) > SLACK:
        raise ValueError("the minimum was not reached, so the sensitivity is not known; use a larger strength")
    return np.asarray(found.x)


def _with_bias(rows: Any) -> np.ndarray:
    unit = to_unit(rows)
    return np.column_stack([unit, np.ones(len(unit))])
