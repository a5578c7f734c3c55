"""Three tests of ownership. The randomness is the owner's own key, so each holds for every innocent model, exactly.

None needs to know how often innocent models match by chance. A model that was made without the key and without answers
that carry it is independent of the coins; whatever it says, they fall as coins do. All three take labels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, hypergeom
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class Claim:
    """A test of ownership: ``p``, the chance that an innocent model matches as often; ``matches`` out of ``of``."""

    p: float
    matches: int
    of: int

    def __repr__(self) -> str:
        return f"p = {self.p:.2g} ({self.matches} of {self.of} match)"


def trigger_claim(said: np.ndarray, mark: np.ndarray, classes: int) -> Claim:
    """Trigger rows with secret classes ``mark`` (n,), each drawn evenly from all ``classes``.

    ``said`` (n,) is the suspect's. Whatever an innocent model says, each row matches with chance 1 / classes,
    independently: a binomial tail.
    """
    matches = int(np.sum(np.asarray(said) == np.asarray(mark)))
    return Claim(float(binom.sf(matches - 1, len(mark), 1 / classes)), matches, len(mark))


def control_claim(said: np.ndarray, mark: np.ndarray, marked: np.ndarray) -> Claim:
    """Logged rows, each with the class ``mark`` (n,) it would carry, of which the key chose ``marked`` (n,) of bool.

    The unmarked rows are the control group. For an innocent model the marked ones are a random sample of all, so
    its matches among them are hypergeometric (Fisher's exact test). Rows must be distinct: drop repeats first.
    """
    hit, marked = np.asarray(said) == np.asarray(mark), np.asarray(marked, dtype=bool)
    matches, size = int(hit[marked].sum()), int(marked.sum())
    return Claim(float(hypergeom.sf(matches - 1, len(hit), int(hit.sum()), size)), matches, size)


def coin_claim(
    said: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    cell: np.ndarray,
    heads: np.ndarray,
    weight: np.ndarray | None = None,
) -> Claim:
    """Doubtful rows (n,), one fair coin a ``cell``: heads names class ``first``, tails ``second``.

    For each coin count the rows where the suspect says first, less those where it says second: its weight. An innocent
    model's weights are fixed before the coins fall, so the total is a sum of weights with random signs, and its tail
    is counted out exactly, without a bound and without sampling keys. ``weight`` (n,), whole numbers chosen without a
    look at the coins (`tipping_weights`), lets rows count more at which a copy is likelier to follow.
    """
    said = np.asarray(said)
    vote = (said == first).astype(np.int64) - (said == second).astype(np.int64)
    counted = vote if weight is None else vote * np.asarray(weight, dtype=np.int64)
    _, start, number = np.unique(np.asarray(cell), return_index=True, return_inverse=True)
    total = np.rint(np.bincount(number, weights=counted, minlength=len(start))).astype(np.int64)
    sign = np.where(np.asarray(heads, dtype=bool)[start], 1, -1)
    agree = int(np.sum(vote * sign[number] > 0))
    return Claim(sign_tail(total, int(total @ sign)), agree, int(np.sum(vote != 0)))


def tipping_weights(rows: np.ndarray, labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How much one bought label can tip a copy at each of ``rows`` (n, d): 4, 2 or 1, whole numbers (n,).

    4 where the four nearest other rows of the log, by the owner's own unmarked ``labels`` (n,), are split evenly
    between classes ``first`` and ``second`` (n,), 2 where one class leads by two at most, else 1. A copy that averages
    over neighbours follows the mark at the first kind. No coin enters, so `coin_claim` stays exact.
    """
    scaled = StandardScaler().fit_transform(np.asarray(rows, dtype=np.float64))
    near = NearestNeighbors(n_neighbors=5).fit(scaled).kneighbors(scaled, return_distance=False)[:, 1:]
    around = np.asarray(labels)[near]
    lead = np.abs(
        (around == np.asarray(first)[:, None]).sum(axis=1) - (around == np.asarray(second)[:, None]).sum(axis=1)
    )
    return np.where(lead == 0, 4, np.where(lead <= 2, 2, 1))


def sign_tail(weights: np.ndarray, total: int) -> float:
    """Chance that whole ``weights`` with fair random signs sum to ``total`` or more: exact, by adding one at a time."""
    sizes = np.abs(np.asarray(weights, dtype=np.int64))
    sizes = np.sort(sizes[sizes > 0])
    reach = int(sizes.sum())
    if total > reach:
        return 0.0
    chance = np.zeros(2 * reach + 1)
    chance[reach] = 1.0
    for size in sizes:
        spread = np.zeros_like(chance)
        spread[size:] += chance[:-size] / 2
        spread[:-size] += chance[size:] / 2
        chance = spread
    return float(min(1.0, chance[reach + max(int(total), -reach) :].sum()))


def hoeffding(weights: np.ndarray, total: float) -> float:
    """Upper bound on ``sign_tail`` in one line, for weights of any kind: exp(-total² / (2 Σ weight²))."""
    energy = float(np.sum(np.square(weights, dtype=float)))
    return 1.0 if total <= 0 or not energy else float(np.exp(-(total**2) / (2 * energy)))
