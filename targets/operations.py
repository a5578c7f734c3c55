"""What an operator looks at: health, counters, the API's description and its page."""

from __future__ import annotations

import json

from flask import Blueprint, Response, current_app, render_template

from targets.api import current_target
from targets.openapi import documented

blueprint = Blueprint("operations", __name__, template_folder="templates")


@blueprint.get("/health")
@documented("Is the target up?", "It is, and its query log can be read", "Health")
def health() -> Response:
    """Say ok when the query log answers."""
    target = current_target()
    target.log.usage("health")
    return Response(json.dumps({"status": "ok", "name": target.pipeline.victim.name}), mimetype="application/json")


@blueprint.get("/metrics")
@documented("Counters for Prometheus", "Prometheus text format", None, kind="text/plain")
def metrics() -> Response:
    """Requests by verdict, rows answered, latency."""
    return Response(current_target().metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")


@blueprint.get("/openapi.json")
@documented("This API, described", "An OpenAPI 3.1 document", "Any")
def openapi() -> Response:
    """The OpenAPI document of this very app."""
    return Response(json.dumps(current_app.extensions["openapi"]), mimetype="application/json")


@blueprint.get("/docs")
@documented("This API, for people", "A page that needs no network", None, kind="text/html")
def docs() -> str:
    """The page made from the OpenAPI document."""
    target = current_target()
    middle = [(f.low + f.high) / 2 for f in target.pipeline.victim.features]  # nobody's row
    return render_template(
        "docs.html",
        api=current_app.extensions["openapi"],
        model=target.description,
        example=json.dumps({"rows": [middle]}),
    )
