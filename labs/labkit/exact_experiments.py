"""Lab 02's experiments that are too long for a cell: each returns rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from labkit.exact import compare, duel_rows
from labkit.launch import Target, launch
from labkit.metrics import agreement
from labkit.surrogates import fit_surrogate
from labkit.thieves.hinges import NotStraight
from labkit.thieves.line_search import steal_line_search
from labkit.thieves.relu import steal_relu
from labkit.thieves.relu_rounded import steal_relu_rounded
from labkit.thieves.rounded import steal_rounded
from labkit.thieves.tree_paths import steal_tree


def walk_one_feature(target: Target, row: Any, *, feature: int, share: float = 0.02, steps: int = 5) -> list[dict]:
    """Probability and score of class 1 as one ``feature`` of ``row`` (d,) grows by ``share`` of its range a step."""
    card = target.model()
    rows = np.repeat(np.asarray(row, dtype=float)[None], steps, axis=0)
    rows[:, feature] += np.arange(steps) * share * (card.high - card.low)[feature]
    p = target.api("curious").probabilities(rows)
    score = np.log(p[:, 1] / p[:, 0])
    change = ["", *(f"{step:+.12f}" for step in np.diff(score))]
    return [{"step": i, "probability": p[i, 1], "score": score[i], "change of score": change[i]} for i in range(steps)]


def steal_linear_through(reference: Target, *, decimals: Sequence[int], budgets: Sequence[int]) -> list[dict]:
    """Steal the linear model of ``reference`` from rounded answers, and last from labels alone; compare with it."""
    pool, test = reference.data("pool").X, reference.data("test").X
    says = reference.api("referee").probabilities(test)
    spec, lines = reference.spec, []
    for digits in decimals:
        with launch(spec.victim, model=spec.model, seed=spec.seed, defences=[f"rounding:decimals={digits}"]) as vendor:
            for budget in budgets:
                api = vendor.api(f"thief {budget}")
                copy = steal_rounded(api, pool, budget=budget, rng=np.random.default_rng(1))
                lines.append({"decimals": digits, "queries": api.spent, **compare(copy, test, says)})
    with launch(spec.victim, model=spec.model, seed=spec.seed, defences=["label_only"]) as vendor:
        api = vendor.api("thief")
        copy = steal_line_search(api, pool, rng=np.random.default_rng(1))
        lines.append({"decimals": "labels only", "queries": api.spent, **compare(copy, test, says)})
    return lines


def draw_tree(name: str, vendor: Target, reference: Target, *, budget: int = 6000) -> dict:
    """Steal the tree behind ``vendor`` with the reference's pool; compare with the unrounded ``reference``."""
    pool, test = reference.data("pool").X, reference.data("test").X
    api = vendor.api("thief", budget=budget)
    tree = steal_tree(api, rng=np.random.default_rng(0), pool=pool)
    return {
        "answers with": name,
        "leaves found": tree.leaves,
        "different answers": len(np.unique(tree.answers, axis=0)),
        "queries": api.spent,
        "a leaf": round(api.spent / tree.leaves, 1),
        "agreement": agreement(tree.predict(test), reference.api("referee").labels(test)),
    }


def copy_network(name: str, vendor: Target, reference: Target, *, queries: int, adapted: bool = False) -> dict:
    """Copy the network behind ``vendor`` by hinges or, where they cannot be found, by training on ``queries`` rows.

    The ``adapted`` thief looks for hinges where rounding takes least; it pays more queries.
    """
    pool, test = reference.data("pool").X, reference.data("test").X
    rng, api = np.random.default_rng(0), vendor.api("adapted" if adapted else "exact")
    copy: Any
    try:
        copy = steal_relu_rounded(api, rng=rng, pool=pool) if adapted else steal_relu(api, rng=rng)
        way = "hinges, adapted" if adapted else "hinges"
    except NotStraight:
        rows, api = duel_rows(pool, queries), vendor.api("trainer")
        copy, way = fit_surrogate(rows, api.predict(rows)), "training"
    return {
        "answers with": name,
        "way in": way,
        "queries": api.spent,
        **compare(copy, test, reference.api("referee").probabilities(test)),
    }
