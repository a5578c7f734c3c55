"""The control room without a browser: its traffic, its words and pictures, its clock, its panel."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree

import httpx
import pytest

from labkit import QueryRefused, TargetGone, control_views
from labkit.control import BATCH, DEFENCES, THIEVES, TOKEN, Traffic, launch_controlled
from labkit.control_plot import MOST_LINES, curve_sentence, curve_svg
from labkit.metrics import fingerprints
from labkit.pulse import Pulse
from labkit.widgets.control_room import control_room

BUCKET = DEFENCES[1]


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", "grading.openers:wsgi")


@pytest.fixture
def controlled():
    target, controls = launch_controlled("credit")
    yield target, controls
    controls.close()
    target.stop()


def facts(key="thief 1", **changes):
    features = {"far": 1.2345, "gap": 0.5, "unsure": 0.1}
    return {
        "key": key, "answered": 120, "refused": 8, "capital": 0.5, "alarmed": False, "features": features,
        "curve": [[10, 0.5], [120, 0.875]], **changes,
    }  # fmt: skip


def picture(**changes):
    alert = {
        "time": 0.0, "key": "thief 1", "detector": "spike", "priority": "low", "score": 1.0, "queries_seen": 200,
        "reason": "200 rows within 3600 s", "held": False, "delivered_to": ["x"],
    }  # fmt: skip
    return {
        "time": 0.0, "baseline": 0.5, "keys": [facts()], "alerts": [alert], "channels": [],
        "switches": [{"name": "label_only", "on": True, "refused": 0}, {"name": BUCKET, "on": False, "refused": 3}],
        "stream": [{"number": 1, "time": 0.0, "key": "thief 1", "rows": 8, "verdict": "refused", "reason": "limit"}],
        **changes,
    }  # fmt: skip


def test_the_status_says_what_has_happened_and_the_numbers_how_much():
    assert control_views.status(picture()) == ("1 alert, the newest: spike for thief 1, priority low. On: Labels only.")
    assert control_views.status(picture(alerts=[], switches=[])) == "0 alerts. On: no defence."
    assert control_views.numbers(picture(), "thief 1") == (
        "thief 1: 120 rows answered, 8 refused; a copy made of its answers agrees on 88% of test rows "
        "(knowing nothing: 50%)."
    )
    calm = control_views.numbers(picture(keys=[facts("a"), facts("b")]))
    assert calm == "240 rows answered to 2 keys; no theft."
    assert control_views.numbers(picture(keys=[])).startswith("No query yet")


def test_the_curve_shows_when_a_switch_was_turned():
    drawing = curve_svg(picture(), [(60, "on: Limit rows"), (110, "off: <b>")])
    assert [one.text for one in ElementTree.fromstring(drawing) if (one.text or "").startswith("o")] == [
        "on: Limit rows", "off: <b>",
    ]  # fmt: skip


@pytest.mark.parametrize(("capital", "shown"), [(1e-9, "&lt; 0.01"), (0.5, "0.50"), (123456.7, "123,457")])
def test_a_capital_is_shown_as_people_write_numbers(capital, shown):
    assert f">{shown}<" in control_views.keys_html(picture(keys=[facts(capital=capital)]))


def test_alerts_held_back_are_shown_but_not_counted():
    held = [dict(picture()["alerts"][0], held=True)]
    assert control_views.status(picture(alerts=held)).startswith("0 alerts")
    assert "held back" in control_views.alerts_html(picture(alerts=held))
    assert "Your webhook received 1 alert." in control_views.alerts_html(picture(), received=1)
    assert "delivered" in control_views.alerts_html(picture())
    assert "None." in control_views.alerts_html(picture(alerts=[]))


@pytest.mark.parametrize(
    "view", [control_views.keys_html, control_views.alerts_html, control_views.stream_html, curve_svg]
)
def test_no_key_or_reason_becomes_markup(view):
    evil = "<img src=x onerror=alert(1)>"
    seen = picture(
        keys=[facts(evil)],
        alerts=[dict(picture()["alerts"][0], key=evil, detector=evil, reason=evil, priority=evil)],
        stream=[dict(picture()["stream"][0], key=evil, reason=evil[:30], verdict=evil)],
    )
    assert "<img" not in view(seen)
    assert "&lt;img" in view(seen)


def test_the_curve_is_a_drawing_with_its_finding_as_name():
    drawing = ElementTree.fromstring(curve_svg(picture()))
    assert drawing.get("role") == "img"
    assert drawing.get("aria-label") == curve_sentence(picture())
    assert "thief 1 from 0.50 after 10 rows to 0.88 after 120" in curve_sentence(picture())
    crowd = picture(keys=[facts(f"key {n}") for n in range(MOST_LINES + 3)])
    many = ElementTree.fromstring(curve_svg(crowd))
    assert len([one for one in many if one.tag == "polyline"]) == MOST_LINES
    labels = [float(one.get("y")) for one in many if one.tag == "text" and (one.text or "").startswith("key ")]
    assert min(abs(a - b) for a in labels for b in labels if a is not b) >= 12, "labels do not cover one another"
    assert "no key has enough answers yet" in curve_svg(picture(keys=[facts(curve=[])]))


def test_long_lists_say_what_they_leave_out():
    shown = control_views.keys_html(picture(keys=[facts(f"key {n}", features=None, curve=[]) for n in range(9)]))
    assert (shown.count("<tr>") - 1, "3 more keys not shown" in shown) == (control_views.SHOWN_KEYS, True)


def test_a_switch_has_words():
    labels = ["Stop alarmed keys", "Limit rows (rows=100, rate=1.0)", "Round probabilities (decimals=1)", "Labels only"]
    assert [control_views.switch_label(name) for name in ("sentry:victim=x", *DEFENCES[1:])] == labels
    assert control_views.switch_label("top_k:k=1") == "Top k (k=1)"


def test_the_token_leaves_no_trace(controlled, monkeypatch):
    import os

    assert TOKEN not in os.environ
    target, _ = controlled
    assert target.transport.send("GET", "/lab/control").status == 401


def test_a_theft_runs_until_a_limit_slows_it(controlled):
    target, controls = controlled
    traffic = Traffic(target, customers=2, seed=1)
    key = traffic.start_theft("owns real rows")
    for _ in range(16):
        traffic.step()
    (thief,) = [facts for facts in controls.picture()["keys"] if facts["key"] == key]
    assert (thief["answered"], thief["alarmed"]) == (16 * BATCH, False)
    controls.turn(BUCKET, True)
    for _ in range(30):
        traffic.step()
    seen = controls.picture()
    (thief,) = [facts for facts in seen["keys"] if facts["key"] == key]
    assert 16 * BATCH <= thief["answered"] < 16 * BATCH + 150
    assert "refusals" in {alert["detector"] for alert in seen["alerts"] if alert["key"] == key}
    assert all(facts["refused"] == 0 for facts in seen["keys"] if facts["key"] != key), "customers ask little"
    with pytest.raises(QueryRefused, match="There are: sentry:victim=credit,seed=0, token_bucket"):
        controls.turn("wall", True)


def test_thief_and_customers_own_different_rows_and_none_of_the_test(controlled):
    target, _ = controlled
    traffic = Traffic(target)
    own, others, test = map(fingerprints, (traffic._own, traffic._others, target.data("test").X))
    assert not own & others
    assert not (own | others) & test
    assert len(own) >= 2 * len(others) > 0


@pytest.mark.parametrize("kind", THIEVES)
def test_every_thief_asks_all_its_rows_and_then_stops(controlled, kind):
    target, _ = controlled
    traffic = Traffic(target, customers=0)
    key = traffic.start_theft(kind)
    for _ in range(60):
        traffic.step()
    assert target.usage(key)["rows"] == len(traffic._own)
    assert traffic.thief == ""


def test_a_thief_of_no_kind_is_named(controlled):
    with pytest.raises(ValueError, match=r"one of owns real rows, .* not 'ghost'"):
        Traffic(controlled[0]).start_theft("ghost")


def test_a_pulse_beats_beside_the_main_thread_and_ends():
    beats, enough = [], threading.Event()

    def work():
        beats.append(threading.current_thread().daemon)
        if len(beats) >= 3:
            enough.set()
        return 0.0

    pulse = Pulse(work)
    pulse.start()
    pulse.start()
    assert enough.wait(30)
    pulse.close()
    assert not pulse.beating
    assert all(beats), "a daemon dies with the kernel"
    count = len(beats)
    pulse.start()
    assert len(beats) == count, "closed for good"


def test_a_sleeping_pulse_is_woken():
    done = threading.Event()
    pauses = iter([3600.0, None])

    def work():
        pause = next(pauses)
        if pause is None:
            done.set()
        return pause

    pulse = Pulse(work)
    pulse.start()
    pulse.hurry()
    assert done.wait(30)
    pulse.close()


def test_without_threads_a_pulse_beats_on_the_event_loop(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    beats = []

    async def kernel():
        pulse = Pulse(lambda: beats.append(1) or (0.0 if len(beats) < 3 else None))
        pulse.start()
        assert pulse.beating
        while pulse.beating:
            await asyncio.sleep(0)
        pulse.close()

    asyncio.run(kernel())
    assert len(beats) == 3


def test_what_a_pulse_raises_is_told_once():
    told, heard = [], threading.Event()

    def fail():
        raise TargetGone("gone")

    pulse = Pulse(fail, lambda error: (told.append(error), heard.set()))
    pulse.start()
    assert heard.wait(30)
    pulse.close()
    assert [str(error) for error in told] == ["gone"]


@pytest.fixture
def room():
    opened = control_room("credit")
    opened._pulse.close()  # the tests drive it by hand
    yield opened
    opened.close()


def test_the_panel_follows_theft_switch_and_alert(room):
    assert "No query yet" in room.numbers.value
    room.kind.value = "owns real rows"
    room.start.click()
    assert (room.start.disabled, room.stop.disabled) == (False, True), "the panel follows at its next look"
    for _ in range(16):
        room._beat()
    assert (room.start.disabled, room.stop.disabled) == (True, False)
    assert f"thief 1: {16 * BATCH} rows answered, 0 refused" in room.numbers.value
    assert "thief 1" in room.curve.value
    room.switches[BUCKET].value = True
    for _ in range(30):
        room._beat()
    assert "refusals" in room.alerts.value
    assert "On: Limit rows (rows=100, rate=1.0)" in room.status.value
    assert "on: Limit rows" in room.curve.value
    assert room.receiver.wait_for(1)
    assert {alert["user"]["id"] for alert in room.receiver.alerts} == {"thief 1"}
    room.refresh()
    assert "delivered" in room.alerts.value
    room.stop.click()
    assert (room.start.disabled, room.stop.disabled) == (False, True)


def test_the_panel_shows_what_the_learner_asks_from_a_cell(room):
    room.target.api("me").predict(room.target.data("pool").X[:7])
    room.refresh()
    assert "<td>me</td>" in room.stream.value
    assert not room.refresh(), "nothing has changed, so nothing is sent to the browser"


def test_a_switch_turned_by_name_turns_the_box(room):
    room.turn("label_only", True)
    assert room.switches["label_only"].value is True
    assert [switch["on"] for switch in room.controls.picture()["switches"]] == [False, False, False, True]
    with pytest.raises(KeyError, match="no switch is named 'wall'"):
        room.turn("wall", True)


def test_a_click_on_a_closed_room_is_answered_in_words(room, monkeypatch):
    def gone(*_):
        raise TargetGone("nothing answers")

    monkeypatch.setattr(room.controls, "turn", gone)
    room.switches["label_only"].value = True
    assert "The control room has stopped: nothing answers" in room.status.value
    assert room.start.disabled


def test_a_second_room_closes_the_first(room):
    second = control_room("credit")
    second._pulse.close()
    assert "closed" in room.status.value
    second.close()


def test_in_a_graded_run_the_room_stays_shut(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", "no.such:opener")
    assert repr(control_room("credit")) == "The control room stays shut in a graded run."


LEFT_OPEN = """
import os, threading
from labkit.widgets.control_room import control_room
room = control_room("tumour", defences=["label_only"])
print(room.target.where, all(one.daemon for one in threading.enumerate() if one is not threading.main_thread()))
"""


def test_a_room_left_open_ends_with_its_kernel_without_a_word(tmp_path, monkeypatch):
    monkeypatch.delenv("MODEL_THEFT_LABS_OPENER")
    monkeypatch.setenv("MODEL_THEFT_LABS_HOME", str(tmp_path))
    done = subprocess.run([sys.executable, "-W", "error", "-c", LEFT_OPEN], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    where, daemons = done.stdout.split()
    assert daemons == "True"
    with pytest.raises(httpx.TransportError):
        httpx.get(where, trust_env=False)


def test_controls_have_names_and_the_panel_shows_itself(room):
    assert [box.description for box in room.switches.values()] == [control_views.switch_label(n) for n in room.switches]
    assert all(control.description for control in (room.kind, room.start, room.stop))
    assert "application/vnd.jupyter.widget-view+json" in room._repr_mimebundle_()
    assert room.status.value.count('role="status"') == 1
