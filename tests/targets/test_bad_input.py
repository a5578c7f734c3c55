"""Bad input through the real app: a clear problem document, a line in the log, and never a 500."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from targets import Defence, Query, Refused

JSON = "application/json"


def problem(reply: Any, status: int) -> dict[str, Any]:
    """The problem document of ``reply``, after checking what every one of them must hold."""
    assert reply.status_code == status
    assert reply.mimetype == "application/problem+json"
    document: dict[str, Any] = json.loads(reply.data)
    assert document["status"] == status
    assert {"type", "title", "detail", "next_step"} <= set(document)
    assert "Traceback" not in reply.text
    return document


def test_a_wrong_value_is_named_by_feature_and_row(client: FlaskClient, row: list[float]) -> None:
    wrong: list[Any] = [row, [*row[:7], None, *row[8:]]]
    document = problem(client.post("/v1/predict", json={"rows": wrong}), 422)
    assert (document["field"], document["row"]) == ("mean_concave_points", 1)
    assert "'mean_concave_points'" in document["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_is_a_400(client: FlaskClient, body: bytes) -> None:
    problem(client.post("/v1/predict", data=body, content_type=JSON), 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_another_content_type_is_a_415(client: FlaskClient, row: list[float], kind: str) -> None:
    reply = client.post("/v1/predict", data=json.dumps({"rows": [row]}), content_type=kind)
    document = problem(reply, 415)
    assert document["field"] == "Content-Type"
    assert "application/json" in document["next_step"]


def test_a_charset_does_no_harm(client: FlaskClient, row: list[float]) -> None:
    reply = client.post("/v1/predict", data=json.dumps({"rows": [row]}), content_type=f"{JSON}; charset=utf-8")
    assert reply.status_code == 200


def test_too_many_rows_are_a_413_that_states_the_limit(client: FlaskClient, row: list[float]) -> None:
    document = problem(client.post("/v1/predict", json={"rows": [row] * 1001}), 413)
    assert "1,001 rows in one request; this target takes at most 1,000" in document["detail"]
    assert client.post("/v1/predict", json={"rows": [row] * 1000}).status_code == 200


class _Unread(io.BytesIO):
    """A body that fails the test when somebody reads it."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = readinto = read  # type: ignore[assignment]


def test_ten_million_rows_are_turned_away_unread(client: FlaskClient) -> None:
    environ = {"wsgi.input": _Unread(), "CONTENT_LENGTH": str(10_000_000 * 30 * 4)}
    reply = client.post("/v1/predict", content_type=JSON, environ_overrides=environ)
    assert "at most 1,000 rows" in problem(reply, 413)["detail"]


class _Endless(io.RawIOBase):
    """A body in chunks that announces no length and never ends; it counts what was read."""

    count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.count += len(buffer)
        return len(buffer)


def test_an_endless_body_is_read_no_further_than_the_limit(client: FlaskClient) -> None:
    body = _Endless()
    environ = {"wsgi.input": io.BufferedReader(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    problem(client.post("/v1/predict", content_type=JSON, environ_overrides=environ), 413)
    assert body.count < 2 * client.application.config["MAX_CONTENT_LENGTH"]


def test_the_longest_honest_body_fits(client: FlaskClient) -> None:
    longest = [[-1.2345678901234567e-300] * 30] * 1000
    assert (
        client.post("/v1/predict", data=json.dumps({"rows": longest}, indent=1), content_type=JSON).status_code == 200
    )


@pytest.mark.parametrize("key", ["", "k" * 129, "tab\there", "caf\u00e9", "\x7f"])
def test_a_malformed_key_is_a_401(client: FlaskClient, row: list[float], key: str) -> None:
    document = problem(client.post("/v1/predict", json={"rows": [row]}, headers={"X-API-Key": key}), 401)
    assert document["field"] == "X-API-Key"
    assert "1 to 128 printable ASCII" in document["detail"]


def test_only_known_keys_may_ask_where_keys_are_listed(client_for: Callable[..., FlaskClient]) -> None:
    client = client_for(keys=frozenset({"alice"}))
    body = {"rows": [[1.0] * 30]}
    assert "not known" in problem(client.post("/v1/predict", json=body, headers={"X-API-Key": "bob"}), 401)["detail"]
    assert "wants an API key" in problem(client.post("/v1/predict", json=body), 401)["detail"]
    problem(client.get("/v1/usage"), 401)
    assert client.post("/v1/predict", json=body, headers={"X-API-Key": "alice"}).status_code == 200
    assert client.get("/v1/model").status_code == 200


def test_an_unknown_path_and_a_wrong_method_are_problems_too(client: FlaskClient) -> None:
    assert "/docs" in problem(client.get("/v2/predict"), 404)["next_step"]
    reply = client.get("/v1/predict")
    problem(reply, 405)
    assert "POST" in reply.headers["Allow"]


class Limit(Defence):
    def __init__(self, retry_after: Any):
        self.retry_after = retry_after

    def before(self, query: Query) -> None:
        raise Refused("100 rows a minute are used up", retry_after=self.retry_after)


@pytest.mark.parametrize(
    ("seconds", "header"), [(30, "30"), (0.2, "1"), (1.5, "2"), (-4, "1"), (None, "60"), (np.nan, "60")]
)
def test_a_refusal_is_a_429_that_says_when_to_come_back(
    client_for: Callable[..., FlaskClient], seconds: Any, header: str
) -> None:
    reply = client_for(defences=(Limit(seconds),)).post("/v1/predict", json={"rows": [[1.0] * 30]})
    assert problem(reply, 429)["detail"] == "100 rows a minute are used up"
    assert reply.headers["Retry-After"] == header


class Broken(Defence):
    def __init__(self, hook: str):
        self.hook = hook

    def before(self, query: Query) -> None:
        if self.hook == "before":
            raise KeyError("secret")

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        return probabilities * np.nan


@pytest.mark.parametrize("hook", ["before", "after"])
def test_a_broken_defence_is_a_503_that_names_it_and_is_logged(
    client_for: Callable[..., FlaskClient], hook: str
) -> None:
    client = client_for(defences=(Broken(hook),))
    document = problem(client.post("/v1/predict", json={"rows": [[1.0] * 30]}), 503)
    assert document["detail"].startswith("the target's defence Broken failed: ")
    assert document["next_step"].startswith("Tell the operator")
    assert client.application.extensions["query_log"].records()[0].verdict == "failed"


def test_an_unwritable_log_means_no_answer(client: FlaskClient, row: list[float], monkeypatch: Any) -> None:
    def full(record: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(client.application.extensions["query_log"], "append", full)
    document = problem(client.post("/v1/predict", json={"rows": [row]}), 503)
    assert "labels" not in document
    assert "query log cannot be written" in document["detail"]


def test_a_bug_of_ours_is_a_503_and_not_a_500(client: FlaskClient, row: list[float], monkeypatch: Any) -> None:
    monkeypatch.setattr("targets.api._answer_json", lambda answer: 1 / 0)
    document = problem(client.post("/v1/predict", json={"rows": [row]}), 503)
    assert "ZeroDivisionError" in document["detail"]


def test_invalid_requests_are_on_record_with_their_reason(client: FlaskClient) -> None:
    client.post("/v1/predict", json={"rows": []}, headers={"X-API-Key": "eve"})
    (record,) = client.application.extensions["query_log"].records("eve")
    assert (record.verdict, record.rows, record.reason) == ("invalid", 0, "rows is empty")
