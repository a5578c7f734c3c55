"""The control room's doors into a running target: look at everything, turn switches, send alerts somewhere.

There only when a target has a Board and its environment a lab token; loopback only; every request shows the token.
"""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from targets.api import current_target
from targets.openapi import documented
from targets.problems import Problem
from targets.serving import is_loopback
from targets.watch.board import Board
from targets.watch.delivery import Webhook
from targets.watch.desk import Desk

TOKEN = "MODEL_THEFT_LABS_CONTROL"
NEWEST = 12  # queries and alerts shown
_MAY = (401, 403)

blueprint = Blueprint("control", __name__, url_prefix="/lab/control")


def open_control(app: Flask) -> None:
    """Give ``app`` a control room if its pipeline has a Board. Raises ValueError when there is no token to ask for."""
    if not any(isinstance(defence, Board) for defence in app.extensions["target"].config.defences):
        return
    token = os.environ.get(TOKEN, "")
    if len(token) < 16:
        raise ValueError(f"a board needs a lab token of at least 16 characters in the environment variable {TOKEN}")
    app.extensions["control_token"] = token
    app.register_blueprint(blueprint)


@blueprint.before_request
def _guard() -> None:
    if not is_loopback(request.remote_addr or ""):
        raise Problem(403, "the control room is for this machine only", "Ask from the machine the target runs on")
    shown = request.headers.get("X-Lab-Token", "")
    if not hmac.compare_digest(shown.encode(), current_app.extensions["control_token"].encode()):
        raise Problem(401, "the control room wants its lab token", "Send it in X-Lab-Token", field="X-Lab-Token")


@blueprint.get("")
@documented("Lab only: the whole picture", "Switches, queries, keys and alerts", "Any", errors=_MAY)
def picture() -> Response:
    """Switches, the newest queries, every key's facts, alerts and where they went."""
    target, desk = current_target(), _desk()
    board = next(defence for defence in target.pipeline.defences if isinstance(defence, Board))
    return _json({
        "time": float(target.config.clock()),
        "baseline": board.baseline,
        "switches": _switches(desk),
        "stream": [{"number": number, **_shown(record)} for number, record in target.log.newest(NEWEST)],
        "keys": _keys(desk, board.told(), target.log.by_key()),
        "alerts": [
            {**asdict(entry.alert), "held": entry.held, "delivered_to": list(entry.delivered_to)}
            for entry in desk.outbox.entries(NEWEST)
        ],
        "channels": desk.courier.channels,
    })  # fmt: skip


@blueprint.post("/switches")
@documented("Lab only: turn a switch", "All switches", "Any", body="Switch", errors=(400, *_MAY, 422))
def turn() -> Response:
    """Turn one defence on or off, from the next query on."""
    wanted, desk = _body("name", "on"), _desk()
    found = [switch for switch in desk.switches if switch.name == wanted["name"]]
    if not found:
        names = ", ".join(switch.name for switch in desk.switches) or "none"
        raise Problem(422, f"no switch is named {str(wanted['name'])[:60]!r}", f"There are: {names}", field="name")
    if not isinstance(wanted["on"], bool):
        raise Problem(422, "on is true or false", "Send true or false", field="on")
    found[0].on = wanted["on"]
    return _json({"switches": _switches(desk)})


@blueprint.post("/alerts")
@documented("Lab only: send alerts somewhere", "Where alerts go", "Any", body="Webhook", errors=(400, *_MAY, 422))
def send_alerts() -> Response:
    """Deliver every alert from now on to a webhook on this machine, too."""
    try:
        channel = Webhook(str(_body("to")["to"]))
    except ValueError as error:
        raise Problem(422, str(error), "Give the URL of a receiver on this machine", field="to") from None
    _desk().add(channel)
    return _json({"channels": _desk().courier.channels})


def _desk() -> Desk:
    desk: Desk = current_app.extensions["alert_desk"]
    return desk


def _switches(desk: Desk) -> list[dict[str, Any]]:
    return [{"name": switch.name, "on": switch.on, "refused": switch.refused} for switch in desk.switches]


def _shown(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("time", "key", "rows", "verdict", "reason")}


def _keys(desk: Desk, told: dict[str, Any], counted: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """Every key on record, the one with most rows first."""
    unknown: dict[str, Any] = {"features": None, "curve": []}
    keys = []
    for key, (answered, refused) in counted.items():
        facts = {"key": key, **unknown, **told.get(key, {}), "answered": answered, "refused": refused}
        for sentry in desk.sentries:
            monitor = sentry.martingale
            facts |= {"capital": monitor.standing().get(key, 1.0), "alarmed": monitor.alarmed(key)}
        keys.append(facts)
    return sorted(keys, key=lambda facts: -facts["answered"] - facts["refused"])


def _body(*names: str) -> dict[str, Any]:
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON", "Send a JSON object", field="body") from None
    for name in names:
        if not isinstance(body, dict) or name not in body:
            raise Problem(422, f"{name} is missing", f"Send a JSON object with {', '.join(names)}", field=name)
    return dict(body)


def _json(body: Any) -> Response:
    reply = Response(json.dumps(body), mimetype="application/json")
    reply.headers["Cache-Control"] = "no-store"
    return reply
