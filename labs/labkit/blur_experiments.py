"""Lab 07's experiments that are too long for a cell: each returns rows of a table or a list of ``Outcome``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labkit.blurring import HARD, SOFT, Bench, thefts
from labkit.defending import Defence, Query
from labkit.errors import QueryRefused
from labkit.launch import Target, launch
from labkit.metrics import agreement
from labkit.outcomes import Outcome
from labkit.thieves.averaging import steal_averaging
from labkit.thieves.lookalike import lookalikes, steal_lookalike, steal_unswapped

JITTER = 1e-9


def averaging_rows(
    bench: Bench, settings: dict[str, str], *, budget: int, repeats: Sequence[int], seeds: Sequence[int]
) -> list[dict]:
    """Agreement of the averaging thief: a line a number of repeats, a column a defence in ``settings`` (name: text).

    Each purchase costs ``budget`` rows: more repeats mean fewer different rows. Repeats above 1 are tried both exact
    and with a jitter in the ninth decimal; seeds are averaged.
    """
    lines = []
    for count in repeats:
        for jitter in (0.0, JITTER) if count > 1 else (0.0,):
            line: dict[str, Any] = {
                "different rows": budget // count,
                "times each": count,
                "repeats": "none" if count == 1 else "jittered" if jitter else "exact",
            }
            for name, setting in settings.items():
                reached = []
                for seed in seeds:
                    rng = np.random.default_rng(seed)
                    api = bench.api("averager", setting)
                    copy = steal_averaging(
                        api, bench.pool, budget=budget, rng=rng, repeats=count, jitter=jitter
                    ).surrogate
                    reached.append(agreement(copy.predict(bench.test.X), bench.undefended.labels))
                line[name] = float(np.mean(reached))
            lines.append(line)
    return lines


def label_curve(bench: Bench, budgets: Sequence[int], *, seeds: Sequence[int], kind: str = "linear") -> list[Outcome]:
    """Copies fitted to probabilities and to labels of the same pool rows, over ``budgets`` (at most the pool)."""
    found = []
    for budget in budgets:
        for seed in seeds:
            for thief, copy, queries in thefts(bench, "none", budget=budget, seed=seed, kind=kind, fitting_only=True):
                reached = agreement(copy.predict(bench.test.X), bench.undefended.labels)
                found.append(Outcome(bench.victim, thief, budget, seed, reached, queries=queries))
    return found


def label_tax(runs: Sequence[Outcome], level: float) -> dict[str, int | None]:
    """For probabilities and for labels: the smallest budget whose mean agreement reaches ``level``, or None."""
    cheapest: dict[str, int | None] = {}
    for thief in (SOFT, HARD):
        budgets = sorted({r.budget for r in runs if r.thief == thief})
        means = {b: np.mean([r.agreement for r in runs if r.thief == thief and r.budget == b]) for b in budgets}
        cheapest[thief] = next((b for b in budgets if means[b] >= level), None)
    return cheapest


def swap_rows(
    bench: Bench, settings: dict[str, str], *, own: int, budget: int, seeds: Sequence[int], stretch: float = 2.0
) -> list[dict]:
    """A thief with ``own`` real rows who invents the rest: believing every answer, and swapping labels back."""
    lines = []
    for name, setting in settings.items():
        for thief, steal in (("believes every answer", steal_lookalike), ("swaps labels back", steal_unswapped)):
            reached = []
            for seed in seeds:
                rng = np.random.default_rng(seed)
                mine = bench.pool[rng.permutation(len(bench.pool))[:own]]
                api = bench.api("poor", setting)
                copy = steal(api, mine, budget=budget, rng=rng, stretch=stretch).surrogate
                reached.append(agreement(copy.predict(bench.test.X), bench.undefended.labels))
            lines.append(
                {"defence": name, "thief": thief, "agreement": float(np.mean(reached)), "lowest": min(reached)}
            )
    return lines


def attack_own(victim: str, make: Callable[[], Any], *, budget: int, seeds: Sequence[int]) -> Any:
    """Mount the defence that ``make()`` returns in the real app, and send customer and averaging thief at it over HTTP.

    Returns rows of a table; where the defence is not written, or fails in the app, a sentence that says so.
    """
    try:
        defence = make()
    except NotImplementedError:
        return "Nothing to mount yet: write the defence above, run its cell, then run this one again."
    try:
        with launch(victim, defences=[ForSome(defence)]) as target:
            return _attacked(target, budget, seeds)
    except QueryRefused as refused:
        return f"The app could not use it: {refused}"


class ForSome(Defence):
    """Puts ``defence`` before keys that begin with "guarded", and nothing before others: one target, both sides."""

    def __init__(self, defence: Any):
        self.defence = defence

    def before(self, query: Query) -> None:
        """Ask the defence, if the key is guarded."""
        if query.key.startswith("guarded"):
            self.defence.before(query)

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        """What the defence makes of it, if the key is guarded."""
        return self.defence.after(query, probabilities) if query.key.startswith("guarded") else probabilities


def _attacked(target: Target, budget: int, seeds: Sequence[int]) -> list[dict]:
    pool, test = target.data("pool").X, target.data("test").X
    truth = target.api("referee").predict(test)
    seen, again = (target.api("guarded customer").predict(test) for _ in range(2))
    lines = [
        {"what": "labels changed for the customer", "share": 1 - agreement(seen.labels, truth.labels)},
        {"what": "rows answered alike when asked twice", "share": _alike(seen, again)},
    ]
    for times, jitter in ((1, 0.0), (5, 0.0), (5, JITTER)):
        again_as = f" x {times} {'jittered' if jitter else 'exact'} repeats" if times > 1 else ", once each"
        reached = _averaging(target, pool, test, truth.labels, budget, times, jitter, seeds)
        lines.append({"what": f"thief's agreement, {budget // times} rows{again_as}", "share": reached})
    return lines


def _alike(first: Any, second: Any) -> float:
    if first.probabilities is None:
        return agreement(first.labels, second.labels)
    return float((first.probabilities == second.probabilities).all(axis=1).mean())


def _averaging(
    target: Target, pool: Any, test: Any, truth: Any, budget: int, times: int, jitter: float, seeds: Sequence[int]
) -> float:
    reached = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        theft = steal_averaging(target.api("guarded thief"), pool, budget=budget, rng=rng, repeats=times, jitter=jitter)
        reached.append(agreement(theft.surrogate.predict(test), truth))
    return float(np.mean(reached))


__all__ = ["attack_own", "averaging_rows", "label_curve", "label_tax", "lookalikes", "swap_rows"]
