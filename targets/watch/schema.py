"""An alert as others read it: a document in the Elastic Common Schema (ECS 8.17), which most log stores take.

Source of names and allowed values: https://www.elastic.co/docs/reference/ecs/ecs-field-reference
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from targets.watch.alerts import Alert

ECS_VERSION = "8.17.0"
SEVERITY = {"low": 21, "medium": 47, "high": 73}  # Elastic's own numbers for these words
_TECHNIQUE = {
    "id": ["AML.T0024.002"],
    "name": ["Extract AI Model"],
    "reference": ["https://atlas.mitre.org/techniques/AML.T0024.002"],
}


def ecs(uid: str, alert: Alert) -> dict[str, Any]:
    """``alert`` as an ECS document; ``event.id`` is ``uid``, the same in every delivery of the same alert."""
    when = datetime.fromtimestamp(alert.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event: dict[str, Any] = {
        "kind": "alert",
        "category": ["intrusion_detection"],
        "type": ["info"],
        "action": "model-theft-suspected",
        "id": uid,
        "module": "model_theft_labs",
        "dataset": "model_theft_labs.alerts",
        "provider": alert.detector,
        "severity": SEVERITY[alert.priority],
        "reason": alert.reason,
    }
    if math.isfinite(alert.score):  # JSON has no infinity
        event["risk_score"] = alert.score
    return {
        "@timestamp": when,
        "ecs": {"version": ECS_VERSION},
        "message": f"{alert.detector}: key {alert.key} after {alert.queries_seen:,} rows, {alert.reason}",
        "event": event,
        "rule": {"name": alert.detector, "category": "model theft"},
        "user": {"id": alert.key},
        "observer": {"product": "Model Theft Labs", "type": "ids"},
        "threat": {"framework": "MITRE ATLAS", "technique": _TECHNIQUE},
        # ECS keeps labels as text.
        "labels": {"priority": alert.priority, "queries_seen": str(alert.queries_seen)},
    }
