"""Training a copy from bought answers, soft or hard."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from labkit.api import Answers

KINDS = ("linear", "forest", "network")
# A class this improbable teaches nothing and costs a row.
FAINT = 0.01


def make_surrogate(kind: str, *, seed: int = 0) -> Pipeline:
    """An unfitted copy: "linear", "forest" or "network", with a scaler in front. Raises ValueError on other kinds."""
    models = {
        "linear": lambda: LogisticRegression(C=100.0, max_iter=2000),
        "forest": lambda: RandomForestClassifier(n_estimators=60, random_state=seed),
        # lbfgs: with a few hundred rows it needs no learning rate and no early stopping.
        "network": lambda: MLPClassifier((48,), solver="lbfgs", alpha=0.1, max_iter=300, tol=1e-3, random_state=seed),
    }
    if kind not in models:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    return make_pipeline(StandardScaler(), models[kind]())


def fit_surrogate(
    rows: Any, answers: Answers, *, kind: str = "network", seed: int = 0, soft: bool = True
) -> ClassifierMixin:
    """Fit a copy on ``rows`` (n, d) and the answers bought for them.

    With ``soft`` and probabilities at hand each row counts once for every class, weighted by that class's probability;
    else only the label counts. Returns a fitted classifier with ``predict`` (a constant one if one label was seen).
    """
    X = np.asarray(rows, dtype=float)
    y, weight = answers.labels, None
    if soft and answers.probabilities is not None:
        X, y, weight = _one_row_a_class(X, answers.probabilities)
    if len(np.unique(y)) == 1:
        return Constant(int(y[0]))
    model = make_surrogate(kind, seed=seed)
    step = model.steps[-1][0]
    return model.fit(X, y) if weight is None else model.fit(X, y, **{f"{step}__sample_weight": weight})


class Constant(ClassifierMixin):
    """A copy that knows one answer: all that can be learned when every bought label was the same."""

    def __init__(self, label: int):
        self.label = label

    def predict(self, rows: Any) -> np.ndarray:
        return np.full(len(rows), self.label)

    def predict_proba(self, rows: Any) -> np.ndarray:
        return np.ones((len(rows), 1))

    @property
    def classes_(self) -> np.ndarray:
        return np.array([self.label])


def _one_row_a_class(X: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row, label = np.nonzero(probabilities > FAINT)
    return X[row], label, probabilities[row, label]
