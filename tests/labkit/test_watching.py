"""Lab 10's helpers: scores counted by hand, curves, and traffic through a watched target in this process."""

from __future__ import annotations

import numpy as np
import pytest

from labkit import customers, query_thieves
from labkit.launch import launch
from labkit.suspicion import how_far, how_new, many_looks, rank, scaler
from labkit.watching import ANALYST, OwnGuard, alarmed_rows, leaked_rows, mixed_traffic, send, split_pool, stop_thieves
from labkit.watching_plots import band, caught_at, plot_scores, roc


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", "grading.openers:wsgi")


def test_a_rank_counts_the_row_itself():
    np.testing.assert_allclose(rank([1, 2, 3, 4], [5, 4, 2.5, 0]), [1 / 5, 2 / 5, 3 / 5, 1])


def test_distances_and_new_values_by_hand():
    known = np.array([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    assert scaler(known)([[1.5, 7.0]]).tolist() == [[0.0, 0.0]]
    sigma = known[:, 0].std()
    np.testing.assert_allclose(how_far(known)([[1.0, 7.0]]), [(0 + 1 + 1) / 3 / sigma])
    assert how_new(known)([[1.0, 7.0], [1.5, 7.0], [9.0, 9.0]]).tolist() == [0, 1, 2]


def test_many_looks_accuse_ever_more():
    shares = [float(row["honest keys accused"].rstrip("%")) for row in many_looks(np.random.default_rng(0))]
    assert shares == sorted(shares)
    assert shares[0] < 2 < 80 < shares[-1]


def test_a_roc_by_hand():
    false, caught, precision = roc([1, 2, 3, 4], [3.5, 5])
    assert caught_at([1, 2, 3, 4], [3.5, 5], 0.0) == 0.5
    assert caught_at([1, 2, 3, 4], [3.5, 5], 0.25) == 1.0
    assert (false[-1], caught[-1], precision[-1]) == (1.0, 1.0, pytest.approx(2 / 6))
    low, high = band([1, 2, 3, 4] * 5, [3.5, 5] * 5, 0.25, np.random.default_rng(0))
    assert low <= 1.0 == high


def test_a_figure_of_scores_tells_the_alarm():
    figure = plot_scores({"a": [1, 200], "b": [1, 0.5]}, threshold=100, title="t", alt="a passes")
    assert [line["alarm at row"] for line in figure.table] == [2, "never"]


def test_streams_have_the_rows_their_kind_says():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 4))
    again = customers.repeating(rows, rng, 80)
    assert 5 < 80 - len(np.unique(again, axis=0)) < 40
    assert len(np.unique(customers.plain(rows, rng, 80), axis=0)) == 80
    formed = query_thieves.on_the_form(None, rows, None, rng, 30)
    assert all(np.isin(formed[:, j], rows[:, j]).all() for j in range(4))


def test_a_watched_target_tells_scores_and_alarms_and_what_leaked():
    with launch("tumour", defences=["watch:victim=tumour"]) as target:
        streams = mixed_traffic(target, seed=1, plain=3, heavy=0, odd=1, thieves=1, keys=5)
        watched = send(target, streams)
    assert len({stream.key for stream in streams}) == len(streams)
    lines = {line["kind"]: line for line in alarmed_rows(streams, watched)}
    assert lines["uniform"]["martingale"] == "100%"
    assert lines["plain"]["martingale"] == "0%"
    assert (lines[ANALYST]["side"], lines["uniform"]["side"]) == ("honest", "thief")
    leaked = {line["kind"]: line for line in leaked_rows(streams, watched)}
    assert leaked["uniform"]["leaked, most"] < 10
    assert leaked["Sybil, one row a key"]["leaked, all keys"] == 5
    key = next(stream.key for stream in streams if stream.kind == "uniform")
    assert any(
        alert["key"] == key and alert["queries_seen"] == watched.alarm("martingale", key) for alert in watched.alerts
    )


def test_a_watch_that_stops_answers_no_row_after_the_alarm():
    with launch("tumour", defences=["watch:victim=tumour,stop=True"]) as target:
        card = target.model()
        rows = np.random.default_rng(0).uniform(card.low, card.high, (20, len(card.low)))
        statuses = [
            target.transport.send("POST", "/v1/predict", {"rows": [row.tolist()]}, {"X-API-Key": "t"}).status
            for row in rows
        ]
        told = target.transport.send("GET", "/lab/watch").body
    assert statuses == sorted(statuses)
    assert statuses.count(200) == told["alerts"][0]["queries_seen"] - 1 < 10


def test_the_vendors_rows_and_the_thiefs_are_different_rows():
    with launch("tumour") as target:
        parts = split_pool(target)
        pool = target.data("pool").X
    assert sum(map(len, parts)) == len(pool) == len(np.unique(np.vstack(parts), axis=0))


def test_an_own_detector_on_guard_stops_whom_it_alarms():
    with launch("tumour") as target:
        streams = mixed_traffic(target, seed=1, plain=1, heavy=0, odd=0, thieves=1, keys=2)

    def third_row(known, ordinary, tables, threshold):
        return [3 if len(rows) >= 3 else 0 for rows in tables]

    answered = {line["answered (target's log)"] for line in stop_thieves(third_row, streams, "tumour")}
    assert answered == {2}

    def unwritten(*_):
        raise NotImplementedError

    assert "10.4" in stop_thieves(unwritten, streams, "tumour")
    assert "OwnGuard(threshold=100.0)" in repr(OwnGuard(third_row, pool := np.zeros((4, 2)), pool))
