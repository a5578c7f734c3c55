"""Lab 06's measurements: what a limit leaves a thief day by day, and the theft with many keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labkit.api import Answers, Api
from labkit.errors import QueryRefused
from labkit.launch import Target
from labkit.metrics import agreement
from labkit.plots import COLOURS, DASHES, MARKERS, Figure, axes, show
from labkit.surrogates import fit_surrogate
from labkit.thieves.base import Theft
from labkit.traffic import Reception, rows_granted


def steal_with_keys(
    open_api: Callable[[str], Api], pool: Any, *, keys: int, budget: int, batch: int = 25, kind: str = "linear"
) -> Theft:
    """The Sybil thief: ``keys`` accounts buy rows of ``pool`` in turn, each until it is refused, ``budget`` in all.

    ``open_api(key)`` opens a session under a key.
    """
    rows, answers = np.asarray(pool, dtype=float)[:budget], []
    done, session = 0, 0
    api = open_api("account 0")
    while done < len(rows):
        try:
            answers.append(api.predict(rows[done : done + batch]))
            done += len(answers[-1])
        except QueryRefused:
            session += 1
            if session == keys:
                break
            api = open_api(f"account {session}")
    labels = np.concatenate([a.labels for a in answers]) if answers else np.empty(0, dtype=int)
    soft = [a.probabilities for a in answers if a.probabilities is not None]
    bought = Answers(labels, np.concatenate(soft) if soft and len(soft) == len(answers) else None)
    copy = fit_surrogate(rows[:done], bought, kind=kind) if done else None
    return Theft(f"{keys} keys", copy, rows[:done], bought)


def agreement_by_rows(target: Target, *, seeds: Sequence[int] = (0, 1, 2)) -> Callable[[int], float]:
    """A function rows -> agreement of a copy trained on so many bought pool rows, mean over ``seeds``.

    The answers are bought once; every count of rows is fitted once.
    """
    pool, test = target.data("pool"), target.data("test")
    api = target.api("meter")
    answers, wanted = api.predict(pool.X), api.labels(test.X)
    known: dict[int, float] = {}

    def measure(rows: int) -> float:
        rows = min(rows, len(pool))
        if rows < 2:
            return 0.0
        if rows not in known:
            reached = []
            for seed in seeds:
                chosen = np.random.default_rng(seed).permutation(len(pool))[:rows]
                soft = None if answers.probabilities is None else answers.probabilities[chosen]
                copy = fit_surrogate(pool.X[chosen], Answers(answers.labels[chosen], soft), kind="linear", seed=seed)
                reached.append(agreement(copy.predict(test.X), wanted))
            known[rows] = float(np.mean(reached))
        return known[rows]

    return measure


def plot_days(
    runs: dict[str, Sequence[Reception]],
    refused: dict[str, float],
    measure: Callable[[int], float],
    *,
    days: int,
    title: str,
    alt: str,
    caption: str = "",
) -> Figure:
    """Agreement the thief has reached by the end of each day: a line a limit (a key of ``runs``), with the share of
    honest requests that the same limit refused (``refused``) written beside it.
    """
    figure, ax = axes(title, "day", "agreement on test rows")
    table = []
    for i, (name, receptions) in enumerate(runs.items()):
        rows = [rows_granted(receptions, days=day) for day in range(1, days + 1)]
        reached = [measure(n) for n in rows]
        label = f"{name}: {refused[name]:.1%} of honest requests refused"
        ax.plot(range(1, days + 1), reached, color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], label=label)
        table += [
            {"limit": name, "day": day, "rows stolen": n, "agreement": a, "honest refused": refused[name]}
            for day, n, a in zip(range(1, days + 1), rows, reached, strict=True)
        ]
    ax.set_ylim(0, 1.02)
    ax.legend(loc="lower right", fontsize=9)
    return show(figure, alt=alt, table=table, caption=caption)


def connected(keys: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name the cluster of each key: who is paired is together, and so is who is paired with them, and so on."""
    name = {key: key for key in keys}

    def root(key: str) -> str:
        while name[key] != key:
            name[key] = key = name[name[key]]
        return key

    for first, second in pairs:
        name[root(first)] = root(second)
    return {key: root(key) for key in keys}
