"""The exact thieves: what they solve, for how many queries, and what they say when they cannot."""

import numpy as np
import pytest

from grading.insides import leaf_box, raw_weights, true_hinges
from labkit import Api
from labkit.errors import BudgetSpent
from labkit.exact import compare, duel_rows, largest_gap, walk
from labkit.thieves.equation import solve_linear, steal_equations, steal_equations_from_rows
from labkit.thieves.hinges import NotStraight, hinges_on_line
from labkit.thieves.last_layer import hidden_dimension
from labkit.thieves.line_search import steal_line_search
from labkit.thieves.relu import steal_relu
from labkit.thieves.relu_rounded import decimals_of, steal_relu_rounded
from labkit.thieves.rounded import steal_rounded
from labkit.thieves.scores import scores, softmax
from labkit.thieves.tree_paths import steal_tree
from labkit.transport import WsgiTransport
from targets import TargetConfig, create_app, load_victim
from targets.defences.label_only import LabelOnly
from targets.defences.rounding import Rounding


@pytest.fixture
def target():
    """Open a target: ``victim, api = target("tumour", model="linear", budget=31)``."""
    logs = []

    def open_target(name, model=None, *, seed=0, defences=(), budget=None):
        app = create_app(TargetConfig(victim=name, model=model, seed=seed, defences=defences))
        logs.append(app.extensions["query_log"])
        return load_victim(name, seed=seed, model=model), Api(WsgiTransport(app), budget=budget, progress=False)

    yield open_target
    for log in logs:
        log.close()


def agreement_of(copy, victim):
    return float(np.mean(copy.predict(victim.test.X) == victim.labels(victim.test.X)))


def gap_of(copy, victim):
    return largest_gap(copy.predict_proba(victim.test.X), victim.probabilities(victim.test.X))


# Scores


def test_scores_undo_a_softmax_up_to_a_constant_a_row():
    z = np.random.default_rng(0).normal(0, 10, (50, 4))
    np.testing.assert_allclose(scores(softmax(z)), z - z.mean(axis=1, keepdims=True), atol=1e-11)


def test_a_certain_answer_has_no_scores():
    z = scores([[0.0, 1.0], [0.25, 0.75]])
    assert np.isnan(z[0]).all()
    assert z[1, 1] - z[1, 0] == pytest.approx(np.log(3))


def test_scores_of_labels_are_refused():
    with pytest.raises(ValueError, match="two classes or more"):
        scores([[1.0], [1.0]])


# Equations


@pytest.mark.parametrize("seed", range(3))
def test_the_tumour_model_falls_to_31_queries(target, seed):
    victim, api = target("tumour", "linear", seed=seed, budget=31)
    copy = steal_equations(api, start=np.median(victim.pool.X, axis=0))
    weights, bias = raw_weights(victim)
    np.testing.assert_allclose(copy.weights[:, 1] - copy.weights[:, 0], weights[:, 0], rtol=1e-8)
    assert copy.bias[1] - copy.bias[0] == pytest.approx(bias[0], rel=1e-8)
    assert api.spent == 31
    assert agreement_of(copy, victim) == 1


@pytest.mark.parametrize("seed", range(3))
def test_ten_classes_fall_to_65_queries(target, seed):
    victim, api = target("digits", "linear", seed=seed, budget=65)
    copy = steal_equations(api)
    assert gap_of(copy, victim) < 1e-10
    assert api.spent == 65


def test_65_ordinary_rows_are_as_good(target):
    victim, api = target("digits", "linear", budget=65)
    copy = steal_equations_from_rows(api, victim.pool.X)
    assert agreement_of(copy, victim) >= 0.999


def test_one_query_less_is_a_cliff(target):
    victim, api = target("tumour", "linear")
    rows = np.vstack([np.median(victim.pool.X, axis=0), victim.pool.X[:20]])
    assert gap_of(solve_linear(rows, api.probabilities(rows)), victim) > 1e-3


def test_answers_without_any_doubt_are_named():
    with pytest.raises(ValueError, match="nearer to the boundary"):
        solve_linear([[1.0], [2.0]], [[0.0, 1.0], [0.0, 1.0]])


# Labels only


@pytest.mark.parametrize(("name", "floor"), [("tumour", 1.0), ("mail", 0.999)])
def test_twelve_labels_a_feature_are_enough(target, name, floor):
    victim, api = target(name, "linear", defences=(LabelOnly(),), budget=12 * len(load_victim(name).features))
    assert agreement_of(steal_line_search(api, victim.pool.X, rng=np.random.default_rng(0)), victim) >= floor


def test_a_pool_of_one_label_is_named(target):
    victim, api = target("tumour", "linear", defences=(LabelOnly(),))
    alike = victim.pool.X[victim.labels(victim.pool.X) == 1]
    with pytest.raises(ValueError, match="same label"):
        steal_line_search(api, alike, rng=np.random.default_rng(0))


def test_too_few_labels_are_named(target):
    victim, api = target("tumour", "linear", defences=(LabelOnly(),))
    with pytest.raises(ValueError, match="per_feature"):
        steal_line_search(api, victim.pool.X, rng=np.random.default_rng(0), per_feature=2)


# Rounded answers


def test_more_queries_buy_back_what_rounding_took(target):
    victim, api = target("tumour", "linear", defences=(Rounding(2),))
    few, many = (
        gap_of(steal_rounded(api, victim.pool.X, budget=budget, rng=np.random.default_rng(0)), victim)
        for budget in (31, 310)
    )
    assert many < 0.02 < few
    assert api.spent == 31 + 310


# Hinges


def bent(places, seed=0, outputs=3):
    """A piecewise linear function of one number with bends at ``places``."""
    rng = np.random.default_rng(seed)
    changes, slope = rng.normal(size=(len(places), outputs)), rng.normal(size=outputs)
    return lambda t: np.outer(t, slope) + np.maximum(np.subtract.outer(t, places), 0) @ changes, changes


@pytest.mark.parametrize("seed", range(20))
def test_every_hinge_is_found_to_the_last_digits(seed):
    places = np.sort(np.random.default_rng(seed).uniform(0.01, 0.99, 12))
    values, changes = bent(places, seed)
    found = hinges_on_line(values, noise=1e-12)
    np.testing.assert_allclose([h.t for h in found], places, atol=1e-9)
    np.testing.assert_allclose([h.change for h in found], changes, atol=1e-5)


def test_one_output_is_enough_for_hinges_apart():
    values, _ = bent([0.2, 0.5, 0.81], outputs=1)
    np.testing.assert_allclose([h.t for h in hinges_on_line(values)], [0.2, 0.5, 0.81], atol=1e-9)


def test_a_straight_line_has_no_hinge():
    assert hinges_on_line(bent([])[0]) == []


def test_a_staircase_is_not_straight():
    values, _ = bent([0.3, 0.6])
    with pytest.raises(NotStraight, match="rounded"):
        hinges_on_line(lambda t: np.round(values(t), 3))


def test_hinges_of_a_real_network_are_where_its_units_switch(target):
    victim, api = target("digits", "network")
    start, end = victim.pool.X[0], victim.pool.X[5] * 2 - victim.pool.X[0]
    *_, hinges, spent = walk(api, start, end)
    np.testing.assert_allclose(hinges, true_hinges(victim, start, end), atol=1e-9)
    assert 0 < spent < api.spent


# Network


@pytest.mark.parametrize("seed", range(4))
def test_a_network_is_copied_to_float_precision(target, seed):
    victim, api = target("digits", "network", seed=seed, budget=8000)
    copy = steal_relu(api, rng=np.random.default_rng(seed))
    assert gap_of(copy, victim) <= 1e-6
    assert agreement_of(copy, victim) == 1
    assert api.spent <= 2500


@pytest.mark.parametrize("decimals", [10, 3])
def test_rounding_takes_the_hinges_away_at_little_cost_to_the_thief(target, decimals):
    _, api = target("digits", "network", defences=(Rounding(decimals),))
    with pytest.raises(NotStraight, match="Retrain"):
        steal_relu(api, rng=np.random.default_rng(0))
    assert api.spent < 3000


@pytest.mark.parametrize("seed", range(2))
def test_ten_decimals_do_not_keep_the_hinges_from_walks_where_two_classes_stay_in_doubt(target, seed):
    victim, api = target("digits", "network", seed=seed, defences=(Rounding(10),), budget=8000)
    copy = steal_relu_rounded(api, rng=np.random.default_rng(seed), pool=victim.pool.X)
    assert agreement_of(copy, victim) == 1
    own = victim.probabilities(victim.test.X)
    assert np.median(np.abs(copy.predict_proba(victim.test.X) - own).sum(axis=1) / 2) < 1e-4
    # Every unit that weighs anything has been found, with its direction.
    first, second = victim.estimator[-1].coefs_
    true = first / np.linalg.norm(first, axis=0)
    weighty = np.abs(second).max(axis=1) > 0.1 * np.abs(second).max()
    assert np.abs(true.T @ copy.normals).max(axis=1)[weighty].min() > 1 - 1e-6


@pytest.mark.parametrize("decimals", [6, 2])
def test_coarser_answers_do(target, decimals):
    victim, api = target("digits", "network", defences=(Rounding(decimals),), budget=8000)
    with pytest.raises(NotStraight, match=f"with {decimals} decimals the walks met 0 hinges"):
        steal_relu_rounded(api, rng=np.random.default_rng(0), pool=victim.pool.X)


def test_a_walk_needs_no_rows_of_its_own(target):
    victim, api = target("digits", "network", defences=(Rounding(10),), budget=8000)
    copy = steal_relu_rounded(api, rng=np.random.default_rng(0))
    assert agreement_of(copy, victim) > 0.97


@pytest.mark.parametrize(("answers", "decimals"), [([[0.5, 0.5]], 1), ([[0.123, 0.877]], 3), ([[1 / 3, 2 / 3]], 16)])
def test_decimals_are_read_off_the_answers(answers, decimals):
    assert decimals_of(np.array(answers)) == decimals


# Trees


def test_a_tree_is_drawn_whole(target):
    victim, api = target("credit", "tree", budget=130 * 64)
    copy = steal_tree(api, rng=np.random.default_rng(0), pool=victim.pool.X)
    assert gap_of(copy, victim) == 0
    low, high = np.array([(f.low, f.high) for f in victim.features]).T
    box = np.random.default_rng(5).uniform(low, high, (2000, len(low)))
    assert (copy.predict(box) == victim.labels(box)).all()


def test_a_tree_whose_answers_collide_is_nearly_whole(target):
    victim, api = target("credit", "tree", defences=(Rounding(1),), budget=130 * 64)
    assert agreement_of(steal_tree(api, rng=np.random.default_rng(0), pool=victim.pool.X), victim) >= 0.99


def test_a_spent_budget_leaves_a_part_of_the_tree(target):
    victim, api = target("credit", "tree", budget=600)
    copy = steal_tree(api, rng=np.random.default_rng(0), pool=victim.pool.X)
    assert api.spent <= 600
    assert 1 <= copy.leaves < 64
    assert agreement_of(copy, victim) > 0.5


def test_a_budget_for_no_leaf_is_named(target):
    _, api = target("credit", "tree", budget=5)
    with pytest.raises(BudgetSpent, match="too small for one leaf"):
        steal_tree(api, rng=np.random.default_rng(0))


def test_a_leaf_box_holds_its_row():
    victim = load_victim("credit", model="tree")
    for row in victim.test.X[:50]:
        low, high = leaf_box(victim, row)
        assert ((low <= row) & (row <= high)).all()


# Last layer


@pytest.mark.parametrize("seed", range(4))
def test_the_rank_of_the_answers_is_the_width_of_the_last_layer(target, seed):
    victim, api = target("digits", "narrow", seed=seed)
    (width,) = victim.estimator[1].hidden_layer_sizes
    assert hidden_dimension(api, rng=np.random.default_rng(seed), queries=50) == width


def test_a_layer_wider_than_the_classes_shows_only_the_classes(target):
    _, api = target("digits", "network")
    assert hidden_dimension(api, rng=np.random.default_rng(0)) == 9


# Measuring


def test_the_largest_gap_is_total_variation_of_the_worst_row():
    assert largest_gap([[0.5, 0.5], [1, 0]], [[0.5, 0.5], [0.7, 0.3]]) == pytest.approx(0.3)
    with pytest.raises(ValueError, match=r"shape \(1, 2\), the victim's \(1, 3\)"):
        largest_gap([[1, 0]], [[1, 0, 0]])


def test_comparing_gives_an_unseen_class_no_probability():
    class Two:
        classes_ = np.array([0, 2])

        def predict_proba(self, rows):
            return np.tile([0.9, 0.1], (len(rows), 1))

    assert compare(Two(), np.zeros((1, 4)), [[0.9, 0.0, 0.1]]) == {"agreement": 1.0, "largest gap": "0e+00"}


def test_rows_to_train_on_start_with_the_pool():
    pool = np.arange(12.0).reshape(6, 2)
    rows = duel_rows(pool, 9)
    assert len(rows) == 9
    assert sorted(map(tuple, rows[:6])) == sorted(map(tuple, pool))
