"""Lab 04's tools: edits within the rules, money that adds up, membership measured, sliders that follow."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from labkit import Rows, launch
from labkit.api import Api
from labkit.evasion import (
    COPY,
    EXACT,
    GOOD_WORDS,
    LINE_SEARCH,
    OWN_FILTER,
    RANDOM_WORDS,
    EvasionTest,
    add_words,
    broken_rule,
    caught_spam,
    compare_filters,
    describe_mail,
    good_words,
    mail_rules,
    spam_weights,
    spend_edits,
)
from labkit.loot_plots import plot_confidences, plot_tornado, plot_transfer
from labkit.membership import Candidates, leak_rows, measure_leak, own_forest, train_on_half, true_confidence
from labkit.money import (
    TheftCase,
    annual_loss,
    break_even_rows,
    cost_to_steal,
    sensitivity,
    single_loss,
    summary,
    worth_of_control,
)
from labkit.thieves.equation import steal_equations
from labkit.transport import WsgiTransport
from labkit.widgets.theft_cost import CONTROLS, result_html, theft_cost
from targets import TargetConfig, create_app, load_victim


@pytest.fixture(scope="module")
def victim():
    return load_victim("mail")


@pytest.fixture(scope="module")
def rules(victim):
    return mail_rules(victim)


@pytest.fixture(scope="module")
def mails(victim):
    return victim.test.X[(victim.test.y == 1) & (victim.labels(victim.test.X) == 1)][:40]


def test_the_rules_cover_words_and_style_and_leave_the_links_alone(victim, rules):
    names = [feature.name for feature in victim.features]
    touched = {names[j] for j in np.concatenate([rules.words, rules.style])}
    assert set(names) - touched == {"links", "link_length", "link_dots"}


def test_rules_for_another_model_are_refused():
    with pytest.raises(ValueError, match="not the mail filter"):
        mail_rules(load_victim("tumour"))


def test_the_best_edits_keep_the_rules_and_lower_the_score_most(victim, rules, mails):
    weights = spam_weights(victim.estimator)
    edited = spend_edits(weights, mails, rules, 5)
    by_chance = add_words(rules.words, mails, rules, 5, np.random.default_rng(0))
    assert broken_rule(mails, edited, rules, 5) is None
    assert broken_rule(mails, by_chance, rules, 5) is None
    assert ((edited != mails).sum(axis=1) == 5).all()
    assert (edited @ weights < by_chance @ weights).all()


def _edit(mails, column, change):
    edited = mails.copy()
    edited[0, column] = change(edited[0, column])
    return edited


def test_each_rule_refuses_what_it_forbids(rules, mails):
    word = next(j for j in rules.words if 0 < mails[0, j] < 8)
    capitals = rules.style[-1]
    cases = {
        "links were changed": _edit(mails, 88, lambda x: x + 1),
        "taken out": _edit(mails, word, lambda x: x - 1),
        "more than once": _edit(mails, word, lambda x: x + 2),
        "in parts": _edit(mails, word, lambda x: x + 0.5),
        "other than 0": _edit(mails, capitals, lambda x: x + 3),
        "a table": mails[:3],
    }
    for words, edited in cases.items():
        assert words in str(broken_rule(mails, edited, rules, 5)), words
    full = _edit(mails, word, lambda x: 10)
    assert "documented limit" in str(broken_rule(full, _edit(full, word, lambda x: 11), rules, 5))
    six = spend_edits(np.where(np.arange(96) < 88, -1.0, 0.0), mails, rules, 6)
    assert "6 edits, 5 are allowed" in str(broken_rule(mails, six, rules, 5))


def test_a_linear_filter_sells_its_exact_weights_for_d_plus_1_rows(victim):
    api = Api(WsgiTransport(create_app(TargetConfig(victim="mail"))), budget=97)
    bought = spam_weights(steal_equations(api, start=np.zeros(96)))
    assert api.spent == 97
    assert bought == pytest.approx(spam_weights(victim.estimator), abs=1e-8)


def test_a_copy_without_coefficients_is_named():
    with pytest.raises(ValueError, match="no coefficients"):
        spam_weights(own_forest("overfit"))


def test_a_mail_is_described_with_what_may_be_done(victim, rules, mails):
    rows = {row["in the mail"]: row["a spammer may"] for row in describe_mail(victim, mails[0], rules)}
    assert len(rows) == (mails[0] != 0).sum()
    assert rows["links"] == "nothing: it stays"


def test_filters_are_compared_at_equal_edits():
    with launch("mail") as target:
        row = compare_filters([("plain", target, COPY, 400)], max_edits=5, seeds=2)[0]
    assert row["lowest"] <= row["copy passes"] <= row["highest"]
    assert row["copy passes"] > row["good words pass"] + 0.2


def test_no_thief_passes_more_than_the_exact_copy_and_labels_are_enough_for_it():
    with launch("mail", defences=["label_only"]) as quiet, launch("mail") as target:
        mails = caught_spam(target, 60)
        exact = EvasionTest(target, mails, 5)(EXACT, 97, 0)
        blind = EvasionTest(quiet, mails, 5)(LINE_SEARCH, 1152, 0)
        others = [
            EvasionTest(target, mails, 5)(thief, 400, 0) for thief in (COPY, OWN_FILTER, GOOD_WORDS, RANDOM_WORDS)
        ]
    assert (exact.queries, exact.transfer) == (97, 1.0)
    assert blind.queries <= 1152
    assert blind.pass_rate == exact.pass_rate
    assert all(other.pass_rate <= exact.pass_rate for other in others)
    assert [other.queries for other in others] == [400, 0, 0, 0]


def test_good_words_are_commoner_in_wanted_mail(victim, rules):
    words = good_words(victim.pool.X, victim.pool.y == 1, rules)
    names = {victim.features[j].name for j in words}
    assert "meeting" in names
    assert "lottery" not in names


CASE = TheftCase(
    rows=400, price_per_row=0.5, thief_setup=100, cost_to_train=5_100, asset_value=1_000, exposure=0.4, response=100,
    thefts_per_year=0.5,
)  # fmt: skip


def test_the_money_adds_up():
    assert cost_to_steal(CASE) == 300
    assert break_even_rows(CASE) == 10_000
    assert single_loss(CASE) == 500
    assert annual_loss(CASE) == 250
    assert worth_of_control(CASE, thefts_after=0.1, yearly_cost=50) == pytest.approx(150)


def test_break_even_has_two_corners():
    assert break_even_rows(TheftCase(price_per_row=0)) == float("inf")
    assert "rows are free" in str(summary(TheftCase(price_per_row=0)))
    assert break_even_rows(TheftCase(thief_setup=9e9)) == 0


@pytest.mark.parametrize(
    "wrong", [{"exposure": 1.2}, {"rows": -1}, {"response": float("nan")}, {"asset_value": "much"}]
)
def test_an_impossible_case_names_its_field(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TheftCase(**wrong)


def test_the_tornado_is_sorted_by_swing_and_holds_the_ends():
    rows = sensitivity(CASE, {"response": (0, 200), "thefts_per_year": (0, 2), "price_per_row": (0, 1)})
    assert [row["input"] for row in rows] == ["thefts_per_year", "response", "price_per_row"]
    assert (rows[0]["loss at low"], rows[0]["loss at high"]) == (0, 1000)
    assert rows[2]["loss at low"] == rows[2]["loss at high"] == 250


def test_the_widget_shows_what_the_plain_function_says_when_a_slider_moves():
    panel = theft_cost(CASE)
    lines, shown = panel.children[:-1], panel.children[-1]
    assert [line.children[0].description for line in lines] == [label for label, _, _ in CONTROLS.values()]
    assert shown.value == result_html(CASE)
    slider, box = lines[0].children
    box.value = 900
    assert slider.value == 900
    assert shown.value == result_html(CASE, rows=900)
    assert "550" in shown.value


def test_a_perfect_leak_has_advantage_one_and_a_blind_one_none():
    member = np.array([True, True, False, False])
    clear = measure_leak(Candidates("x", 0, np.array([0.9, 0.8, 0.3, 0.2]), member, 0.5))
    blind = measure_leak(Candidates("x", 0, np.full(4, 0.5), member, 0.5))
    assert (clear.advantage, clear.auc) == (1, 1)
    assert (blind.advantage, blind.auc) == (0, 0.5)
    first = leak_rows([clear, blind])[0]
    assert (first["mean"], first["lowest"], first["highest"], first["seeds"]) == (0.5, 0, 1, 2)


def test_the_true_class_confidence_is_not_the_largest():
    assert true_confidence([[0.7, 0.3], [0.4, 0.6]], [1, 1]).tolist() == [0.3, 0.6]


def test_an_overfit_forest_leaks_more_than_a_regularised_one_on_every_seed():
    victim = load_victim("fraud")
    own, test = Rows(victim.pool.X, victim.pool.y), Rows(victim.test.X, victim.test.y)
    for seed in range(3):
        over, regular = (measure_leak(train_on_half(own, test, kind, seed)) for kind in ("overfit", "regularised"))
        assert over.advantage > 0.4 > regular.advantage + 0.1
        assert over.auc > 0.8


def test_members_are_a_random_half_and_forest_kinds_are_named():
    rng = np.random.default_rng(0)
    rows = Rows(rng.random((60, 3)), rng.integers(0, 2, 60))
    first, other = (train_on_half(rows, rows, "overfit", seed) for seed in (1, 2))
    assert first.member.sum() == 30
    assert (first.member != other.member).any()
    with pytest.raises(ValueError, match="overfit, regularised"):
        own_forest("deep")


def test_the_figures_carry_words_and_numbers():
    member = np.arange(20) % 2 == 0
    candidates = Candidates("overfit", 0, np.linspace(0, 1, 20), member, 0.5)

    class Run:
        thief, budget, seed, pass_rate = "copy", 100, 0, 0.5

    rows = sensitivity(CASE, {"response": (0, 200), "price_per_row": (0, 1)})
    figures = [
        plot_transfer([Run()], levels={"random": 0.1}, title="T", alt="half pass"),
        plot_confidences([candidates], title="T", alt="members above"),
        plot_tornado(rows, centre=250, title="T", alt="response moves it"),
    ]
    for figure in figures:
        assert "<table>" in figure._repr_html_()


def test_linear_copies_are_read_in_the_units_of_the_rows():
    from labkit.api import Answers
    from labkit.surrogates import fit_surrogate

    rng = np.random.default_rng(0)
    X = rng.normal(0, [1, 10], (400, 2))
    truth = LogisticRegression(C=1e6).fit(X, (X @ [2.0, 0.1] + rng.logistic(size=400) > 0).astype(int))
    copy = fit_surrogate(X, Answers(truth.predict(X), truth.predict_proba(X)), kind="linear")
    assert spam_weights(copy) == pytest.approx(truth.coef_[0], rel=0.2)
