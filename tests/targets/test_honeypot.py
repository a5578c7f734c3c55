"""Decoys: for suspects alone, the same for the same row, plausible, half of the world, and worthless to a copy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

from targets import Query, TargetConfig, create_app, load_victim
from targets.defences import Honeypot, parse_defence

SECRET = "the owner's secret"


@pytest.fixture(scope="module")
def credit():
    return load_victim("credit")


@pytest.fixture
def pot(credit):
    return Honeypot(SECRET, credit.train.X, ["thief"])


def test_suspects_alone_get_decoys_on_half_of_ordinary_rows(credit, pot):
    rows = credit.pool.X
    own = credit.probabilities(rows)
    assert (pot.after(Query(rows, key="customer"), own.copy()) == own).all()
    told = pot.after(Query(rows, key="thief"), own.copy())
    moved = (told != own).any(axis=1)
    assert 0.4 < pot.decoyed(rows).mean() < 0.6
    assert not moved[~pot.decoyed(rows)].any()
    np.testing.assert_array_equal(told[moved], np.roll(own[moved], 1, axis=1))


def test_the_same_row_gets_the_same_decoy_in_any_batch_and_under_any_suspect(credit, pot):
    rows = credit.pool.X[:60]
    own = credit.probabilities(rows)
    pot.suspect("other")
    whole = pot.after(Query(rows, key="thief"), own.copy())
    part = np.random.default_rng(0).permutation(60)[:9]
    np.testing.assert_array_equal(pot.after(Query(rows[part], key="other"), own[part].copy()), whole[part])


def test_another_secret_lays_another_plane(credit, pot):
    other = Honeypot(SECRET + "!", credit.train.X)
    assert 0.1 < np.mean(pot.decoyed(credit.pool.X) != other.decoyed(credit.pool.X)) < 0.9


def test_a_key_is_suspected_and_cleared_while_the_target_runs(credit):
    pot = Honeypot(SECRET, credit.train.X)
    app = create_app(TargetConfig(victim="credit", defences=(pot,)))
    client, rows = app.test_client(), credit.pool.X[:40]

    def labels():
        reply = client.post("/v1/predict", json={"rows": rows.tolist()}, headers={"X-API-Key": "k"})
        return reply.get_json()["labels"]

    true = credit.labels(rows).tolist()
    assert labels() == true
    pot.suspect("k")
    assert labels() != true
    pot.clear("k")
    assert labels() == true


def test_a_copy_of_decoys_learns_well_and_is_worth_less_than_guessing(credit, pot):
    rows, test = credit.pool.X, credit.test.X
    told = pot.after(Query(rows, key="thief"), credit.probabilities(rows)).argmax(axis=1)
    copy = RandomForestClassifier(60, random_state=0)
    fits = cross_val_score(copy, rows, told, cv=4).mean()
    truth = credit.labels(test)
    agrees = np.mean(copy.fit(rows, told).predict(test) == truth)
    assert fits > agrees + 0.1
    assert agrees < np.bincount(truth).max() / len(truth) + 0.05


def test_the_command_line_writes_suspects_with_a_plus():
    assert parse_defence("honeypot:secret=a secret word,known=credit,suspects=a+b").suspects == {"a", "b"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"known": "credit"}, "secret is the owner's key"),
        ({"secret": SECRET}, "known is a table"),
        ({"secret": SECRET, "known": [[1.0]]}, "at least 2 rows"),
        ({"secret": "short", "known": "credit"}, "at least 8 characters"),
    ],
)
def test_a_wrong_setting_is_named(settings, words):
    with pytest.raises(ValueError, match=words):
        Honeypot(**settings)
