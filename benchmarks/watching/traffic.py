"""One day of mixed traffic: a hundred honest customers and thieves of every kind, each under a key of its own.

Rows never meet: the vendor calibrates with its training rows and half of the pool, thieves own the other half, honest
customers draw from the test part, each different rows. A stream's name is "kind number".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labkit import customers, query_thieves
from labkit.api import ModelCard
from targets import Victim
from targets.watch.reference import held_out_rows

START, DAY = 1_800_057_600.0, 86_400.0
# kind: how many customers, fewest and most rows of each
HONEST = {"plain": (40, 30, 100), "heavy": (10, 250, 400), "bursty": (20, 30, 100), "repeating": (15, 30, 100),
          "odd data": (15, 30, 100)}  # fmt: skip
STREAMS, ROWS, LONG = 6, 60, 150
ANALYST, SYBIL, SLOW = "analyst", "Sybil", "a row a day"
BLIND = (*query_thieves.ADAPTED, SLOW, SYBIL, ANALYST)


@dataclass(frozen=True, eq=False)
class Request:
    """One request of a stream."""

    time: float
    key: str
    source: str
    rows: np.ndarray


def mixed_day(victim: Victim, rng: np.random.Generator) -> list[Request]:
    """All requests in order of time (the slow thief's reach beyond the day)."""
    requests = [*_honest(victim, rng), *_thieves(victim, rng)]
    return sorted(requests, key=lambda request: request.time)


def card_of(victim: Victim) -> ModelCard:
    """The public card of ``victim``."""
    return ModelCard(victim.name, victim.title, victim.features, victim.classes, "probabilities", 1000)  # type: ignore[arg-type]


def _honest(victim: Victim, rng: np.random.Generator) -> Iterator[Request]:
    streams = {"odd data": customers.odd, "repeating": customers.repeating}
    for kind, (count, fewest, most) in HONEST.items():
        for number in range(count):
            rows = streams.get(kind, customers.plain)(victim.test.X, rng, int(rng.integers(fewest, most + 1)))
            begin = START + rng.uniform(0, DAY / 2)
            seconds = 60.0 if kind == "bursty" else DAY / 2
            parts = np.split(rows, np.cumsum(rng.integers(1, 11, len(rows)))[: max(1, len(rows) // 6)])
            parts = [part for part in parts if len(part)]
            moments = begin + np.sort(rng.uniform(0, seconds, len(parts)))
            for moment, part in zip(moments, parts, strict=True):
                yield Request(float(moment), f"{kind} {number}", f"10.1.{number}.{len(kind)}", part)


def _thieves(victim: Victim, rng: np.random.Generator) -> Iterator[Request]:
    own, card = victim.pool.X[len(held_out_rows(victim)) :], card_of(victim)
    kinds = {**query_thieves.SYNTHETIC, **query_thieves.ADAPTED, SLOW: query_thieves.gauss}
    for kind, stream in kinds.items():
        for number in range(STREAMS):
            count = LONG if kind in query_thieves.ADAPTED else ROWS
            rows = stream(card, own, victim.probabilities, rng, count)
            yield from _one_by_one(f"{kind} {number}", rows, DAY if kind == SLOW else 20.0, rng)
    for number in range(STREAMS):
        rows = customers.analyst(victim.test.X, rng, ROWS, card)
        yield from _one_by_one(f"{ANALYST} {number}", rows, 20.0, rng)
        rows = query_thieves.uniform(card, own, victim.probabilities, rng, ROWS)
        begin = START + rng.uniform(0, DAY / 2)
        for i, row in enumerate(rows):
            yield Request(begin + 20.0 * i, f"{SYBIL} {number}/{i}", f"10.9.{number}.{i}", row[None])


def _one_by_one(key: str, rows: np.ndarray, pause: float, rng: np.random.Generator) -> Iterator[Request]:
    begin = START + rng.uniform(0, DAY / 2)
    for i, row in enumerate(rows):
        yield Request(begin + pause * i, key, "10.7.0.1", row[None])
