"""An incident as its investigator finds it: query log, audit trail, alerts, tickets. Everything from one seed.

Lines have the fields of the real ones (targets' query log, audit trail and alerts), so what reads these reads those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit import customers, query_thieves, traffic
from labkit.api import ModelCard
from labkit.incident_papers import DAYS, START, Lines, alerts_of, tickets_of, trail_of
from labkit.incident_people import CUSTOMERS, Holder, cast
from labkit.traffic import DAY, Request


@dataclass(frozen=True, eq=False)
class Incident:
    """``log``, ``trail``, ``alerts``, ``tickets``: what the investigator has; ``content`` the rows of each log line.

    ``trail_fast``: seconds by which the key server's clock is ahead. ``crew_keys``, ``crew_lines``, ``crew_accounts``:
    the truth, which no investigator has.
    """

    log: Lines
    content: list[np.ndarray]
    trail: Lines
    alerts: Lines
    tickets: Lines
    trail_fast: float
    crew_keys: frozenset[str]
    crew_lines: tuple[int, ...]
    crew_accounts: frozenset[str]

    @property
    def case(self) -> dict[str, Any]:
        """What the investigator has, as plain data."""
        return {
            "log": self.log, "trail": self.trail, "alerts": self.alerts, "tickets": self.tickets,
            "clocks": {"trail": self.trail_fast},
        }  # fmt: skip


def write_incident(card: ModelCard, pool: Any, test: Any, *, seed: Any) -> Incident:
    """An incident on the model of ``card``: customers ask ``test`` rows, the crew half of ``pool`` and invented ones.

    Both tables (n, d); the vendor keeps the first half of the pool to calibrate its monitor with.
    """
    rng = np.random.default_rng(seed)
    people = cast(rng)
    asked = sorted(_requests(people, rng), key=lambda pair: pair[0].time)
    half = len(pool) // 2
    streams = _rows(people, asked, card, np.asarray(pool)[half:], np.asarray(test), rng)
    log, content, crew_lines = [], [], []
    for number, (request, crew) in enumerate(asked, start=1):
        rows = next(streams[request.key, crew])
        verdict = _verdict(rng, crew)
        log.append(_log_line(number, request, len(rows), verdict, rng))
        content.append(rows)
        if crew and verdict == "answered":
            crew_lines.append(number)
    trail_fast = float(round(rng.uniform(240, 900), 1))
    return Incident(
        log, content, trail_of(people, trail_fast, rng), alerts_of(log, content, np.asarray(pool)[:half]),
        tickets_of(people, rng), trail_fast,
        crew_keys=frozenset(one.key for one in people if one.crew),
        crew_lines=tuple(crew_lines),
        crew_accounts=frozenset(one.account for one in people if one.crew and not one.stolen_from),
    )  # fmt: skip


def _requests(people: list[Holder], rng: np.random.Generator) -> list[tuple[Request, bool]]:
    """Every request of the week and whether the crew sent it."""
    week = traffic.honest_week(rng, days=7, customers=CUSTOMERS + 5)  # one for each plain holder, tellers' too
    plain = iter([one for one in people if one.rows == "plain" or one.stolen_from])
    named: dict[str, Holder] = {one.rows: one for one in people if one.rows in ("office", "nightly")}
    found = []
    for request in week:
        holder = named.get(request.key)
        if holder is None:
            holder = named[request.key] = next(plain)
        when = request.time - traffic.MONDAY + START
        if when < START + DAYS * DAY:
            found.append((Request(when, holder.key, _address(holder, when), request.rows), False))
    for one in people:
        if one.rows in ("analyst", "newcomer"):
            found += [(request, False) for request in _visits(one, rng, rows=12 if one.rows == "analyst" else 30)]
        elif one.crew:
            found += [(request, True) for request in _theft(one, rng)]
    return found


def _address(holder: Holder, when: float) -> str:
    moved = [day for day, kind, _ in holder.tickets if kind == "new address"]
    if moved and when > START + moved[0] * DAY:
        return holder.source.replace(".7", ".8")
    return holder.stolen_from or holder.source


def _visits(one: Holder, rng: np.random.Generator, *, rows: int) -> list[Request]:
    first = max(one.issued, 0.4)
    times = START + DAY * np.sort(rng.uniform(first + 0.01, min(first + 2.5, 5), 14))
    if one.rows == "newcomer":
        times = START + DAY * first + 120.0 + np.arange(0.0, 2800.0, 200.0)
    return [Request(float(t), one.key, one.source, rows) for t in times]


def _theft(one: Holder, rng: np.random.Generator) -> list[Request]:
    """A crew key at work: 5 rows at a time, day and night, until it has been used for a day or two."""
    first = one.issued if not one.stolen_from else 4.0 + float(rng.uniform(0, 0.3))
    length = 0.35 if one.rows == "probe" else float(rng.uniform(0.8, 1.6))
    times = np.arange(first + 0.002, min(first + length, DAYS), 900 * 2 / DAY)
    return [Request(START + float(t + rng.uniform(0, 0.004)) * DAY, one.key, one.source, 5) for t in times]


def _rows(
    people: list[Holder], asked: list[tuple[Request, bool]], card: ModelCard, own: np.ndarray, test: np.ndarray,
    rng: np.random.Generator,
) -> dict[tuple[str, bool], Any]:  # fmt: skip
    """For each (key, crew?) an iterator over the rows of its requests; crew keys share out ``own`` rows."""
    shared = iter(np.tile(own[rng.permutation(len(own))], (20, 1)))
    found = {}
    for one in people:
        for crew in (False, True):
            sizes = [request.rows for request, thief in asked if (request.key, thief) == (one.key, crew)]
            rows = _stream(one, crew, sum(sizes), card, own, test, shared, rng)
            found[one.key, crew] = iter(np.split(rows, np.cumsum(sizes)[:-1])) if sizes else iter(())
    return found


def _stream(
    one: Holder, crew: bool, count: int, card: ModelCard, own: np.ndarray, test: np.ndarray, shared: Any,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    if crew and one.rows == "real":
        return np.array([next(shared) for _ in range(count)]).reshape(count, test.shape[1])
    if crew:
        stream = query_thieves.uniform if one.rows == "probe" else query_thieves.on_the_form
        return stream(card, own, lambda rows: rows, rng, count)
    if one.rows == "analyst":
        return customers.analyst(test, rng, count, card)
    return np.vstack([customers.plain(test, rng, len(test)) for _ in range(count // len(test) + 1)])[:count]


def _verdict(rng: np.random.Generator, crew: bool) -> str:
    refused, invalid = (0.06, 0.03) if crew else (0.02, 0.01)
    draw = rng.random()
    return "refused" if draw < refused else "invalid" if draw < refused + invalid else "answered"


def _log_line(number: int, request: Request, rows: int, verdict: str, rng: np.random.Generator) -> dict[str, Any]:
    reasons = {"refused": "your role has no rows left today", "invalid": "row 1: a value is out of its range"}
    return {
        "line": number, "time": round(request.time, 3), "key": request.key, "source": request.source, "rows": rows,
        "verdict": verdict, "latency_ms": round(float(rng.gamma(4, 0.5)), 2), "reason": reasons.get(verdict, ""),
    }  # fmt: skip
