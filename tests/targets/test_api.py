"""The contract of the API, route by route."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest
from flask.testing import FlaskClient

from targets import TargetConfig, create_app, load_victim
from targets.defences import LabelOnly, Rounding


def test_predict_answers_with_labels_and_probabilities_to_the_last_bit(client: FlaskClient) -> None:
    victim = load_victim("tumour")
    reply = client.post("/v1/predict", json={"rows": victim.test.X.tolist()})
    answer = json.loads(reply.data)
    assert set(answer) == {"labels", "probabilities", "rows"}
    assert answer["labels"] == victim.labels(victim.test.X).tolist()
    assert np.array(answer["probabilities"]).tobytes() == victim.probabilities(victim.test.X).tobytes()
    assert answer["rows"] == len(victim.test)


def test_label_only_replaces_probabilities_by_null(client_for: Callable[..., FlaskClient], row: list[float]) -> None:
    client = client_for(defences=(LabelOnly(),))
    answer = json.loads(client.post("/v1/predict", json={"rows": [row]}).data)
    assert answer["probabilities"] is None
    assert client.get("/v1/model").json["output"] == "labels"  # type: ignore[index]


def test_rounding_shows_in_the_reply(client_for: Callable[..., FlaskClient], row: list[float]) -> None:
    answer = json.loads(client_for(defences=(Rounding(2),)).post("/v1/predict", json={"rows": [row]}).data)
    assert all(share == round(share, 2) for share in answer["probabilities"][0])


def test_model_tells_what_a_customer_may_know(client_for: Callable[..., FlaskClient]) -> None:
    model = json.loads(client_for(victim="fraud", max_rows=50).get("/v1/model").data)
    assert set(model) == {"name", "title", "features", "classes", "output", "max_rows"}
    assert (model["name"], model["output"], model["max_rows"]) == ("fraud", "probabilities", 50)
    assert model["classes"] == ["genuine", "review", "fraud"]
    assert model["features"][0] == {"name": "amount", "low": 0, "high": 5000, "unit": "EUR"}


def test_usage_is_the_logs_count_for_the_calling_key(client: FlaskClient, row: list[float]) -> None:
    for key, rows in (("alice", [row] * 3), ("alice", [row]), ("bob", [row] * 7), ("alice", [])):
        client.post("/v1/predict", json={"rows": rows}, headers={"X-API-Key": key})
    usage = json.loads(client.get("/v1/usage", headers={"X-API-Key": "alice"}).data)
    assert usage == {"key": "alice", "requests": 3, "rows": 4, "refused_requests": 0, "refused_rows": 0}


def test_a_request_without_a_key_is_anonymous(client: FlaskClient, row: list[float]) -> None:
    client.post("/v1/predict", json={"rows": [row]})
    assert json.loads(client.get("/v1/usage").data)["key"] == "anonymous"
    assert client.application.extensions["query_log"].rows("anonymous") == 1


def test_the_record_carries_the_injected_time_and_the_source(client_for: Callable[..., FlaskClient]) -> None:
    client = client_for(clock=lambda: 1234.5)
    client.post("/v1/predict", json={"rows": [[1.0] * 30]})
    (record,) = client.application.extensions["query_log"].records()
    assert (record.time, record.source, record.rows, record.verdict) == (1234.5, "127.0.0.1", 1, "answered")
    assert record.latency_ms > 0
    assert record.content is None


def test_rows_are_stored_only_when_the_configuration_says_so(client_for: Callable[..., FlaskClient]) -> None:
    client = client_for(store_rows=True)
    client.post("/v1/predict", json={"rows": [[1.0] * 30, [2.0] * 30]})
    (record,) = client.application.extensions["query_log"].records()
    assert record.content.tolist() == [[1.0] * 30, [2.0] * 30]


@pytest.mark.parametrize("part", ["pool", "test"])
def test_the_data_room_hands_out_pool_and_test(client: FlaskClient, part: str) -> None:
    served, owned = json.loads(client.get(f"/lab/data/{part}").data), getattr(load_victim("tumour"), part)
    assert np.array(served["rows"]).tobytes() == owned.X.tobytes()
    assert served["truth"] == owned.y.tolist()


def test_fingerprints_let_a_stranger_prove_that_no_row_leaked(client: FlaskClient) -> None:
    prints = set(json.loads(client.get("/lab/data/fingerprints").data)["victim"])
    victim = load_victim("tumour")
    assert prints == {sha256(row.astype("<f8").tobytes()).hexdigest() for row in victim.train.X}
    for part in ("pool", "test"):
        rows = np.array(json.loads(client.get(f"/lab/data/{part}").data)["rows"])
        assert not prints & {sha256(row.astype("<f8").tobytes()).hexdigest() for row in rows}


def test_without_a_data_room_there_is_none(client_for: Callable[..., FlaskClient]) -> None:
    client = client_for(data_room=False)
    for path in ("pool", "test", "fingerprints"):
        assert client.get(f"/lab/data/{path}").status_code == 404


def test_health_says_ok(client: FlaskClient) -> None:
    assert json.loads(client.get("/health").data) == {"status": "ok", "name": "tumour"}


def test_metrics_count_by_verdict_and_two_targets_never_mix(client_for: Callable[..., FlaskClient]) -> None:
    first, second = client_for(), client_for()
    first.post("/v1/predict", json={"rows": [[1.0] * 30] * 4})
    first.post("/v1/predict", json={"rows": []})
    text = first.get("/metrics").text
    assert 'target_requests_total{verdict="answered"} 1.0' in text
    assert 'target_requests_total{verdict="invalid"} 1.0' in text
    assert "target_rows_answered_total 4.0" in text
    assert "target_latency_seconds_count 2.0" in text
    assert 'target_requests_total{verdict="answered"} 0.0' in second.get("/metrics").text


@pytest.mark.parametrize("rows", [0, -1, 2.5, True])
def test_a_senseless_row_limit_is_refused(rows: int) -> None:
    with pytest.raises(ValueError, match="max_rows is a whole number from 1 up"):
        TargetConfig(max_rows=rows)


def test_a_configuration_is_frozen_and_lists_become_fixed() -> None:
    config = TargetConfig(defences=[Rounding(2)], keys={"a"})  # type: ignore[arg-type]
    assert isinstance(config.defences, tuple)
    assert isinstance(config.keys, frozenset)
    with pytest.raises(AttributeError):
        config.victim = "mail"  # type: ignore[misc]


def test_an_unknown_victim_is_named_when_the_app_is_built() -> None:
    with pytest.raises(ValueError, match="no victim is named 'wine'"):
        create_app(TargetConfig(victim="wine"))
