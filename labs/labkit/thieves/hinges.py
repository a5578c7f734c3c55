"""Where a piecewise linear function bends along a line: the way into a ReLU network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabError

Values = Callable[[np.ndarray], np.ndarray]


class NotStraight(LabError):
    """Answers along a line that no few straight pieces explain."""


@dataclass(frozen=True)
class Hinge:
    """A bend at ``t`` in [0, 1]; ``change`` (m,) is how much the slopes of the m outputs change there."""

    t: float
    change: np.ndarray


def hinges_on_line(
    values: Values, *, points: int = 33, noise: float = 1e-9, smallest: float = 1e-9, most: int = 2000
) -> list[Hinge]:
    """Every bend of ``values`` on [0, 1], in order; ``values(t)`` maps places (n,) to outputs (n, m).

    A cell between two asked places is clear if three places in a row that include it lie on one straight line. In any
    other cell the next place to ask is where the straight pieces left and right of it meet: if a single hinge is there,
    this hits it to the last digit, without bisection. Where no pieces meet, the middle is asked (the search of Carlini
    et al. 2020; many outputs at once make its test stricter). ``noise``: what an output may be off by.
    Hinges closer together than ``smallest`` are not told apart, and left out. Raises NotStraight if ``most`` places do
    not make sense.
    """
    t = np.linspace(0, 1, points)
    y = values(t)
    while True:
        if len(t) > most or not np.isfinite(y).all():
            raise NotStraight(
                f"{len(t):,} answers on one line do not fall into straight pieces: they are rounded, noisy, or not a "
                "ReLU network's. Retrain a copy from answers instead"
            )
        bend = _off_the_line(t, y) > noise
        clear = _clear_cells(bend)
        ask = _next_places(t, y, bend, clear, smallest)
        if not ask:
            return _bends(t, y, bend, clear)
        t = np.concatenate([t, ask])
        y = np.concatenate([y, values(np.array(ask))])
        order = np.argsort(t)
        t, y = t[order], y[order]


def _off_the_line(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far each place but the two ends lies from the straight line between its neighbours, (n,); ends are 0."""
    share = ((t[1:-1] - t[:-2]) / (t[2:] - t[:-2]))[:, None]
    off = np.abs(y[1:-1] - (1 - share) * y[:-2] - share * y[2:]).max(axis=1)
    return np.concatenate([[0.0], off, [0.0]])


def _clear_cells(bend: np.ndarray) -> np.ndarray:
    straight = ~bend
    straight[[0, -1]] = False
    return straight[:-1] | straight[1:]


def _slopes(t: np.ndarray, y: np.ndarray, bend: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Slope in each cell, (cells, m): that of the longest straight piece around it; NaN where the cell is not clear."""
    slopes = np.full((len(t) - 1, y.shape[1]), np.nan)
    first = 0
    for last in range(1, len(t)):
        if last == len(t) - 1 or bend[last] or not (clear[last - 1] and clear[last]):
            if clear[first:last].all():
                slopes[first:last] = (y[last] - y[first]) / (t[last] - t[first])
            first = last
    return slopes


def _next_places(t: np.ndarray, y: np.ndarray, bend: np.ndarray, clear: np.ndarray, smallest: float) -> list[float]:
    slopes = _slopes(t, y, bend, clear)
    places = []
    for i in np.flatnonzero(~clear).tolist():
        if t[i + 1] - t[i] > smallest:
            meeting = _meeting(t, y, slopes, i)
            places.append((t[i] + t[i + 1]) / 2 if meeting is None else meeting)
    return places


def _meeting(t: np.ndarray, y: np.ndarray, slopes: np.ndarray, i: int) -> float | None:
    """Where the pieces left and right of cell ``i`` meet; None if one is missing or they pass each other."""
    if not 0 < i < len(slopes) - 1 or np.isnan(slopes[[i - 1, i + 1]]).any():
        return None
    change = slopes[i + 1] - slopes[i - 1]
    if not change.any():
        return None
    gap = y[i + 1] - slopes[i + 1] * (t[i + 1] - t[i]) - y[i]  # between the two lines, at the cell's left end
    place = t[i] - gap @ change / (change @ change)
    passing = gap - change * (t[i] - place)
    inside = t[i] < place < t[i + 1]
    return place if inside and np.abs(passing).max() < 1e-6 * np.abs(gap).max() else None


def _bends(t: np.ndarray, y: np.ndarray, bend: np.ndarray, clear: np.ndarray) -> list[Hinge]:
    slopes = _slopes(t, y, bend, clear)
    at = [i for i in np.flatnonzero(bend) if clear[i - 1] and clear[i]]
    return [Hinge(float(t[i]), slopes[i] - slopes[i - 1]) for i in at]
