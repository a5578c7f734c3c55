"""Consumer credit: generated, because no lender may publish such rows. 4,000 applications, 10 features, three classes.

Real: nothing. Honest: the structure, a lender's score card. Bands of the instalment's share of income, of late payments
and of stability (job, savings, home) give points; a few pairs count together. Experts disagree, so the score carries
noise and hardly a leaf of a tree is pure: that is what makes the default tree's confidences informative (lab 02).
Shares: approve 50 %, refer 25 %, decline 25 %.
"""

from __future__ import annotations

import numpy as np

from targets.victims.base import Dataset, Feature, Floats

DEFAULT_MODEL = "tree"
ROWS = 4000
SHARES = (0.50, 0.75)
NOISE = 0.35  # standard deviation of the experts' disagreement, on a score of standard deviation near 1.5

FEATURES = (
    Feature("age", 18, 90, "years"),
    Feature("income", 0, 15000, "EUR a month"),
    Feature("loan", 500, 100000, "EUR"),
    Feature("instalment_share", 0, 100, "% of income"),
    Feature("job_years", 0, 50, "years"),
    Feature("late_payments", 0, 20, "count"),
    Feature("open_loans", 0, 10, "count"),
    Feature("savings", 0, 200000, "EUR"),
    Feature("owns_home", 0, 1, "yes/no"),
    Feature("months_known", 0, 360, "months"),
)


def _applications(rng: np.random.Generator, n: int) -> Floats:
    age = np.round(rng.triangular(18, 35, 85, n))
    income = np.round(rng.lognormal(7.9, 0.5, n), -1)
    loan = np.round(rng.lognormal(9.2, 0.9, n), -2)
    share = np.round(100 * loan / rng.choice([24, 36, 48, 60, 84], n) / (income + 100), 1)
    columns = [
        age,
        income,
        loan,
        share,
        np.round(rng.random(n) ** 2 * np.maximum(age - 18, 1)),
        rng.negative_binomial(1, 0.5, n),
        rng.poisson(1.2, n),
        np.round(rng.lognormal(7.5, 1.8, n), -2),
        rng.random(n) < 0.25 + 0.005 * age,
        np.round(rng.exponential(50, n)),
    ]
    low, high = np.array([(f.low, f.high) for f in FEATURES]).T
    return np.clip(np.column_stack(columns).astype(np.float64), low, high)


def _score(X: Floats) -> Floats:
    """Points against the applicant; every band is a step, as on a printed score card."""
    age, income, loan, share, job, late, loans, savings, home, known = X.T
    points = 1.6 * (share > 8) + 1.6 * (share > 20) + 1.5 * (late >= 1) + 1.5 * (late >= 3)
    points += 0.8 * (job < 2) + 0.6 * (savings < 1000) - 0.5 * home + 0.5 * (loans >= 3) + 0.3 * (known < 12)
    points += 1.2 * ((age < 25) & (loan > 10000)) - 0.8 * ((income > 4000) & (late == 0))
    return np.asarray(points, dtype=np.float64)


def make(rng: np.random.Generator) -> Dataset:
    """Draw the applications; every value is rounded as a form would ask for it."""
    X = _applications(rng, ROWS)
    score = _score(X) + rng.normal(0, NOISE, ROWS)
    y = np.searchsorted(np.quantile(score, SHARES), score).astype(np.int64)
    return Dataset("Consumer credit decision", FEATURES, ("approve", "refer", "decline"), X, y)
