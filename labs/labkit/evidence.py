"""Evidence that can be shown to have stayed the same: digests in a chain, a head noted elsewhere, a line of hands.

A chain proves that nothing sealed was changed *since the head was noted by somebody else*; not that it was true when it
was sealed, not that it is complete, and nothing at all against whoever holds the chain and the only copy of the head.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

START = "0" * 64


def content_digest(content: Any) -> str:
    """SHA-256, in hexadecimal, of plain data written as JSON with sorted keys: the same data, the same digest."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def line_digest(line: Mapping[str, Any]) -> str:
    """SHA-256 over a seal's number, name, sha256 and the digest of the line before it."""
    return content_digest([line["number"], line["name"], line["sha256"], line["previous"]])


def seal(items: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line for each item (name -> plain data), in order of name, each chained to the last."""
    lines: list[dict[str, Any]] = []
    for number, name in enumerate(sorted(items), start=1):
        previous = lines[-1]["digest"] if lines else START
        line = {"number": number, "name": name, "sha256": content_digest(items[name]), "previous": previous}
        lines.append({**line, "digest": line_digest(line)})
    return lines


def handovers(people: Sequence[str], head: str, start: float, *, every: float = 3600.0) -> list[dict[str, Any]]:
    """A chain of custody: who gave to whom, when, and the head that both read aloud."""
    pairs = itertools.pairwise(people)
    return [{"time": start + i * every, "from": a, "to": b, "head": head} for i, (a, b) in enumerate(pairs)]


def collect(case: Mapping[str, Any]) -> dict[str, Any]:
    """The items of an incident: trail, alerts, tickets, and the query log in one part a day of its clock."""
    items = {name: case[name] for name in ("trail", "alerts", "tickets", "clocks")}
    days = sorted({int(line["time"] // 86_400) for line in case["log"]})
    parts = {
        f"queries, day {day - days[0] + 1}": [line for line in case["log"] if int(line["time"] // 86_400) == day]
        for day in days
    }
    return {**items, **parts}
