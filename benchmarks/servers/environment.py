"""The environment of FastAPI and MLflow (about 650 MB)."""

from __future__ import annotations

import os

from benchmarks.own_environment import OwnEnvironment

OWN = OwnEnvironment("serving")
BIN, PYTHON = OWN.bin, OWN.python
prepared, prepare, versions = OWN.prepared, OWN.prepare, OWN.versions


def variables() -> dict[str, str]:
    """Environment variables for a server that lives there: its commands first, no telemetry."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    return {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
