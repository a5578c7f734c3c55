"""Hospital readmission: generated, because no hospital may publish such rows. 12,000 stays, 8 features, two classes.

Real: nothing. Honest: the structure, and that the rows are about people: a stay, and whether the patient came back
within 30 days. Risk adds up (age, earlier stays, medicines, diagnoses, an emergency, living alone; a good discharge
check lowers it), and chance decides the rest: even the best model errs on one stay in nine. The documented limits are
those of the hospital's form and are well used, which private training needs: noise is scaled to the limits.
"""

from __future__ import annotations

import numpy as np

from targets.victims.base import Dataset, Feature

DEFAULT_MODEL = "private"
ROWS = 12_000

FEATURES = (
    Feature("age", 0, 100, "years"),
    Feature("stays_year", 0, 10, "count"),
    Feature("days", 0, 30, "days"),
    Feature("medicines", 0, 30, "count"),
    Feature("diagnoses", 0, 20, "count"),
    Feature("emergency", 0, 1, "yes/no"),
    Feature("discharge_check", 0, 100, "points"),
    Feature("lives_alone", 0, 1, "yes/no"),
)
_RISK = np.array([2.6, 5.7, 2.2, 2.6, 2.2, 2.0, -4.4, 1.3])  # log-odds from the middle of a range to its upper end
_BASE = 3.85  # puts about half of the stays on either side


def make(rng: np.random.Generator) -> Dataset:
    """Draw the stays; every value is rounded as a form would ask for it."""
    columns = [
        np.round(100 * rng.beta(4, 2.6, ROWS)),
        rng.binomial(10, rng.beta(1.2, 3, ROWS)),
        np.round(30 * rng.beta(1.3, 3, ROWS)),
        np.round(30 * rng.beta(2, 3, ROWS)),
        np.round(20 * rng.beta(2, 3, ROWS)),
        rng.random(ROWS) < 0.5,
        np.round(100 * rng.beta(2, 2, ROWS)),
        rng.random(ROWS) < 0.35,
    ]
    X = np.column_stack(columns).astype(np.float64)
    low, high = np.array([(f.low, f.high) for f in FEATURES]).T
    odds = (2 * (X - low) / (high - low) - 1) @ _RISK + _BASE
    y = (rng.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return Dataset("Hospital readmission within 30 days", FEATURES, ("home", "readmitted"), X, y, scaling="range")
