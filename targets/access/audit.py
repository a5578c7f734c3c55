"""The audit trail: who issued, rotated, revoked, and who was refused; append-only, each line chained to the last.

A line's digest is SHA-256 over its content and the digest before it, so that a changed, removed or inserted line breaks
the chain from there on. A chain alone does not stop somebody who rewrites everything after the change, or who cuts
lines off the end: for that, keep a copy of the head (number and digest of the last line) where the writer cannot reach
it, and hand it to ``first_broken`` as an anchor. No line ever holds a key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

START = "0" * 64  # the digest before the first line


@dataclass(frozen=True)
class Line:
    """One event: number from 1, seconds since 1970, who acted, what, on which key id, in which words; and the chain."""

    number: int
    time: float
    actor: str
    event: str
    key: str
    detail: str
    previous: str
    digest: str

    def to_data(self) -> dict[str, object]:
        """As plain data, ready for JSON."""
        return asdict(self)


def digest_of(number: int, time: float, actor: str, event: str, key: str, detail: str, previous: str) -> str:
    """SHA-256 in hexadecimal over the JSON list of everything in a line but its digest."""
    content = [number, float(time), actor, event, key, detail, previous]
    return sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def chained(previous: Line | None, time: float, actor: str, event: str, key: str, detail: str) -> Line:
    """The line that follows ``previous``."""
    number, before = (1, START) if previous is None else (previous.number + 1, previous.digest)
    content = (number, time, actor, event, key, detail, before)
    return Line(*content, digest_of(*content))


def first_broken(lines: Sequence[Line], anchors: Mapping[int, str] | None = None) -> int | None:
    """Number of the first line that cannot be trusted, None when all can.

    ``anchors`` maps line numbers to digests that were noted elsewhere; a line that is missing, or differs from its
    anchor, breaks the trail at the first line after the last good anchor.
    """
    previous = START
    for place, line in enumerate(lines, start=1):
        content = (line.number, line.time, line.actor, line.event, line.key, line.detail, line.previous)
        if line.number != place or line.previous != previous or digest_of(*content) != line.digest:
            return place
        previous = line.digest
    return _first_off_anchor({line.number: line.digest for line in lines}, anchors or {})


def _first_off_anchor(digests: Mapping[int, str], anchors: Mapping[int, str]) -> int | None:
    good: Iterable[int] = [0]
    for number in sorted(anchors):
        if digests.get(number) != anchors[number]:
            # All from the last good anchor on is in doubt; a trail that was cut is sound as far as it goes.
            return len(digests) + 1 if number not in digests else max(good) + 1
        good = [*good, number]
    return None
