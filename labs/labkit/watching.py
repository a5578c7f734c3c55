"""Lab 10: mixed traffic for a watched target, what its monitors thought of each key, and your own detector on guard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit import customers, query_thieves
from labkit.api import _raise_for_problem
from labkit.defending import Defence, Query, Refused
from labkit.errors import QueryRefused
from labkit.launch import Target, launch

ANALYST, SYBIL, TOGETHER = "analyst", "Sybil, one row a key", "Sybil, keys together"
# What is sent to the learner's own guard, and how many rows of each.
SHOWN = (
    "plain",
    "odd data",
    ANALYST,
    "uniform",
    "equation box",
    "line search",
    "active, near the boundary",
    "real rows",
)
ASKED = 30


@dataclass(frozen=True, eq=False)
class Stream:
    """All rows (n, d) of one key in order, its kind, and whether a thief holds it. Monitors see key and rows only."""

    key: str
    kind: str
    thief: bool
    rows: np.ndarray


def split_pool(target: Target) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three tables without a common row: what this lab's vendor keeps (known to it, held out), what a thief owns."""
    pool = target.data("pool").X
    quarter = len(pool) // 4
    return pool[:quarter], pool[quarter : 2 * quarter], pool[2 * quarter :]


def mixed_traffic(
    target: Target, *, seed: int = 0, plain: int = 50, heavy: int = 4, odd: int = 6, thieves: int = 3, keys: int = 40
) -> list[Stream]:
    """Customers with test rows, ``thieves`` of every kind with pool rows, in random order."""
    rng, card = np.random.default_rng(seed), target.model()
    answer = target.api("rehearsal").probabilities
    test, own = target.data("test").X, split_pool(target)[2]
    found = [("plain", False, customers.plain(test, rng, int(rng.integers(30, 70)))) for _ in range(plain)]
    found += [("heavy", False, customers.plain(test, rng, int(rng.integers(250, 350)))) for _ in range(heavy)]
    found += [("odd data", False, customers.odd(test, rng, 60)) for _ in range(odd)]
    for kind, stream in {**query_thieves.SYNTHETIC, **query_thieves.ADAPTED}.items():
        rows = 150 if kind in query_thieves.ADAPTED else 60
        found += [(kind, True, stream(card, own, answer, rng, rows)) for _ in range(thieves)]
    found += [(ANALYST, False, customers.analyst(test, rng, 45, card)) for _ in range(thieves)]
    many = query_thieves.uniform(card, own, answer, rng, keys)
    found += [(SYBIL, True, row[None]) for row in many] + [(TOGETHER, True, many)]
    order = rng.permutation(len(found))
    return [Stream(f"key-{number:03d}", *found[i]) for number, i in enumerate(order)]


@dataclass(frozen=True, eq=False)
class Watched:
    """What a target's monitors say: ``thresholds`` by monitor, ``scores`` by key, monitor and row; ``alerts``."""

    thresholds: dict[str, float]
    scores: dict[str, dict[str, np.ndarray]]
    alerts: list[dict[str, Any]]

    def alarm(self, monitor: str, key: str) -> int | None:
        """The row of ``key`` at which ``monitor`` first reaches its threshold, from 1; None: never."""
        over = np.flatnonzero(self.scores[key][monitor] >= self.thresholds[monitor])
        return int(over[0]) + 1 if len(over) else None

    def highest(self, monitor: str, streams: Sequence[Stream]) -> np.ndarray:
        """The highest score of each stream."""
        return np.array([self.scores[stream.key][monitor].max() for stream in streams])


def send(target: Target, streams: Sequence[Stream]) -> Watched:
    """Send every stream under its own key, then read the watch room of ``target`` (defence "watch")."""
    for stream in streams:
        target.api(stream.key).predict(stream.rows)
    reply = target.transport.send("GET", "/lab/watch")
    _raise_for_problem(reply)
    told = reply.body
    scores = {key: {name: np.asarray(s) for name, s in mine.items()} for key, mine in told["scores"].items()}
    return Watched(told["thresholds"], scores, told["alerts"])


def alarmed_rows(streams: Sequence[Stream], watched: Watched) -> list[dict[str, Any]]:
    """One line a kind, honest ones first: how many keys, and the share that each monitor alarmed."""
    lines = []
    for (thief, kind), count in sorted(Counter((stream.thief, stream.kind) for stream in streams).items()):
        mine = [stream.key for stream in streams if stream.kind == kind]
        shares = {m: f"{np.mean([watched.alarm(m, key) is not None for key in mine]):.0%}" for m in watched.thresholds}
        lines.append({"side": "thief" if thief else "honest", "kind": kind, "keys": count, **shares})
    return lines


def leaked_rows(streams: Sequence[Stream], watched: Watched, monitor: str = "martingale") -> list[dict[str, Any]]:
    """One line a kind of thief: share alarmed, rows answered before the alert (median, most), rows answered in all."""
    lines = []
    for kind in sorted({stream.kind for stream in streams if stream.thief or stream.kind == ANALYST}):
        mine = [stream for stream in streams if stream.kind == kind]
        alarms = [watched.alarm(monitor, stream.key) for stream in mine]
        leaked = [len(s.rows) if alarm is None else alarm - 1 for s, alarm in zip(mine, alarms, strict=True)]
        lines.append({
            "kind": kind,
            "alarmed": f"{np.mean([alarm is not None for alarm in alarms]):.0%}",
            "leaked, median": int(np.median(leaked)),
            "leaked, most": max(leaked),
            "leaked, all keys": sum(leaked),
        })  # fmt: skip
    return lines


Detect = Callable[[np.ndarray, np.ndarray, Sequence[np.ndarray], float], Any]


class OwnGuard(Defence):
    """Your detector on guard: at each query it sees the key's whole stream so far; an alarmed key is refused."""

    def __init__(self, detect: Detect, known: np.ndarray, ordinary: np.ndarray, threshold: float = 100.0):
        self.threshold = threshold
        self._detect, self._known, self._ordinary = detect, known, ordinary
        self._past: dict[str, np.ndarray] = {}

    def before(self, query: Query) -> None:
        """Add the rows to the key's past, ask the detector."""
        past = self._past.get(query.key)
        rows = query.rows if past is None else np.vstack([past, query.rows])
        self._past[query.key] = rows
        if self._detect(self._known, self._ordinary, [rows], self.threshold)[0]:
            raise Refused("this key is stopped: its queries do not look like a customer's", retry_after=86_400)


def stop_thieves(detect: Detect, streams: Sequence[Stream], victim: str = "credit") -> list[dict[str, Any]] | str:
    """Mount ``detect`` in the real app and send it streams row by row; what was answered is counted by its log."""
    chosen = list({stream.kind: stream for stream in streams if stream.kind in SHOWN}.values())
    with launch(victim) as plain:
        known, ordinary, _ = split_pool(plain)
    try:
        detect(known, ordinary, [chosen[0].rows], 100.0)
    except NotImplementedError:
        return "Write exercise 10.4, then run this cell again."
    with launch(victim, defences=[OwnGuard(detect, known, ordinary)]) as target:
        for stream in chosen:
            api = target.api(stream.key)
            try:
                for row in stream.rows[:ASKED]:
                    api.labels(row[None])
            except QueryRefused:
                continue
        return [
            {"kind": s.kind, "asked": min(ASKED, len(s.rows)), "answered (target's log)": target.usage(s.key)["rows"]}
            for s in sorted(chosen, key=lambda one: (one.thief, one.kind))
        ]
