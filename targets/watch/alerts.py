"""An alert: what a monitor says of a key, once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alert:
    """``time`` in seconds since 1970, ``key``, the ``detector``'s name, ``priority`` ("low", "medium", "high"), its
    ``score``, ``queries_seen`` of the key when it was raised, and the ``reason`` in words.
    """

    time: float
    key: str
    detector: str
    priority: str
    score: float
    queries_seen: int
    reason: str
