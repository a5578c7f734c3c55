"""A few answers name a wrong class, chosen by a key: a copy that repeats them was made from these answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from targets.defences.base import Defence, Query
from targets.defences.randomness import Draws, positive
from targets.victims.base import Floats, Ints


class KeyedMark(Defence):
    """A keyed hash of the row's bytes marks a ``share`` of all rows; their answer names another class, also by the key.

    After DAWN (Szyller et al. 2021). Marked rows swap the probability of their class with the mark's, so the same
    query gets the same answer in every batch, account and process, and nobody without ``secret`` can tell which rows
    are marked. Evidence after a theft, no wall before it.
    Stops: nothing. It names copies that memorise their training rows: grown trees and forests, boosting.
    Does not stop: copies that smooth (large leaves, several neighbours, linear); cleaning; a row asked twice.
    Costs the honest customer: a plainly wrong answer to a ``share`` of rows, sure ones among them.
    """

    def __init__(self, secret: Any = None, share: float = 0.005):
        if secret is None:
            raise ValueError("secret is the owner's key, kept for the day of the claim; a mark nobody can show is none")
        self.share = positive("share", share, 0.5)
        self._draws = Draws(secret=secret, purpose="keyed mark")

    def marks(self, rows: Floats, labels: Ints, classes: int) -> tuple[np.ndarray, Ints]:
        """Which of ``rows`` (n, d) are marked, (n,) of bool; and the class (n,) each row's mark is or would be.

        ``labels`` (n,) are the victim's own. A mark is never the row's own label.
        """
        u = self._draws.uniform(rows, 2)
        step = 1 + np.floor(u[:, 1] * (classes - 1)).astype(np.int64)
        return u[:, 0] < self.share, (labels + step) % classes

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return (n, K); in marked rows the mark's class and the largest have changed places."""
        own = probabilities.argmax(axis=1)
        marked, mark = self.marks(query.rows, own, probabilities.shape[1])
        rows = np.flatnonzero(marked)
        high, low = probabilities[rows, own[rows]], probabilities[rows, mark[rows]]
        probabilities[rows, own[rows]], probabilities[rows, mark[rows]] = low, high
        return probabilities
