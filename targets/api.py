"""What a customer calls: predict, model, usage. Routes only; the work is done by the pipeline, free of Flask."""

from __future__ import annotations

import json
import time

import numpy as np
from flask import Blueprint, Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import RequestEntityTooLarge

from targets import door
from targets.defences.base import Answer, DefenceFailed, Query, Refused
from targets.openapi import documented
from targets.problems import Problem
from targets.querylog import Record
from targets.rows import read_rows
from targets.target import Target
from targets.victims.base import Floats

blueprint = Blueprint("api", __name__)
blueprint.before_app_request(door.guard)
_TELL = "Tell the operator of the target; then try again"


@blueprint.post("/v1/predict")
@documented(
    "Classify rows", "The answer, one entry a row", "Answer", body="Rows", errors=(400, 401, 403, 413, 415, 422, 429)
)
def predict() -> Response:
    """Classify a batch of rows; the query is on record before the reply leaves."""
    attempt = _Attempt(current_target())
    try:
        attempt.admit()
        attempt.read(_body())
        body = _answer_json(attempt.target.pipeline.answer(attempt.query()))
    except Problem as problem:
        attempt.record("invalid", problem.detail)
        raise
    except Refused as refused:
        attempt.record("refused", str(refused.message))
        patience = "Wait as long as Retry-After says, then send this query again"
        next_step = getattr(refused, "next_step", patience)
        wait = 60.0 if refused.retry_after is None else refused.retry_after
        raise Problem(429, str(refused.message), next_step, retry_after=wait) from None
    except DefenceFailed as failure:
        current_app.logger.error("%s", failure, exc_info=failure.__cause__)
        attempt.record("failed", str(failure))
        raise Problem(503, str(failure), _TELL) from None
    except Exception as error:  # a fault of ours: on record too, then a 503 like any other
        attempt.record("failed", repr(error))
        raise
    attempt.record("answered")
    return Response(body, mimetype="application/json")


@blueprint.get("/v1/model")
@documented("What a customer may know", "Features, classes and limits", "Model")
def model() -> Response:
    """Names, documented ranges, classes and limits of the model."""
    caller = door.caller_if_known()
    description = current_target().described_to(None if caller is None else caller.role)
    return Response(json.dumps(description), mimetype="application/json")


@blueprint.get("/v1/usage")
@documented("What this key has used", "Counts from the query log", "Usage", errors=(401, 403))
def usage() -> Response:
    """What the calling key has used, counted from the query log."""
    return Response(json.dumps(current_target().log.usage(door.admit().key_id)), mimetype="application/json")


def current_target() -> Target:
    """The target this app serves."""
    target: Target = current_app.extensions["target"]
    return target


def _body() -> bytes:
    if request.mimetype != "application/json":
        detail = f"the content type is {request.mimetype or 'missing'}, not application/json"
        raise Problem(415, detail, "Send the header Content-Type: application/json", field="Content-Type")
    most, rows = current_app.config["MAX_CONTENT_LENGTH"], current_target().config.max_rows
    try:
        body = request.get_data()
        if len(body) < most:
            return body
        raise RequestEntityTooLarge  # a body in chunks is cut at the limit without a word
    except RequestEntityTooLarge:
        detail = f"the body is larger than {most:,} bytes; this target takes at most {rows:,} rows in one request"
        raise Problem(413, detail, f"Send at most {rows:,} rows at a time", field="body") from None


def _answer_json(answer: Answer) -> str:
    probabilities = None if answer.probabilities is None else answer.probabilities.tolist()
    labels = answer.labels.tolist()
    return json.dumps({"labels": labels, "probabilities": probabilities, "rows": len(labels)}, separators=(",", ":"))


class _Attempt:
    """One prediction request from its arrival to its place in the log."""

    def __init__(self, target: Target):
        self.target = target
        self.started = time.perf_counter()
        self.time = float(target.config.clock())
        self.source = door.source()
        self.key, self.role = "unknown", ""
        self.rows: Floats = np.empty((0, 0))

    def admit(self) -> None:
        """Find out who is asking. Raises Problem 401 or 403."""
        caller = door.admit()
        self.key, self.role = caller.key_id, caller.role

    def read(self, body: bytes) -> None:
        """Take the rows from the body. Raises Problem."""
        self.rows = read_rows(body, self.target.pipeline.victim.features, self.target.config.max_rows)

    def query(self) -> Query:
        """The attempt as a defence sees it."""
        return Query(self.rows, self.key, self.source, self.time, self.role)

    def record(self, verdict: str, reason: str = "") -> None:
        """Put the attempt on record, then count it. Raises Problem 503 when the log cannot be written."""
        seconds = time.perf_counter() - self.started
        content = self.rows if self.target.config.store_rows and len(self.rows) else None
        entry = (self.time, self.key, self.source, len(self.rows), verdict, seconds * 1000, reason, content)
        try:
            self.target.log.append(Record(*entry))
        except SQLAlchemyError as error:
            current_app.logger.error("the query log cannot be written", exc_info=error)
            raise Problem(503, "the query log cannot be written, so nothing was answered", _TELL) from None
        self.target.metrics.count(verdict, len(self.rows), seconds)
