"""Errors as RFC 9457 problem documents: what is wrong, where, and what to do next. Never a bare 500."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

_log = logging.getLogger(__name__)

_NEXT_STEPS = {
    404: "See GET /docs for the paths of this target",
    405: "See GET /docs for the method each path takes",
    413: "Send fewer rows in a request",
}


class Problem(Exception):
    """An error the client is told about. ``field`` names what is wrong, ``retry_after`` is in seconds."""

    def __init__(
        self,
        status: int,
        detail: str,
        next_step: str,
        *,
        field: str | None = None,
        row: int | None = None,
        retry_after: float | None = None,
    ):
        super().__init__(detail)
        self.status, self.detail, self.next_step = status, detail, next_step
        self.field, self.row, self.retry_after = field, row, retry_after

    def document(self) -> dict[str, Any]:
        """The problem document; ``field`` and ``row`` only where they are known."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "next_step": self.next_step,
        }
        if self.field is not None:
            document["field"] = self.field
        if self.row is not None:
            document["row"] = self.row
        return document

    def response(self) -> Response:
        """The HTTP reply, with Retry-After in whole seconds (at least 1) when the client should wait."""
        reply = Response(json.dumps(self.document()), self.status, mimetype="application/problem+json")
        if self.status == 401:
            reply.headers["WWW-Authenticate"] = 'ApiKey realm="targets"'  # RFC 9110 wants one with every 401
        if self.retry_after is not None:
            reply.headers["Retry-After"] = str(_whole_seconds(self.retry_after))
        return reply


def _whole_seconds(seconds: Any) -> int:
    try:
        return max(1, math.ceil(seconds))
    except (TypeError, ValueError, OverflowError):  # a defence may hand over anything
        return 60


def register_problem_handlers(app: Flask) -> None:
    """Make every error of ``app`` a problem document."""
    app.register_error_handler(Problem, lambda problem: problem.response())
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _unexpected)


def _from_http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return Response(error.get_body(), status, error.get_headers())  # a redirect is not an error
    next_step = _NEXT_STEPS.get(status, "See GET /docs for what this target takes")
    reply = Problem(status, error.description or HTTPStatus(status).phrase, next_step).response()
    reply.headers.extend([(k, v) for k, v in error.get_headers() if k not in ("Content-Type", "Content-Length")])
    return reply


def _unexpected(error: Exception) -> Response:
    _log.error("unexpected error", exc_info=error)
    detail = f"the target met an unexpected {type(error).__name__}; its own log has the trace"
    return Problem(503, detail, "Tell the operator of the target; then try again").response()
