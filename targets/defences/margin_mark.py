"""Where the model is in doubt anyway, a keyed coin decides: a mark in answers that were a coin toss before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from targets.defences.base import Defence, Query
from targets.defences.known import known_rows
from targets.defences.randomness import Draws, positive
from targets.victims.base import Floats, Ints


@dataclass(frozen=True, eq=False)
class Coins:
    """For n rows: is it ``doubtful``, its two likeliest classes ``first`` < ``second``, its ``cell``, and ``heads``.

    ``cell`` (n,) numbers the coin: rows with one cell and one pair of classes share one toss. Heads names ``first``.
    """

    doubtful: np.ndarray
    first: Ints
    second: Ints
    cell: Ints
    heads: np.ndarray


class MarginMark(Defence):
    """Rows whose two likeliest classes are less than ``zone`` apart get the one that a keyed coin of their cell names.

    Keyed features, cut at quantiles of the ``known`` rows, part the feature space into at least ``cells`` cells; each
    (cell, pair of classes) has one fair coin. Neighbours mostly share a cell, so a copy can learn the pattern, and one
    row asked twice gets one answer. ``known`` is a table of rows (n, d) or a victim's name (its training rows of
    ``seed``). Evidence after a theft, no wall before it.
    Stops: nothing. It names copies that can follow the pattern: trees, forests, boosting, neighbours.
    Does not stop: linear copies; a thief who drops or relabels what his own held-out copy would not say.
    Costs the honest customer: about half of the doubtful rows get the other of two nearly equal answers.
    """

    def __init__(self, secret: Any = None, known: Any = None, zone: float = 0.1, cells: int = 512, seed: int = 0):
        if secret is None:
            raise ValueError("secret is the owner's key, kept for the day of the claim; a mark nobody can show is none")
        self.zone = positive("zone", zone, 1.0)
        self.cells = int(positive("cells", cells, 1e6))
        rows, self.known = known_rows(known, seed, 2 * BINS)
        self._coins = Draws(secret=secret, purpose="margin coins")
        self._cuts = keyed_cuts(rows, Draws(secret=secret, purpose="margin cuts"), self.cells)

    def coins(self, rows: Floats, probabilities: Floats) -> Coins:
        """The coins that decide ``rows`` (n, d), given the victim's own ``probabilities`` (n, K)."""
        first, second = np.sort(np.argsort(probabilities, axis=1, kind="stable")[:, -2:], axis=1).T
        every = np.arange(len(probabilities))
        gap = np.abs(probabilities[every, first] - probabilities[every, second])
        place = np.zeros(len(rows), dtype=np.int64)
        for column, edges in self._cuts:
            place = place_in(place, rows[:, column], edges)
        cell = (place * probabilities.shape[1] + first) * probabilities.shape[1] + second
        toss = self._coins.uniform(cell[:, None].astype(np.float64), 1)[:, 0]
        return Coins(gap < self.zone, first, second, cell, toss < 0.5)

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return (n, K); in doubtful rows the class that the coin names has the larger of the two largest values."""
        coins = self.coins(query.rows, probabilities)
        rows = np.flatnonzero(coins.doubtful)
        winner = np.where(coins.heads, coins.first, coins.second)[rows]
        loser = np.where(coins.heads, coins.second, coins.first)[rows]
        pair = probabilities[rows, winner], probabilities[rows, loser]
        probabilities[rows, winner], probabilities[rows, loser] = np.maximum(*pair), np.minimum(*pair)
        return probabilities


BINS = 8
LARGEST = 2**40 - 87  # a prime; times 100 pairs of classes a cell's number is still exact in a float


def keyed_cuts(known: Floats, draws: Draws, cells: int) -> tuple[tuple[int, Floats], ...]:
    """Features in an order only the key knows, each with up to seven cuts, until ``known`` lies in ``cells`` cells.

    Or in as many as leave six of its rows to a cell. Cuts lie half-way between values of ``known``, so that a count of
    3 is not on the edge.
    """
    wanted = min(cells, max(2, len(known) // 6))
    order = np.argsort(draws.uniform(np.arange(known.shape[1], dtype=np.float64)[:, None], 1)[:, 0])
    chosen: list[tuple[int, Floats]] = []
    place = np.zeros(len(known), dtype=np.int64)
    # A feature that is nearly always the same parts little: such come last, whatever the key says.
    parted = [(_commonest(known[:, column], edges := _edges(known[:, column])) > 0.5, edges) for column in order]
    for rank in sorted(range(len(order)), key=lambda i: parted[i][0]):
        if len(np.unique(place)) >= wanted:
            break
        column, edges = int(order[rank]), parted[rank][1]
        if len(edges):
            chosen.append((column, edges))
            place = place_in(place, known[:, column], edges)
    return tuple(chosen)


def place_in(place: Ints, values: Floats, edges: Floats) -> Ints:
    """Cell numbers (n,) after one more feature with ``values`` (n,) is cut at ``edges``; wraps around when huge."""
    step = np.searchsorted(edges, values, side="right")
    return np.asarray((place * (len(edges) + 1) + step) % LARGEST, dtype=np.int64)


def _commonest(values: Floats, edges: Floats) -> float:
    """Share of ``values`` in the fullest bin."""
    return float(np.bincount(np.searchsorted(edges, values, side="right")).max() / len(values))


def _edges(values: Floats) -> Floats:
    there = np.unique(values)
    if len(there) < 2:
        return np.empty(0)
    wanted = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    after = np.clip(np.searchsorted(there, wanted, side="right"), 1, len(there) - 1)
    return np.unique((there[after - 1] + there[after]) / 2)
