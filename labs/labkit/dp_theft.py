"""The private model as loot: does its noise stand in a thief's way?"""

from __future__ import annotations

from collections.abc import Sequence

from labkit.launch import Target, launch
from labkit.metrics import accuracy, agreement
from labkit.thieves.equation import steal_equations_from_rows


def steal_logistic(name: str, target: Target) -> dict:
    """One row of the table: steal the logistic model behind ``target`` from d + 1 pool rows, and measure the copy."""
    pool, test = target.data("pool"), target.data("test")
    thief = target.api("thief")
    copy = steal_equations_from_rows(thief, pool.X)
    victim, copied = target.api("referee").labels(test.X), copy.predict(test.X)
    return {
        "model": name,
        "its accuracy": accuracy(victim, test.truth),
        "rows bought": thief.spent,
        "copy agrees": agreement(copied, victim),
        "copy's accuracy": accuracy(copied, test.truth),
        "test rows": len(test),
    }


def steal_with_and_without_privacy(victim: str, seeds: Sequence[int]) -> list[dict]:
    """``steal_logistic`` for the private and the ordinary logistic model of ``victim``, each for every seed."""
    rows = []
    for model, name in (("private", "private, ε = 1"), ("linear", "no privacy")):
        for seed in seeds:
            with launch(victim, model=model, seed=seed) as target:
                rows.append(steal_logistic(f"{name}, seed {seed}", target))
    return rows
