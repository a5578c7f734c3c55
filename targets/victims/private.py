"""A logistic model trained with differential privacy: output perturbation (Chaudhuri, Monteleoni, Sarwate 2011).

Guarantee: ``EPSILON``-differential privacy for one training row that is replaced by any other; the number of rows is
public. It covers whatever is computed from the released weights, so any number of answers. Assumptions: features are
scaled by their documented limits, never by the rows; each row is cut to a public length; the strength of the
regularisation follows from public numbers. Not covered: rounding of floating-point noise (Mironov 2012), so this is a
course's model and not a hospital's; a training part in which a class has no row, which is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from targets.victims.base import Floats, Ints

EPSILON = 1.0
LENGTH = 2.0  # a row, scaled to -1..1 a feature and with a 1 for the bias, is cut to this length
SLACK = 1e-6  # the largest gradient at which a fit counts as the optimum


class PrivateLogistic:
    """Fits like a scikit-learn model and returns a ``LogisticRegression`` whose weights carry the noise."""

    def __init__(self, epsilon: float, rng: np.random.Generator):
        self.epsilon, self.rng = epsilon, rng

    def fit(self, X: Floats, y: Ints) -> LogisticRegression:
        """Train on ``X`` (n, d) in -1..1 and ``y`` (n,). Raises ValueError if the optimum is not reached."""
        rows = np.column_stack([X, np.ones(len(X))])
        rows /= np.maximum(np.linalg.norm(rows, axis=1), LENGTH)[:, None]  # length at most 1 from here on
        strength = 0.4 * (rows.shape[1] / (len(rows) * self.epsilon)) ** 0.75  # from public numbers, as it must
        model = LogisticRegression(C=1 / (len(rows) * strength), fit_intercept=False, tol=1e-10, max_iter=5000)
        model.fit(rows, y)
        if _gradient(model, rows, y, strength) > SLACK:
            raise ValueError("the private model's optimum was not reached, so its sensitivity is not known")
        # A row's loss has a slope of at most 1 (two classes) or the root of 2 (softmax) along it.
        slope = 1.0 if len(model.classes_) == 2 else np.sqrt(2)
        sensitivity = 2 * slope / (len(rows) * strength) + 2 * SLACK / strength
        weights = (model.coef_ + self._noise(model.coef_.shape, sensitivity / self.epsilon)) / LENGTH
        model.coef_, model.intercept_ = np.ascontiguousarray(weights[:, :-1]), weights[:, -1].copy()
        model.fit_intercept, model.n_features_in_ = True, X.shape[1]  # the bias is a weight of its own from here on
        return model

    def _noise(self, shape: tuple[int, ...], scale: float) -> Floats:
        """Density proportional to exp(-length / scale): any direction, a Gamma-distributed length."""
        direction = self.rng.standard_normal(shape)
        return np.asarray(direction / np.linalg.norm(direction) * self.rng.gamma(direction.size, scale))


def _gradient(model: LogisticRegression, rows: Floats, y: Ints, strength: float) -> float:
    """Length of the regularised mean loss's gradient at the fitted weights."""
    right: Any = y[:, None] == model.classes_
    error = model.predict_proba(rows) - right
    if len(model.classes_) == 2:
        error = error[:, 1:]
    return float(np.linalg.norm(error.T @ rows / len(rows) + strength * model.coef_))
