"""Private training: the sensitivity claimed is the one measured, the noise is the one stated, and what it all costs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma, kstest

import labkit.dp_logistic as dp_logistic
import labkit.dp_sgd as dp_sgd
from labkit import Rows, accuracy
from labkit.dp_composition import gaussian_steps_costs
from labkit.dp_data import FORM, LIMITS, draw_people
from labkit.dp_experiments import (
    TRAINERS,
    Run,
    accuracy_runs,
    advantage,
    attack_own_model,
    compare_trainings,
    guessing_floor,
    interval,
    leak_intervals,
    mean_accuracy,
)
from labkit.dp_logistic import default_strength, fit_minimum, prepare, sensitivity, train_plain, train_private
from labkit.dp_plots import plot_accuracy, plot_composition, plot_neighbours
from labkit.dp_sgd import noisy_sum, train_noisy_gradients
from labkit.privacy import advantage_cap

RARE = 1e-7


def replaced(people, row, truth):
    X, y = people.X.copy(), people.truth.copy()
    X[0], y[0] = row, truth
    return Rows(X, y)


@pytest.mark.parametrize("count", [50, 400])
def test_one_replaced_person_moves_the_minimum_by_at_most_the_claim(count):
    people, strength = draw_people(count, 3), default_strength(count, 1.0)
    people = replaced(people, LIMITS[:, 0], 1)
    before = fit_minimum(prepare(people.X), people.truth, strength)
    moved = []
    for row in (LIMITS[:, 0], LIMITS[:, 1], LIMITS.mean(axis=1), 1e9 * LIMITS[:, 1], -1e9 * LIMITS[:, 1]):
        for truth in (0, 1):
            other = replaced(people, row, truth)
            moved.append(np.linalg.norm(fit_minimum(prepare(other.X), other.truth, strength) - before))
    assert max(moved) <= sensitivity(count, strength)
    assert max(moved) >= 0.1 * sensitivity(count, strength), "the claim is so loose that this test could not fail"


def test_the_claim_is_nearly_reached_so_half_of_it_would_be_too_little():
    """Everybody else agrees, and the exchanged row contradicts them in one of two opposite ways."""
    table, truth, minima = np.zeros((1000, 9)), np.ones(1000, dtype=int), []
    table[:, 0] = 1
    for side in (1, -1):
        table[0, :2] = -0.5, side * np.sqrt(0.75)
        minima.append(fit_minimum(table, truth, 1e-3))
    moved = np.linalg.norm(minima[0] - minima[1])
    assert 0.7 * sensitivity(1000, 1e-3) < moved <= sensitivity(1000, 1e-3)


def test_no_row_decides_how_another_row_is_prepared():
    people = draw_people(30, 0)
    other = replaced(people, 1e6 * LIMITS[:, 1], 0)
    np.testing.assert_array_equal(prepare(people.X)[1:], prepare(other.X)[1:])
    assert (np.linalg.norm(prepare(other.X), axis=1) <= 1 + 1e-12).all()


def test_the_weights_noise_has_the_stated_length_and_no_favourite_direction():
    people, runs = draw_people(60, 1), 800
    strength = default_strength(60, 1.0)
    clean = fit_minimum(prepare(people.X), people.truth, strength)
    noise = [train_private(people, epsilon=1.0, rng=np.random.default_rng(s)).weights - clean for s in range(runs)]
    lengths = np.linalg.norm(noise, axis=1)
    assert kstest(lengths, gamma(len(clean), scale=sensitivity(60, strength)).cdf).pvalue > RARE
    assert (np.abs((noise / lengths[:, None]).mean(axis=0)) < 6 / np.sqrt(runs)).all()


def test_a_minimum_that_was_not_reached_is_refused(monkeypatch):
    monkeypatch.setattr(dp_logistic, "SLACK", 1e-30)
    with pytest.raises(ValueError, match="sensitivity is not known"):
        train_plain(draw_people(50, 0))


def test_a_noisy_sum_moves_by_at_most_the_bound_when_a_row_comes_or_goes():
    rows = np.random.default_rng(0).normal(0, 10, (20, 5))
    with_all, without = (noisy_sum(part, 0.5, 1e-12, np.random.default_rng(1)) for part in (rows, rows[1:]))
    assert np.linalg.norm(with_all - without) == pytest.approx(0.5)


def test_all_steps_together_spend_the_promise_for_a_replaced_row(monkeypatch):
    asked = []

    def spy(gradients, bound, multiplier, rng):
        asked.append((bound, multiplier))
        return np.zeros(gradients.shape[1])

    monkeypatch.setattr(dp_sgd, "noisy_sum", spy)
    train_noisy_gradients(draw_people(20, 0), epsilon=1.0, delta=1e-6, rng=np.random.default_rng(0))
    ((bound, multiplier),) = set(asked)
    deviation, reach = multiplier * bound, 2 * bound  # one clipped gradient leaves, another comes
    cost = gaussian_steps_costs(deviation / reach, len(asked), 1e-6)["privacy loss"]
    assert cost == pytest.approx(1.0, abs=1e-3)


def test_noisy_gradients_beat_noisy_output_where_rows_are_few():
    test = draw_people(4000, 99)
    scores = {"output": [], "gradients": []}
    for seed in range(4):
        people, rng = draw_people(1000, seed), np.random.default_rng(seed)
        for name, model in (
            ("output", train_private(people, epsilon=1.0, rng=rng)),
            ("gradients", train_noisy_gradients(people, epsilon=1.0, delta=1e-6, rng=rng)),
        ):
            scores[name].append(accuracy(model.predict(test.X), test.truth))
    assert np.mean(scores["gradients"]) > np.mean(scores["output"])


def test_privacy_costs_less_with_more_rows_and_a_larger_epsilon():
    runs = accuracy_runs([1000, 20_000], [0.1, 10], range(3))
    mean = {(n, e): mean_accuracy(runs, n, e) for n in (1000, 20_000) for e in (0.1, 10, None)}
    assert mean[1000, 0.1] < mean[1000, 10] < mean[1000, None]
    assert mean[1000, 0.1] + 0.1 < mean[20_000, 0.1]
    assert mean[20_000, None] - mean[20_000, 10] < 0.01


def test_people_are_the_same_from_the_same_seed_lie_within_the_form_and_differ_between_seeds():
    one, again, other = draw_people(200, 4), draw_people(200, 4), draw_people(200, 5)
    np.testing.assert_array_equal(one.X, again.X)
    assert not np.array_equal(one.X, other.X)
    assert one.X.shape == (200, len(FORM))
    np.testing.assert_array_equal(one.X, np.clip(one.X, *LIMITS.T))
    with pytest.raises(ValueError, match="at least 1"):
        draw_people(0, 0)


def test_an_overfit_forest_leaks_a_private_model_does_not_and_the_cap_holds():
    attacks = [
        attack_own_model(name, seed, rows=400) for name in ("overfit forest", "logistic, ε = 1") for seed in range(3)
    ]
    forest, private = (
        interval([advantage(a.confidence, a.member) for a in part]) for part in (attacks[:3], attacks[3:])
    )
    assert forest.mean > 0.3
    assert private.mean < advantage_cap(1.0)
    assert private.mean < guessing_floor(attacks).mean + 0.1
    rows = leak_intervals(attacks)
    assert [row["model"] for row in rows] == ["overfit forest", "logistic, ε = 1", "shuffled members"]
    assert set(TRAINERS) >= {row["model"] for row in rows[:-1]}


def test_an_interval_needs_two_runs_and_covers_the_mean():
    one = interval([0.1, 0.2, 0.3])
    assert str(one) == "0.200 (-0.048 to 0.448)"
    with pytest.raises(ValueError, match="two runs"):
        interval([0.1])


def test_figures_and_tables_carry_their_data():
    runs = [Run(n, e, s, 0.5 + s / 10) for n in (10, 100) for e in (None, 1.0) for s in range(2)]
    assert len(plot_accuracy(runs, title="t", alt="a").table) == 4
    row = {"answers": 1, "basic": 1.0, "advanced": 2.0}
    assert plot_composition([row, row | {"answers": 9}], title="t", alt="a").table[1]["answers"] == 9
    near = plot_neighbours([1.0, 1.5], sensitivity=1, epsilon=1, title="t", x="x", alt="a").table
    assert max(line["ratio"] for line in near) <= np.exp(0.5) + 1e-9
    assert len(compare_trainings([100], epsilon=1, delta=1e-5, seeds=[0, 1])) == 3
