"""One defence on one victim: the honest customer's cost and the best thief's agreement, seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from flask import Flask

from benchmarks.defending.field import Ground
from benchmarks.defending.settings import ROLE
from benchmarks.defending.thieves import copies
from labkit.api import Api
from labkit.transport import WsgiTransport
from targets import Defence, Query, TargetConfig, create_app

Defences = tuple[Defence, ...]
Build = Callable[[Ground, int], Defences]
Thefts = dict[str, dict[int, float]]
MOST = 5000  # rows a request


def customers_cost(ground: Ground, seed: int, defences: Defences) -> dict[str, float]:
    """What an honest customer notices on the test rows: points of accuracy lost, labels changed, probabilities moved.

    "l1" is the sum of absolute differences between defended and true probabilities, mean over rows (0 to 2); hidden
    probabilities count as the one-hot row of the label.
    """
    victim = ground.victim(seed)
    with _app(ground, seed, defences) as app:
        answer = app.extensions["pipeline"].answer(Query(victim.test.X, key="customer", role=ROLE))
    own, truth = victim.probabilities(victim.test.X), victim.test.y
    shown = np.eye(own.shape[1])[answer.labels] if answer.probabilities is None else answer.probabilities
    return {
        "accuracy": float(np.mean(answer.labels == truth)),
        "accuracy lost": float(np.mean(own.argmax(axis=1) == truth) - np.mean(answer.labels == truth)),
        "labels changed": float(np.mean(answer.labels != own.argmax(axis=1))),
        "l1": float(np.abs(shown - own).sum(axis=1).mean()),
    }


def thieves_agreement(ground: Ground, seed: int, defences: Defences) -> Thefts:
    """Agreement on test rows of each thief at each budget, stolen through the real app, compared with the victim."""
    victim = ground.victim(seed)
    own = victim.labels(victim.test.X)
    found: Thefts = {}
    with _app(ground, seed, defences) as app:
        authority = app.extensions["target"].config.keys
        key = "thief" if authority is None else authority.issue("insider", ROLE, actor="benchmark").key

        def session(budget: int) -> Api:
            return Api(WsgiTransport(app), key=key, budget=budget, batch=MOST, progress=False)

        for thief, budget, copy in copies(ground, victim, session, seed):
            found.setdefault(thief, {})[budget] = float(np.mean(copy.predict(victim.test.X) == own))
    return found


@contextmanager
def _app(ground: Ground, seed: int, defences: Defences) -> Iterator[Flask]:
    app = create_app(TargetConfig(victim=ground.name, model=ground.model, seed=seed, defences=defences, max_rows=MOST))
    yield app
    app.extensions["query_log"].close()


def on_ground(ground: Ground, build: Build, seeds: int) -> dict[str, Any]:
    """Both sides over ``seeds`` victims: means for the customer; at each budget the thief who is best on average."""
    costs, thefts = [], []
    for seed in range(seeds):
        costs.append(customers_cost(ground, seed, build(ground, seed)))
        thefts.append(thieves_agreement(ground, seed, build(ground, seed)))
    customer = {name: round(float(np.mean([cost[name] for cost in costs])), 4) for name in costs[0]}
    best = {str(budget): best_of(thefts, budget) for budget in ground.budgets}
    return {"customer": customer, "thieves": best}


def enough_from(sides: Mapping[str, Any], ground: Ground) -> int | None:
    """The smallest budget from which on the best thief has ``ground.enough``, so that one lucky budget counts not."""
    found = None
    for budget in sorted(ground.budgets, reverse=True):
        if sides["thieves"][str(budget)]["agreement"] < ground.enough:
            break
        found = budget
    return found


def best_of(thefts: Sequence[Thefts], budget: int) -> dict[str, Any]:
    """The thief with the highest mean agreement at ``budget``: one choice for all seeds, not the luckiest a seed."""
    means = {}
    for thief in thefts[0]:
        values = [theft[thief][budget] for theft in thefts if budget in theft.get(thief, {})]
        if len(values) == len(thefts):
            means[thief] = (float(np.mean(values)), min(values), max(values))
    thief = max(means, key=lambda name: means[name][0])
    mean, low, high = (round(value, 4) for value in means[thief])
    return {"thief": thief, "agreement": mean, "low": low, "high": high}
