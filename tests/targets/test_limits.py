"""Limits count rows, never grant too much whatever happens to clock and order, and say honestly how long to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from targets import Query, Refused
from targets.defences.cluster_budget import ClusterBudget
from targets.defences.counters import MemoryCounters, counter_key, counters_for
from targets.defences.daily_budget import DailyBudget
from targets.defences.delay import Delay
from targets.defences.fixed_window import FixedWindow
from targets.defences.global_budget import GlobalBudget
from targets.defences.limiting import Limit, network_of
from targets.defences.sliding_window import SlidingWindow
from targets.defences.token_bucket import TokenBucket

START = 20_833 * 86_400.0  # a whole number of days after 1970
LIMIT, SECONDS = 10, 60


def fixed(**settings: Any) -> Limit:
    return FixedWindow(LIMIT, SECONDS, **settings)


def sliding(**settings: Any) -> Limit:
    return SlidingWindow(LIMIT, SECONDS, **settings)


def bucket(**settings: Any) -> Limit:
    return TokenBucket(LIMIT, LIMIT / SECONDS, **settings)


EVERY = [pytest.param(make, id=make.__name__) for make in (fixed, sliding, bucket)]


def ask(limit: Limit, rows: int, time: float, key: str = "k", source: str = "192.0.2.1") -> float:
    """Seconds to wait, 0 when granted."""
    try:
        limit.before(Query(np.zeros((rows, 2)), key, source, time))
    except Refused as refused:
        return refused.retry_after
    return 0.0


@pytest.mark.parametrize("make", EVERY)
def test_a_limit_counts_rows_not_requests(make: Callable[[], Limit]) -> None:
    limit = make()
    assert ask(limit, 9, START) == 0
    assert ask(limit, 2, START) > 0
    assert ask(limit, 1, START) == 0


@pytest.mark.parametrize("make", EVERY)
def test_refused_rows_are_not_counted(make: Callable[[], Limit]) -> None:
    limit = make()
    assert ask(limit, 6, START) == 0
    assert all(ask(limit, 6, START) > 0 for _ in range(100))
    assert ask(limit, 4, START) == 0


@pytest.mark.parametrize("make", EVERY)
def test_a_batch_that_never_fits_is_told_to_send_fewer(make: Callable[[], Limit]) -> None:
    limit = make()
    with pytest.raises(Refused, match="this query has 11 rows and the limit is 10: send fewer") as refused:
        limit.before(Query(np.zeros((11, 2))))
    assert refused.value.next_step == "Send at most 10 rows at a time"  # type: ignore[attr-defined]
    assert ask(limit, 10, 0.0, key="anonymous") == 0


def test_the_fixed_window_lets_twice_its_limit_through_around_an_edge_and_the_sliding_one_does_not() -> None:
    def granted(limit: Limit) -> int:
        times = [START + 59.9] * 20 + [START + 60.1] * 20
        return sum(ask(limit, 1, time) == 0 for time in times)

    assert granted(fixed()) == 2 * LIMIT
    assert granted(sliding()) == LIMIT
    assert granted(bucket()) == LIMIT


def test_a_day_ends_at_midnight_utc() -> None:
    budget = DailyBudget(100)
    assert ask(budget, 100, START + 10) == 0
    assert ask(budget, 1, START + 86_399) == pytest.approx(1.0, abs=0.01)
    assert ask(budget, 100, START + 86_400) == 0


@pytest.mark.parametrize("make", EVERY)
def test_keys_have_limits_of_their_own(make: Callable[[], Limit]) -> None:
    limit = make()
    for key in ("a", "b", "", "k" * 100_000, "\x00", "ключ", "\ud800"):
        assert ask(limit, LIMIT, START, key=key) == 0
        assert ask(limit, 1, START, key=key) > 0


def test_keys_are_stored_hashed_and_short() -> None:
    assert "secret" not in counter_key("limit", "secret")
    assert len(counter_key("k" * 100_000)) == 40
    assert counter_key("a", "bc") != counter_key("ab", "c")
    assert counter_key("a\x1f", "b") != counter_key("a", "\x1fb")


def test_whom_a_limit_counts_together() -> None:
    def shared(by: str, *senders: tuple[str, str]) -> bool:
        limit = fixed(by=by)
        first, second = (ask(limit, LIMIT, START, key, source) for key, source in senders)
        assert first == 0
        return second > 0

    assert shared("key", ("a", "192.0.2.1"), ("a", "198.51.100.1"))
    assert not shared("key", ("a", "192.0.2.1"), ("b", "192.0.2.1"))
    assert shared("source", ("a", "192.0.2.1"), ("b", "192.0.2.1"))
    assert not shared("source", ("a", "192.0.2.1"), ("a", "192.0.2.2"))
    assert shared("source", ("a", "2001:db8::1"), ("a", "2001:db8::ffff:1"))
    assert shared("network", ("a", "192.0.2.1"), ("b", "192.0.2.200"))
    assert not shared("network", ("a", "192.0.2.1"), ("b", "192.0.3.1"))
    assert shared("network", ("a", "2001:db8:1::1"), ("b", "2001:db8:1:ffff::1"))
    assert shared("everyone", ("a", "192.0.2.1"), ("b", "2001:db8::1"))
    assert shared("network", ("a", "in process"), ("b", "in process"))


def test_a_cluster_shares_one_budget_by_payer_and_else_by_network() -> None:
    budget = ClusterBudget(10, clusters={"a": "card 1", "b": "card 1", "c": "card 2"})
    assert ask(budget, 10, START, "a", "192.0.2.1") == 0
    assert ask(budget, 1, START, "b", "198.51.100.1") > 0
    assert ask(budget, 10, START, "c", "192.0.2.1") == 0
    assert ask(budget, 10, START, "stranger", "192.0.2.1") == 0
    assert ask(budget, 1, START, "another", "192.0.2.9") > 0


def test_the_global_budget_is_everybodys() -> None:
    budget = GlobalBudget(10)
    assert ask(budget, 10, START, "thief") == 0
    assert ask(budget, 1, START, "customer", "198.51.100.1") > 0


def test_a_delay_holds_replies_and_refuses_what_it_would_hold_too_long() -> None:
    slept: list[float] = []
    delay = Delay(10, rate=2.0, longest=3.0, sleep=slept.append)
    assert ask(delay, 10, START) == 0
    assert slept == []
    assert ask(delay, 4, START) == 0
    assert slept == [pytest.approx(2.0)]
    assert ask(delay, 4, START) == pytest.approx(1.0, abs=0.01)  # 4 s would be too long: come back in 1 s
    assert slept == [pytest.approx(2.0)]
    assert ask(delay, 4, START + 1.001) == 0
    assert slept == [pytest.approx(2.0), pytest.approx(3.0, abs=0.01)]


def test_a_delay_as_advice_never_sleeps() -> None:
    delay = Delay(10, rate=2.0, longest=0, sleep=lambda seconds: pytest.fail(f"slept {seconds} s"))
    assert ask(delay, 10, START) == 0
    assert ask(delay, 1, START) == pytest.approx(0.5, abs=0.01)


# A busy machine must not fail a test of the clock.
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
events = st.lists(st.tuples(st.floats(0, 90), st.integers(1, LIMIT)), min_size=1, max_size=60)


def run(limit: Limit, gaps_and_rows: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """(time, rows) of what was granted."""
    time, granted = START + 17.3, []
    for gap, rows in gaps_and_rows:
        time += gap
        if ask(limit, rows, time) == 0:
            granted.append((time, rows))
    return granted


def most_within(granted: list[tuple[float, int]], seconds: float) -> int:
    return max(
        (sum(rows for time, rows in granted if start <= time <= start + seconds) for start, _ in granted), default=0
    )


@quick
@given(events)
def test_the_sliding_window_never_grants_more_in_any_window(gaps_and_rows: list[tuple[float, int]]) -> None:
    assert most_within(run(sliding(), gaps_and_rows), SECONDS) <= LIMIT


@quick
@given(events)
def test_the_fixed_window_never_grants_more_in_one_of_its_windows(gaps_and_rows: list[tuple[float, int]]) -> None:
    windows: dict[float, int] = {}
    for time, rows in run(fixed(), gaps_and_rows):
        windows[time // SECONDS] = windows.get(time // SECONDS, 0) + rows
    assert max(windows.values(), default=0) <= LIMIT


@quick
@given(events, st.floats(0.1, 600))
def test_the_bucket_never_grants_more_than_burst_and_refill(
    gaps_and_rows: list[tuple[float, int]], seconds: float
) -> None:
    assert most_within(run(bucket(), gaps_and_rows), seconds) <= LIMIT + LIMIT / SECONDS * seconds + 1e-6


@pytest.mark.parametrize("make", EVERY)
@quick
@given(gaps_and_rows=events)
def test_who_waits_as_told_is_served(make: Callable[[], Limit], gaps_and_rows: list[tuple[float, int]]) -> None:
    limit, time = make(), START + 17.3
    for gap, rows in gaps_and_rows:
        time += gap
        wait = ask(limit, rows, time)
        assert wait <= SECONDS + 1
        if wait:
            time += wait
            assert ask(limit, rows, time) == 0


@pytest.mark.parametrize("make", EVERY)
@quick
@given(gaps_and_rows=events)
def test_a_limit_grants_what_it_promises(make: Callable[[], Limit], gaps_and_rows: list[tuple[float, int]]) -> None:
    """Nothing is refused that a plain count of the last window would grant."""
    limit, time = make(), START + 17.3
    granted: list[tuple[float, int]] = []
    for gap, rows in gaps_and_rows:
        time += gap
        # A full window after the last grant before it, every rule is empty again.
        recent = sum(n for when, n in granted if when >= time - SECONDS)
        if ask(limit, rows, time) == 0:
            granted.append((time, rows))
        else:
            assert recent + rows > LIMIT


# Threads arrive out of order, and an administrator sets the clock back: (gap of real time, step of the clock).
gaps = st.sampled_from([0.0, 0.01, 1.0, 20.0, 50.0])
back = st.sampled_from([0.0, 0.0, -0.02, -15.0, -61.0, -400.0])
steps = st.lists(st.tuples(gaps, back), min_size=1, max_size=40)


@pytest.mark.parametrize(("make", "most"), [(fixed, 2 * LIMIT), (sliding, LIMIT), (bucket, 2 * LIMIT)])
@quick
@given(gaps_and_steps=steps)
def test_a_clock_that_is_put_back_gives_nothing_away_and_locks_nobody_out_for_long(
    make: Callable[[], Limit], most: int, gaps_and_steps: list[tuple[float, float]]
) -> None:
    limit, real, offset = make(), START + 17.3, 0.0
    granted = []
    for gap, step in gaps_and_steps:
        real += gap
        offset += step
        wait = ask(limit, 5, real + offset)
        if wait == 0:
            granted.append((real, 5))
        assert wait <= 2 * SECONDS + 1
    assert most_within(granted, SECONDS) <= most


@quick
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 5.0]), st.sampled_from([0.0, 15.0])), min_size=1, max_size=40))
def test_threads_that_arrive_out_of_order_get_no_extra_refill(gaps_and_delays: list[tuple[float, float]]) -> None:
    limit, time, granted = bucket(), START, []
    for gap, late in gaps_and_delays:
        time += gap
        if ask(limit, 2, time - late) == 0:
            granted.append((time, 2))
    assert sum(rows for _, rows in granted) <= LIMIT + LIMIT / SECONDS * (time - START + 15.0) + 1e-6


def test_what_has_run_out_is_forgotten() -> None:
    counters = MemoryCounters()
    for i in range(20_000):
        counters.fixed(f"invented {i}", 1, 10, 1, START + i)
    assert len(counters) <= 1024
    counters.sliding("log", 1, 50, 60, START)
    for i in range(5_000):
        counters.sliding("log", 1, 50, 60, START + 100 * i)
    assert len(counters._states["log"][1][0]) <= 50


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FixedWindow(rows=0), "rows is a whole number from 1 up, not 0"),
        (lambda: FixedWindow(seconds=1.5), "seconds is a whole number from 1 up, not 1.5"),  # type: ignore[arg-type]
        (lambda: SlidingWindow(by="ip"), "by is one of key, source, network, everyone, not 'ip'"),
        (lambda: TokenBucket(rate=float("nan")), "rate is a number above 0, not nan"),
        (lambda: Delay(longest=-1), "longest is a number above 0, not -1"),
        (lambda: Delay(sleep="no"), "sleep is a function of seconds"),  # type: ignore[arg-type]
        (lambda: ClusterBudget(clusters="a"), "clusters maps API keys"),  # type: ignore[arg-type]
        (lambda: DailyBudget(store="mysql://x"), "store is memory:// or a redis:// URL, not 'mysql'"),
        (lambda: DailyBudget(store="redis://localhost:port"), "store is a redis:// URL, and this one cannot be read"),
    ],
)
def test_a_wrong_setting_is_named(make: Callable[[], Limit], words: str) -> None:
    with pytest.raises(ValueError, match=" ") as caught:
        make()
    assert words in str(caught.value)


def test_a_password_in_the_store_is_not_shown() -> None:
    assert "hunter2" not in repr(DailyBudget(store="redis://:hunter2@127.0.0.1:1/0"))
    assert repr(counters_for("memory://")) == "memory"


@pytest.mark.parametrize(
    ("source", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("::ffff:192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48")],
)
def test_the_network_around_an_address(source: str, network: str) -> None:
    assert network_of(source) == network


def test_a_refusal_over_http_says_how_long_and_what_next(client_for: Callable[..., Any], row: list[float]) -> None:
    now: Iterator[float] = iter([START + 30.5] * 10)
    client = client_for(defences=(FixedWindow(3, 60),), clock=lambda: next(now))
    assert client.post("/v1/predict", json={"rows": [row] * 3}).status_code == 200
    refused = client.post("/v1/predict", json={"rows": [row]})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    assert refused.json["detail"] == "the limit of 3 rows a minute is reached"
    assert "Retry-After" in refused.json["next_step"]
    too_many = client.post("/v1/predict", json={"rows": [row] * 4})
    assert (too_many.status_code, too_many.json["next_step"]) == (429, "Send at most 3 rows at a time")
    usage = client.get("/v1/usage").json
    assert (usage["rows"], usage["refused_requests"], usage["refused_rows"]) == (3, 2, 5)
