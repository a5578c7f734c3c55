"""Copying a network of one hidden ReLU layer to float precision."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from labkit.api import Api
from labkit.thieves.hinges import Hinge, hinges_on_line
from labkit.thieves.scores import scores, softmax

GOOD = 1e-7  # a copy whose scores are this close everywhere is the victim


@dataclass(frozen=True)
class ReluCopy:
    """scores(x) = x A + c + relu(x N + d) V, equal to the victim's up to a constant a row.

    A (d, K), c (K,), N (d, h), d (h,), V (h, K). A unit of the victim that is never off is part of A.
    """

    slope: np.ndarray
    offset: np.ndarray
    normals: np.ndarray
    shifts: np.ndarray
    outputs: np.ndarray

    def scores(self, rows: Any) -> np.ndarray:
        """Scores (n, K) of rows (n, d)."""
        X = np.asarray(rows, dtype=float)
        return X @ self.slope + self.offset + np.maximum(X @ self.normals + self.shifts, 0) @ self.outputs

    def predict_proba(self, rows: Any) -> np.ndarray:
        """Probabilities (n, K)."""
        return softmax(self.scores(rows))

    def predict(self, rows: Any) -> np.ndarray:
        """Class index of each row, (n,)."""
        return self.scores(rows).argmax(axis=1)


def steal_relu(
    api: Api, *, rng: np.random.Generator, pool: Any = None, lines: int = 2, checks: int = 64, rounds: int = 8
) -> ReluCopy:
    """Copy the network behind ``api`` from its probabilities, by hinges on long lines.

    A line through the middle of the feature box, far beyond it, crosses nearly every hidden unit's hinge. The slope
    changes by v w' there: v is seen on the line, and one Jacobian of d + 1 queries between groups of hinges gives the
    w of a whole group, because K - 1 free outputs tell that many units apart. Further lines look at what is left of
    victim minus copy. So do ``checks`` points in the box, or rows of ``pool``: a line to the worst one finds what was
    missed, at most ``rounds`` times. After Jagielski et al. 2020 and Carlini et al. 2020, who take unit after unit.
    """
    card = api.model()
    middle, width = (card.low + card.high) / 2, card.high - card.low
    copy = _blank(len(middle), len(card.classes))
    for _ in range(lines):
        step = width * rng.choice([-1.0, 1.0], len(middle)) * rng.uniform(0.5, 1.5, len(middle))
        copy = _add(api, copy, *_long_line(api, middle, step))
    for _ in range(rounds):
        probes = (
            _probes(card.low, card.high, checks, rng) if pool is None else pool[rng.permutation(len(pool))[:checks]]
        )
        gaps = np.abs(scores(api.probabilities(probes)) - copy.scores(probes)).max(axis=1)
        if gaps.max() < GOOD:
            break
        copy = _add(api, copy, middle, probes[gaps.argmax()])
    return copy


def _probes(low: np.ndarray, high: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points all over the box and, since data likes edges, on its edges: each with its own share of extreme values."""
    rows = rng.uniform(low, high, (count, len(low)))
    extreme, upper = rng.random((2, count, 1))
    ends = np.where(rng.random(rows.shape) < upper, high, low)
    return np.where(rng.random(rows.shape) < extreme, ends, rows)


def _blank(d: int, k: int) -> ReluCopy:
    return ReluCopy(np.zeros((d, k)), np.zeros(k), np.zeros((d, 0)), np.zeros(0), np.zeros((0, k)))


def _long_line(api: Api, middle: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of a line through ``middle`` along ``step``, as far as no probability underflows."""
    lengths = 2.0 ** np.arange(-1, 7)
    ends = []
    for sign in (-1, 1):
        rows = middle + sign * lengths[:, None] * step
        fine = ~np.isnan(scores(api.probabilities(rows))).any(axis=1)
        ends.append(rows[max(np.flatnonzero(fine), default=0)])
    return ends[0], ends[1]


def _add(api: Api, copy: ReluCopy, start: np.ndarray, end: np.ndarray) -> ReluCopy:
    """``copy`` and the hinges that victim minus copy still has between ``start`` and ``end``."""
    way = end - start

    def rest(rows: np.ndarray) -> np.ndarray:
        return scores(api.probabilities(rows)) - copy.scores(rows)

    noise = 1e-9 if not len(copy.shifts) else GOOD  # later lines must not chase the first one's last digits
    hinges = hinges_on_line(lambda t: rest(start + t[:, None] * way), noise=noise)
    if not hinges and len(copy.shifts):
        return copy
    stops = _stops(hinges, group=min(4, len(copy.offset) - 1))
    jacobians = [_jacobian(rest, start + t * way, way, gap) for t, gap in stops]
    normals, shifts, outputs = [copy.normals], [copy.shifts], [copy.outputs]
    for (before, after), (a, b) in zip(_pairs(jacobians), _pairs([t for t, _ in stops]), strict=True):
        group = [h for h in hinges if a < h.t < b]
        changes = np.array([h.change for h in group])
        # after - before = sum of w change', with w scaled so that w @ way = 1: units switch on along the way.
        w = (after - before) @ np.linalg.pinv(changes)
        normals.append(w)
        shifts.append(np.array([-(start + h.t * way) @ w[:, k] for k, h in enumerate(group)]))
        outputs.append(changes)
    slope = copy.slope + jacobians[0]
    origin = start + stops[0][0] * way
    offset = copy.offset + rest(origin[None])[0] - origin @ jacobians[0]
    return ReluCopy(slope, offset, np.hstack(normals), np.concatenate(shifts), np.vstack(outputs))


def _pairs(items: list) -> list[tuple]:
    return list(pairwise(items))


def _stops(hinges: list[Hinge], group: int) -> list[tuple[float, float]]:
    """Places between groups of at most ``group`` hinges, in the middle of wide gaps, with half the gap's width."""
    edges = [0.0, *[h.t for h in hinges], 1.0]
    gaps = [(b - a, (a + b) / 2) for a, b in _pairs(edges)]
    stops, last = [0], 0
    while last < len(gaps) - 1:
        reach = range(last + 1, min(last + group, len(gaps) - 1) + 1)
        last = len(gaps) - 1 if len(gaps) - 1 in reach else max(reach, key=lambda i: gaps[i][0])
        stops.append(last)
    return [(gaps[i][1], gaps[i][0] / 2) for i in stops]


def _jacobian(rest: Any, at: np.ndarray, way: np.ndarray, gap: float) -> np.ndarray:
    """Slopes (d, K) of ``rest`` at a place whose nearest hinges along ``way`` are ``gap`` away."""
    step = 1e-3 * gap * np.abs(way).max()
    rows = np.vstack([at, at + step * np.eye(len(at))])
    values = rest(rows)
    return (values[1:] - values[0]) / step
