"""The watch room, lab only: what the monitors of a target think of every key."""

from __future__ import annotations

import json

from flask import Blueprint, Response

from targets.api import current_target
from targets.openapi import documented
from targets.watch.device import Watch

blueprint = Blueprint("watch_room", __name__, url_prefix="/lab")


@blueprint.get("/watch")
@documented("Lab only: scores and alerts", "What each monitor thinks of each key, row by row", "Any")
def watch() -> Response:
    """Scores of every key and row, and the alerts."""
    device = next(defence for defence in current_target().pipeline.defences if isinstance(defence, Watch))
    return Response(json.dumps(device.told()), mimetype="application/json")
