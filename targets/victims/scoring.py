"""The fitted models' arithmetic without scikit-learn's checks: the same numbers, bit for bit, in a tenth of the time.

A target answers thousands of one-row queries, and there scikit-learn spends nearly all of its time on looking at the
input, which ``rows.py`` has done already. Each function repeats the library's operations in the library's order; the
tests compare bytes. What is not known here (boosting) goes through ``predict_proba``, on one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import ThreadpoolController

from targets.victims.base import Floats

Scorer = Callable[[Floats], Any]


def scorer(estimator: Any) -> Scorer:
    """A function from sound rows (n, d) float64, n >= 1, to probabilities (n, K), equal to ``predict_proba``."""
    if isinstance(estimator, Pipeline):
        scale, model = _scaling(estimator[0]), scorer(estimator[1])
        return lambda X: model(scale(X))
    makers: dict[type, Callable[[Any], Scorer]] = {
        LogisticRegression: _linear,
        MLPClassifier: _network,
        DecisionTreeClassifier: _tree,
        RandomForestClassifier: _forest,
    }
    return makers.get(type(estimator), _any)(estimator)


def _scaling(scaler: Any) -> Scorer:
    if isinstance(scaler, StandardScaler):
        return lambda X: (X - scaler.mean_) / scaler.scale_
    return lambda X: X * scaler.scale_ + scaler.min_


def _linear(model: LogisticRegression) -> Scorer:
    weights, bias = model.coef_.T, model.intercept_
    last = _two_classes if len(bias) == 1 else _softmax
    return lambda X: last(X @ weights + bias)


def _network(model: MLPClassifier) -> Scorer:
    (first, second), (first_bias, second_bias) = model.coefs_, model.intercepts_
    last = _two_classes if len(second_bias) == 1 else _softmax
    if model.activation == "tanh":
        return lambda X: last(np.tanh(X @ first + first_bias) @ second + second_bias)
    return lambda X: last(np.maximum(X @ first + first_bias, 0) @ second + second_bias)


def _tree(model: DecisionTreeClassifier) -> Scorer:
    return lambda X: model.tree_.predict(X.astype(np.float32))  # a tree compares in single precision


def _forest(model: RandomForestClassifier) -> Scorer:
    trees = [tree.tree_ for tree in model.estimators_]

    def score(X: Floats) -> Floats:
        single = X.astype(np.float32)
        total = np.zeros((len(X), model.n_classes_))
        for tree in trees:
            total += tree.predict(single)
        return total / len(trees)

    return score


def _any(model: Any) -> Scorer:
    controller = ThreadpoolController()

    def score(X: Floats) -> Floats:
        # On a busy machine OpenMP's threads wait for each other longer than one of them needs for the work.
        with controller.limit(limits=1, user_api="openmp"):
            return np.asarray(model.predict_proba(X))

    return score


def _two_classes(z: Floats) -> Floats:
    high = expit(z[:, 0])
    return np.stack([1 - high, high], axis=1)


def _softmax(z: Floats) -> Floats:
    shares = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
