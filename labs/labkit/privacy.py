"""Differential privacy from its definition: how far one row can move an answer, and how much noise hides that.

Neighbours are two tables of the same length that differ in one row, so the number of rows is public. A mechanism is
epsilon-differentially private if no output becomes more than e^epsilon times as likely when a table is exchanged for a
neighbour (Dwork, McSherry, Nissim, Smith 2006). Two things no function here can do for you: noise from a seed that
somebody knows hides nothing, and floating-point noise has gaps that can show the exact answer (Mironov 2012). A release
in earnest rounds to a grid much coarser than those gaps and draws its noise on that grid, from the operating system.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from labkit.errors import BudgetSpent


def mean_sensitivity(low: Any, high: Any, rows: int) -> float:
    """Largest change (L1: summed over the columns) of the column means of ``rows`` rows when one row is replaced.

    ``low`` and ``high`` (d,) are public limits to which every value is clipped.
    """
    if rows < 1:
        raise ValueError(f"a mean needs at least one row, not {rows}")
    return float(np.sum(np.asarray(high, dtype=float) - np.asarray(low, dtype=float)) / rows)


def laplace(value: Any, *, sensitivity: float, epsilon: float, rng: np.random.Generator) -> Any:
    """``value`` plus Laplace noise of scale sensitivity / epsilon in every number: epsilon-private.

    ``sensitivity`` is in L1. The noise's standard deviation is the root of 2 times its scale.
    """
    _positive(sensitivity=sensitivity, epsilon=epsilon)
    return value + rng.laplace(0, sensitivity / epsilon, np.shape(value))


def gaussian(value: Any, *, sensitivity: float, epsilon: float, delta: float, rng: np.random.Generator) -> Any:
    """``value`` plus normal noise: (epsilon, delta)-private. ``sensitivity`` is in L2.

    The standard deviation is the smallest that does it (Balle and Wang 2018), right for every epsilon; the textbook
    formula with the logarithm of 1.25 / delta is proved for epsilon below 1 only.
    """
    from dp_accounting import get_sigma_gaussian  # 1.5 seconds, and only this needs it

    _positive(sensitivity=sensitivity, epsilon=epsilon, delta=delta)
    return value + rng.normal(0, sensitivity * get_sigma_gaussian(epsilon, delta), np.shape(value))


def clip_lengths(rows: Any, bound: float) -> np.ndarray:
    """``rows`` (n, d), each shortened to Euclidean length ``bound`` if it is longer, its direction kept."""
    _positive(bound=bound)
    table = np.asarray(rows, dtype=float)
    lengths = np.linalg.norm(table, axis=1)
    return table * (bound / np.maximum(lengths, bound))[:, None]


def advantage_cap(epsilon: float) -> float:
    """The largest membership advantage (TPR minus FPR) that any attack can have on an epsilon-private model.

    From TPR <= e^epsilon FPR and (1 - FPR) <= e^epsilon (1 - TPR): where both are equal, the difference is
    (e^epsilon - 1) / (e^epsilon + 1).
    """
    return math.tanh(epsilon / 2)


class Ledger:
    """A privacy budget that adds up what answers cost (basic composition) and refuses before it answers.

    Counted in exact fractions of the decimals you write, because three times 0.1 is not 0.3 in floating point.
    """

    def __init__(self, total: float):
        self._left = self._cost(total)

    @property
    def left(self) -> float:
        """What may still be spent."""
        return float(self._left)

    def spend(self, epsilon: float) -> None:
        """Take ``epsilon`` off. Raises BudgetSpent, and takes nothing, if less is left; ValueError if it is no cost."""
        cost = self._cost(epsilon)
        if cost > self._left:
            raise BudgetSpent(f"this answer costs epsilon {epsilon:g} and {self.left:g} is left")
        self._left -= cost

    def mean(self, values: Any, low: float, high: float, epsilon: float, rng: np.random.Generator) -> float:
        """Private mean of ``values`` (n,), clipped to the public ``low`` and ``high``; spends ``epsilon`` first."""
        self.spend(epsilon)
        clipped = np.clip(np.asarray(values, dtype=float), low, high)
        reach = mean_sensitivity([low], [high], len(clipped))
        return float(laplace(clipped.mean(), sensitivity=reach, epsilon=epsilon, rng=rng))

    @staticmethod
    def _cost(epsilon: float) -> Fraction:
        # A negative cost would fill the budget up again, and nan passes every comparison.
        _positive(epsilon=epsilon)
        return Fraction(str(float(epsilon)))


def _positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name} must be a number above 0, not {number!r}")
