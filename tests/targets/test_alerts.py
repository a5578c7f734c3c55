"""Alerts: on record before they are told, told once unless they matter again, delivered until somebody confirms."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from grading.exercises.lab_10 import _alerts, _delivered
from labkit.transport import WsgiTransport
from labkit.webhook import Receiver
from targets import Query, Refused, TargetConfig, create_app, load_victim
from targets.__main__ import main
from targets.defences import parse_defence
from targets.watch.alerts import Alert
from targets.watch.delivery import Courier, DeliveryFailed, LogFile, Webhook, open_channel
from targets.watch.outbox import Outbox
from targets.watch.refusals import Refusals
from targets.watch.schema import ecs

ALERT = Alert(1_800_000_000.25, "thief", "martingale", "medium", 131.5, 9, "values nobody has")


def later(seconds, **changes):
    return replace(ALERT, time=ALERT.time + seconds, **changes)


class Memory:
    """A channel that can be out of order."""

    def __init__(self, name="memory"):
        self.name, self.got, self.broken = name, [], None

    def send(self, document):
        if self.broken and self.broken(document):
            raise DeliveryFailed("out of order", gone=self.broken is always)
        self.got.append(document["event"]["id"])


def always(_):
    return True


@pytest.fixture
def outbox():
    box = Outbox(cooldown=100)
    yield box
    box.close()


def test_an_alert_is_told_once_in_the_cool_down_unless_it_is_graver(outbox):
    told = [
        outbox.raise_alert(alert) is not None
        for alert in (
            ALERT,
            later(99),  # held back
            later(100),  # the quiet is over; it was not prolonged
            later(150, priority="high"),  # graver than the last one told
            later(160, priority="medium"),
            later(160, key="other"),
            later(160, detector="spike"),
        )
    ]
    assert told == [True, False, True, True, False, True, True]
    entries = outbox.entries()
    assert [not entry.held for entry in entries] == told, "what is held back is on record all the same"
    assert entries[0].alert == ALERT
    assert len({entry.uid for entry in entries}) == len(entries)
    assert [entry.number for entry in outbox.entries(newest=2)] == [6, 7]


def test_the_outbox_thins_out_alerts_as_exercise_10_2_demands():
    asked = _alerts(np.random.default_rng(3), 100.0)
    alerts = [Alert(**alert, score=1.0, queries_seen=1, reason="") for alert in asked]
    box = Outbox(cooldown=100)
    told = [number for number, alert in enumerate(alerts) if box.raise_alert(alert)]
    assert told == _delivered(asked, 100.0)
    assert 0 < len(told) < len(asked)
    box.close()


def test_the_outbox_lies_in_the_log_and_outlives_the_process(tmp_path):
    url = f"sqlite:///{tmp_path / 'log.db'}"
    first = Outbox(url)
    first.open_channel("pager")
    first.raise_alert(ALERT)
    first.raise_alert(later(1, key="other"))
    first.attempt(1, "pager")
    first.delivered(1, "pager")
    first.attempt(2, "pager")
    first.close()
    again = Outbox(url)
    again.open_channel("pager")
    again.open_channel("new")
    assert [entry.alert.key for entry in again.pending("pager")] == ["other"]
    assert again.attempt(2, "pager") == 2, "it is on record that it may arrive twice"
    assert again.pending("new") == [], "a channel gets what is raised after it was opened"
    assert again.raise_alert(later(2)) is None, "the cool-down outlives the process, too"
    assert [entry.delivered_to for entry in again.entries()] == [("pager",), (), ()]
    again.close()


def test_a_failing_channel_keeps_its_order_and_holds_up_no_other(outbox):
    pager, log = Memory("pager"), Memory("log")
    courier = Courier(outbox, [pager, log])
    uids = [outbox.raise_alert(later(0, key=key)) for key in "abc"]
    pager.broken = always
    assert not courier.deliver()
    assert (pager.got, log.got) == ([], uids)
    pager.broken = None
    assert courier.deliver()
    assert (pager.got, log.got) == (uids, uids)


def test_an_alert_that_is_not_taken_does_not_hold_up_the_next(outbox):
    pager = Memory()
    courier = Courier(outbox, [pager])
    uids = [outbox.raise_alert(later(0, key=key)) for key in "abc"]
    pager.broken = lambda document: document["user"]["id"] == "b"
    assert not courier.deliver()
    assert pager.got == [uids[0], uids[2]]


def test_the_courier_delivers_in_the_background_and_tries_again(outbox):
    refusing = [True]

    def once(_):
        if refusing:
            refusing.pop()
            raise OSError("not yet")

    with Receiver(once) as receiver:
        courier = Courier(outbox, [Webhook(receiver.url)])
        courier.start()
        uid = outbox.raise_alert(ALERT)
        assert receiver.wait_for(1)
        courier.close()
        assert receiver.deliveries == {uid: 2}
        assert receiver.alerts == [ecs(uid, ALERT)]
    assert outbox.entries()[0].delivered_to == (receiver.url,)


def test_a_receiver_takes_alerts_from_who_knows_its_path_and_each_once():
    with Receiver() as receiver:
        path, body = "/" + receiver.url.rsplit("/", 1)[1], json.dumps(ecs("u", ALERT)).encode()
        assert [receiver.take(path, body), receiver.take(path, body)] == [204, 204]
        assert len(receiver.alerts) == 1
        assert receiver.take("/guess", body) == 404
        for broken in (b"{", b"[]", b'{"event": {"id": []}}', b'{"event": 3}'):
            assert receiver.take(path, broken) == 400
        with pytest.raises(DeliveryFailed, match="answered 404"):
            Webhook(receiver.url + "x").send(ecs("u", ALERT))
    with pytest.raises(DeliveryFailed, match="does not answer"):
        Webhook(receiver.url).send(ecs("u", ALERT))


def test_a_log_file_gets_a_line_an_alert_and_mends_half_a_line(tmp_path):
    path = tmp_path / "alerts.ndjson"
    log = LogFile(str(path))
    log.send(ecs("1", ALERT))
    path.write_bytes(path.read_bytes() + b'{"half')  # a power cut
    log.send(ecs("2", ALERT))
    lines = path.read_text().splitlines()
    assert [json.loads(lines[0])["event"]["id"], lines[1], json.loads(lines[2])["event"]["id"]] == ["1", '{"half', "2"]
    path.unlink()
    path.mkdir()
    with pytest.raises(DeliveryFailed, match="cannot be written"):
        log.send(ecs("3", ALERT))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://example.org/hook", "must be on this machine, and example.org is not"),
        ("http://192.0.2.1:80/", "must be on this machine"),
        ("ftp://127.0.0.1/x", "a webhook is a URL such as"),
        ("alerts.txt", "to a file named \\*.ndjson, not to 'alerts.txt'"),
        ("/nowhere/at/all/alerts.ndjson", "has no folder"),
    ],
)
def test_an_address_that_is_none_is_named(address, words):
    with pytest.raises(ValueError, match=words):
        open_channel(address)


# Types in ECS 8.17 (https://www.elastic.co/docs/reference/ecs/ecs-field-reference); lists hold several values.
ECS = {
    "@timestamp": datetime, "ecs.version": str, "message": str, "event.kind": str, "event.category": list,
    "event.type": list, "event.action": str, "event.id": str, "event.module": str, "event.dataset": str,
    "event.provider": str, "event.severity": int, "event.reason": str, "event.risk_score": float, "rule.name": str,
    "rule.category": str, "user.id": str, "observer.product": str, "observer.type": str, "threat.framework": str,
    "threat.technique.id": list, "threat.technique.name": list, "threat.technique.reference": list,
    "labels.priority": str, "labels.queries_seen": str,
}  # fmt: skip
REQUIRED = {"@timestamp", "ecs.version"}


def flat(document, prefix=""):
    for name, value in document.items():
        yield from flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]


def test_an_alert_is_a_document_of_the_elastic_common_schema():
    document = json.loads(json.dumps(ecs("abc", ALERT), allow_nan=False))
    fields = dict(flat(document))
    assert set(fields) >= REQUIRED
    for name, value in fields.items():
        if ECS[name] is datetime:
            assert datetime.fromisoformat(value) == datetime.fromtimestamp(ALERT.time, UTC)
        else:
            assert isinstance(value, ECS[name]), name
    assert (fields["event.kind"], fields["event.category"], fields["event.type"]) == (
        "alert", ["intrusion_detection"], ["info"],
    )  # fmt: skip
    severities = [ecs("", later(0, priority=p))["event"]["severity"] for p in ("low", "medium", "high")]
    assert severities == sorted(set(severities))
    json.dumps(ecs("abc", later(0, score=float("inf"))), allow_nan=False)


def test_a_priority_that_is_none_is_named():
    with pytest.raises(ValueError, match="low, medium, high, not 'urgent'"):
        later(0, priority="urgent")
    with pytest.raises(ValueError, match="from 0 up, not -1"):
        Outbox(cooldown=-1)


def query(rows, key="k", time=0.0):
    return Query(np.asarray(rows, dtype=float), key=key, time=time)


def test_refusals_are_counted_by_query_and_time():
    rule = Refusals(refused=3, seconds=60)
    assert [rule.observe(query(np.zeros((50, 2)), time=t)) for t in (0, 100, 130)] == [None] * 3
    alert = rule.observe(query(np.zeros((50, 2)), time=140))
    assert alert is not None
    assert (alert.key, alert.detector, alert.priority, alert.score) == ("k", "refusals", "medium", 1.0)
    assert "3 queries refused within 60 s" in alert.reason
    with pytest.raises(ValueError, match="at least 1 refusal"):
        Refusals(0)


def uniform(victim, count, seed=0):
    low, high = np.array([(f.low, f.high) for f in victim.features]).T
    return np.random.default_rng(seed).uniform(low, high, (count, len(low)))


@pytest.fixture(scope="module")
def tumour():
    return load_victim("tumour")


def test_a_sentry_tells_once_and_stops_or_only_watches(tumour):
    told = []
    sentry = parse_defence("sentry:victim=tumour,rows=15")
    sentry.tell = told.append
    rows = uniform(tumour, 20)
    for row in rows:
        sentry.watch(query([row], key="watched"))
    assert [alert.detector for alert in told] == ["martingale", "spike"]
    with pytest.raises(Refused):
        sentry.before(query([rows[0]], key="watched"))
    sentry.release("watched")
    sentry.before(query([rows[0]], key="watched"))
    sentry.before(query(tumour.test.X[:15], key="heavy"))
    assert [(alert.detector, alert.key) for alert in told[2:]] == [("spike", "heavy")]


def test_alerts_of_a_running_app_are_on_record_before_the_answer(tumour, tmp_path):
    log = tmp_path / "alerts.ndjson"
    watching = parse_defence("sentry:victim=tumour,stop=False")
    app = create_app(TargetConfig(victim="tumour", defences=(watching,), alerts=(str(log),)))
    transport, desk = WsgiTransport(app), app.extensions["alert_desk"]
    for row in uniform(tumour, 12):
        before = watching.martingale.alarmed("thief")
        transport.send("POST", "/v1/predict", {"rows": [row.tolist()]}, {"X-API-Key": "thief"})
        if watching.martingale.alarmed("thief") and not before:
            assert [entry.alert.key for entry in desk.outbox.entries()] == ["thief"]
    desk.courier.deliver()
    desk.close()
    (document,) = map(json.loads, log.read_text().splitlines())
    assert (document["user"]["id"], document["rule"]["name"]) == ("thief", "martingale")
    transport.close()


def test_alerts_without_anybody_to_raise_them_are_a_mistake():
    with pytest.raises(ValueError, match="nobody raises any: add a defence such as sentry"):
        create_app(TargetConfig(victim="tumour", alerts=("x.ndjson",)))
    assert create_app(TargetConfig(victim="tumour")).extensions["alert_desk"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alert", "x.ndjson"], "nobody raises any: add a defence such as sentry"),
        (["--alert", "x.txt", "--defence", "sentry:victim=tumour"], "not to 'x.txt'"),
        (["--defence", "board:victim=tumour"], "a board needs a lab token"),
        (["--defence", "switch:wall"], "no defence is named 'wall'"),
    ],
)
def test_the_command_line_says_in_a_line_what_is_wrong(arguments, words, capsys, monkeypatch):
    monkeypatch.setattr("targets.__main__.stop_on_signals", lambda: None)
    monkeypatch.delenv("MODEL_THEFT_LABS_CONTROL", raising=False)
    assert main(["serve", "tumour", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
