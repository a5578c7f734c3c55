"""The thief who asks every row several times and averages the noise away."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Answers, Api
from labkit.surrogates import fit_surrogate
from labkit.thieves.base import Theft, draw


def steal_averaging(
    api: Api,
    pool: Any,
    *,
    budget: int,
    rng: np.random.Generator,
    kind: str = "linear",
    repeats: int = 5,
    jitter: float = 0.0,
) -> Theft:
    """Ask ``budget // repeats`` rows of ``pool`` (n, d) ``repeats`` times each, and fit a copy on the mean answers.

    With ``jitter`` every repeat differs from its row by about that share of each value: too little to change what the
    model says, enough to be another row for noise that is keyed to the row.
    """
    pool = np.asarray(pool, dtype=float)
    rows = pool[draw(pool, max(1, budget // repeats), rng)]
    mean = average_answers(api, rows, repeats=repeats, jitter=jitter, rng=rng)
    answers = Answers(mean.argmax(axis=1), mean)
    copy = fit_surrogate(rows, answers, kind=kind, seed=int(rng.integers(2**31)))
    return Theft(f"averaging {repeats}", copy, rows, answers)


def average_answers(api: Api, rows: Any, *, repeats: int, rng: np.random.Generator, jitter: float = 0.0) -> np.ndarray:
    """Mean of ``repeats`` answers to each of ``rows`` (n, d), shape (n, K). Costs n × ``repeats`` rows."""
    again = np.repeat(np.asarray(rows, dtype=float), repeats, axis=0)
    if jitter:
        again = again * (1 + jitter * rng.standard_normal(again.shape))
    answers = api.probabilities(again)
    return np.asarray(answers.reshape(len(rows), repeats, -1).mean(axis=1))
