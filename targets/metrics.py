"""Counters in Prometheus text format; one registry an app, so that two targets in one process never mix."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Requests by verdict, rows answered, and latency."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        requests = Counter("target_requests", "Prediction requests by verdict", ["verdict"], registry=self.registry)
        verdicts = ("answered", "refused", "invalid", "failed")
        self._requests = {verdict: requests.labels(verdict) for verdict in verdicts}
        self._rows = Counter("target_rows_answered", "Rows answered", registry=self.registry)
        self._latency = Histogram(
            "target_latency_seconds", "Time to an answer", buckets=_BUCKETS, registry=self.registry
        )

    def count(self, verdict: str, rows: int, seconds: float) -> None:
        """Count one request."""
        self._requests[verdict].inc()
        self._latency.observe(seconds)
        if verdict == "answered":
            self._rows.inc(rows)

    def text(self) -> bytes:
        """All counters in Prometheus text format 0.0.4."""
        return generate_latest(self.registry)
