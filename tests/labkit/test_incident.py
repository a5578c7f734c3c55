"""Lab 11's incident: lines like the real ones, a truth that can be found and is not told, evidence, and the replay."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import numpy as np
import pytest

from labkit import evidence
from labkit.api import ModelCard
from labkit.defending import Query, Refused, call_hook, describe
from labkit.incident import START, write_incident
from labkit.incident_people import EXIT
from labkit.playbook import ACTIONS, Containment, replay
from labkit.playbook_crew import Crew, CrewKey
from labkit.playbook_scenes import make_scene
from targets import TargetConfig, create_app, load_victim
from targets.access.audit import Line, first_broken
from targets.defences.mounted import Mounted
from targets.querylog import VERDICTS, QueryLog, Record
from targets.watch.alerts import Alert


@pytest.fixture(scope="module")
def victim():
    return load_victim("credit")


@pytest.fixture(scope="module")
def card(victim):
    return ModelCard(victim.name, victim.title, victim.features, victim.classes, "probabilities", 1000)


@pytest.fixture(scope="module")
def incident(victim, card):
    return write_incident(card, victim.pool.X, victim.test.X, seed=0)


# The lines


def test_log_lines_are_records_of_the_real_log(incident):
    log = QueryLog()
    for line, rows in zip(incident.log, incident.content, strict=True):
        fields = {name: line[name] for name in ("time", "key", "source", "rows", "verdict", "latency_ms", "reason")}
        log.append(Record(**fields, content=rows))
        assert line["verdict"] in VERDICTS
        assert len(rows) == line["rows"]
    assert log.rows() == sum(line["rows"] for line in incident.log if line["verdict"] == "answered")
    log.close()


def test_the_trail_is_a_sound_trail_of_the_real_kind(incident):
    lines = [Line(**line) for line in incident.trail]
    assert first_broken(lines) is None
    assert first_broken([dataclasses.replace(lines[3], actor="x"), *lines[4:]]) is not None
    assert [line["time"] for line in incident.trail] == sorted(line["time"] for line in incident.trail)


def test_alerts_have_the_fields_of_real_alerts(incident):
    names = {field.name for field in dataclasses.fields(Alert)}
    assert incident.alerts
    for alert in incident.alerts:
        assert set(alert) <= names
        assert {"time", "key", "detector", "priority", "score", "queries_seen", "reason"} <= set(alert)


def test_everything_is_in_order_of_time_and_is_plain_data(incident):
    assert json.loads(json.dumps(incident.case)) == incident.case
    times = [line["time"] for line in incident.log]
    assert times == sorted(times)
    assert [line["line"] for line in incident.log] == list(range(1, len(times) + 1))
    assert START <= times[0] < times[-1] < START + 7 * 86_400


def test_the_case_does_not_tell_who_it_was(incident):
    text = json.dumps(incident.case)
    assert "crew" not in text
    assert "thief" not in text


def test_seeds_give_other_incidents_and_the_same_seed_the_same(victim, card, incident):
    again = write_incident(card, victim.pool.X, victim.test.X, seed=0)
    other = write_incident(card, victim.pool.X, victim.test.X, seed=1)
    assert again.case == incident.case
    assert not other.crew_keys & incident.crew_keys


# The truth


@pytest.mark.parametrize("seed", range(6))
def test_counting_does_not_find_the_crew_and_linking_does(victim, card, seed):
    found = write_incident(card, victim.pool.X, victim.test.X, seed=seed)
    rows: dict[str, int] = {}
    for line in found.log:
        rows[line["key"]] = rows.get(line["key"], 0) + line["rows"]
    busiest = sorted(rows, key=rows.get, reverse=True)[: len(found.crew_keys)]
    assert len(set(busiest) & found.crew_keys) < 0.8 * len(found.crew_keys)
    alarmed = {alert["key"] for alert in found.alerts if alert["detector"] == "martingale"}
    assert len(alarmed & found.crew_keys) == 1  # the probe; the others ask real rows, or values of the form
    assert {line["source"] for line in found.log if line["key"] not in found.crew_keys} & {
        line["source"] for line in found.log if line["key"] in found.crew_keys
    } == {EXIT}


def test_every_crew_key_asks_and_the_stolen_one_works_for_both(incident):
    mine = [line for line in incident.log if line["line"] in set(incident.crew_lines)]
    assert {line["key"] for line in mine} == incident.crew_keys
    assert {line["verdict"] for line in mine} == {"answered"}
    disputed = {t["account"] for t in incident.tickets if t["kind"] == "disputed bill"}
    assert not disputed & incident.crew_accounts
    (stolen,) = [
        key
        for key in incident.crew_keys
        if any(line["key"] == key and f"for {next(iter(disputed))}," in line["detail"] for line in incident.trail)
    ]
    assert {line["source"] for line in incident.log if line["key"] == stolen} > {
        line["source"] for line in mine if line["key"] == stolen
    }


def test_no_key_is_used_before_it_was_issued_once_the_clock_is_put_right(incident):
    first: dict[str, float] = {}
    for line in incident.log:
        first.setdefault(line["key"], line["time"])
    issued = {line["key"]: line["time"] for line in incident.trail if line["event"] in ("issued", "rotated")}
    assert all(issued[key] - incident.trail_fast <= time for key, time in first.items())
    assert any(issued[key] > time for key, time in first.items()), "the fast clock would not be noticed"


# Evidence


def test_a_seal_shows_every_change_and_a_new_chain_shows_against_the_anchor(incident):
    items = evidence.collect(incident.case)
    lines = evidence.seal(items)
    assert evidence.seal(items) == lines
    changed = {**items, "alerts": items["alerts"][1:]}
    assert evidence.seal(changed)[-1]["digest"] != lines[-1]["digest"]
    assert [line["previous"] for line in lines[1:]] == [line["digest"] for line in lines[:-1]]
    assert all(line["digest"] == evidence.line_digest(line) for line in lines)
    assert sum(len(items[name]) for name in items if name.startswith("queries")) == len(incident.log)


def test_custody_goes_from_hand_to_hand():
    steps = evidence.handovers(["analyst", "lead", "counsel"], "head", 100.0)
    assert [(step["from"], step["to"]) for step in steps] == [("analyst", "lead"), ("lead", "counsel")]
    assert {step["head"] for step in steps} == {"head"}


# Containment


@pytest.fixture
def containment(victim):
    return Containment(victim.train.X, 7)


def refused(containment, key="k", source="192.0.2.1", rows=1):
    try:
        containment.before(Query(np.zeros((rows, 10)), key, source))
    except Refused as error:
        return error.message
    return None


def test_each_action_does_what_it_says(containment, victim):
    assert refused(containment) is None
    for action, words in (("revoke", "revoked"), ("step up", "confirm"), ("watch", None)):
        containment.put("k", action)
        assert words is None if refused(containment) is None else words in refused(containment)
    containment.put("k", "throttle")
    assert [refused(containment, rows=3), refused(containment, rows=3)] == [None, "this key is slowed down"]
    containment.now += 3601
    assert refused(containment, rows=3) is None
    with pytest.raises(ValueError, match="choose one of watch"):
        containment.put("k", "shoot")
    assert refused(containment, key="other") is None


def test_decoys_are_for_the_suspect_and_the_same_for_the_same_row(containment, victim):
    rows, own = victim.pool.X, victim.probabilities(victim.pool.X)
    containment.put("k", "honeypot")
    told = containment.after(Query(rows, "k"), own.copy())
    assert 0.3 < (told != own).any(axis=1).mean() < 0.7
    np.testing.assert_array_equal(containment.after(Query(rows[5:9], "k"), own[5:9].copy()), told[5:9])
    assert (containment.after(Query(rows, "customer"), own.copy()) == own).all()


def test_a_confirmed_key_opens_from_the_address_that_confirmed_alone(containment):
    containment.bind("k", "192.0.2.1")
    assert refused(containment) is None
    assert "confirm" in refused(containment, source="198.51.100.1")


# The crew and the replay


def crew(tests=False, keys=2, rows=30):
    table = np.arange(rows * 2.0).reshape(rows, 2)
    return Crew([CrewKey(f"k{i}", "here", table + 1000 * i) for i in range(keys)], 0.0, tests)


def play_crew(one, answer):
    asked = []
    while one.next_time < np.inf:
        time, key, _, rows = one.act()
        status, labels = answer(key, rows)
        asked.append((time, key, len(rows), status))
        one.hear(status, labels)
    return asked


def test_a_crew_asks_every_row_of_every_key():
    asked = play_crew(crew(), lambda key, rows: (200, np.zeros(len(rows))))
    assert [(key, n) for _, key, n, _ in asked] == [("k0", 10)] * 3 + [("k1", 10)] * 3


def test_a_refused_crew_tries_once_more_moves_on_and_slows_down():
    asked = play_crew(crew(), lambda key, rows: (429, None) if key == "k0" else (200, np.zeros(len(rows))))
    assert [key for _, key, _, _ in asked] == ["k0", "k0", "k1", "k1", "k1"]
    times = [time for time, *_ in asked]
    assert times[4] - times[3] > times[1] - times[0]


def test_a_testing_crew_leaves_a_key_that_tells_it_something_else():
    one = crew(tests=True)
    play_crew(one, lambda key, rows: (200, np.full(len(rows), key == "k1")))
    assert one.burned == ["k1"]
    trusting = crew()
    play_crew(trusting, lambda key, rows: (200, np.full(len(rows), key == "k1")))
    assert trusting.burned == []


def run(victim, card, playbook, **settings):
    """A replay in the real app, with alerts from a stand-in that names the first key of the crew."""
    scene = make_scene(card, victim.pool.X, victim.test.X, seed=3, **settings)
    contain = Containment(victim.train.X, 3)
    defences = (Mounted(partial(call_hook, contain), **describe(contain)),)
    app = create_app(TargetConfig(victim="credit", defences=defences, data_room=False))
    client, raised = app.test_client(), []
    first = scene.crew.keys[0].key

    def send(key, source, rows):
        if key == first and not raised:
            alert = Alert(contain.now, key, "martingale", "medium", 120.0, 3, "far")
            raised.append({field.name: getattr(alert, field.name) for field in dataclasses.fields(alert)})
        place = {"REMOTE_ADDR": source}
        reply = client.post("/v1/predict", json={"rows": rows.tolist()}, headers={"X-API-Key": key}, environ_base=place)
        labels = np.array(reply.get_json().get("labels"))
        return reply.status_code, labels, None

    def new_alerts():
        fresh = [alert for alert in raised if not alert.get("told")]
        for alert in fresh:
            alert["told"] = True
        return fresh

    return scene, replay(playbook, scene, contain, send, new_alerts)


def test_doing_nothing_leaks_everything_and_refuses_nobody(victim, card):
    scene, ending = run(victim, card, lambda event: None)
    assert ending.leaked() == sum(len(key.rows) for key in scene.crew.keys)
    assert (ending.honest, ending.refused, ending.lied_to, ending.locked_out) == (len(scene.visits), 0, 0, [])


def test_every_decision_has_its_facts_and_its_consequence(victim, card):
    seen = []

    def playbook(event):
        seen.append(event)
        return {"alert": "step up", "confirmed": "watch", "unanswered": "revoke"}.get(event["kind"])

    scene, ending = run(victim, card, playbook)
    kinds = [event["kind"] for event in seen]
    assert {"new address", "alert", "unanswered"} <= set(kinds)
    unanswered = seen[kinds.index("unanswered")]
    assert unanswered["key"] == scene.crew.keys[0].key
    after = [event for event in seen if event["kind"] == "new address" and event["key"] == scene.crew.keys[1].key]
    assert after[0]["linked"] == [scene.crew.keys[0].key]
    assert ending.leaked() < sum(len(key.rows) for key in scene.crew.keys)


def test_a_customer_who_confirms_is_let_in_again_and_one_forgotten_is_counted(victim, card):
    def ask_everybody(event):
        return {"new address": "step up", "confirmed": "watch"}.get(event["kind"])

    _, ending = run(victim, card, ask_everybody)
    assert ending.locked_out == []
    assert 0 < ending.refused_share < 0.5
    assert ending.leaked() == 0
    _, never = run(victim, card, lambda event: "step up" if event["kind"] == "new address" else None)
    assert len(never.locked_out) > 20


def test_lies_to_customers_are_counted(victim, card):
    _, ending = run(victim, card, lambda event: "honeypot")
    assert ending.lied_to == ending.honest
    assert ending.leaked() == 0


def test_an_unknown_action_is_named(victim, card):
    with pytest.raises(ValueError, match="choose one of " + ", ".join(ACTIONS)):
        run(victim, card, lambda event: "panic")
