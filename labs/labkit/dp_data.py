"""A population to train on: diabetes screening, generated, because no clinic may publish such rows.

Real: nothing. Honest: the structure of a screening form (a risk score adds up, chance decides the rest) and limits
that a form prints, not extremes of rows. Any number of rows can be drawn, which is what this lab needs.
"""

from __future__ import annotations

import numpy as np

from labkit.launch import Rows

# name, lower limit, upper limit, log-odds from the middle of the range to its upper end
FORM = (
    ("age_years", 18, 98, 2.6),
    ("body_mass_index", 15, 55, 4.8),
    ("waist_cm", 50, 170, 2.6),
    ("systolic_pressure", 80, 200, 2.2),
    ("active_hours", 0, 20, -2.6),
    ("family_history", 0, 1, 2.0),
    ("fruit_days", 0, 7, -1.8),
    ("smokes", 0, 1, 1.2),
)
LIMITS = np.array([(low, high) for _, low, high, _ in FORM], dtype=float)
_SHAPES = ((2.2, 2.0), (2.0, 3.4), (2.0, 2.8), (2.4, 2.6), (1.4, 2.8), None, (1.6, 1.6), None)
_YES = {5: 0.45, 7: 0.4}
_BASE = 1.2  # about one person in two is at risk: a screening of referred people, not of everybody


def draw_people(count: int, seed: int) -> Rows:
    """``count`` people: ``X`` (count, 8) as on the form, ``truth`` 0 or 1 (at risk). The same seed, the same people."""
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    rng = np.random.default_rng([8, seed])
    low, high = LIMITS.T
    columns = [
        rng.random(count) < _YES[j]
        if shape is None
        else np.round(low[j] + (high[j] - low[j]) * rng.beta(*shape, count))
        for j, shape in enumerate(_SHAPES)
    ]
    X = np.column_stack(columns).astype(float)
    odds = to_unit(X) @ np.array([weight for *_, weight in FORM]) + _BASE
    return Rows(X, (rng.random(count) < 1 / (1 + np.exp(-odds))).astype(int))


def to_unit(rows: np.ndarray) -> np.ndarray:
    """``rows`` (n, 8) scaled to -1..1 by the form's limits, clipped there: no row decides how another is scaled."""
    low, high = LIMITS.T
    return np.clip(2 * (np.asarray(rows, dtype=float) - low) / (high - low) - 1, -1, 1)
