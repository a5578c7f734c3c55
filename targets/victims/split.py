"""Split rows into train, pool and test so that no identical row lies in two parts."""

from __future__ import annotations

import numpy as np

from targets.victims.base import Floats, Ints, Part

SHARES = (0.5, 0.75)  # train up to one half, pool up to three quarters, test the rest


def split(X: Floats, y: Ints, rng: np.random.Generator) -> tuple[Part, Part, Part]:
    """Return (train, pool, test), 50/25/25, stratified by class and disjoint by row content.

    Rows with the same content form one group that stays together, counted under its first row's class.
    """
    X = np.ascontiguousarray(X, dtype=np.float64) + 0.0  # adding 0.0 turns -0.0 into 0.0: equal rows, equal bytes
    _, first, group = np.unique(X, axis=0, return_index=True, return_inverse=True)
    group = group.ravel()
    sizes = np.bincount(group)
    part_of_group = np.empty(len(first), dtype=np.int64)
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y[first] == label))
        middle = np.cumsum(sizes[members]) - sizes[members] / 2
        part_of_group[members] = np.searchsorted(np.array(SHARES) * sizes[members].sum(), middle)
    order = rng.permutation(len(y))
    part = part_of_group[group][order]
    return _part(X, y, order[part == 0]), _part(X, y, order[part == 1]), _part(X, y, order[part == 2])


def _part(X: Floats, y: Ints, rows: Ints) -> Part:
    chosen, truth = X[rows], y[rows].astype(np.int64)
    for array in (chosen, truth):
        array.setflags(write=False)  # a cached victim is shared: nobody may edit its rows
    return Part(chosen, truth)
