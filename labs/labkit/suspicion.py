"""Lab 10's building blocks of a detector: what is suspicious about a row, and how rare that is among ordinary rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

Score = Callable[[Any], np.ndarray]


def scaler(known: Any) -> Score:
    """A function that turns rows (n, d) into deviations from the middle of the ``known`` rows."""
    known = np.asarray(known, dtype=float)
    middle, scale = known.mean(axis=0), known.std(axis=0)
    scale[scale == 0] = 1.0
    return lambda rows: (np.asarray(rows, dtype=float) - middle) / scale


def how_far(known: Any) -> Score:
    """A function: mean distance (n,) of rows to their three nearest ``known`` rows, in deviations."""
    scale = scaler(known)
    near = scale(known)
    return lambda rows: np.partition(cdist(scale(rows), near), 2, axis=1)[:, :3].mean(axis=1)


def how_new(known: Any) -> Score:
    """A function: how many values of each row (n,) no ``known`` row has in the same column."""
    values = [np.unique(column) for column in np.asarray(known, dtype=float).T]
    return lambda rows: np.sum([~np.isin(c, v) for c, v in zip(np.asarray(rows).T, values, strict=True)], axis=0)


def rank(ordinary: Any, found: Any) -> np.ndarray:
    """p-values (n,): the share of ``ordinary`` scores at or above each of ``found``, the row itself counted."""
    ordinary = np.sort(np.asarray(ordinary, dtype=float))
    above = len(ordinary) - np.searchsorted(ordinary, np.asarray(found, dtype=float), side="left")
    return (above + 1) / (len(ordinary) + 1)


def many_looks(
    rng: np.random.Generator, *, level: float = 0.01, looks: tuple[int, ...] = (1, 10, 30, 100, 300), keys: int = 4000
) -> list[dict[str, Any]]:
    """Honest keys whose rows are judged one by one at ``level``: the share accused after so many looks."""
    p = rng.random((keys, max(looks)))
    return [{"looks": n, "honest keys accused": f"{np.mean((p[:, :n] < level).any(axis=1)):.1%}"} for n in looks]
