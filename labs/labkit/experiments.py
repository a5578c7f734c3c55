"""One theft, measured the honest way: asked in the pool, compared on test rows, counted by the target's own log."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin

from labkit.api import Answers
from labkit.launch import Rows, Target
from labkit.metrics import accuracy, agreement
from labkit.outcomes import Outcome
from labkit.surrogates import fit_surrogate
from labkit.thieves import THIEVES

OWN_LABELS = "no theft, own labels"


def theft_experiment(target: Target, *, kind: str = "network", soft: bool = True) -> Callable[[str, int, int], Outcome]:
    """An experiment(thief, budget, seed) -> Outcome on ``target``, ready for ``sweep``.

    ``thief`` is "random", "natural" or "uncertain", or OWN_LABELS: the baseline that steals nothing and trains on
    the pool's true labels (as if the thief paid people to label ``budget`` rows). ``kind`` is the copy's family.
    Queries are counted by the target's log, each run under a key of its own.
    """
    pool, test = target.data("pool"), target.data("test")
    victim = target.api("referee").labels(test.X)
    labels_only = target.model().output == "labels" or not soft

    def run(thief: str, budget: int, seed: int) -> Outcome:
        rng = np.random.default_rng(seed)
        if thief == OWN_LABELS:
            copy, queries = _own_model(pool, budget, rng, kind, seed), 0
        else:
            api = target.api(f"{thief} {budget} seed {seed}", budget=budget)
            before = api.usage()["rows"]
            copy = THIEVES[thief](api, pool.X, budget=budget, rng=rng, kind=kind, soft=soft).surrogate
            queries = api.usage()["rows"] - before
        guessed = copy.predict(test.X)
        return Outcome(
            victim=target.spec.victim,
            thief=f"{thief}, labels only" if labels_only and thief != OWN_LABELS else thief,
            budget=budget,
            seed=seed,
            agreement=agreement(guessed, victim),
            accuracy=accuracy(guessed, test.truth),
            queries=queries,
            defences=target.spec.defences,
        )

    return run


def _own_model(pool: Rows, budget: int, rng: np.random.Generator, kind: str, seed: int) -> ClassifierMixin:
    chosen = rng.permutation(len(pool))[:budget]
    return fit_surrogate(pool.X[chosen], Answers(pool.truth[chosen], None), kind=kind, seed=seed)
