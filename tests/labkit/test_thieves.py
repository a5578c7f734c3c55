"""The reference thieves keep to their budget and earn what the labs say they earn."""

import numpy as np
import pytest

from labkit import Api, accuracy, agreement, fit_surrogate, majority_share, make_surrogate
from labkit.api import Answers
from labkit.thieves import THIEVES, steal_natural, steal_random
from labkit.thieves.uncertainty import margin
from labkit.transport import WsgiTransport
from targets import TargetConfig, create_app, load_victim

VICTIM = load_victim("digits")


@pytest.fixture(scope="module")
def transport():
    return WsgiTransport(create_app(TargetConfig(victim="digits")))


@pytest.mark.parametrize("name", THIEVES)
@pytest.mark.parametrize("budget", [2, 61, 120])
def test_a_thief_buys_its_budget_and_no_row_more(transport, name, budget):
    api = Api(transport, budget=budget)
    theft = THIEVES[name](api, VICTIM.pool.X, budget=budget, rng=np.random.default_rng(0), kind="linear")
    assert (api.spent, theft.queries) == (budget, budget)
    assert len(np.unique(theft.rows, axis=0)) == budget


def test_owning_data_beats_querying_noise(transport):
    def reach(thief, seed):
        theft = thief(Api(transport), VICTIM.pool.X, budget=200, rng=np.random.default_rng(seed), kind="linear")
        return agreement(theft.surrogate.predict(VICTIM.test.X), VICTIM.labels(VICTIM.test.X))

    natural, random = ([reach(thief, seed) for seed in range(3)] for thief in (steal_natural, steal_random))
    assert min(natural) > max(random) > majority_share(VICTIM.labels(VICTIM.test.X))


def test_the_same_seed_steals_the_same_copy(transport):
    copies = [
        steal_natural(Api(transport), VICTIM.pool.X, budget=50, rng=np.random.default_rng(3)).surrogate
        for _ in range(2)
    ]
    assert np.array_equal(*(c.predict_proba(VICTIM.test.X) for c in copies))


def test_one_label_gives_a_constant_copy():
    copy = fit_surrogate(np.zeros((3, 2)), Answers(np.array([4, 4, 4]), None))
    assert copy.predict(np.ones((2, 2))).tolist() == [4, 4]
    assert margin(copy.predict_proba(np.ones((2, 2)))).tolist() == [1, 1]


def test_soft_answers_teach_more_than_their_labels(transport):
    rows = VICTIM.pool.X[:150]
    answers = Api(transport).predict(rows)
    wanted = VICTIM.labels(VICTIM.test.X)
    soft, hard = (fit_surrogate(rows, answers, kind="linear", soft=s).predict(VICTIM.test.X) for s in (True, False))
    assert agreement(soft, wanted) > agreement(hard, wanted)
    assert accuracy(soft, VICTIM.test.y) > 0.8


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="linear, forest, network; got 'oracle'"):
        make_surrogate("oracle")
