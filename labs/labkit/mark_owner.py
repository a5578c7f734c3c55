"""The owner's marks as defences to mount, and what the owner can say of logged rows on the day of the claim."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

import numpy as np

from labkit.defending import Defence, Query

BINS = 8


def keyed_numbers(secret: str, rows: np.ndarray, width: int = 1) -> np.ndarray:
    """``width`` numbers in [0, 1) for each row, (n, width): a function of secret and the row's bytes alone."""
    table = np.ascontiguousarray(np.asarray(rows, dtype="<f8") + 0.0)  # + 0.0: -0.0 and 0.0 are the same question
    digests = [hmac.digest(secret.encode(), row.tobytes(), "sha256")[: 4 * width] for row in table]
    return np.frombuffer(b"".join(digests), dtype="<u4").reshape(len(table), width) / 2**32


class KeyedMark(Defence):
    """After DAWN (Szyller and others, 2021): the key chooses a ``share`` of rows and a wrong class for each."""

    def __init__(self, secret: str, share: float = 0.005):
        self._secret, self.share = secret, share

    def marks(self, rows: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Which rows are ``marked`` (n,), and the class ``mark`` (n,) each carries or would carry; ``labels``: own."""
        u = keyed_numbers(self._secret, rows, 2)
        return u[:, 0] < self.share, (labels + 1 + (u[:, 1] * (classes - 1)).astype(int)) % classes

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        """(n, K) probabilities; in marked rows the largest and the mark's class have changed places."""
        own = probabilities.argmax(axis=1)
        marked, mark = self.marks(query.rows, own, probabilities.shape[1])
        i = np.flatnonzero(marked)
        high, low = probabilities[i, own[i]], probabilities[i, mark[i]]
        probabilities[i, own[i]], probabilities[i, mark[i]] = low, high
        return probabilities


@dataclass(frozen=True, eq=False)
class Coins:
    """For n rows: ``doubtful``; the two likeliest classes ``first`` < ``second``; the coin's ``cell``; ``heads``.

    Rows of one cell share one coin. Heads names ``first``.
    """

    doubtful: np.ndarray
    first: np.ndarray
    second: np.ndarray
    cell: np.ndarray
    heads: np.ndarray

    def only(self, chosen: np.ndarray) -> Coins:
        """The coins of the ``chosen`` rows."""
        return Coins(*(getattr(self, name)[chosen] for name in ("doubtful", "first", "second", "cell", "heads")))

    @property
    def named(self) -> np.ndarray:
        """The class (n,) that each row's coin names."""
        return np.where(self.heads, self.first, self.second)


class MarginMark(Defence):
    """Where the two likeliest classes are less than ``zone`` apart, a keyed coin of the row's cell names the winner.

    ``axes`` keyed features, each cut into eight at quantiles of ``known`` rows, make the cells.
    """

    def __init__(self, secret: str, known: np.ndarray, zone: float = 0.1, axes: int = 3):
        self._secret, self.zone, self.axes = secret, zone, axes
        self._cuts: dict[int, np.ndarray] = {}
        for column in np.argsort(keyed_numbers(secret + "/axes", np.arange(known.shape[1])[:, None])[:, 0]):
            edges = np.unique(np.quantile(known[:, column], np.linspace(0, 1, BINS + 1)[1:-1]))
            if len(edges) == BINS - 1 and len(self._cuts) < axes:
                self._cuts[int(column)] = edges

    def coins(self, rows: np.ndarray, probabilities: np.ndarray) -> Coins:
        """The coins that decide ``rows`` (n, d), given the model's own ``probabilities`` (n, K)."""
        first, second = np.sort(np.argsort(probabilities, axis=1)[:, -2:], axis=1).T
        every, classes = np.arange(len(rows)), probabilities.shape[1]
        place = np.zeros(len(rows), dtype=int)
        for column, edges in self._cuts.items():
            place = place * BINS + np.searchsorted(edges, rows[:, column])
        cell = (place * classes + first) * classes + second
        heads = keyed_numbers(self._secret + "/coins", cell[:, None])[:, 0] < 0.5
        gap = np.abs(probabilities[every, first] - probabilities[every, second])
        return Coins(gap < self.zone, first, second, cell, heads)

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        """(n, K) probabilities; in doubtful rows the coin's class has the larger of the two largest."""
        coins = self.coins(query.rows, probabilities)
        i = np.flatnonzero(coins.doubtful)
        win, lose = coins.named[i], np.where(coins.heads, coins.second, coins.first)[i]
        pair = probabilities[i, win], probabilities[i, lose]
        probabilities[i, win], probabilities[i, lose] = np.maximum(*pair), np.minimum(*pair)
        return probabilities
