"""Copies of many families, and four ways to wash a mark out of bought labels before fitting one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

Labels = tuple[np.ndarray, np.ndarray]
# Six families; trees and forests also with leaves of at least five rows, which cannot memorise a single one.
FAMILIES: dict[str, Callable[[int], Any]] = {
    "decision tree": lambda seed: DecisionTreeClassifier(random_state=seed),
    "decision tree, leaves of 5": lambda seed: DecisionTreeClassifier(min_samples_leaf=5, random_state=seed),
    "forest": lambda seed: RandomForestClassifier(20, random_state=seed),
    "forest, leaves of 5": lambda seed: RandomForestClassifier(20, min_samples_leaf=5, random_state=seed),
    "extra trees": lambda seed: ExtraTreesClassifier(20, random_state=seed),
    "extra trees, leaves of 5": lambda seed: ExtraTreesClassifier(20, min_samples_leaf=5, random_state=seed),
    "boosting": lambda seed: HistGradientBoostingClassifier(max_iter=25, early_stopping=False, random_state=seed),
    "5 nearest neighbours": lambda seed: make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
    "logistic": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
}
SIX = ("decision tree", "forest", "extra trees", "boosting", "5 nearest neighbours", "logistic")
FOLDS = 5


def fit_family(name: str, rows: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Any:
    """A copy of family ``name`` (a key of FAMILIES) fitted to ``rows`` (n, d) and ``labels`` (n,)."""
    if name not in FAMILIES:
        raise ValueError(f"no family is named {name!r}; choose one of {', '.join(FAMILIES)}")
    return FAMILIES[name](seed).fit(rows, labels)


def second_opinion(rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each row the label (n,) that a forest gives it which was fitted without it: out of fold, five folds."""
    opinion = np.array(labels)
    folds = KFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    for rest, held_out in folds.split(rows):
        model = RandomForestClassifier(20, random_state=int(rng.integers(2**31)))
        opinion[held_out] = model.fit(rows[rest], labels[rest]).predict(rows[held_out])
    return opinion


def clean(rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Labels:
    """Drop the rows whose label a forest fitted without them does not expect."""
    kept = second_opinion(rows, labels, rng) == labels
    return rows[kept], labels[kept]


def relabel(rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Labels:
    """Keep every row, and believe no label: each becomes what a forest fitted without the row expects."""
    return rows, second_opinion(rows, labels, rng)


def smooth(rows: np.ndarray, labels: np.ndarray, neighbours: int = 15) -> Labels:
    """Each label becomes the commonest among the row's ``neighbours`` nearest, itself one of them."""
    return rows, make_pipeline(StandardScaler(), KNeighborsClassifier(neighbours)).fit(rows, labels).predict(rows)


def ask_twice(
    ask: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, rng: np.random.Generator, jitter: float = 0.05
) -> Labels:
    """Buy each of ``rows`` and a neighbour ``jitter`` deviations away; keep those whose two labels agree.

    Costs 2 n rows of ``ask`` (rows -> labels).
    """
    near = rows + rng.normal(0, jitter, rows.shape) * rows.std(axis=0)
    labels, again = ask(rows), ask(near)
    kept = labels == again
    return rows[kept], labels[kept]
