"""The thief who lets the copy choose: each round asks the rows the copy is least sure of."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Answers, Api
from labkit.surrogates import fit_surrogate
from labkit.thieves.base import Theft, draw


def margin(probabilities: np.ndarray) -> np.ndarray:
    """Gap between the two likeliest classes of each row, shape (n,): small where a model is unsure."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    top = np.sort(probabilities, axis=1)
    return top[:, -1] - top[:, -2]


def steal_uncertain(
    api: Api,
    pool: Any,
    *,
    budget: int,
    rng: np.random.Generator,
    kind: str = "network",
    soft: bool = True,
    rounds: int = 4,
) -> Theft:
    """Start with a random share of the budget, then spend the rest in ``rounds`` on rows of ``pool`` with least margin.

    Each round draws from the least certain third, not only the very least: neighbours of one doubtful row teach the
    same thing twice (uncertainty sampling, Lewis and Gale 1994; for theft, Pal et al. 2019).
    """
    pool = np.asarray(pool, dtype=float)
    seed = int(rng.integers(2**31))
    asked = draw(pool, max(2, budget // 2), rng)
    answers = api.predict(pool[asked])
    copy = fit_surrogate(pool[asked], answers, kind=kind, seed=seed, soft=soft)
    for share in np.array_split(np.arange(budget - len(asked)), rounds):
        rest = np.setdiff1d(np.arange(len(pool)), asked)
        if not len(share) or not len(rest):
            break
        doubtful = rest[np.argsort(margin(copy.predict_proba(pool[rest])))]
        chosen = rng.permutation(doubtful[: max(len(share), len(rest) // 3)])[: len(share)]
        answers = _joined(answers, api.predict(pool[chosen]))
        asked = np.concatenate([asked, chosen])
        copy = fit_surrogate(pool[asked], answers, kind=kind, seed=seed, soft=soft)
    return Theft("uncertain", copy, pool[asked], answers)


def _joined(first: Answers, second: Answers) -> Answers:
    soft = first.probabilities is not None and second.probabilities is not None
    return Answers(
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.probabilities, second.probabilities]) if soft else None,
    )
