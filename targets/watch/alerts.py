"""An alert: what a monitor says of a key, once."""

from __future__ import annotations

from dataclasses import dataclass

PRIORITIES = ("low", "medium", "high")


@dataclass(frozen=True)
class Alert:
    """``time`` in seconds since 1970, ``key``, the ``detector``'s name, ``priority`` ("low", "medium", "high"), its
    ``score``, ``queries_seen`` of the key when it was raised, and the ``reason`` in words.

    Where a target has no key authority, ``key`` is what the customer sends, as in the query log: a secret. Give keys an
    authority (targets.access) before alerts leave the house; then it is a public id.
    """

    time: float
    key: str
    detector: str
    priority: str
    score: float
    queries_seen: int
    reason: str

    def __post_init__(self) -> None:
        if self.priority not in PRIORITIES:
            raise ValueError(f"a priority is one of {', '.join(PRIORITIES)}, not {self.priority!r}")
