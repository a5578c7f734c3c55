"""Monitors: who is alarmed, when, how often; the guard in the real app; features of a log."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.transport import WsgiTransport
from targets import Query, Refused, TargetConfig, create_app, load_victim
from targets.querylog import Record
from targets.watch.features import cluster_features, key_features
from targets.watch.forest import Forest
from targets.watch.guard import Guard
from targets.watch.martingale import QUESTIONS, Martingale
from targets.watch.monitor import Monitor
from targets.watch.prada import Prada
from targets.watch.reference import Reference, held_out_rows
from targets.watch.rules import Spike

WIDTH = 6


def answer(rows):
    """A model of two classes whose boundary is at 0 of the first feature."""
    p = 1 / (1 + np.exp(-3 * np.asarray(rows)[:, 0]))
    return np.column_stack([1 - p, p])


def rows_of(rng, count):
    """Ordinary rows: features that hang together, rounded as a form would."""
    common = rng.normal(size=(count, 1))
    return np.round(common + 0.3 * rng.normal(size=(count, WIDTH)), 1)


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(1)
    return Reference.from_rows(rows_of(rng, 600), rows_of(rng, 400), answer)


@pytest.fixture(scope="module")
def martingale(reference):
    return Martingale(reference)


def honest(count, length, seed=5):
    rng = np.random.default_rng(seed)
    return [rows_of(rng, length) for _ in range(count)]


def test_honest_customers_are_alarmed_no_more_often_than_promised(reference):
    low = Martingale(reference, threshold=10.0)
    alarms = np.mean([low.scores(rows).max() >= 10 for rows in honest(120, 50)])
    assert alarms <= 0.1  # Ville: 1 / threshold
    assert np.mean([low.scores(rows).max() >= 100 for rows in honest(120, 50, seed=6)]) <= 0.01


def test_the_capital_of_an_honest_customer_does_not_grow(martingale):
    assert np.median([martingale.scores(rows)[-1] for rows in honest(100, 60)]) < 1


THIEVES = {
    "uniform": lambda rng: rng.uniform(-3, 3, (40, WIDTH)),
    "lookalikes": lambda rng: np.round(rng.normal(0, 1.04, (40, WIDTH)), 1),
    "a box of small steps": lambda rng: np.vstack([rows_of(rng, 1)[0] + 0.1 * np.eye(WIDTH)] * 6) + 0.01,
    "halving a line": lambda rng: np.array([np.full(WIDTH, 1 - 2.0**-k) for k in range(40)]),
    "boundary": lambda rng: np.column_stack([np.zeros(40), rows_of(rng, 40)[:, 1:]]),
}


@pytest.mark.parametrize("kind", THIEVES)
def test_synthetic_queries_are_alarmed_within_35(martingale, kind):
    for seed in range(5):
        scores = martingale.scores(THIEVES[kind](np.random.default_rng(seed)))
        assert scores.max() >= martingale.threshold
        assert int(np.argmax(scores >= martingale.threshold)) < 35


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_catches_a_thief_by_itself(reference, question):
    rng = np.random.default_rng(3)
    guilty = {
        QUESTIONS[0]: np.round(5 * rng.normal(size=(40, WIDTH)), 1),
        QUESTIONS[1]: rows_of(rng, 40) + 0.037,
        QUESTIONS[2]: rows_of(rng, 1) + np.linspace(0, 0.01, 40)[:, None],
        QUESTIONS[3]: THIEVES["boundary"](rng),
    }[question]
    alone = Martingale(reference, questions=(question,))
    assert alone.scores(guilty).max() >= 100
    assert np.mean([alone.scores(rows).max() >= 100 for rows in honest(100, 40)]) <= 0.01


def test_a_customer_who_reloads_pages_is_not_accused(martingale):
    rows = np.repeat(honest(1, 12)[0], 8, axis=0)
    assert martingale.scores(rows).max() < 10


def test_a_batch_scores_like_its_rows_one_by_one(reference):
    rows = np.vstack([honest(1, 20)[0], THIEVES["uniform"](np.random.default_rng(0))[:20]])
    for monitor in (Martingale(reference), Prada(reference, least=10), Forest(reference)):
        state = monitor.start()
        one_by_one = np.concatenate([state.update(row[None]) for row in rows])
        np.testing.assert_allclose(one_by_one, monitor.scores(rows))


def test_a_thief_who_starts_late_is_caught(martingale):
    rows = np.vstack([honest(1, 150)[0], THIEVES["uniform"](np.random.default_rng(0))])
    scores = martingale.scores(rows)
    assert scores[:150].max() < 100
    assert scores[150:185].max() >= 100


def test_margins_are_ranked_among_held_out_rows_and_a_row_counts_not_its_own_neighbour():
    victim = load_victim("tumour")
    reference = Reference.of(victim)
    assert len(reference.margin) == len(held_out_rows(victim)) == len(victim.pool) // 2
    assert reference.far.min() > 0


def test_a_reference_of_too_few_rows_is_refused():
    with pytest.raises(ValueError, match="at least 20 held-out rows"):
        Reference.from_rows(np.zeros((50, 2)), np.zeros((5, 2)), answer)


def query(rows, key="k", time=0.0):
    return Query(np.asarray(rows, dtype=float), key=key, time=time)


def test_a_key_is_alarmed_once_with_the_row_that_did_it(reference):
    monitor = Martingale(reference)
    rows = THIEVES["uniform"](np.random.default_rng(0))
    alerts = [monitor.observe(query(row[None], time=float(i))) for i, row in enumerate(rows)]
    raised = [alert for alert in alerts if alert]
    assert len(raised) == 1
    (alert,) = raised
    assert alert.queries_seen == 1 + int(np.argmax(monitor.scores(rows) >= 100))
    assert (alert.key, alert.detector, alert.time) == ("k", "martingale", float(alert.queries_seen - 1))
    assert alert.score >= 100
    assert alert.reason in QUESTIONS
    assert monitor.alarmed("k")
    assert not monitor.alarmed("other")
    monitor.forgive("k")
    assert not monitor.alarmed("k")


def test_keys_do_not_share_a_score(reference):
    monitor = Martingale(reference)
    for i, row in enumerate(THIEVES["uniform"](np.random.default_rng(0))):
        assert monitor.observe(query(row[None], key=f"key {i}")) is None, "one row a key is too little: a blind spot"
    assert len(monitor.standing()) == 40


def test_memory_is_bounded_and_forgets_the_quietest(monkeypatch):
    monkeypatch.setattr("targets.watch.monitor.MOST_KEYS", 2)
    monitor = Spike(rows=100)
    for key in ("a", "b", "a", "c"):
        monitor.observe(query([[0.0]], key=key))
    assert set(monitor.standing()) == {"a", "c"}


def test_a_spike_counts_rows_in_the_last_hour_only():
    monitor = Spike(rows=10, seconds=3600)
    assert monitor.observe(query(np.zeros((9, 1)), time=0)) is None
    assert monitor.observe(query(np.zeros((9, 1)), time=3601)) is None
    alert = monitor.observe(query(np.zeros((1, 1)), time=3700))
    assert alert is not None
    assert (alert.queries_seen, alert.priority) == (19, "low")
    assert "10 rows within 3600 s" in alert.reason
    with pytest.raises(ValueError, match="at least 1 row"):
        Spike(rows=0)


def test_pradas_published_threshold_accuses_customers_of_skewed_tables():
    rng = np.random.default_rng(2)
    skewed = [np.exp(rng.normal(size=(80, 3))) for _ in range(20)]
    reference = Reference.from_rows(np.exp(rng.normal(size=(300, 3))), np.exp(rng.normal(size=(200, 3))), answer)
    monitor = Prada(reference, threshold=0.10)
    accused = np.mean([monitor.scores(rows).max() >= monitor.threshold for rows in skewed])
    assert accused > 0.5
    assert monitor.scores(skewed[0][:40]).max() == 0, "too few distances: no verdict"


def test_many_looks_cost_false_alarms_unless_they_are_paid_for(reference):
    loose, paid = Forest(reference, share=0.05), Forest(reference, share=0.05, looks=18)
    assert paid.threshold > loose.threshold
    streams = honest(40, 210)
    rates = [np.mean([m.scores(rows).max() >= m.threshold for rows in streams]) for m in (loose, paid)]
    assert rates[0] > 0.10 > rates[1]
    assert loose.scores(THIEVES["uniform"](np.random.default_rng(0))).max() >= loose.threshold


def test_the_guard_stops_the_key_that_alarms_and_no_other(reference):
    told = []
    guard = Guard([Martingale(reference)], deliver=told.append)
    rows = THIEVES["uniform"](np.random.default_rng(0))
    granted = 0
    for row in rows:
        try:
            guard.before(query(row[None], key="thief"))
            granted += 1
        except Refused:
            continue
    assert granted == guard.alerts[0].queries_seen - 1
    assert told == guard.alerts
    guard.before(query(honest(1, 5)[0], key="customer"))
    guard.release("thief")
    guard.before(query(honest(1, 5)[0], key="thief"))


def test_a_guard_that_only_watches_refuses_nobody(reference):
    guard = Guard([Martingale(reference)], stop=False)
    for row in THIEVES["uniform"](np.random.default_rng(0)):
        guard.before(query(row[None]))
    assert len(guard.alerts) == 1


def test_a_batch_whose_third_row_alarms_is_not_answered_at_all(reference):
    guard = Guard([Martingale(reference)])
    with pytest.raises(Refused):
        guard.before(query(THIEVES["uniform"](np.random.default_rng(0))))


def test_in_the_real_app_the_log_shows_what_a_thief_got():
    victim = load_victim("tumour")
    guard = Guard([Martingale(Reference.of(victim))])
    app = create_app(TargetConfig(victim="tumour", defences=(guard,), store_rows=True))
    transport = WsgiTransport(app)
    rng = np.random.default_rng(0)
    low, high = np.array([(f.low, f.high) for f in victim.features]).T
    statuses = [
        transport.send("POST", "/v1/predict", {"rows": [row.tolist()]}, {"X-API-Key": "thief"}).status
        for row in rng.uniform(low, high, (20, len(low)))
    ]
    log = app.extensions["query_log"]
    assert statuses.count(200) == log.rows("thief") < 10
    assert set(statuses[-10:]) == {429}
    ordinary = victim.test.X[:30].tolist()
    assert transport.send("POST", "/v1/predict", {"rows": ordinary}, {"X-API-Key": "customer"}).status == 200
    transport.close()


def test_a_monitor_without_start_says_so():
    with pytest.raises(NotImplementedError, match="start"):
        Monitor(1.0).scores([[0.0]])


def record(time, rows, key="a", source="192.0.2.1"):
    return Record(time, key, source, len(rows), "answered", 1.0, content=np.asarray(rows, dtype=float))


def test_features_of_a_key_counted_by_hand(reference):
    first, second = np.zeros(WIDTH), np.ones(WIDTH)
    log = [record(0, [first, second]), record(1800, [first]), record(4000, [second, first], source="192.0.2.9")]
    found = key_features(log, reference)["a"]
    assert (found.rows, found.peak, found.sources, found.keys) == (5, 3, 2, 1)
    assert found.first_hour == pytest.approx(3 / 5)
    assert found.repeated == pytest.approx(3 / 5)
    assert found.gap == 0
    assert found.unsure == pytest.approx(3 / 5), "the rows at 0 lie on the boundary"


def test_features_of_a_cluster_join_its_keys(reference):
    log = [record(0, honest(1, 3)[0], key=key) for key in "abc"] + [Record(0, "d", "", 1, "answered", 1.0)]
    found = cluster_features(log, {"a": "x", "b": "x"}, reference)
    assert {name: (f.keys, f.rows) for name, f in found.items()} == {"x": (2, 6), "c": (1, 3)}


def test_a_key_with_a_long_past_costs_bounded_memory(reference, monkeypatch):
    monkeypatch.setattr("targets.watch.martingale.PAST", 50)
    state = Martingale(reference).start()
    rows = honest(1, 180)[0]
    scores = state.update(rows)
    assert len(state._past) == 50
    assert len(state._seen) == 50
    assert {row.tobytes() for row in state._past} == {row.tobytes() for row in reference.scaled(rows)[-50:]}
    assert scores.max() < 100, "what is forgotten may only make p-values larger"
