"""Mechanisms and ledger: the noise is what the definition asks for, one row moves an answer no further than claimed.

Statistical tests use fixed seeds and bounds that a right mechanism crosses less than once in a million seeds.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, kstest, laplace, norm

from labkit.dp_composition import advanced, basic, composition_rows, gaussian_steps_costs, gaussian_steps_multiplier
from labkit.errors import BudgetSpent
from labkit.privacy import Ledger, advantage_cap, clip_lengths, mean_sensitivity
from labkit.privacy import gaussian as blur
from labkit.privacy import laplace as hide

RARE = 1e-7


def rng(seed=0):
    return np.random.default_rng(seed)


def test_laplace_noise_has_the_scale_that_the_sensitivity_asks_for():
    noise = hide(np.zeros(20_000), sensitivity=3.0, epsilon=0.5, rng=rng())
    assert kstest(noise, laplace(scale=6.0).cdf).pvalue > RARE


def test_gaussian_noise_is_the_smallest_that_keeps_the_promise():
    noise = blur(np.zeros(20_000), sensitivity=2.0, epsilon=1.0, delta=1e-5, rng=rng())
    assert kstest(noise / 2, norm(scale=3.7306).cdf).pvalue > RARE  # 3.7306: Balle and Wang's for (1, 1e-5)
    assert noise.std() < 2 * np.sqrt(2 * np.log(1.25e5)) * 0.9, "the textbook's noise is a quarter larger"


def worst_ratio(one, two, limits):
    """A lower bound on epsilon that one-sided counts above limits prove, at a false-alarm rate below 1e-6."""
    found = 0.0
    for limit in limits:
        hits, false, runs = (two > limit).sum(), (one > limit).sum(), len(one)
        low, high = beta.ppf(RARE, hits, runs - hits + 1), beta.ppf(1 - RARE, false + 1, runs - false)
        found = max(found, float(np.log(low / high)))
    return found


@pytest.mark.parametrize(("honesty", "kept"), [(1.0, True), (0.5, False)])
def test_no_count_tells_neighbours_apart_better_than_e_to_the_epsilon(honesty, kept):
    values = rng(5).uniform(0, 10, 100)
    other = np.concatenate([[10.0], values[1:]])
    values = np.concatenate([[0.0], values[1:]])
    reach = mean_sensitivity([0], [10], 100)
    answers = [
        hide(np.full(50_000, table.mean()), sensitivity=reach * honesty, epsilon=1.0, rng=rng(seed))
        for seed, table in enumerate((values, other))
    ]
    assert (worst_ratio(*answers, np.linspace(*np.quantile(answers[1], [0.2, 0.95]), 12)) <= 1.0) == kept


def test_a_replaced_row_moves_means_by_at_most_their_sensitivity_and_can_move_them_that_far():
    low, high = np.array([0, -5, 10]), np.array([1, 5, 90])
    table = rng().uniform(low, high, (40, 3))
    table[0] = low
    other = table.copy()
    other[0] = high
    assert np.abs(other.mean(axis=0) - table.mean(axis=0)).sum() == pytest.approx(mean_sensitivity(low, high, 40))


def test_clipping_shortens_long_rows_keeps_short_ones_and_survives_a_row_of_zeros():
    rows = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    np.testing.assert_allclose(clip_lengths(rows, 1.0), [[0.6, 0.8], [0.3, 0.4], [0, 0]])


@pytest.mark.parametrize(("total", "cost", "answers"), [(0.3, 0.1, 3), (0.7, 0.1, 7), (1.0, 0.1, 10), (3, 0.3, 10)])
def test_a_ledger_gives_exactly_what_it_has(total, cost, answers):
    ledger = Ledger(total)
    for _ in range(answers):
        ledger.spend(cost)
    assert ledger.left == 0
    with pytest.raises(BudgetSpent, match="is left"):
        ledger.spend(1e-12)


def test_a_refusal_costs_nothing_and_releases_nothing():
    ledger = Ledger(1.0)
    with pytest.raises(BudgetSpent):
        ledger.mean([1, 2, 3], 0, 5, 1.5, rng())
    assert ledger.left == 1.0
    assert np.isfinite(ledger.mean([1, 2, 3], 0, 5, 1.0, rng()))


@pytest.mark.parametrize("cost", [0.0, -0.5, float("nan"), float("inf")])
def test_what_is_no_cost_cannot_be_spent(cost):
    ledger = Ledger(1.0)
    with pytest.raises(ValueError, match="epsilon"):
        ledger.spend(cost)
    assert ledger.left == 1.0


@pytest.mark.parametrize("wrong", [{"sensitivity": 0, "epsilon": 1}, {"sensitivity": 1, "epsilon": -1}])
def test_a_mechanism_refuses_numbers_that_mean_nothing(wrong):
    with pytest.raises(ValueError, match="above 0"):
        hide(0.0, rng=rng(), **wrong)


def test_an_empty_table_has_no_mean():
    with pytest.raises(ValueError, match="at least one row"):
        mean_sensitivity([0], [1], 0)


def test_no_attack_on_a_private_model_beats_the_cap():
    """The cap is reached by the best attack on randomised response, and by none above it."""
    for epsilon in (0.1, 1.0, 3.0):
        truth = np.exp(epsilon) / (1 + np.exp(epsilon))
        assert advantage_cap(epsilon) == pytest.approx(truth - (1 - truth))


def test_the_library_counts_below_the_sum_and_below_the_textbook():
    rows = composition_rows(0.1, [1, 10, 100, 1000], 1e-6)
    for row in rows:
        assert row["tight (library)"] <= min(row["basic"], row["advanced"]) * (1 + 1e-6)
    assert basic(0.1, 1) < advanced(0.1, 1, 1e-6)
    assert rows[-1]["tight (library)"] < rows[-1]["advanced"] < rows[-1]["basic"]


def test_the_step_multiplier_spends_the_whole_promise_by_the_library_s_own_accountant():
    multiplier = gaussian_steps_multiplier(1.0, 40, 1e-6)
    costs = gaussian_steps_costs(multiplier, 40, 1e-6)
    assert costs["privacy loss"] == pytest.approx(1.0, abs=1e-3)
    assert costs["privacy loss"] < costs["renyi"] < costs["sum"]
    assert gaussian_steps_costs(multiplier / 2, 40, 1e-6)["privacy loss"] > 1.9
