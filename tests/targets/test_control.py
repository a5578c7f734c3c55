"""The control room's doors: shut without a token, and what lies behind them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from openapi_spec_validator import validate

from labkit.webhook import Receiver
from targets import Query, Refused, TargetConfig, create_app, load_victim
from targets.defences import parse_defence
from targets.defences.base import Defence, Pipeline
from targets.defences.switch import Switch
from targets.watch import board
from targets.watch.control import TOKEN

SECRET = "0123456789abcdef"
SHOWN = {"X-Lab-Token": SECRET}
SENTRY = "sentry:victim=tumour"
PIPELINE = (f"switch:{SENTRY}", "switch:token_bucket:rows=20,rate=0.001", "switch:label_only", "board:victim=tumour")


@pytest.fixture(scope="module")
def victim():
    return load_victim("tumour")


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv(TOKEN, SECRET)
    app = create_app(TargetConfig(victim="tumour", defences=tuple(map(parse_defence, PIPELINE))))
    yield app.test_client()
    app.extensions["alert_desk"].close()
    app.extensions["query_log"].close()


def ask(client, rows, key="k"):
    return client.post("/v1/predict", json={"rows": np.asarray(rows).tolist()}, headers={"X-API-Key": key})


def picture(client):
    reply = client.get("/lab/control", headers=SHOWN)
    assert reply.status_code == 200
    return json.loads(reply.data)


def turn(client, name, on=True):
    return client.post("/lab/control/switches", json={"name": name, "on": on}, headers=SHOWN)


def test_without_a_board_there_is_no_room_whoever_asks(monkeypatch):
    monkeypatch.setenv(TOKEN, SECRET)
    client = create_app(TargetConfig(victim="tumour", defences=(parse_defence(PIPELINE[0]),))).test_client()
    assert client.get("/lab/control", headers=SHOWN).status_code == 404


@pytest.mark.parametrize("token", [None, "", "short"])
def test_a_board_without_a_token_does_not_start(monkeypatch, token):
    monkeypatch.delenv(TOKEN, raising=False)
    if token is not None:
        monkeypatch.setenv(TOKEN, token)
    with pytest.raises(ValueError, match=f"at least 16 characters in the environment variable {TOKEN}"):
        create_app(TargetConfig(victim="tumour", defences=(parse_defence(PIPELINE[-1]),)))


@pytest.mark.parametrize(
    ("method", "path"), [("get", ""), ("post", "/switches"), ("post", "/alerts")], ids=["look", "turn", "alerts"]
)
def test_nobody_gets_in_without_the_token_or_from_elsewhere(client, method, path):
    call = getattr(client, method)
    body = {} if method == "get" else {"json": {"name": "label_only", "on": True, "to": "http://127.0.0.1/"}}
    for headers in ({}, {"X-Lab-Token": ""}, {"X-Lab-Token": SECRET + "x"}, {"X-Lab-Token": "ü" * 16}):
        reply = call(f"/lab/control{path}", headers=headers, **body)
        assert (reply.status_code, json.loads(reply.data)["field"]) == (401, "X-Lab-Token")
    away = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
    assert call(f"/lab/control{path}", headers=SHOWN, **away, **body).status_code == 403
    assert not any(switch["on"] for switch in picture(client)["switches"])


def test_every_switch_is_off_at_first_and_turns_while_the_target_runs(client, victim):
    rows = victim.test.X[:15]
    assert [switch["on"] for switch in picture(client)["switches"]] == [False] * 3
    assert [json.loads(ask(client, rows).data)["probabilities"] is None for _ in range(3)] == [False] * 3
    assert turn(client, "label_only").status_code == 200
    assert json.loads(ask(client, rows).data)["probabilities"] is None
    turn(client, "label_only", on=False)
    assert json.loads(ask(client, rows).data)["probabilities"] is not None
    turn(client, "token_bucket:rows=20,rate=0.001")
    assert [ask(client, rows).status_code for _ in range(3)] == [200, 429, 429]
    assert [switch["refused"] for switch in picture(client)["switches"]] == [0, 2, 0]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "wall", "on": True}, 422, "no switch is named 'wall'"),
        ({"name": ["label_only"], "on": True}, 422, "no switch is named"),
        ({"name": "label_only", "on": 1}, 422, "on is true or false"),
        ({"name": "label_only"}, 422, "on is missing"),
        ([], 422, "name is missing"),
    ],
)
def test_a_wrong_turn_is_explained(client, body, status, words):
    reply = client.post("/lab/control/switches", json=body, headers=SHOWN)
    assert (reply.status_code, words in json.loads(reply.data)["detail"]) == (status, True)


def test_a_body_that_is_not_json_is_explained(client):
    reply = client.post("/lab/control/switches", data=b"{", headers=SHOWN)
    assert (reply.status_code, json.loads(reply.data)["detail"]) == (400, "the body is not JSON")


def test_the_picture_tells_the_thief_from_the_customer(client, victim):
    low, high = np.array([(f.low, f.high) for f in victim.features]).T
    for row in np.random.default_rng(0).uniform(low, high, (12, len(low))):
        ask(client, [row], key="thief")
    ask(client, victim.test.X[:40], key="customer")
    ask(client, [[1]], key="clumsy")
    seen = picture(client)
    keys = {facts["key"]: facts for facts in seen["keys"]}
    assert (keys["thief"]["alarmed"], keys["customer"]["alarmed"]) == (True, False)
    assert keys["thief"]["capital"] >= 100 > keys["customer"]["capital"]
    assert keys["customer"]["features"]["far"] < keys["thief"]["features"]["far"]
    assert (keys["customer"]["answered"], keys["thief"]["answered"], keys["clumsy"]["answered"]) == (40, 12, 0)
    (rows, agreement) = keys["customer"]["curve"][-1]
    assert rows == 40
    assert 1 >= agreement > seen["baseline"] > 0.5, "40 real rows teach more than the commonest answer"
    assert [entry["verdict"] for entry in seen["stream"][-2:]] == ["answered", "invalid"]
    assert [(alert["key"], alert["detector"]) for alert in seen["alerts"]] == [("thief", "martingale")]


def test_a_watching_sentry_stops_at_once_whom_it_alarmed_when_it_is_switched_on(client, victim):
    low, high = np.array([(f.low, f.high) for f in victim.features]).T
    rows = np.random.default_rng(0).uniform(low, high, (12, len(low)))
    assert [ask(client, [row]).status_code for row in rows] == [200] * 12
    turn(client, SENTRY)
    assert ask(client, [rows[0]]).status_code == 429
    assert ask(client, victim.test.X[:2], key="customer").status_code == 200


def test_who_asks_on_though_refused_raises_an_alert_that_reaches_a_webhook(client, victim):
    with Receiver() as receiver:
        sent = client.post("/lab/control/alerts", json={"to": receiver.url}, headers=SHOWN)
        assert json.loads(sent.data) == {"channels": [receiver.url]}
        turn(client, "token_bucket:rows=20,rate=0.001")
        for _ in range(14):
            ask(client, victim.test.X[:8], key="thief")
        assert receiver.wait_for(1)
        client.application.extensions["alert_desk"].courier.close()
        assert [alert["rule"]["name"] for alert in receiver.alerts] == ["refusals"]
        (alert,) = picture(client)["alerts"]
        assert (alert["detector"], alert["delivered_to"]) == ("refusals", [receiver.url])


@pytest.mark.parametrize("to", ["http://example.org/", "file:///etc/passwd", "x.ndjson", None])
def test_alerts_go_to_webhooks_on_this_machine_only(client, to):
    reply = client.post("/lab/control/alerts", json={"to": to}, headers=SHOWN)
    assert (reply.status_code, json.loads(reply.data)["field"]) == (422, "to")


def test_the_room_is_described_and_the_token_is_not(client):
    text = client.get("/openapi.json").data.decode()
    assert "/lab/control/switches" in text
    assert SECRET not in text
    validate(json.loads(text))


class Doubled(Defence):
    """Swaps the classes."""

    def after(self, query, probabilities):
        return probabilities[:, ::-1]


def test_a_query_is_answered_as_the_switch_stood_when_it_came(victim):
    switch = Switch(Doubled(), "doubled")

    class Turner(Defence):
        def before(self, query):
            switch.on = not switch.on

    pipeline = Pipeline(victim, [switch, Turner()])
    query = Query(victim.test.X[:5])
    plain = victim.probabilities(query.rows)
    np.testing.assert_allclose(pipeline.answer(query).probabilities, plain)
    np.testing.assert_allclose(pipeline.answer(Query(victim.test.X[:5])).probabilities, plain[:, ::-1])
    switch.on = True
    np.testing.assert_allclose(switch.after(query, plain), plain[:, ::-1])


def test_a_switch_hears_of_refusals_and_names_who_failed(victim):
    heard = []

    class Wall(Defence):
        def before(self, query):
            raise Refused("no")

    switch = Switch(Wall(), "wall")
    switch.on_refusal = heard.append
    query = Query(victim.test.X[:1])
    switch.before(query)
    switch.on = True
    with pytest.raises(Refused):
        switch.before(query)
    assert (heard, switch.refused, switch.mounted_as) == ([query], 1, "Wall")


def test_a_board_remembers_a_bounded_past(monkeypatch, victim):
    monkeypatch.setattr(board, "MOST_ROWS", 20)
    monkeypatch.setattr(board, "MOST_KEYS", 2)
    kept = board.Board("tumour")
    for key in ("a", "b", "a", "c"):
        for start in range(0, 40, 4):
            query = Query(victim.test.X[start : start + 4], key=key)
            kept.after(query, victim.probabilities(query.rows))
    told = kept.told()
    assert {key: facts["answered"] for key, facts in told.items()} == {"a": 80, "c": 40}
    assert {facts["features"]["rows"] for facts in told.values()} == {20}


def test_estimates_are_made_when_a_key_has_grown_and_for_few_keys_at_a_time(monkeypatch, victim):
    kept = board.Board("tumour")

    def ask_of(key, count):
        query = Query(victim.test.X[:count], key=key)
        kept.after(query, victim.probabilities(query.rows))

    ask_of("small", 4)
    ask_of("grows", 20)
    assert {key: len(facts["curve"]) for key, facts in kept.told().items()} == {"small": 0, "grows": 1}
    ask_of("grows", 2)
    assert len(kept.told()["grows"]["curve"]) == 1, "a tenth more is not worth a new estimate"
    ask_of("grows", 2)
    assert [rows for rows, _ in kept.told()["grows"]["curve"]] == [20, 24]
    for number in range(board.ESTIMATES + 2):
        ask_of(f"key {number}", 10 + number)
    assert sum(len(facts["curve"]) for facts in kept.told().values()) == 2 + board.ESTIMATES
    assert sum(len(facts["curve"]) for facts in kept.told().values()) == 4 + board.ESTIMATES
