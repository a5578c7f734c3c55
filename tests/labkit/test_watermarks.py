"""The three claims are exact on innocent models and sharp on guilty ones; the thieves' washes wash."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from scipy.stats import binom, fisher_exact

from labkit.defending import Query
from labkit.mark_owner import KeyedMark, MarginMark
from labkit.mark_thieves import FAMILIES, SIX, ask_twice, clean, fit_family, relabel, smooth
from labkit.watermarks import coin_claim, control_claim, hoeffding, sign_tail, tipping_weights, trigger_claim

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("weights", [[1], [1, 1, 1], [3, 1, -2], [0, 5, 2, 2, 1]])
def test_the_tail_is_what_all_tosses_give(weights):
    sums = [np.dot(weights, signs) for signs in itertools.product((-1, 1), repeat=len(weights))]
    for total in range(-sum(map(abs, weights)) - 1, sum(map(abs, weights)) + 2):
        assert sign_tail(weights, total) == pytest.approx(np.mean(np.array(sums) >= total), abs=1e-12)
        assert hoeffding(weights, total) >= sign_tail(weights, total) - 1e-12


def test_the_tail_stays_exact_far_out():
    assert sign_tail(np.ones(200, dtype=int), 200) == pytest.approx(0.5**200)


def test_the_control_claim_is_fishers_exact_test():
    said, mark, marked = RNG.integers(0, 3, 400), RNG.integers(0, 3, 400), RNG.random(400) < 0.1
    hit = said == mark
    table = [[(hit & marked).sum(), (~hit & marked).sum()], [(hit & ~marked).sum(), (~hit & ~marked).sum()]]
    assert control_claim(said, mark, marked).p == pytest.approx(fisher_exact(table, alternative="greater").pvalue)


def test_a_trigger_claim_counts_the_matches_themselves():
    mark = RNG.integers(0, 3, 20)
    assert trigger_claim(mark, mark, 3).p == pytest.approx(3.0**-20)
    assert trigger_claim((mark + 1) % 3, mark, 3).p == 1.0


def test_shared_coins_do_not_accuse_a_model_that_votes_in_blocks():
    cell = np.repeat(np.arange(30), 20)
    first, second = np.zeros(600, dtype=int), np.ones(600, dtype=int)
    said = (cell % 2).astype(int)
    ps = np.array([coin_claim(said, first, second, cell, (RNG.random(30) < 0.5)[cell]).p for _ in range(2000)])
    for level in (0.05, 0.01):
        assert np.sum(ps < level) <= binom.ppf(0.9999, 2000, level)
    heads = (RNG.random(30) < 0.5)[cell]
    assert coin_claim(np.where(heads, 0, 1), first, second, cell, heads).p == pytest.approx(0.5**30)


def test_weights_know_the_neighbourhood_but_no_coin_and_accuse_no_innocent():
    rows = RNG.normal(size=(600, 2))
    labels, cell = (rows[:, 0] > 0).astype(int), RNG.integers(0, 60, 600)
    first, second = np.zeros(600, dtype=int), np.ones(600, dtype=int)
    weight = tipping_weights(rows, labels, first, second)
    assert set(weight) <= {1, 2, 4}
    at_the_border = np.abs(rows[:, 0]) < 0.05
    assert weight[at_the_border].mean() > 1.5 * weight[~at_the_border].mean()
    ps = [coin_claim(labels, first, second, cell, (RNG.random(60) < 0.5)[cell], weight).p for _ in range(2000)]
    for level in (0.05, 0.01):
        assert np.sum(np.array(ps) < level) <= binom.ppf(0.9999, 2000, level)


def test_weights_let_a_copy_be_named_that_follows_at_the_border_only():
    cell = np.arange(600)
    heads = RNG.random(600) < 0.5
    first, second = np.zeros(600, dtype=int), np.ones(600, dtype=int)
    follows = np.arange(600) < 60
    said = np.where(follows, np.where(heads, 0, 1), np.arange(600) % 2)
    plain = coin_claim(said, first, second, cell, heads)
    weighed = coin_claim(said, first, second, cell, heads, np.where(follows, 4, 1))
    assert weighed.p < plain.p / 1000
    assert weighed.matches == plain.matches


def made(n=800):
    rows = RNG.normal(size=(n, 5))
    return rows, (rows[:, 0] + rows[:, 1] > 0).astype(int)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns(family):
    rows, labels = made()
    assert np.mean(fit_family(family, rows[:600], labels[:600]).predict(rows[600:]) == labels[600:]) > 0.8


def test_six_families_are_among_them_and_others_are_refused_by_name():
    assert set(SIX) <= set(FAMILIES)
    with pytest.raises(ValueError, match="no family is named 'oracle'"):
        fit_family("oracle", *made(10))


def test_each_wash_takes_lies_out():
    rows, truth = made()
    lies = RNG.random(len(rows)) < 0.03
    labels = np.where(lies, 1 - truth, truth)
    kept, left = clean(rows, labels, RNG)
    assert np.mean(left != (kept[:, 0] + kept[:, 1] > 0)) < 0.01
    for washed in (relabel(rows, labels, RNG)[1], smooth(rows, labels)[1]):
        assert np.mean(washed[lies] == truth[lies]) > 0.8


def test_asking_twice_costs_two_rows_each_and_drops_lies():
    rows, _ = made()
    asked = []

    def ask(table):
        asked.append(len(table))
        lie = KeyedMark("an owner's key", 0.05).marks(table, np.zeros(len(table), int), 2)[0]
        return np.where(lie, 1, 0) ^ (table[:, 0] + table[:, 1] > 0)

    kept, labels = ask_twice(ask, rows, RNG)
    assert sum(asked) == 2 * len(rows)
    assert np.mean(labels != (kept[:, 0] + kept[:, 1] > 0)) < 0.02


@pytest.mark.parametrize("mark", [KeyedMark("an owner's key", 0.1), MarginMark("an owner's key", made()[0], zone=0.3)])
def test_marks_follow_secret_and_row_alone(mark):
    rows, _ = made(300)
    plain = RNG.dirichlet([1, 1, 1], 300)
    whole = mark.after(Query(rows), plain.copy())
    assert (whole != plain).any()
    part = RNG.permutation(300)[:50]
    np.testing.assert_array_equal(mark.after(Query(rows[part], key="other"), plain[part].copy()), whole[part])


def test_the_page_of_the_benchmark_is_its_numbers_and_the_lab_prints_them():
    from benchmarks import watermarks as benchmark
    from labkit.mark_experiments import measured_marks

    numbers = json.loads(benchmark.NUMBERS.read_text(encoding="utf-8"))
    assert benchmark.PAGE.read_text(encoding="utf-8") == benchmark.report(numbers)
    assert numbers["first"] < 100
    assert numbers["innocents"] * sum(run["what"] == "innocents" for run in numbers["runs"]) >= 200
    assert [row["copy"] for row in measured_marks("fraud").rows] == list(FAMILIES)
