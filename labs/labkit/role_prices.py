"""What each role's answers are worth to a thief: rows bought until a copy agrees with the victim, by real theft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, isinf
from typing import Any

import numpy as np

from labkit.access import KeyRoom, open_key_room
from labkit.api import Answers
from labkit.metrics import agreement
from labkit.outcomes import Outcome
from labkit.surrogates import fit_surrogate
from labkit.thieves.equation import solve_linear

# The labs' roles as a thief sees them, without the limit on rows: the price is measured first, in rows, and then
# turned into days. "full" answers with every digit.
OUTPUTS: dict[str, dict[str, Any]] = {
    "labels": {"output": "labels"},
    "2 decimals": {"output": "probabilities", "decimals": 2},
    "full": {"output": "probabilities"},
}
# {victim: {output: rows of each theft, None where the floor was not reached}}
Prices = Mapping[str, Mapping[str, Sequence[int | None]]]
_ASK = ["POST /v1/predict", "GET /v1/usage"]
METERED_POLICY = {
    "roles": {
        **{name.replace(" ", "_"): {"endpoints": _ASK, **output} for name, output in OUTPUTS.items()},
        "key_admin": {"endpoints": ["GET /v1/keys", "POST /v1/keys"]},
    },
    "public": ["GET /v1/model", "GET /health", "GET /lab/data/pool", "GET /lab/data/test"],
}


def price_outputs(
    victim: str, *, model: str | None = None, kind: str = "linear", floor: float, budgets: Sequence[int],
    seeds: Sequence[int],
) -> list[Outcome]:  # fmt: skip
    """Steal ``victim`` over HTTP once for each output and seed, with more and more rows until copies reach ``floor``.

    Every theft has a key of its own; rows are counted by the target's log. One Outcome for each budget tried, in order;
    a theft ends when two in a row reach the floor, since one alone may be luck. The thief uses the best tool for what
    it sees: equations for all digits of a linear model, else a copy trained on the answers.
    """
    with open_key_room(victim, model=model, policy=METERED_POLICY) as room:
        pool, test = room.target.data("pool").X, room.target.data("test").X
        referee = room.api(room.issue("referee", "full", ticket="lab"))
        truth = referee.labels(test)
        runs = []
        for output in OUTPUTS:
            for seed in seeds:
                runs += _theft(room, output, seed, pool, test, truth, kind, floor, budgets)
        return runs


def _theft(
    room: KeyRoom, output: str, seed: int, pool: np.ndarray, test: np.ndarray, truth: np.ndarray, kind: str,
    floor: float, budgets: Sequence[int],
) -> list[Outcome]:  # fmt: skip
    rows = _rows_of_a_thief(pool, max(budgets), np.random.default_rng(seed))
    api = room.api(room.issue(f"thief {seed}", output.replace(" ", "_"), ticket="lab"))
    runs, answers = [], None
    for budget in budgets:
        answers = _joined(answers, api.predict(rows[0 if answers is None else len(answers) : budget]))
        copy = _copy(rows[:budget], answers, output, kind, seed)
        reached = agreement(copy.predict(test), truth)
        bought = api.usage()["rows"]
        runs.append(Outcome(room.target.spec.victim, output, budget, seed, reached, queries=bought))
        if len(runs) > 1 and min(reached, runs[-2].agreement) >= floor:
            break
    return runs


def _rows_of_a_thief(pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The pool in random order; beyond it, points between two pool rows."""
    shuffled = pool[rng.permutation(len(pool))]
    more = max(0, count - len(pool))
    first, second = rng.integers(0, len(pool), (2, more))
    share = rng.uniform(0, 1, (more, 1))
    return np.vstack([shuffled, share * pool[first] + (1 - share) * pool[second]])[:count]


def _copy(rows: np.ndarray, answers: Answers, output: str, kind: str, seed: int) -> Any:
    if output == "full" and kind == "linear" and answers.probabilities is not None:
        return solve_linear(rows, answers.probabilities)
    return fit_surrogate(rows, answers, kind=kind, seed=seed)


def _joined(first: Answers | None, second: Answers) -> Answers:
    if first is None:
        return second
    soft = None
    if first.probabilities is not None and second.probabilities is not None:
        soft = np.concatenate([first.probabilities, second.probabilities])
    return Answers(np.concatenate([first.labels, second.labels]), soft)


def rows_to_floor(runs: Sequence[Outcome], floor: float) -> dict[str, list[int | None]]:
    """For each output, the rows each seed's theft had bought when it came to ``floor`` and stayed there at the next
    budget; None where it never did.
    """
    thefts: dict[str, dict[int, list[Outcome]]] = {}
    for run in runs:
        thefts.setdefault(run.thief, {}).setdefault(run.seed, []).append(run)
    return {output: [_arrival(steps, floor) for steps in by_seed.values()] for output, by_seed in thefts.items()}


def _arrival(runs: Sequence[Outcome], floor: float) -> int | None:
    for run, following in pairwise(runs):
        if min(run.agreement, following.agreement) >= floor:
            return run.queries
    return None


@dataclass(frozen=True)
class Plan:
    """One victim to be priced: budgets in rising order, agreement to reach, one theft for each seed."""

    victim: str
    floor: float
    budgets: Sequence[int]
    seeds: Sequence[int]
    model: str | None = None
    kind: str = "linear"


def price_plans(plans: Mapping[str, Plan]) -> dict[str, dict[str, list[int | None]]]:
    """``rows_to_floor`` of every plan: {name: {output: rows of each theft}}."""
    return {name: rows_to_floor(price_outputs(**vars(plan)), plan.floor) for name, plan in plans.items()}


def median_rows(prices: Prices) -> dict[tuple[str, str], float]:
    """{(victim, output): median rows}; infinite where more than half of the thefts never arrived."""
    counted = {
        (v, o): [inf if row is None else row for row in rows] for v, by in prices.items() for o, rows in by.items()
    }
    return {place: float(np.median(rows)) for place, rows in counted.items()}


def days_at_limits(
    prices: Mapping[str, Mapping[str, Sequence[int | None]]], limits: Mapping[str, tuple[str, int]]
) -> list[dict]:
    """A row for each victim and role: days to a copy at the role's rows a day; ``limits`` = {output: (role, rows)}."""
    lines = []
    for (victim, output), middle in median_rows(prices).items():
        role, limit = limits[output]
        arrived = [row for row in prices[victim][output] if row is not None]
        days = {"luckiest, days": min(arrived, default=inf) / limit, "median, days": middle / limit}
        whole = {name: "never here" if isinf(value) else ceil(value) for name, value in days.items()}
        lines.append({"victim": victim, "role": role, "rows a day": limit, **whole})
    return lines


def steps(low: int, high: int, factor: float = 1.25) -> list[int]:
    """Budgets from ``low`` to ``high``, each about ``factor`` times the one before."""
    count = int(np.log(high / low) / np.log(factor)) + 1
    return sorted({round(low * factor**i) for i in range(count)} | {high})
