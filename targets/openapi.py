"""The OpenAPI 3.1 document, generated from the routes an app really has and the victim it really serves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask

from targets.access import KeyAuthority
from targets.target import Target

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Note:
    """What ``documented`` leaves on a view."""

    summary: str
    success: str
    schema: str | None
    body: str | None
    kind: str
    errors: tuple[int, ...]


def documented(
    summary: str,
    success: str,
    schema: str | None,
    *,
    body: str | None = None,
    kind: str = "application/json",
    errors: tuple[int, ...] = (),
) -> Callable[[View], View]:
    """Describe a view: what it does, what comes back (a schema below), what it takes, which errors it can give."""

    def mark(view: View) -> View:
        view.openapi = Note(summary, success, schema, body, kind, errors)  # type: ignore[attr-defined]
        return view

    return mark


def document(app: Flask) -> dict[str, Any]:
    """Describe every route of ``app``. Raises ValueError when a route has no description."""
    target: Target = app.extensions["target"]
    paths: dict[str, Any] = {}
    for rule in sorted(app.url_map.iter_rules(), key=_customers_first):
        if rule.endpoint == "static":
            continue
        view = app.view_functions[rule.endpoint]
        if not hasattr(view, "openapi"):
            raise ValueError(f"the route {rule.rule} has no description; decorate it with targets.openapi.documented")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            operation = _operation(rule.endpoint, view, view.openapi)
            operation |= {"parameters": [_path_parameter(name) for name in sorted(rule.arguments)]}
            paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", rule.rule), {})[method.lower()] = operation
    schemas = _schemas(target) | (_CONTROL if "control" in app.blueprints else {})
    schemes = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": target.description["title"], "version": "1", "description": _about(target)},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": schemes},
    }


def _customers_first(rule: Any) -> tuple[bool, str]:
    return not rule.rule.startswith("/v1/"), rule.rule


def _about(target: Target) -> str:
    key = "An API key is needed." if target.config.keys is not None else "The API key is optional."
    output = target.description["output"]
    return f"Answers with {output}. {key} At most {target.config.max_rows:,} rows in a request."


def _operation(endpoint: str, view: Any, note: Note) -> dict[str, Any]:
    success: dict[str, Any] = {"type": "string"} if note.schema is None else _ref(note.schema)
    responses = {"200": {"description": note.success, "content": {note.kind: {"schema": success}}}}
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    for status in (*note.errors, 503):
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    if 429 in note.errors:
        wait = {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
        responses["429"]["headers"] = {"Retry-After": wait}
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W", "_", endpoint),
        "summary": note.summary,
        "description": (view.__doc__ or "").strip(),
        "responses": responses,
    }
    if note.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(note.body)}}}
    if 401 in note.errors:
        operation["security"] = [{}, {"key": []}]
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _ref(name: str) -> dict[str, Any]:
    return {} if name == "Any" else {"$ref": f"#/components/schemas/{name}"}


def _array(items: dict[str, Any], **limits: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **limits}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


_NUMBER, _TEXT, _COUNT = {"type": "number"}, {"type": "string"}, {"type": "integer", "minimum": 0}
_FEATURE = _object({"name": _TEXT, "low": _NUMBER, "high": _NUMBER, "unit": _TEXT})
_MODEL = {
    "name": _TEXT,
    "title": _TEXT,
    "features": _array(_FEATURE),
    "classes": _array(_TEXT),
    "output": {"enum": ["probabilities", "labels"]},
    "max_rows": _COUNT,
}
_PROBLEM = {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "next_step": _TEXT}
_KEY = {
    **dict.fromkeys(("id", "account", "role", "state"), _TEXT),
    **dict.fromkeys(("issued", "expires"), _NUMBER),
    "revoked": {"type": ["number", "null"]},
    "replaced_by": {"type": ["string", "null"]},
}
_LINE = {"number": _COUNT, "time": _NUMBER, **dict.fromkeys(("actor", "event", "key", "detail"), _TEXT)}
_KEY_ROOM = {  # what targets.key_room takes and gives
    "KeyRecord": _object(_KEY),
    "NewKey": _object({**_KEY, "key": {"type": "string", "description": "Shown this once, stored nowhere"}}),
    "KeyList": _object({"keys": _array(_ref("KeyRecord"))}),
    "KeyRequest": _object({"account": _TEXT, "role": _TEXT, "days": _NUMBER, "ticket": _TEXT}, ("days", "ticket")),
    "Rotation": _object({"overlap": {**_NUMBER, "description": "Seconds"}, "ticket": _TEXT}, ("overlap", "ticket")),
    "Trail": _object({"lines": _array(_object({**_LINE, "previous": _TEXT, "digest": _TEXT}))}),
}
_CONTROL = {  # what targets.watch.control takes
    "Switch": _object({"name": _TEXT, "on": {"type": "boolean"}}),
    "Webhook": _object({"to": _TEXT}),
}
_SAME_FOR_ALL = {
    "Model": _object(_MODEL),
    "Usage": _object(
        {"key": _TEXT, "requests": _COUNT, "rows": _COUNT, "refused_requests": _COUNT, "refused_rows": _COUNT}
    ),
    "Health": _object({"status": {"const": "ok"}, "name": _TEXT}),
    "Fingerprints": _object({"victim": _array({"type": "string", "pattern": "^[0-9a-f]{64}$"})}),
    "Problem": _object({**_PROBLEM, "field": _TEXT, "row": _COUNT}, optional=("field", "row")),
}


def _schemas(target: Target) -> dict[str, Any]:
    width, classes = len(target.description["features"]), len(target.description["classes"])
    names = ", ".join(feature["name"] for feature in target.description["features"])
    row = _array(_NUMBER, minItems=width, maxItems=width, description=f"In this order: {names}")
    label = {"type": "integer", "minimum": 0, "maximum": classes - 1}
    shares: dict[str, Any] = _array(_array(_NUMBER, minItems=classes, maxItems=classes))
    if target.description["output"] == "labels":
        shares = {"type": "null"}
    return {
        "Rows": _object({"rows": _array(row, minItems=1, maxItems=target.config.max_rows)}),
        "Answer": _object({"labels": _array(label), "probabilities": shares, "rows": _COUNT}),
        "LabRows": _object({"rows": _array(row), "truth": _array(label)}),
        **_SAME_FOR_ALL,
        **(_KEY_ROOM if isinstance(target.config.keys, KeyAuthority) else {}),
    }
