"""The seven model families; each works on each dataset and fits in about two seconds on one core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from targets.victims.base import Dataset, Part
from targets.victims.private import EPSILON, PrivateLogistic


def _linear(state: int) -> Any:
    return LogisticRegression(max_iter=2000)


def _tree(state: int) -> Any:
    # Leaves of at least ten rows: a tree a bank could explain, and one that keeps mixed (informative) leaves.
    return DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=10, random_state=state)


def _forest(state: int) -> Any:
    # Small leaves are regularisation: a fully grown forest tells an outsider who was in its training part.
    return RandomForestClassifier(n_estimators=40, min_samples_leaf=3, max_features=0.4, random_state=state)


# A fast, early end: a longer fit gains nothing on the test rows of any of the five data sets.
_TRAINING = {"alpha": 0.01, "learning_rate_init": 0.01, "max_iter": 1000, "tol": 1e-3}


def _network(state: int) -> Any:
    # One hidden layer of 32 ReLU units: lab 02 copies it to float precision.
    return MLPClassifier((32,), **_TRAINING, random_state=state)


def _narrow(state: int) -> Any:
    # A last layer narrower than the number of digits, 4 to 8 wide as the seed decides: lab 02 reads the width off the
    # answers. tanh, because a ReLU unit of so few may die in training and leave the layer narrower than it says.
    return MLPClassifier((4 + state % 5,), activation="tanh", **_TRAINING, random_state=state)


def _boosting(state: int) -> Any:
    return HistGradientBoostingClassifier(max_iter=30, learning_rate=0.2, max_leaf_nodes=15, random_state=state)


def _private(state: int) -> Any:
    # The seed makes a lab repeatable. Whoever knows it can take the noise off again: a real vendor draws and forgets.
    return PrivateLogistic(EPSILON, np.random.default_rng(state))


MODELS: dict[str, Callable[[int], Any]] = {
    "linear": _linear,
    "tree": _tree,
    "forest": _forest,
    "network": _network,
    "boosting": _boosting,
    "narrow": _narrow,
    "private": _private,
}
_SCALED = ("linear", "network", "narrow", "private")  # the others do not care about units


def fit(model: str, dataset: Dataset, train: Part, state: int) -> Any:
    """Fit family ``model`` on ``train``; the same arguments give the same bytes in every process.

    One thread only: sums taken in another order would change the last digits.
    """
    with threadpool_limits(1):
        if model not in _SCALED:
            return MODELS[model](state).fit(train.X, train.y)
        scaler = _from_limits(dataset, (-1, 1)) if model == "private" else _scaler(dataset, train)
        estimator = MODELS[model](state).fit(scaler.transform(train.X), train.y)
    return Pipeline([("scale", scaler), ("model", estimator)])


def _scaler(dataset: Dataset, train: Part) -> Any:
    if dataset.scaling == "standard":
        return StandardScaler().fit(train.X)
    return _from_limits(dataset, (0, 1))


def _from_limits(dataset: Dataset, span: tuple[int, int]) -> Any:
    """A scaler that has seen the documented limits and no row: private training may use no other."""
    limits = np.array([[f.low for f in dataset.features], [f.high for f in dataset.features]], dtype=np.float64)
    return MinMaxScaler(feature_range=span).fit(limits)
