"""Honest customers as streams of rows: what each asks of a prediction API.

Invented, like all traffic in this course: nobody publishes a vendor's query log. Every generator takes the rows that
its customer owns; whoever measures a monitor passes rows the monitor has never seen.
"""

from __future__ import annotations

import numpy as np

from labkit.api import ModelCard


def plain(rows: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """A customer like any other: ``count`` different rows of ``rows`` (n, d)."""
    return rows[rng.permutation(len(rows))[:count]]


def repeating(rows: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """One whose page reloads: every fourth query repeats an earlier one of its own, to the last digit."""
    stream = plain(rows, rng, count)
    for i in range(1, len(stream)):
        if rng.random() < 0.25:
            stream[i] = stream[rng.integers(i)]
    return stream


def odd(rows: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """One with odd data: its rows lean to one side of one feature, as a specialist's do (3 to 1)."""
    feature = rng.choice(np.flatnonzero(rows.std(axis=0) > 0))
    upper = rows[:, feature] > np.median(rows[:, feature])
    weight = np.where(upper, 3.0, 1.0)
    count = min(count, len(rows) // 2)
    return rows[rng.choice(len(rows), count, replace=False, p=weight / weight.sum())]


def analyst(rows: np.ndarray, rng: np.random.Generator, count: int, card: ModelCard) -> np.ndarray:
    """The honest analyst: takes a case, varies one feature over its range in ten steps, then takes the next case."""
    stream: list[np.ndarray] = []
    while len(stream) < count:
        case, feature = rows[rng.integers(len(rows))], int(rng.integers(rows.shape[1]))
        for value in np.linspace(card.low[feature], card.high[feature], 10):
            changed = case.copy()
            changed[feature] = value
            stream.append(changed)
    return np.array(stream[:count])
