"""The data room: rows that only a lab hands out, each body made once. A real vendor would serve none of this."""

from __future__ import annotations

from flask import Blueprint, Response

from targets.api import current_target
from targets.openapi import documented

blueprint = Blueprint("data_room", __name__, url_prefix="/lab/data")


@blueprint.get("/pool")
@documented("Lab only: rows an outsider may own", "Rows with their true classes", "LabRows")
def pool() -> Response:
    """The pool part: 25 % of all rows."""
    return Response(current_target().pool_json, mimetype="application/json")


@blueprint.get("/test")
@documented("Lab only: rows to measure with", "Rows with their true classes", "LabRows")
def test() -> Response:
    """The test part: 25 % of all rows; nobody may train on it."""
    return Response(current_target().test_json, mimetype="application/json")


@blueprint.get("/fingerprints")
@documented("Lab only: proof that no row leaked", "A SHA-256 for each training row", "Fingerprints")
def fingerprints() -> Response:
    """SHA-256 of each victim-training row's little-endian float64 bytes."""
    return Response(current_target().fingerprints_json, mimetype="application/json")
