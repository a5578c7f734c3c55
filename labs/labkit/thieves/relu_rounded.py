"""A network of one hidden ReLU layer behind answers of eight to ten decimals, where ``steal_relu`` finds no hinge."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Api
from labkit.thieves.hinges import NotStraight
from labkit.thieves.relu import ReluCopy
from labkit.thieves.relu_outputs import fit_outputs, orient
from labkit.thieves.relu_walks import Walks, starting_place, walk

GOOD, USELESS = 1e-5, 1e-2  # half of the fresh answers are explained to this: stop there; not worth keeping


def steal_relu_rounded(
    api: Api, *, rng: np.random.Generator, pool: Any = None, patience: int = 8, most: int = 8000, extra: int = 400
) -> ReluCopy:
    """Copy the network behind ``api`` from rounded probabilities; ``pool`` (n, d) are rows of the thief's own.

    Walks start between two rows that the target tells apart, and end after ``TRIES`` directions without a hinge. After
    ``patience`` walks without a new unit a copy is made and tried; ``most`` rows end the theft. ``extra`` rows between
    rows of the pool (without one, of the box) fix the output layer. Figures by decimals: benchmarks/results/theft.md.
    Raises NotStraight when it finds no hinge it can be sure of, or the copy does not explain fresh answers.
    """
    card = api.model()
    start = api.spent
    own = rng.uniform(card.low, card.high, (1000, len(card.low))) if pool is None else np.asarray(pool, dtype=float)
    d = own.shape[1]
    walks = Walks(api, rng, decimals_of(api.probabilities(own[:20])), np.zeros((0, d)), np.zeros(0))
    walks.ask(_between(own, extra, rng))
    best: tuple[float, ReluCopy | None] = (USELESS, None)
    while best[0] > GOOD and api.spent - start < most - 5 * d:
        _walk_until_dry(walks, own, patience, start + most - 5 * d)
        if len(walks.shifts):
            copy = _copy(walks)
            best = min(best, (_median_gap(walks, own, copy), copy), key=lambda pair: pair[0])
        else:
            break
    if best[1] is None:
        raise NotStraight(
            f"with {walks.decimals} decimals the walks met {len(walks.shifts)} hinges they could be sure of, too few "
            f"to explain fresh answers ({dict(walks.ended)}). Retrain a copy from answers instead"
        )
    return best[1]


def decimals_of(answers: np.ndarray) -> int:
    """How many decimals ``answers`` (n, K) show; 16 for answers that are not rounded."""
    return next((n for n in range(16) if np.array_equal(np.round(answers, n), answers)), 16)


def _walk_until_dry(walks: Walks, own: np.ndarray, patience: int, most: int) -> None:
    dry = 0
    while dry < patience and walks.api.spent < most:
        before = len(walks.shifts)
        place = starting_place(walks, own)
        if place is not None:
            walk(walks, place)
            dry = 0 if len(walks.shifts) > before else dry + 1


def _copy(walks: Walks) -> ReluCopy:
    normals, shifts = orient(walks.normals, walks.shifts, walks.places)
    rows, answers = np.vstack(walks.rows), np.vstack(walks.answers)
    offset, outputs = fit_outputs(np.maximum(rows @ normals.T + shifts, 0), answers, walks.decimals)
    return ReluCopy(np.zeros((rows.shape[1], answers.shape[1])), offset, normals.T, shifts, outputs)


def _median_gap(walks: Walks, own: np.ndarray, copy: ReluCopy) -> float:
    fresh = _between(own, 40, walks.rng)
    return float(np.median(np.abs(copy.predict_proba(fresh) - walks.api.probabilities(fresh)).sum(axis=1) / 2))


def _between(own: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    a, b = own[rng.integers(len(own), size=(2, count))]
    return a + rng.random((count, 1)) * (b - a)
