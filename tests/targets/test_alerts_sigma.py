"""The counting rules as Sigma: a converter takes them, and the converted query accuses the thief and no customer."""

from __future__ import annotations

import json
import socket
import sqlite3

import numpy as np
import pytest
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

from targets import Query
from targets.__main__ import main
from targets.querylog import QueryLog, Record
from targets.watch.refusals import Refusals
from targets.watch.rules import Spike
from targets.watch.sigma import refusals_rule, spike_rule

START = 1_800_000_000.0


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """pySigma can fetch tables of techniques; a rule of ours must not need any."""

    def refuse(*arguments):
        raise AssertionError(f"asked the network: {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def log(database):
    opened = QueryLog(f"sqlite:///{database}")
    yield opened
    opened.close()


def accused(rule, database):
    """The keys that the rule, converted to SQL, finds in a query log."""
    backend = sqliteBackend(table="queries", timestamp_field="time", timestamp_format="unix")
    (query,) = backend.convert(SigmaCollection.from_yaml(rule))
    connection = sqlite3.connect(database)
    try:
        cursor = connection.execute(query)
        columns = [column[0] for column in cursor.description]
        return {json.loads(dict(zip(columns, row, strict=True))["group_keys"])["key"] for row in cursor}
    finally:
        connection.close()


def write(log, key, times, rows=1, verdict="answered"):
    for time in times:
        log.append(Record(START + time, key, "192.0.2.1", rows, verdict, 1.0))


def test_who_asks_on_though_refused_is_accused_and_who_waits_is_not(log, database):
    write(log, "thief", range(0, 300, 30), rows=10)
    write(log, "thief", range(300, 600, 30), rows=10, verdict="refused")
    write(log, "customer", range(0, 6000, 30), rows=3)
    write(log, "customer", range(0, 6000, 600), verdict="refused")  # once in ten minutes, then it waits
    write(log, "clumsy", range(0, 300, 10), verdict="invalid")
    assert accused(refusals_rule(Refusals(refused=10, seconds=600)), database) == {"thief"}


def test_a_spike_sums_rows_not_requests(log, database):
    write(log, "thief", range(0, 3000, 500), rows=50)
    write(log, "chatty", range(0, 3000, 20), rows=1)
    write(log, "patient", range(0, 40_000, 4000), rows=150)
    write(log, "broken", [0], rows=5000, verdict="invalid")
    assert accused(spike_rule(Spike(rows=200, seconds=3600)), database) == {"thief"}


@pytest.mark.parametrize("seed", range(5))
def test_the_rule_and_the_monitor_accuse_the_same_keys(log, database, seed):
    rng = np.random.default_rng(seed)
    spike, refusals = Spike(rows=20, seconds=60), Refusals(refused=4, seconds=60)
    found = {"spike": set(), "refusals": set()}
    for time in np.sort(rng.choice(600, 200, replace=False)):  # one request a second at most: order is clear
        key, rows, verdict = f"key {rng.integers(6)}", int(rng.integers(1, 4)), rng.choice(["answered", "refused"])
        write(log, key, [float(time)], rows=rows, verdict=str(verdict))
        query = Query(np.zeros((rows, 1)), key=key, time=START + float(time))
        monitors = [spike, refusals] if verdict == "refused" else [spike]
        found["spike"] |= {alert.key for alert in [spike.observe(query)] if alert}
        found["refusals"] |= {alert.key for m in monitors[1:] for alert in [m.observe(query)] if alert}
    # A window of Sigma holds both of its ends, a monitor's only the later one; a second of difference decides nothing.
    for rule, name in ((spike_rule(Spike(20, 59)), "spike"), (refusals_rule(Refusals(4, 59)), "refusals")):
        assert accused(rule, database) == found[name]
    assert found["spike"] | found["refusals"]


def test_equal_settings_make_the_same_rule_and_other_settings_another():
    def ids(rule):
        return [str(document.id) for document in SigmaCollection.from_yaml(rule)]

    assert ids(spike_rule(Spike(200))) == ids(spike_rule(Spike(200)))
    assert ids(spike_rule(Spike(200)))[1] != ids(spike_rule(Spike(201)))[1]
    assert len(set(ids(refusals_rule(Refusals())) + ids(spike_rule(Spike())))) == 4


@pytest.mark.parametrize(("seconds", "written"), [(60, "1m"), (3600, "1h"), (86_400, "1d"), (90, "90s")])
def test_timespans_are_written_as_sigma_writes_them(seconds, written):
    assert f'timespan: "{written}"' in spike_rule(Spike(seconds=seconds))


def test_the_command_line_prints_both_rules(capsys):
    assert main(["sigma"]) == 0
    titles = [rule.title for rule in SigmaCollection.from_yaml(capsys.readouterr().out)]
    assert [title for title in titles if title.startswith("At least")] == [
        "At least 10 refused queries of one API key within 10m",
        "At least 200 rows of one API key within 1h",
    ]


def test_sigma_has_no_fractions_of_a_second():
    with pytest.raises(ValueError, match=r"whole seconds, not in 0\.5 s"):
        spike_rule(Spike(seconds=0.5))
