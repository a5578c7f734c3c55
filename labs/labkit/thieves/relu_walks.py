"""Walks from hinge to hinge of a ReLU network, on which two classes stay in doubt: rounded answers suffice.

A rounded probability keeps its digits near one half and loses them near zero. So every step goes where the log-ratio of
the two likeliest classes does not change, until a hidden unit switches.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labkit.api import Api

# Where a walk looks for the next hinge, in units of the features; all at once, because a request costs more than a row.
LOOKS = 4.0 ** np.arange(-1, 7)
FAR = LOOKS[-1]
TRIES = 3  # directions from one place before a walk ends
STEPS = (0.05, 0.0125, 0.003)  # of the finite differences, the largest that crosses no hinge


@dataclass(frozen=True)
class Place:
    """A ``point`` (d,) on a walk; ``value`` and ``slope`` (d,) of the log-ratio of classes ``pair`` there.

    ``error``: what rounding may do to an entry of the slope.
    """

    point: np.ndarray
    value: float
    slope: np.ndarray
    error: float
    pair: tuple[int, int]


@dataclass
class Walks:
    """What the walks gather: unit normals (h, d) and shifts (h,) of hidden units, places, and every answer bought."""

    api: Api
    rng: np.random.Generator
    decimals: int
    normals: np.ndarray
    shifts: np.ndarray
    places: list[Place] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)

    def end(self, why: str) -> None:
        """Count why a direction led to no unit."""
        self.ended[why] += 1

    def ask(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, K), kept for the fit at the end."""
        self.rows.append(np.atleast_2d(rows))
        self.answers.append(self.api.probabilities(self.rows[-1]))
        return self.answers[-1]

    def ratio(self, rows: np.ndarray, pair: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """log(p_a / p_b) (n,) and by how much rounding may move it (n,); infinite where a class has vanished."""
        p = self.ask(rows)[:, pair]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(p[:, 0] / p[:, 1]), 0.5 * 10.0**-self.decimals * (1 / p).sum(axis=1)


def starting_place(walks: Walks, own: np.ndarray) -> Place | None:
    """A place between two of the thief's rows where two classes are in doubt, with a slope that holds around it."""
    low, high = own[walks.rng.choice(len(own), 2, replace=False)]
    first = walks.ask(np.vstack([low, high])).argmax(axis=1)
    for _ in range(12):
        if first[0] == first[1]:
            return None
        middle = (low + high) / 2
        p = walks.ask(middle)[0]
        second, top = (int(k) for k in np.argsort(p)[-2:])
        if p[second] > 0.2:
            return next(filter(None, (_slope(walks, middle, (top, second), step) for step in STEPS)), None)
        low, high = (middle, high) if p.argmax() == first[0] else (low, middle)
    return None


def _slope(walks: Walks, point: np.ndarray, pair: tuple[int, int], step: float) -> Place | None:
    """The place at ``point``, from d + 1 queries, and three that must agree; None if a hinge is too near."""
    steps = np.full(len(point), step)
    if len(walks.shifts):
        distance = np.abs(walks.normals @ point + walks.shifts)[:, None]
        with np.errstate(divide="ignore"):
            steps = np.minimum(steps, 0.5 * (distance / np.abs(walks.normals)).min(axis=0))
    steps = steps * walks.rng.choice([-1.0, 1.0], len(point))
    g, e = walks.ratio(np.vstack([point, point + np.diag(steps)]), pair)
    place = Place(point, float(g[0]), (g[1:] - g[0]) / steps, float(2 * e.max() / np.median(np.abs(steps))), pair)
    away = walks.rng.uniform(-0.5, 0.5, (3, len(point))) * steps
    there, e = walks.ratio(point + away, pair)
    off = np.abs(there - g[0] - away @ place.slope)
    return place if (off <= 6 * e + 4 * place.error * np.linalg.norm(away, axis=1)).all() else None


def walk(walks: Walks, place: Place) -> None:
    """From hinge to hinge, until ``TRIES`` directions in a row lead to none; along known units, not across them."""
    walks.places.append(place)
    direction, tried = np.zeros(len(place.point)), 0
    while tried <= TRIES and len(walks.shifts) < len(place.point) - 3 and abs(place.value) <= 3:
        direction = _direction(walks, place, direction, tried)
        found = None if not direction.any() else _next_hinge(walks, place, direction)
        beyond = None if found is None else _beyond(walks, place, direction, *found)
        if beyond is None:
            tried += 1
            continue
        place, tried = beyond, 0
        walks.places.append(place)


def _direction(walks: Walks, place: Place, last: np.ndarray, tried: int) -> np.ndarray:
    """A unit vector along which neither ratio nor known units change; at odd tries the last, backwards.

    A unit that alone makes up what is left of the slope cannot be met that way: the last tries go along that rest.
    """
    if tried < TRIES - 1:
        if tried % 2:
            return -last
        Q = np.linalg.qr(np.vstack([place.slope, walks.normals]).T)[0]
        way = walks.rng.normal(size=len(place.point))
    else:
        Q = np.linalg.qr(walks.normals.T)[0]
        way = place.slope.copy()
    for _ in range(2):  # twice is enough for orthogonality to the last digit
        way -= Q @ (Q.T @ way)
    size = np.linalg.norm(way)
    if tried >= TRIES - 1 and size < 100 * place.error:
        return np.zeros(len(way))  # every slope here is explained by units we know
    return way / size * (-1.0 if tried == TRIES else 1.0)


def _next_hinge(walks: Walks, place: Place, way: np.ndarray) -> tuple[float, float, float] | None:
    """The first hinge along ``way``: where, how far beyond it the ratio is straight, how much the slope changes."""

    def off(t: Any) -> tuple[np.ndarray, np.ndarray]:
        t = np.atleast_1d(t)
        g, e = walks.ratio(place.point + t[:, None] * way, place.pair)
        return g - place.value - (place.slope @ way) * t, 6 * e + 5 * place.error * t

    value, e = off(LOOKS)
    bent = np.flatnonzero(~(np.abs(value) <= e))
    if not len(bent) or not np.isfinite(value[bent[0]]):
        walks.end("nothing in sight")
        return None
    first = bent[0]
    low, flat = (float(LOOKS[first - 1]), float(value[first - 1])) if first else (0.0, 0.0)
    high, end = float(LOOKS[first]), float(value[first])
    while high - low > 1e-6 * FAR:
        middle = (low + high) / 2
        value, e = off(middle)
        if not np.isfinite(value[0]):
            walks.end("nothing in sight")
            return None
        if abs(value[0]) <= e[0]:
            low, flat = middle, float(value[0])
            continue
        bend = (end - value[0]) / (high - middle)
        before = flat / low if low else 0.0
        t = (bend * middle - value[0]) / (bend - before) if bend != before else -1.0
        if low <= t < middle:
            near = 0.03 * (middle - t)
            # Two hinges close together look like one from afar: look near it, on both sides.
            looks = np.array([(t + middle) / 2, t + near, t - min(near, (t - low) / 2)])
            seen, e = off(looks)
            wanted = value[0] + bend * (looks - middle)
            wanted[2] = before * looks[2]
            if (np.abs(seen - wanted) <= e).all():
                sure = abs(bend - before) * near > 10 * e[1]
                if sure:
                    return t, high, bend - before
                walks.end("too weak to be sure")
                return None
        high, end = middle, float(value[0])
    walks.end("several at once")
    return None


def _beyond(walks: Walks, place: Place, way: np.ndarray, t: float, high: float, bend: float) -> Place | None:
    """The place beyond the hinge at ``t``, and the unit found there: the slope changes by a multiple of its normal."""
    further = (t + min(high, t + 1 / abs(bend))) / 2
    step = min(10 * STEPS[0], 0.2 * (further - t))
    beyond = _slope(walks, place.point + further * way, place.pair, step)
    if beyond is None:
        return None
    change = beyond.slope - place.slope
    size = np.linalg.norm(change)
    if not size > 20 * beyond.error:
        walks.end("too weak to be sure")
        return None
    crossing = place.point + t * way
    if not _is_one_unit(walks, place, beyond, crossing, 0.03 * (further - t)):
        walks.end("several at once")
        return None
    walks.normals = np.vstack([walks.normals, change / size])
    walks.shifts = np.append(walks.shifts, -crossing @ change / size)
    return beyond


def _is_one_unit(walks: Walks, place: Place, beyond: Place, crossing: np.ndarray, radius: float) -> bool:
    """Whether around ``crossing`` one of the two slopes holds everywhere: two hinges in one would part there."""
    offsets = walks.rng.normal(size=(6, len(crossing)))
    around = crossing + radius * offsets / np.linalg.norm(offsets, axis=1, keepdims=True)
    g, e = walks.ratio(around, place.pair)
    sides = [p.value + (around - p.point) @ p.slope for p in (place, beyond)]
    reach = [p.error * np.linalg.norm(around - p.point, axis=1) for p in (place, beyond)]
    change = beyond.slope - place.slope
    behind = (around - crossing) @ change * np.sign((beyond.point - crossing) @ change) > 0
    return bool((np.abs(g - np.where(behind, sides[1], sides[0])) <= 6 * e + 5 * np.maximum(*reach)).all())
