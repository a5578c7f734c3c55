"""The key room: issue, list, rotate, revoke, and read the trail; there only where a target has an authority.

The guard (targets.door) has looked at every caller before a route here runs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, current_app, request

from targets.access import KeyAuthority
from targets.access.keys import KeyRecord, NewKey
from targets.door import admit
from targets.openapi import documented
from targets.problems import Problem

blueprint = Blueprint("key_room", __name__)
_MAY = (401, 403)


@blueprint.get("/v1/keys")
@documented("List keys", "Every key's record, never a key", "KeyList", errors=_MAY)
def list_keys() -> Response:
    """Every key's id, account, role and times, oldest first."""
    records, now = _authority().records(), _authority().now()
    return _json({"keys": [_shown(record, now) for record in records]})


@blueprint.post("/v1/keys")
@documented("Issue a key", "The key, shown this once", "NewKey", body="KeyRequest", errors=(400, *_MAY, 415, 422))
def issue() -> Response:
    """Make a key for an account in a role. The reply is the only place its secret ever appears."""
    wanted = _body({"account", "role"}, {"days", "ticket"})
    return _new(_do(lambda: _authority().issue(wanted.pop("account"), wanted.pop("role"), actor=_actor(), **wanted)))


@blueprint.post("/v1/keys/<id>/rotate")
@documented(
    "Rotate a key", "Its successor, shown this once", "NewKey", body="Rotation", errors=(400, *_MAY, 404, 415, 422)
)
def rotate(id: str) -> Response:
    """Replace a key; the old one works "overlap" seconds more."""
    wanted = _body(set(), {"overlap", "ticket"})
    _must_exist(id)
    return _new(_do(lambda: _authority().rotate(id, actor=_actor(), **wanted)))


@blueprint.delete("/v1/keys/<id>")
@documented("Revoke a key", "Its record; it opens nothing from now on", "KeyRecord", errors=(*_MAY, 404))
def revoke(id: str) -> Response:
    """End a key now, for good."""
    _must_exist(id)
    record = _do(lambda: _authority().revoke(id, actor=_actor()))
    return _json(_shown(record, _authority().now()))


@blueprint.get("/v1/audit")
@documented("Read the audit trail", "Every line, oldest first", "Trail", errors=_MAY)
def audit() -> Response:
    """Who issued, rotated, revoked, and who was refused; each line chained to the last."""
    return _json({"lines": [line.to_data() for line in _authority().trail()]})


def _authority() -> KeyAuthority:
    authority: KeyAuthority = current_app.extensions["target"].config.keys
    return authority


def _actor() -> str:
    return admit().account


def _shown(record: KeyRecord, now: float) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(record).items() if name != "digest"}
    return {**shown, "state": record.state(now)}


def _new(new: NewKey) -> Response:
    return _json({**_shown(new.record, new.record.issued), "key": new.key})


def _json(body: Any) -> Response:
    reply = Response(json.dumps(body), mimetype="application/json")
    reply.headers["Cache-Control"] = "no-store"
    return reply


def _body(needed: set[str], optional: set[str]) -> dict[str, Any]:
    if request.mimetype != "application/json":
        detail = f"the content type is {request.mimetype or 'missing'}, not application/json"
        raise Problem(415, detail, "Send the header Content-Type: application/json", field="Content-Type")
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON", "Send a JSON object such as {}", field="body") from None
    if not isinstance(body, dict):
        raise Problem(422, "the body is not a JSON object", "Send a JSON object such as {}", field="body")
    for name in sorted(needed - set(body)):
        raise Problem(422, f"{name} is missing", f"Name the {name}", field=name)
    for name in sorted(set(body) - needed - optional):
        known = ", ".join(sorted(needed | optional))
        raise Problem(422, f"there is no setting {name[:40]!r}", f"Send only {known}", field=name[:40])
    return body


def _must_exist(id: str) -> None:
    if not _authority().has(id):
        raise Problem(404, f"no key has the id {id[:20]!r}", "GET /v1/keys lists every id")


def _do(action: Any) -> Any:
    try:
        return action()
    except ValueError as error:
        raise Problem(422, str(error), "Correct it and send the request again") from None
