"""Lab 11's incident room: papers, the copy trained from the log, the monitor, and a live day on three transports."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.defending import Query
from labkit.incident_plots import plot_growth, plot_keys, plot_leaks
from labkit.incident_room import copies_from_log, crews_copy, endings_table, moments, open_incident, papers, play_live
from labkit.launch import launch
from labkit.playbook_ears import Ears
from labkit.playbook_scenes import liar


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", "grading.openers:wsgi")


@pytest.fixture
def bank():
    with launch("credit") as target:
        yield target


def ask_who_is_linked(event):
    if event["kind"] == "alert":
        return None if event["contract"] == "what-if" or event["confirmed"] else "step up"
    if event["kind"] == "new address":
        return "step up" if event["linked"] else None
    return {"confirmed": "watch", "unanswered": "revoke"}.get(event["kind"])


def test_papers_tell_whose_time_they_are_in(bank):
    incident = open_incident(bank, seed=11)
    lines = papers(incident)
    assert [line["entries"] for line in lines] == [len(part) for part in list(incident.case.values())[:4]]
    assert f"{incident.trail_fast:g} s fast" in lines[1]["time"]
    figure = plot_keys(incident, sorted(incident.crew_keys), title="t", alt="a")
    assert {line["key"] for line in figure.table} == incident.crew_keys
    assert [line["first request, day"] for line in figure.table] == sorted(
        line["first request, day"] for line in figure.table
    )


def test_the_alert_comes_before_the_bill_and_both_within_the_week(bank):
    known = moments(open_incident(bank, seed=11))
    assert 2 < known["first alert"] < known["disputed bill"] < 7


def test_the_copy_from_the_log_grows_and_counts_the_rows_given(bank):
    incident = open_incident(bank, seed=11)
    growth = copies_from_log(bank, incident, incident.crew_lines, steps=3)
    rows = [line["rows"] for line in growth]
    assert rows == sorted(rows)
    assert rows[-1] == sum(incident.log[number - 1]["rows"] for number in incident.crew_lines)
    assert growth[-1]["forest"] > growth[0]["forest"] > 0.5
    few = copies_from_log(bank, incident, incident.crew_lines[:4], steps=1)
    assert few[-1]["rows"] == 20
    assert plot_growth(growth, {"alert": 2.5}, title="t", alt="a").table[0]["rows"] == rows[0]


def test_ears_tell_once_and_refuse_nobody(bank):
    pool, card = bank.data("pool").X, bank.model()
    ears = Ears(pool[:250], pool[250:500], rows_an_hour=40)
    rng = np.random.default_rng(0)
    for _ in range(12):
        ears.before(Query(rng.uniform(card.low, card.high, (5, 10)), "odd"))
        ears.before(Query(pool[500 + rng.integers(400, size=5)], "plain"))
    told = [(alert["key"], alert["detector"]) for alert in ears.new_alerts()]
    assert sorted(told) == [("odd", "martingale"), ("odd", "spike"), ("plain", "spike")]
    assert ears.new_alerts() == []
    slow = Ears(pool[:250], pool[250:500], rows_an_hour=40)
    for hour in range(12):
        slow.now = 3600.0 * hour
        slow.before(Query(pool[500 + 5 * hour : 505 + 5 * hour], "plain"))
    assert slow.new_alerts() == []


def test_a_live_day_is_worth_what_its_playbook_is(bank):
    endings = {
        "nothing": play_live(bank, lambda event: None, seed=1),
        "links": play_live(bank, ask_who_is_linked, seed=1),
        "trusting": play_live(bank, liar, seed=1),
        "testing": play_live(bank, liar, seed=1, tests=True),
    }
    told = {name: ending.leaked() for name, ending in endings.items()}
    assert told["trusting"] < told["links"] < told["nothing"] / 3
    assert told["trusting"] < told["testing"]
    assert [ending.lied_to for ending in endings.values()] == [0, 0, 0, 0]
    table = {line["playbook"]: line for line in endings_table(bank, endings)}
    worth = {name: line["agreement of the crew's copy"] for name, line in table.items()}
    assert worth["trusting"] < 0.6 < worth["links"] < worth["nothing"]
    assert table["links"]["customers shut out at the end"] == 0
    assert [line["rows"] for line in plot_leaks(endings, title="t", alt="a").table] == list(told.values())


def test_an_unwritten_playbook_gets_a_sentence(bank):
    def untouched(event):
        raise NotImplementedError

    ending = play_live(bank, untouched)
    assert "exercise 11.4" in ending
    assert endings_table(bank, {"yours": ending}) == []


def test_a_crew_that_was_told_nothing_has_no_copy(bank):
    ending = play_live(bank, lambda event: "revoke", seed=1)
    assert (ending.crew, crews_copy(bank, ending)) == ([], 0.0)


def test_a_live_day_is_the_same_before_the_judge(bank, monkeypatch):
    here = play_live(bank, ask_who_is_linked, seed=2)
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", "grading.openers:judge_pipe")
    there = play_live(bank, ask_who_is_linked, seed=2)
    assert (here.leaked(), here.refused, len(here.decisions)) == (there.leaked(), there.refused, len(there.decisions))


@pytest.mark.slow
def test_a_live_day_is_the_same_over_http(bank, monkeypatch, tmp_path):
    here = play_live(bank, ask_who_is_linked, seed=2)
    monkeypatch.delenv("MODEL_THEFT_LABS_OPENER")
    monkeypatch.setenv("MODEL_THEFT_LABS_HOME", str(tmp_path))
    there = play_live(bank, ask_who_is_linked, seed=2)
    assert (here.leaked(), here.refused, len(here.decisions)) == (there.leaked(), there.refused, len(there.decisions))
