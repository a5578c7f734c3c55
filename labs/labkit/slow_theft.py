"""Lab 06's measurements: what a limit leaves a thief day by day, and the theft with many keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labkit.api import Answers, Api
from labkit.errors import QueryRefused
from labkit.launch import Target
from labkit.metrics import agreement
from labkit.plots import COLOURS, DASHES, MARKERS, Figure, Table, axes, show
from labkit.surrogates import fit_surrogate
from labkit.thieves.base import Theft
from labkit.traffic import Reception, Request, honest_refused, play, rows_granted, thieves


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


def compare_copies(thefts: dict[str, Theft], rows: Any, victim_labels: Any) -> Table:
    """What each theft bought and how its copy agrees with the victim on ``rows`` (n, d)."""
    table = []
    for name, theft in thefts.items():
        reached = 0.0 if theft.surrogate is None else agreement(theft.surrogate.predict(rows), victim_labels)
        table.append({"thief": name, "rows bought": theft.queries, "agreement": reached})
    return Table(table)


def refused_table(runs: dict[str, Sequence[Reception]], *customers: str) -> Table:
    """Share of each customer's requests refused under each limit."""
    rows = [
        {"limit": name, **{who: f"{honest_refused(run, who):.1%}" for who in customers}} for name, run in runs.items()
    ]
    return Table(rows, "Share of each customer's requests refused")


def days_until(
    receptions: Sequence[Reception], measure: Callable[[int], float], *, floor: float, days: int
) -> int | None:
    """The day by whose end the thief's copy reaches ``floor``, or None if it does not within ``days``."""
    return next((d for d in range(1, days + 1) if measure(rows_granted(receptions, days=d)) >= floor), None)


def sybil_table(
    policies: dict[str, Callable[[], Any]],
    week: Sequence[Request],
    measure: Callable[[int], float],
    *,
    keys: Sequence[int],
    networks: int,
    floor: float,
) -> Table:
    """What each policy (a function that makes fresh limits) leaves a thief with each number of keys, in seven days."""
    table = []
    for count in keys:
        for name, policy in policies.items():
            run = play(policy(), [*week, *thieves(keys=count, networks=networks)])
            day = days_until(run, measure, floor=floor, days=7)
            table.append({
                "thief's keys": count,
                "limits": name,
                "rows stolen in a week": rows_granted(run),
                f"agreement {floor:g} by day": day or "not in 7 days",
                "honest requests refused": f"{honest_refused(run):.1%}",
            })  # fmt: skip
    return Table(table)


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
