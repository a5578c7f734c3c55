"""Lab 06's traffic, limits and attacks: what the notebook shows comes from these."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from labkit import Defence, Refused, launch
from labkit.slow_theft import (
    agreement_by_rows,
    compare_copies,
    connected,
    days_until,
    plot_days,
    refused_table,
    steal_with_keys,
    sybil_table,
)
from labkit.storms import forge, refusal, seconds_to_answer, storm
from labkit.traffic import (
    DAY,
    MONDAY,
    DailyBudget,
    FixedWindow,
    GlobalBudget,
    NetworkBudget,
    Reception,
    Request,
    Several,
    TokenBucket,
    honest_refused,
    honest_week,
    play,
    rows_granted,
    thieves,
)


@pytest.fixture
def week():
    return honest_week(np.random.default_rng(1))


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", "grading.openers:wsgi")


def test_the_week_is_what_its_docstring_says(week):
    assert [r.time for r in week] == sorted(r.time for r in week)
    assert all(MONDAY <= r.time < MONDAY + 7 * DAY for r in week)
    totals = {}
    for r in week:
        day = int((r.time - MONDAY) // DAY)
        totals[r.key, day] = totals.get((r.key, day), 0) + r.rows
    assert {v for (key, _), v in totals.items() if key == "nightly"} == {200}
    assert max(v for (key, _), v in totals.items() if key != "nightly") < 100
    assert not any(r.thief for r in week)


def test_thieves_have_their_keys_and_networks():
    requests = thieves(keys=10, days=1, networks=4)
    assert len({r.key for r in requests}) == 10
    assert len({r.source for r in requests}) == 10
    assert len({r.source.rpartition(".")[0] for r in requests}) == 4
    assert sum(r.rows for r in requests if r.key == "account 0") == 96 * 5


def test_a_daily_budget_is_what_a_key_gets_a_day(week):
    run = play(DailyBudget(50), week + thieves(keys=3))
    assert rows_granted(run) == 3 * 7 * 50
    assert rows_granted(run, days=2) == 3 * 2 * 50
    assert honest_refused(run, "nightly") == 0.75


def test_contracts_are_exceptions_and_networks_share(week):
    signed = {"nightly": 400, "office": 120}
    run = play(Several(DailyBudget(50, signed), NetworkBudget(50, signed)), week + thieves(keys=20, networks=4))
    assert rows_granted(run) == 4 * 7 * 50
    assert honest_refused(run) == 0


def test_a_global_budget_is_spent_by_whoever_comes_first(week):
    run = play(GlobalBudget(700), week + thieves(keys=20))
    total = sum(r.request.rows for r in run if r.granted)
    assert total <= 7 * 700
    assert honest_refused(run) > 0.9


def test_limits_refuse_with_an_honest_wait():
    ask = [Request(MONDAY + 30 + i, "k", "192.0.2.1", 6) for i in range(2)]
    fixed, bucket = play(FixedWindow(10, 60), ask), play(TokenBucket(10, 0.5), ask)
    assert [r.granted for r in fixed] == [r.granted for r in bucket] == [True, False]
    assert fixed[1].wait == 29
    assert bucket[1].wait == pytest.approx((6 - 4.5) / 0.5)


def test_the_sybil_thief_buys_with_each_key_until_it_is_refused():
    with launch("tumour", defences=["sliding_window:rows=20,seconds=3600"]) as target:
        pool = target.data("pool").X
        theft = steal_with_keys(target.api, pool, keys=3, budget=100, batch=7)
        assert theft.queries == 3 * 14
        assert [target.usage(f"account {i}")["rows"] for i in range(4)] == [14, 14, 14, 0]
        assert np.array_equal(theft.rows, pool[:42])
        assert steal_with_keys(target.api, pool, keys=3, budget=100, batch=7).surrogate is None
        table = compare_copies({"a": theft}, pool[:10], target.api("b").labels(pool[:10]))
        assert table.rows[0]["rows bought"] == 42


def test_days_until_reads_the_end_of_the_day():
    run = [Reception(Request(MONDAY + day * DAY, "k", "s", 10, thief=True), True) for day in range(5)]
    assert days_until(run, lambda rows: rows / 100, floor=0.3, days=7) == 3
    assert days_until(run, lambda rows: rows / 100, floor=0.9, days=7) is None


def test_the_figure_and_tables_hold_the_numbers(week):
    with launch("tumour") as target:
        measure = agreement_by_rows(target, seeds=(0,))
        assert measure(1) == 0.0
        assert 0.8 < measure(100) <= 1.0
    run = play(DailyBudget(20), week + thieves(keys=1))
    figure = plot_days({"20": run}, {"20": 0.1}, measure, days=3, title="t", alt="a")
    assert [row["rows stolen"] for row in figure.table] == [20, 40, 60]
    assert refused_table({"20": run}, "nightly").rows[0]["nightly"] == "100.0%"
    table = sybil_table({"a": lambda: DailyBudget(20)}, week, measure, keys=(1, 2), networks=1, floor=0.8)
    assert [row["rows stolen in a week"] for row in table.rows] == [140, 280]


class Ten(Defence):
    def __init__(self, limit, seconds):
        self.lock, self.used, self.limit = threading.Lock(), 0, limit

    def before(self, query):
        with self.lock:
            if self.used + len(query.rows) > self.limit:
                raise Refused("enough", retry_after=5)
            self.used += len(query.rows)


@pytest.mark.parametrize("opener", ["", "grading.openers:wsgi"])
def test_a_storm_counts_what_the_target_counts(monkeypatch, opener):
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", opener)
    (row,) = storm(Ten, limit=10, asked=30, threads=4).rows
    assert (row["rows granted (target's log)"], row["refused (429)"], row["failed (503)"]) == (10, 20, 0)


def test_a_storm_on_nothing_says_so():
    def unwritten(limit, seconds):
        raise NotImplementedError

    assert "not written yet" in repr(storm(unwritten))


@pytest.mark.parametrize(("proxies", "answered"), [((), 10), (("127.0.0.1",), 10), (("0.0.0.0/0",), 30)])
def test_forged_headers_help_only_where_everybody_is_believed(proxies, answered):
    with launch("tumour", defences=["sliding_window:rows=10,seconds=3600,by=source"], proxies=proxies) as target:
        assert forge(target, asked=30) == answered


def test_refusal_and_delay_are_told_in_numbers():
    defences = ["delay:rows=5,rate=1000.0,longest=0.1", "sliding_window:rows=15,seconds=3600"]
    with launch("tumour", defences=defences) as target:
        assert seconds_to_answer(target, batches=2, rows=5) > 0
        rows = target.data("pool").X
        assert refusal(target, rows[:1], key="somebody") == "status 200: 1 rows answered"
        assert "status 429, Retry-After 1 s: this query has 6 rows" in refusal(target, rows[:6], key="somebody")


def test_connected_follows_chains():
    names = connected(list("abcdef"), [("a", "b"), ("c", "d"), ("b", "c")])
    assert len({names[k] for k in "abcd"}) == 1
    assert len(set(names.values())) == 3
