"""Replay a day through the real app with the martingale on guard; then show its log to the other monitors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.watching.traffic import SYBIL, Request, mixed_day
from labkit.transport import WsgiTransport
from targets import Query, TargetConfig, create_app, load_victim
from targets.querylog import Record
from targets.watch.forest import LOOKS_A_DAY, Forest
from targets.watch.guard import Guard
from targets.watch.martingale import Martingale
from targets.watch.monitor import Monitor
from targets.watch.prada import Prada
from targets.watch.reference import Reference
from targets.watch.rules import Spike

SHOWN = 120  # rows of a stream that the other monitors see; the martingale sees all


def one_day(name: str, seed: int) -> list[dict[str, Any]]:
    """Every stream of one day: its kind, rows asked, rows answered, and for each monitor its highest score and the row
    at which it alarmed (None: never).
    """
    victim = load_victim(name, seed=seed)
    reference = Reference.of(victim)
    guard = Guard([Martingale(reference)])
    records = replay(name, seed, guard, mixed_day(victim, np.random.default_rng([seed, 7])))
    others = monitors(reference)
    return [_stream(key, own, guard, others) for key, own in records.items()] + _clusters(records, reference)


def monitors(reference: Reference) -> list[Monitor]:
    """All that are compared with the martingale."""
    plain, paid = Forest(reference), Forest(reference, looks=LOOKS_A_DAY)
    plain.name, paid.name = "isolation forest, one look", "isolation forest, looks paid"
    strict, published = Prada(reference, 0.05), Prada(reference, 0.10)
    strict.name, published.name = "PRADA 0.95", "PRADA 0.90"
    alone = Martingale(reference, questions=("far from real rows",))
    alone.name = "martingale, distance alone"
    return [Spike(), strict, published, plain, paid, alone]


def replay(name: str, seed: int, guard: Guard, day: Sequence[Request]) -> dict[str, list[Record]]:
    """Send ``day`` to the real app; the log's records by key."""
    now = [0.0]
    app = create_app(TargetConfig(victim=name, seed=seed, defences=(guard,), store_rows=True, clock=lambda: now[0]))
    transport = WsgiTransport(app)
    for request in day:
        now[0] = request.time
        body = {"rows": request.rows.tolist()}
        reply = transport.send("POST", "/v1/predict", body, {"X-API-Key": request.key})
        if reply.status not in (200, 429):
            raise RuntimeError(f"the target answered {reply.status}: {reply.body}")
    by_key: dict[str, list[Record]] = defaultdict(list)
    for record in app.extensions["query_log"].records():
        by_key[record.key].append(record)
    transport.close()
    return by_key


def _stream(key: str, own: Sequence[Record], guard: Guard, others: Sequence[Monitor]) -> dict[str, Any]:
    alert = next((alert for alert in guard.alerts if alert.key == key), None)
    found: dict[str, Any] = {
        "kind": key.rpartition(" ")[0],
        "rows": sum(record.rows for record in own),
        "answered": sum(record.rows for record in own if record.verdict == "answered"),
        "alarm": {"martingale": alert.queries_seen if alert else None},
        "score": {"martingale": guard.monitors[0].standing().get(key, 0.0)},
    }
    shown, rows = [], 0
    for record in own:
        if rows < SHOWN:
            shown.append(record)
            rows += record.rows
    for monitor in others if len(own) > 1 else ():
        alarm, score = watch(monitor, shown)
        found["alarm"][monitor.name], found["score"][monitor.name] = alarm, score
    return found


def watch(monitor: Monitor, records: Sequence[Record]) -> tuple[int | None, float]:
    """Show one key's records to a fresh state of ``monitor``: the row of its alarm, and its highest score."""
    state = monitor.start()
    parts = [record.content for record in records if record.content is not None]
    if isinstance(monitor, Spike):
        times = [record.time for record in records if record.content is not None]
        scores = np.concatenate([state.update(part, time) for part, time in zip(parts, times, strict=True)])
    else:  # these do not look at the clock, and one table at once is quicker
        scores = state.update(np.vstack(parts), 0.0)
    over = np.flatnonzero(scores >= monitor.threshold)
    return (int(over[0]) + 1 if len(over) else None), float(scores.max())


def _clusters(records: dict[str, list[Record]], reference: Reference) -> list[dict[str, Any]]:
    """Each Sybil thief again, its keys watched as one: what a monitor sees that knows they belong together."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for key, own in records.items():
        if key.startswith(SYBIL):
            groups[key.partition("/")[0]] += own
    found = []
    for own in groups.values():
        guard = Guard([Martingale(reference)])
        answered = 0
        for record in own:
            assert record.content is not None
            guard.monitors[0].observe(Query(record.content, "cluster", record.source, record.time))
            answered += not guard.monitors[0].alarmed("cluster")
        alarm = answered + 1 if guard.monitors[0].alarmed("cluster") else None
        found.append({"kind": f"{SYBIL}, keys watched together", "rows": len(own), "answered": answered,
                      "alarm": {"martingale": alarm}, "score": {}})  # fmt: skip
    return found
