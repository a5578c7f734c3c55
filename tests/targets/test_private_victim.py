"""The private victim keeps its promise: how far one row can move it, and what the noise hides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, gamma, kstest

from targets import load_victim
from targets.victims.private import EPSILON, LENGTH, PrivateLogistic


class Silent:
    """A generator whose noise has a direction and no length."""

    def standard_normal(self, shape):
        return np.ones(shape)

    def gamma(self, shape, scale):
        self.shape, self.scale = shape, scale
        return 0.0


def rows(n=200, d=4, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, d))
    return X, np.digitize(X.sum(axis=1) + rng.normal(0, 0.5, n), np.linspace(-1, 1, classes + 1)[1:-1])


def weights(X, y, rng, epsilon=1.0):
    """All weights, the bias among them, in the unit in which the promise is made."""
    model = PrivateLogistic(epsilon, rng).fit(X, y)
    return np.column_stack([model.coef_, model.intercept_]) * LENGTH


@pytest.mark.parametrize("classes", [2, 3])
def test_one_row_moves_the_weights_by_at_most_the_claimed_sensitivity(classes) -> None:
    X, y = rows(classes=classes)
    silent, moved = Silent(), []
    before = weights(X, y, silent)
    claimed = silent.scale * 1.0
    # The worst rows: at a corner, far outside, and with another class than their place suggests.
    for row, label in [(1, 0), (-1, classes - 1), (50, 0), (-50, classes - 1), (0, 0), (1, classes - 1)]:
        other, labels = X.copy(), y.copy()
        other[0], labels[0] = row, label
        moved.append(np.linalg.norm(weights(other, labels, silent) - before))
    assert max(moved) <= claimed
    assert max(moved) > 0.05 * claimed, "the claim is so loose that this test could not fail"


def test_half_of_the_claim_would_be_too_little() -> None:
    """Everybody else agrees but for one row of the other class, and the exchanged row contradicts them."""
    X, silent, moved = np.zeros((10_000, 3)), Silent(), []
    X[:, 0] = 2
    y = np.ones(10_000, dtype=int)
    y[1], X[1] = 0, (-2, 0, 0)
    for side in (1, -1):
        X[0] = -1, side * np.sqrt(3), 0
        moved.append(weights(X, y, silent, epsilon=10.0))
    claimed = silent.scale * 10
    assert 0.5 * claimed < np.linalg.norm(moved[0] - moved[1]) <= claimed


def test_the_noise_has_the_stated_length_and_every_direction() -> None:
    X, y = rows()
    silent = Silent()
    clean = weights(X, y, silent)
    noise = np.array([(weights(X, y, np.random.default_rng(s)) - clean).ravel() for s in range(400)])
    lengths = np.linalg.norm(noise, axis=1)
    assert kstest(lengths, gamma(silent.shape, scale=silent.scale).cdf).pvalue > 1e-6
    assert (np.abs((noise / lengths[:, None]).mean(axis=0)) < 6 / np.sqrt(400)).all()


@pytest.mark.parametrize(("share", "kept"), [(1.0, True), (0.1, False)])
def test_no_distinguisher_beats_e_to_the_epsilon(share, kept) -> None:
    X, y = rows(n=50)
    other, labels = X.copy(), y.copy()
    other[0], labels[0] = -5.0, 1
    silent = Silent()
    one, two = weights(X, y, silent), weights(other, labels, silent)
    rng, scale, runs = np.random.default_rng(3), silent.scale * share, 20_000
    direction = rng.standard_normal((runs, one.size))
    noise = direction / np.linalg.norm(direction, axis=1)[:, None] * rng.gamma(one.size, scale, runs)[:, None]
    towards = (two - one).ravel() / np.linalg.norm(two - one)
    # Accuse where the released weights lie on the other data set's side, as far out as leaves a few hundred cases.
    score_one, score_two = noise @ towards, noise @ towards + np.linalg.norm(two - one)
    worst = 0.0
    for limit in np.quantile(score_two, [0.5, 0.9, 0.98]):
        hits, false = (score_two > limit).sum(), (score_one > limit).sum()
        low, high = beta.ppf(1e-7, hits, runs - hits + 1), beta.ppf(1 - 1e-7, false + 1, runs - false)
        worst = max(worst, float(np.log(low / high)))  # a bound that chance alone crosses less than once in 10^6
    assert (worst <= EPSILON) == kept


def test_the_scaler_has_seen_the_limits_and_no_row() -> None:
    victim = load_victim("readmission")
    np.testing.assert_array_equal(victim.estimator[0].data_min_, [f.low for f in victim.features])
    np.testing.assert_array_equal(victim.estimator[0].data_max_, [f.high for f in victim.features])


def test_an_optimum_that_was_not_reached_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("targets.victims.private.SLACK", 0.0)
    with pytest.raises(ValueError, match="sensitivity is not known"):
        weights(*rows(), np.random.default_rng(0))
