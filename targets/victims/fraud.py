"""Card fraud: generated, because no bank may publish such rows. 6,000 card payments, 20 features, three classes.

Real: nothing. Honest: the structure. Fraud comes as three schemes, each a conjunction: card testing (a burst of small
online payments), a stolen card (far from the last payment, unusually dear, chip not used), a taken-over account (new
device, young e-mail address, failed codes). A linear model cannot express conjunctions, a forest can. A few risks add
up on top; eight columns say nothing, as in practice. Borderline payments go to an analyst ("review"), and 3 % of the
labels are drawn at random. Shares: genuine 60 %, review 22 %, fraud 18 %: rebalanced, as vendors do; real fraud is
well under 1 %.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from targets.victims.base import Dataset, Feature, Floats

DEFAULT_MODEL = "forest"
ROWS = 6000
SHARES = (0.60, 0.82)  # genuine below the first quantile of risk, fraud above the second
RANDOM_LABELS = 0.03


def _columns(rng: np.random.Generator, n: int) -> dict[str, tuple[Floats, Feature]]:
    def column(name: str, values: Any, high: float, unit: str, digits: int = 0) -> tuple[Floats, Feature]:
        return np.round(np.clip(values.astype(np.float64), 0, high), digits), Feature(name, 0, high, unit)

    usual = rng.lognormal(3.8, 0.6, n)
    made = [
        column("amount", usual * rng.lognormal(0, 1.0, n), 5000, "EUR", 2),
        column("usual_amount", usual, 1000, "EUR", 2),
        column("hour", rng.triangular(0, 15, 24, n), 24, "h", 1),
        column("online", rng.random(n) < 0.5, 1, "yes/no"),
        column("chip_used", rng.random(n) < 0.4, 1, "yes/no"),
        column("new_merchant", rng.random(n) < 0.35, 1, "yes/no"),
        column("merchant_risk", rng.beta(2, 4, n) * 100, 100, "points"),
        column("country_risk", rng.beta(1.5, 5, n) * 100, 100, "points"),
        column("home_distance", rng.lognormal(3, 1.6, n), 10000, "km", 1),
        column("last_distance", rng.lognormal(3.5, 1.8, n), 10000, "km", 1),
        column("last_gap", rng.lognormal(5, 1.6, n), 10000, "min"),
        column("payments_hour", rng.negative_binomial(1, 0.3, n), 20, "count"),
        column("payments_day", rng.negative_binomial(2, 0.25, n), 50, "count"),
        column("merchants_day", rng.negative_binomial(2, 0.4, n), 30, "count"),
        column("failed_codes", rng.poisson(0.6, n), 5, "count"),
        column("device_age", rng.exponential(200, n), 2000, "days"),
        column("email_age", rng.exponential(700, n), 5000, "days"),
        column("account_age", rng.gamma(2, 700, n), 10000, "days"),
        column("limit_used", rng.beta(2, 3, n) * 100, 100, "%"),
        column("declines_week", rng.poisson(0.8, n), 20, "count"),
    ]
    return {feature.name: (values, feature) for values, feature in made}


def _risk(c: dict[str, Floats]) -> Floats:
    """Sum of the three schemes' scores in [0, 1]; a scheme multiplies its signs (a soft "and")."""

    def sign(x: Floats, middle: float, width: float) -> Floats:
        return np.asarray(1 / (1 + np.exp((middle - x) / width)), dtype=np.float64)

    dear = np.log((c["amount"] + 1) / (c["usual_amount"] + 1))
    testing = sign(c["payments_hour"], 2.5, 0.7) * sign(-c["amount"], -40, 12) * (0.1 + 0.9 * c["online"])
    stolen = sign(c["last_distance"], 60, 15) * sign(dear, 0.2, 0.3) * (1 - 0.9 * c["chip_used"])
    takeover = sign(-c["device_age"], -150, 30) * sign(-c["email_age"], -600, 120) * sign(c["failed_codes"], 0.5, 0.2)
    additive = 0.25 * c["merchant_risk"] / 100 + 0.15 * c["country_risk"] / 100 + 0.04 * c["declines_week"]
    return np.asarray(testing + stolen + takeover + additive, dtype=np.float64)


def make(rng: np.random.Generator) -> Dataset:
    """Draw the payments; every value is rounded as a payment system would store it."""
    columns = _columns(rng, ROWS)
    risk = _risk({name: values for name, (values, _) in columns.items()})
    y = np.searchsorted(np.quantile(risk, SHARES), risk).astype(np.int64)
    y = np.where(rng.random(ROWS) < RANDOM_LABELS, rng.integers(0, 3, ROWS), y)
    return Dataset(
        title="Card payment fraud score",
        features=tuple(feature for _, feature in columns.values()),
        classes=("genuine", "review", "fraud"),
        X=np.column_stack([values for values, _ in columns.values()]),
        y=y,
    )
