"""The thief with a few rows of the real kind, who invents the rest in their image."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from labkit.api import Answers, Api
from labkit.surrogates import fit_surrogate
from labkit.thieves.base import Theft


def lookalikes(own: Any, count: int, rng: np.random.Generator, *, stretch: float = 1.0) -> np.ndarray:
    """``count`` invented rows (count, d): each feature normal, mean as in ``own`` (n, d), ``stretch`` x its deviation.

    Real features hang together, invented ones do not: to a defence that knows real rows, many of these are strangers,
    and with a stretch of 2 nearly all.
    """
    own = np.asarray(own, dtype=float)
    return rng.normal(own.mean(axis=0), stretch * own.std(axis=0), (count, own.shape[1]))


def steal_lookalike(
    api: Api,
    own: Any,
    *,
    budget: int,
    rng: np.random.Generator,
    kind: str = "linear",
    soft: bool = True,
    stretch: float = 1.0,
) -> Theft:
    """Ask the rows of ``own`` and lookalikes up to ``budget``, and believe every answer."""
    own = np.asarray(own, dtype=float)[:budget]
    rows = np.vstack([own, lookalikes(own, budget - len(own), rng, stretch=stretch)])
    answers = api.predict(rows)
    copy = fit_surrogate(rows, answers, kind=kind, seed=int(rng.integers(2**31)), soft=soft)
    return Theft("lookalike", copy, rows, answers)


def steal_unswapped(
    api: Api, own: Any, *, budget: int, rng: np.random.Generator, kind: str = "linear", stretch: float = 2.0
) -> Theft:
    """The same, but find out first whether strangers are told the truth.

    A copy of the strangers' answers is tried on ``own``, the rows that any defence must answer truthfully. Where its
    labels follow theirs under other names, the names are swapped back before the copy that counts is fitted.
    """
    own = np.asarray(own, dtype=float)[:budget]
    truth = api.labels(own)
    rows = lookalikes(own, budget - len(own), rng, stretch=stretch)
    answers = api.predict(rows)
    seed = int(rng.integers(2**31))
    told = fit_surrogate(rows, answers, kind=kind, seed=seed, soft=False).predict(own)
    names = true_names(told, truth, len(api.model().classes))
    rows, labels = np.vstack([own, rows]), np.concatenate([truth, names[answers.labels]])
    answers = Answers(labels, None)
    return Theft("unswapping", fit_surrogate(rows, answers, kind=kind, seed=seed), rows, answers)


def true_names(told: Any, truth: Any, classes: int) -> np.ndarray:
    """For each class number a liar uses, the class it stands for, (classes,): a one-to-one renaming.

    ``told`` (n,) are a copy's labels, ``truth`` (n,) what is believed of the same rows. Of all renamings that keep
    different classes different, the one under which most rows agree; if the plain reading does as well, that one.
    """
    both = np.zeros((classes, classes))
    np.add.at(both, (np.asarray(told, dtype=int), np.asarray(truth, dtype=int)), 1)
    # Half a row in favour of the plain reading settles ties.
    return np.asarray(linear_sum_assignment(-(both + 0.5 * np.eye(classes)))[1])
