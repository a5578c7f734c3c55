"""The query log: complete, countable, durable, and safe to share."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from targets.querylog import QueryLog, Record

ANSWERED = Record(time=12.5, key="alice", source="127.0.0.1", rows=3, verdict="answered", latency_ms=0.7)


@pytest.fixture(params=["memory", "file"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QueryLog]:
    log = QueryLog("sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'log.db'}")
    yield log
    log.close()


def test_records_come_back_in_order_and_whole(log: QueryLog) -> None:
    records = [replace(ANSWERED, rows=n, key=key) for n, key in enumerate(["alice", "bob", "alice"])]
    for record in records:
        log.append(record)
    assert log.records() == records
    assert log.records("alice") == [records[0], records[2]]


def test_only_answered_rows_count(log: QueryLog) -> None:
    for verdict in ("answered", "answered", "refused", "invalid", "failed"):
        log.append(replace(ANSWERED, verdict=verdict))
    log.append(replace(ANSWERED, key="bob", rows=5))
    assert (log.rows("alice"), log.rows("bob"), log.rows("nobody"), log.rows()) == (6, 5, 0, 11)


def test_usage_counts_requests_answered_rows_and_refusals(log: QueryLog) -> None:
    for verdict in ("answered", "refused", "invalid"):
        log.append(replace(ANSWERED, verdict=verdict))
    expected = {"key": "alice", "requests": 3, "rows": 3, "refused_requests": 1, "refused_rows": 3}
    assert log.usage("alice") == expected
    assert log.usage("nobody") == {**dict.fromkeys(expected, 0), "key": "nobody"}


def test_rows_are_kept_to_the_last_bit_when_asked(log: QueryLog) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 4))
    log.append(replace(ANSWERED, content=rows))
    (record,) = log.records()
    assert record.content is not None
    assert record.content.tobytes() == rows.tobytes()
    assert record.content.shape == (3, 4)


@pytest.mark.parametrize("reason", ["x" * 5000, "nul \x00 inside", "half a pair \ud800", "caf\u00e9"])
def test_no_reason_breaks_the_log(log: QueryLog, reason: str) -> None:
    log.append(replace(ANSWERED, reason=reason))
    assert len(log.records()[0].reason) <= 300


def test_eight_threads_lose_no_record(log: QueryLog) -> None:
    def write(key: str) -> None:
        for _ in range(25):
            log.append(replace(ANSWERED, key=key, rows=1))
            log.rows(key)

    threads = [threading.Thread(target=write, args=(f"client {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.rows() == 200
    assert [log.rows(f"client {n}") for n in range(8)] == [25] * 8


def test_two_logs_on_one_file_see_each_other(tmp_path: Path) -> None:
    first, second = (QueryLog(f"sqlite:///{tmp_path / 'log.db'}") for _ in range(2))
    first.append(ANSWERED)
    second.append(ANSWERED)
    assert first.rows() == second.rows() == 6
    first.close()
    second.close()


def test_a_file_log_writes_ahead(tmp_path: Path) -> None:
    log = QueryLog(f"sqlite:///{tmp_path / 'log.db'}")
    log.append(ANSWERED)
    other = sqlite3.connect(tmp_path / "log.db")  # another reader sees the record while the log is still open
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert other.execute('SELECT key, "rows", verdict FROM queries').fetchall() == [("alice", 3, "answered")]
    other.close()
    log.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "nosuch://x", "sqlite:////no/such/folder/log.db", "postgresql+no://b:hunter2@h/x"]
)
def test_a_log_that_cannot_be_opened_says_so_and_shows_no_password(url: str) -> None:
    with pytest.raises(ValueError, match="the query log cannot be opened") as caught:
        QueryLog(url)
    assert "hunter2" not in str(caught.value)
