"""The customer's session: rows counted, budgets kept, refusals in words."""

import numpy as np
import pytest

from labkit import Api, BudgetSpent, LabelsOnly, QueryRefused
from labkit.loot import Loot
from labkit.transport import Reply, WsgiTransport
from targets import Defence, Refused, TargetConfig, create_app, load_victim
from targets.defences import LabelOnly

ROWS = load_victim("tumour").pool.X


class Scripted:
    """A transport that gives prepared replies and remembers what was sent."""

    def __init__(self, *replies):
        self.replies, self.sent = list(replies), []

    def send(self, method, path, body=None, headers=None):
        self.sent.append((method, path, body, headers))
        return self.replies.pop(0)


def answered(n):
    return Reply(200, {"labels": [0] * n, "probabilities": [[0.9, 0.1]] * n, "rows": n}, {})


@pytest.fixture
def transport():
    return WsgiTransport(create_app(TargetConfig(victim="tumour")))


def test_answers_have_one_label_and_one_distribution_a_row(transport):
    answers = Api(transport).predict(ROWS[:7])
    assert answers.labels.shape == (7,)
    assert answers.probabilities.shape == (7, 2)
    assert np.allclose(answers.probabilities.sum(axis=1), 1)


def test_rows_are_counted_not_requests(transport):
    api = Api(transport, budget=30, batch=4)
    api.predict(ROWS[:10])
    assert (api.spent, api.left) == (10, 20)
    assert api.usage()["rows"] == 10
    assert api.usage()["requests"] == 3


def test_a_batch_over_budget_is_not_sent_at_all():
    transport = Scripted()
    with pytest.raises(BudgetSpent, match=r"asks for 5 rows, but 4 of the 4-row budget"):
        Api(transport, budget=4).predict(np.zeros((5, 2)))
    assert transport.sent == []


def test_the_last_row_of_a_budget_can_be_bought(transport):
    api = Api(transport, budget=5)
    api.predict(ROWS[:5])
    assert api.left == 0
    with pytest.raises(BudgetSpent):
        api.predict(ROWS[:1])


@pytest.mark.parametrize("budget", [-1, 2.5, True])
def test_a_budget_is_a_whole_number_of_rows(budget):
    with pytest.raises(ValueError, match="budget must be a whole number"):
        Api(Scripted(), budget=budget)


@pytest.mark.parametrize("rows", [[1.0, 2.0], np.zeros((0, 30)), [["a", "b"]], None, [[1, 2], [3]]])
def test_rows_must_be_a_table_of_numbers(transport, rows):
    with pytest.raises(ValueError, match="rows must be a table"):
        Api(transport).predict(rows)


def test_a_refusal_carries_the_targets_words_and_costs_nothing():
    class Wall(Defence):
        def before(self, query):
            raise Refused("too fast", retry_after=7)

    api = Api(WsgiTransport(create_app(TargetConfig(victim="tumour", defences=(Wall(),)))))
    with pytest.raises(QueryRefused, match="too fast") as caught:
        api.predict(ROWS[:2])
    assert (caught.value.status, caught.value.retry_after, api.spent) == (429, 7.0, 0)


def test_a_bad_row_is_named_by_its_field(transport):
    rows = ROWS[:2].copy()
    rows[1, 3] = 1e300
    with pytest.raises(QueryRefused, match=load_victim("tumour").features[3].name):
        Api(transport).predict(rows)


def test_labels_only_says_so():
    api = Api(WsgiTransport(create_app(TargetConfig(victim="tumour", defences=(LabelOnly(),)))))
    assert api.predict(ROWS[:2]).probabilities is None
    with pytest.raises(LabelsOnly, match=r"api\.labels"):
        api.probabilities(ROWS[:2])


def test_rows_bought_before_a_refusal_are_counted():
    api = Api(Scripted(answered(2), Reply(429, {"detail": "enough"}, {"retry-after": "3"})), batch=2, budget=9)
    with pytest.raises(QueryRefused):
        api.predict(np.zeros((4, 2)))
    assert api.spent == 2


def test_loot_survives_a_restart_and_is_not_bought_twice(tmp_path, transport):
    first = Api(transport, budget=10, loot=Loot(tmp_path / "loot.sqlite", victim="tumour"))
    before = first.predict(ROWS[:6])
    # No close: the file must be whole even if the kernel was killed here.
    second = Api(transport, budget=10, loot=Loot(tmp_path / "loot.sqlite", victim="tumour"))
    after = second.predict(ROWS[:8])
    assert second.spent == 2
    assert np.array_equal(after.labels[:6], before.labels)
    assert np.array_equal(after.probabilities[:6], before.probabilities)


def test_loot_keeps_what_was_bought_before_a_refusal(tmp_path):
    refuse = Reply(429, {"detail": "enough"}, {})
    loot = Loot(tmp_path / "loot.sqlite", victim="x")
    rows = np.arange(8.0).reshape(4, 2)
    with pytest.raises(QueryRefused):
        Api(Scripted(answered(2), refuse), batch=2, loot=loot).predict(rows)
    rest = Scripted(answered(2))
    Api(rest, batch=2, loot=loot).predict(rows)
    assert rest.sent[0][2] == {"rows": rows[2:].tolist()}


def test_loot_of_one_victim_is_never_given_for_another(tmp_path, transport):
    Api(transport, loot=Loot(tmp_path / "loot.sqlite", victim="a")).predict(ROWS[:3])
    other = Api(transport, loot=Loot(tmp_path / "loot.sqlite", victim="b"))
    other.predict(ROWS[:3])
    assert other.spent == 3


def test_a_long_key_is_not_shown_whole():
    key = "mtl_0123456789ab_" + "s" * 43
    shown = repr(Api(None, key=key))
    assert "sss" not in shown
    assert "mtl_0123456789ab" in shown
