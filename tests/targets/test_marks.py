"""The two marks: keyed by row, keyed by doubt; the same answer for the same query, and nobody else's business."""

from __future__ import annotations

import numpy as np
import pytest

from targets import Query, TargetConfig, create_app, load_victim
from targets.defences import KeyedMark, MarginMark, Pipeline, parse_defence
from targets.defences.margin_mark import keyed_cuts
from targets.defences.randomness import Draws

SECRET = "the owner's secret"


@pytest.fixture(scope="module")
def credit():
    return load_victim("credit")


@pytest.fixture(scope="module")
def asked(credit):
    rows = credit.pool.X
    return rows, credit.probabilities(rows)


def both(credit):
    return [KeyedMark(SECRET, 0.05), MarginMark(SECRET, credit.train.X, zone=0.3)]


def test_the_same_query_gets_the_same_answer_whoever_asks(credit, asked):
    rows, plain = asked
    part = np.random.default_rng(0).permutation(len(rows))[:40]
    for mark, again in zip(both(credit), both(credit), strict=True):
        whole = mark.after(Query(rows), plain.copy())
        np.testing.assert_array_equal(
            again.after(Query(rows[part], key="other", time=9.0), plain[part].copy()), whole[part]
        )


def test_another_secret_marks_other_rows(credit, asked):
    rows, plain = asked
    for mark, other in (
        (KeyedMark(SECRET, 0.05), KeyedMark(SECRET + "!", 0.05)),
        (MarginMark(SECRET, credit.train.X, zone=0.3), MarginMark(SECRET + "!", credit.train.X, zone=0.3)),
    ):
        assert (mark.after(Query(rows), plain.copy()) != other.after(Query(rows), plain.copy())).any()


def test_marks_only_swap_two_values_of_a_row(credit, asked):
    rows, plain = asked
    for mark in both(credit):
        seen = mark.after(Query(rows), plain.copy())
        np.testing.assert_array_equal(np.sort(seen, axis=1), np.sort(plain, axis=1))
        assert 2 >= (seen != plain).sum(axis=1).max() > 0


def test_a_keyed_mark_is_never_the_rows_own_class_and_spreads_over_the_others(asked):
    rows, plain = asked
    own = plain.argmax(axis=1)
    marked, mark = KeyedMark(SECRET, 0.05).marks(rows, own, 3)
    assert (mark != own).all()
    assert 0.02 < marked.mean() < 0.09
    assert 0.4 < np.mean((mark - own) % 3 == 1) < 0.6


def test_the_margin_mark_leaves_sure_rows_alone_and_follows_its_coins(credit, asked):
    rows, plain = asked
    mark = MarginMark(SECRET, credit.train.X, zone=0.3)
    coins = mark.coins(rows, plain)
    seen = mark.after(Query(rows), plain.copy())
    top = np.sort(plain, axis=1)
    assert (coins.doubtful == (top[:, -1] - top[:, -2] < 0.3)).all()
    np.testing.assert_array_equal(seen[~coins.doubtful], plain[~coins.doubtful])
    named = np.where(coins.heads, coins.first, coins.second)[coins.doubtful]
    every = np.arange(len(named))
    assert (seen[coins.doubtful][every, named] == seen[coins.doubtful].max(axis=1)).all()


def test_rows_of_one_cell_share_one_fair_coin(credit, asked):
    rows, plain = asked
    coins = MarginMark(SECRET, credit.train.X).coins(rows, plain)
    for cell in np.unique(coins.cell):
        assert len(np.unique(coins.heads[coins.cell == cell])) == 1
    start = np.unique(coins.cell, return_index=True)[1]
    assert 0.4 < coins.heads[start].mean() < 0.6


def test_cells_are_many_and_features_that_never_change_make_none():
    known = np.column_stack([np.zeros(3000), np.random.default_rng(0).normal(size=(3000, 4))])
    cuts = keyed_cuts(known, Draws(secret=SECRET, purpose="test"), 512)
    assert 0 not in [column for column, _ in cuts]
    assert np.prod([len(edges) + 1 for _, edges in cuts]) >= 500
    assert keyed_cuts(np.zeros((100, 2)), Draws(secret=SECRET, purpose="test"), 512) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("keyed_mark", "secret is the owner's key"),
        ("keyed_mark:secret=short", "at least 8 characters"),
        (f"keyed_mark:secret={SECRET},share=0", "share is a number above 0"),
        (f"margin_mark:secret={SECRET}", "known is a table"),
        (f"margin_mark:secret={SECRET},known=credit,zone=2", "at most 1"),
        (f"margin_mark:secret={SECRET},known=nobody", "no victim is named"),
    ],
)
def test_a_wrong_setting_is_named(text, words):
    with pytest.raises(ValueError, match=words):
        parse_defence(text)


def test_a_marked_target_answers_over_http_what_the_owner_computes(credit):
    mark = MarginMark(SECRET, "credit", zone=0.3)
    app = create_app(TargetConfig(victim="credit", defences=(mark,)))
    rows = credit.test.X[:200]
    reply = app.test_client().post("/v1/predict", json={"rows": rows.tolist()}, headers={"X-API-Key": "customer"})
    np.testing.assert_array_equal(reply.get_json()["labels"], Pipeline(credit, (mark,)).answer(Query(rows)).labels)
