"""The papers of lab 11's incident: the key server's trail, the monitors' alerts, the help desk's tickets."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from labkit.access import chain_again
from labkit.incident_people import Holder
from labkit.suspicion import how_far, how_new, rank
from labkit.traffic import DAY, HOUR

START = 20_773 * DAY  # Monday 16 November 2026, midnight UTC
DAYS = 6.75  # the story ends on Sunday evening
Lines = list[dict[str, Any]]


def trail_of(people: list[Holder], fast: float, rng: np.random.Generator) -> Lines:
    """The key server's trail, by its own fast clock; the day's routine among it."""
    lines = []
    for number, one in enumerate(people):
        first = [other for other in people if other.account == one.account and other.issued < one.issued and one.crew]
        old = f", instead of {first[0].key}" if first else ""
        detail = f"{one.role} for {one.account}{old}, ticket SUP-{1000 + number}"
        lines.append((one.issued, "key desk", "rotated" if first else "issued", one.key, detail))
    for one in rng.choice(np.array(people, dtype=object), 5):
        why = f"secret does not fit, from {one.source}"
        lines.append((float(rng.uniform(0.2, DAYS)), "unknown", "refused", one.key, why))
    plain = [
        {"time": round(START + day * DAY + fast, 3), "actor": actor, "event": event, "key": key, "detail": detail}
        for day, actor, event, key, detail in sorted(lines)
        if day <= DAYS
    ]
    return chain_again(plain)


def alerts_of(log: Lines, content: list[np.ndarray], known: np.ndarray) -> Lines:
    """What a spike rule and a bet (lab 10's, with two questions) say of each key, in order of time."""
    half = len(known) // 2
    near, held_out = known[:half], known[half:]
    scores = [how_far(near), how_new(near)]
    usual = [score(held_out) for score in scores]
    alerts = []
    for key in dict.fromkeys(line["key"] for line in log):
        mine = [i for i, line in enumerate(log) if line["key"] == key and line["verdict"] == "answered"]
        if not mine:
            continue
        rows = np.vstack([content[i] for i in mine])
        times = np.repeat([log[i]["time"] for i in mine], [len(content[i]) for i in mine])
        p = np.array([rank(u, score(rows)) for u, score in zip(usual, scores, strict=True)])
        capital = np.mean([np.cumprod(k * p ** (k - 1), axis=1) for k in (0.1, 0.25, 0.5)], axis=(0, 1))
        hour = np.arange(len(times)) - np.searchsorted(times, times - HOUR, side="right") + 1
        alerts += _first(key, times, capital, 100.0, "martingale", "medium", "far from real rows")
        alerts += _first(key, times, hour / 200, 1.0, "spike", "low", "200 rows within 3600 s")
    return sorted(alerts, key=lambda alert: alert["time"])


def _first(
    key: str, times: np.ndarray, scores: np.ndarray, threshold: float, detector: str, priority: str, reason: str
) -> Lines:
    over = np.flatnonzero(scores >= threshold)
    if not len(over):
        return []
    row = int(over[0])
    return [
        {
            "time": float(times[row]), "key": key, "detector": detector, "priority": priority,
            "score": round(float(scores[row]), 3), "queries_seen": row + 1, "reason": reason,
        }
    ]  # fmt: skip


def tickets_of(people: list[Holder], rng: np.random.Generator) -> Lines:
    """Sign-ups with their payment, and what people wrote; each desk writes its own local time."""
    found = [(one.issued - 0.01, one, "sign-up", "key wanted", 1000 + n) for n, one in enumerate(people)]
    extra = [(day, one, kind, text) for one in people for day, kind, text in one.tickets]
    found += [(*ticket, 1000 + len(people) + n) for n, ticket in enumerate(sorted(extra, key=lambda t: t[0]))]
    tickets = []
    for day, one, kind, text, number in sorted(found, key=lambda ticket: ticket[0]):
        desk = timezone(timedelta(hours=float(rng.choice([1, -5, 5.5]))))
        when = datetime.fromtimestamp(round(START + day * DAY), tz=desk)
        payment = one.payment if kind == "sign-up" else ""
        tickets.append({
            "id": f"SUP-{number}", "time": when.isoformat(), "account": one.account, "kind": kind, "text": text,
            "payment": payment,
        })  # fmt: skip
    return tickets
