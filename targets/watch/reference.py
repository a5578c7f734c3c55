"""What a vendor knows of ordinary rows: its training rows as the neighbourhood, held-out rows as the yardstick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from targets.victims.base import Floats, Victim

NEIGHBOURS = 3
TINY = 1e-12  # a row that is a training row lies 0 from it
MOST_ROWS = 1000  # held-out and training rows that a key's past is compared with


@dataclass(frozen=True, eq=False)
class Reference:
    """What ordinary rows look like to this vendor, sorted: their distance ``far``, their count of ``new`` values, the
    model's ``margin``. ``near`` (m, d) are scaled training rows, ``rows`` (n, d) scaled rows of either kind, each
    ``apart`` (n,) from the training rows that are not itself.

    Margins come from held-out rows alone: a model is surer of rows it was trained on. The rest is counted over training
    rows as well, each compared with the other ones. ``answer`` gives class probabilities of unscaled rows.
    """

    answer: Any
    middle: Floats
    scale: Floats
    near: Floats
    rows: Floats
    apart: Floats
    values: tuple[Floats, ...]
    far: Floats
    new: Floats
    margin: Floats

    @classmethod
    def of(cls, victim: Victim, held_out: Any = None) -> Reference:
        """From a victim. ``held_out`` (n, d) are rows of the vendor's own that the model was not trained on; by
        default the first half of the pool. Whoever measures a monitor must take other rows than these.
        """
        rows = held_out_rows(victim) if held_out is None else held_out
        return cls.from_rows(victim.train.X, rows, victim.probabilities)

    @classmethod
    def from_rows(cls, known: Any, held_out: Any, answer: Any) -> Reference:
        """From plain tables: rows ``known`` (m, d) to the model, ``held_out`` (n, d) rows, and ``answer``(rows).

        Raises ValueError when a table is too small to say what is ordinary.
        """
        known, held_out = (np.asarray(table, dtype=np.float64) for table in (known, held_out))
        if known.ndim != 2 or held_out.ndim != 2 or len(known) <= NEIGHBOURS or len(held_out) < 20:
            raise ValueError(
                f"a reference needs a table of known rows and at least 20 held-out rows, "
                f"not shapes {known.shape} and {held_out.shape}"
            )
        scale = known.std(axis=0)
        scale[scale == 0] = 1.0
        middle = known.mean(axis=0)
        near, rows = (known - middle) / scale, (held_out - middle) / scale
        values = tuple(np.unique(column) for column in known.T)
        far = np.concatenate([_distance(rows, near), _distance(near, near, among=True)])
        new = np.concatenate([_new_values(held_out, values), _lone_values(known)])
        both = np.vstack([rows, near])[:MOST_ROWS]  # parts are in random order, so the first ones are a sample
        margin = np.sort(margins(answer(held_out)))
        apart = np.maximum(far[:MOST_ROWS], TINY)
        return cls(answer, middle, scale, near, both, apart, values, np.sort(far), np.sort(new), margin)

    def scaled(self, rows: Floats) -> Floats:
        """Rows (n, d) in deviations from the middle of the training rows."""
        return np.asarray((rows - self.middle) / self.scale, dtype=np.float64)

    def how_far(self, scaled: Floats) -> Floats:
        """Mean distance (n,) of scaled rows to their three nearest training rows."""
        return _distance(scaled, self.near)

    def how_new(self, rows: Floats) -> Floats:
        """How many values of each unscaled row (n, d) no training row has in that column, (n,)."""
        return _new_values(rows, self.values)

    def how_unsure(self, rows: Floats) -> Floats:
        """Margin (n,) between the two most probable classes of unscaled rows."""
        return margins(self.answer(rows))

    def __repr__(self) -> str:
        return f"Reference({len(self.near)} training rows, {len(self.margin)} held-out rows)"


def held_out_rows(victim: Victim) -> Floats:
    """The half of the pool that this vendor kept back; the other half may be anybody's."""
    return victim.pool.X[: len(victim.pool) // 2]


def margins(probabilities: Any) -> Floats:
    """Largest minus second largest probability of each row, (n,)."""
    two = np.sort(np.asarray(probabilities, dtype=np.float64), axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0], dtype=np.float64)


def _distance(rows: Floats, near: Floats, among: bool = False) -> Floats:
    """Mean distance to the nearest three of ``near``; ``among``: rows are these rows, none is its own neighbour."""
    if not len(rows):
        return np.zeros(0)
    apart = cdist(rows, near)
    if among:
        np.fill_diagonal(apart, np.inf)
    return np.asarray(np.partition(apart, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS].mean(axis=1))


def _new_values(rows: Floats, values: tuple[Floats, ...]) -> Floats:
    count = np.zeros(len(rows))
    for column, known in zip(rows.T, values, strict=True):
        place = np.minimum(np.searchsorted(known, column), len(known) - 1)
        count += known[place] != column
    return count


def _lone_values(known: Floats) -> Floats:
    """How many values of each row no other row of ``known`` has in that column."""
    count = np.zeros(len(known))
    for column in known.T:
        _, kind, often = np.unique(column, return_inverse=True, return_counts=True)
        count += often[kind] == 1
    return count
