"""One running target: its victim behind its defences, with a log and counters. Free of Flask, shared by all routes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from targets.access import KeyAuthority
from targets.config import TargetConfig
from targets.defences.base import Pipeline
from targets.defences.by_role import ByRole
from targets.metrics import Metrics
from targets.querylog import QueryLog
from targets.victims import Part, load_victim


@dataclass(frozen=True)
class Target:
    """Everything the routes need; ``app.extensions["target"]``."""

    config: TargetConfig
    pipeline: Pipeline
    log: QueryLog
    metrics: Metrics

    @classmethod
    def build(cls, config: TargetConfig) -> Target:
        """Load the victim and open the log. Raises ValueError or TypeError naming a wrong setting."""
        victim = load_victim(config.victim, seed=config.seed, model=config.model)
        log = QueryLog(config.log_url)
        defences = config.defences
        if isinstance(config.keys, KeyAuthority):
            defences = (*defences, _by_role(config.keys, log))
        return cls(config, Pipeline(victim, defences), log, Metrics())

    def described_to(self, role: str | None) -> dict[str, Any]:
        """The description as holders of ``role`` find it; None for a stranger."""
        keys = self.config.keys
        if role is None or not isinstance(keys, KeyAuthority):
            return self.description
        granted = keys.policy.roles.get(role)  # a policy may have lost a role that keys still name
        hides = granted is None or granted.output == "labels"
        return {**self.description, "output": "labels"} if hides else self.description

    @cached_property
    def description(self) -> dict[str, Any]:
        """What a customer may know of the model: GET /v1/model."""
        victim = self.pipeline.victim
        return {
            "name": victim.name,
            "title": victim.title,
            "features": [{"name": f.name, "low": f.low, "high": f.high, "unit": f.unit} for f in victim.features],
            "classes": list(victim.classes),
            "output": "labels" if self.pipeline.hides_probabilities else "probabilities",
            "max_rows": self.config.max_rows,
        }

    @cached_property
    def pool_json(self) -> bytes:
        """The rows an outsider may own, as a JSON body made once."""
        return _rows_json(self.pipeline.victim.pool)

    @cached_property
    def test_json(self) -> bytes:
        """The rows that measure both sides, as a JSON body made once."""
        return _rows_json(self.pipeline.victim.test)

    @cached_property
    def fingerprints_json(self) -> bytes:
        """SHA-256 of each training row's little-endian float64 bytes: proves disjointness, shows no row."""
        rows = self.pipeline.victim.train.X.astype("<f8")
        return json.dumps({"victim": [sha256(row.tobytes()).hexdigest() for row in rows]}).encode()


def _by_role(authority: KeyAuthority, log: QueryLog) -> ByRole:
    def spent_since(account: str, time: float) -> int:
        records = (record for key in authority.records(account) for record in log.records(key.id))
        return sum(record.rows for record in records if record.verdict == "answered" and record.time >= time)

    return ByRole(authority.policy, authority.account_of, spent_since)


def _rows_json(part: Part) -> bytes:
    return json.dumps({"rows": part.X.tolist(), "truth": part.y.tolist()}, separators=(",", ":")).encode()
