"""Scenes for a playbook: who visits, what the firm knows of them, which crew is at work. All from one seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labkit import customers, query_thieves
from labkit.api import ModelCard
from labkit.incident import START
from labkit.incident_people import EXIT
from labkit.playbook import Account, Scene, Visit
from labkit.playbook_crew import Crew, CrewKey
from labkit.traffic import DAY, HOUR

NINE = START + 3 * DAY + 9 * HOUR  # Thursday morning
LENGTH = 9 * HOUR
ROWS_A_KEY = 100


def make_scene(card: ModelCard, own: Any, test: Any, *, seed: Any, tests: bool = False) -> Scene:
    """A working day: about 22 customers with ``test`` rows, a crew of five keys with the real rows ``own``.

    The crew's first key asks invented rows; the others are tied to it by address or payment, but for the last one.
    """
    rng = np.random.default_rng(seed)
    accounts: dict[str, Account] = {}
    visits = _customers(card, np.asarray(test), rng, accounts)
    crew = _crew(card, np.asarray(own), rng, accounts, tests)
    return Scene(sorted(visits, key=lambda visit: visit.time), accounts, crew, NINE + LENGTH)


def liar(event: Mapping[str, Any]) -> str | None:
    """A playbook that lies: a key linked to a contained one gets decoys, unless many accounts share its address.

    An alert that nothing explains is asked to step up first; who does not answer gets decoys, too.
    """
    if event["kind"] == "alert":
        return None if event["contract"] == "what-if" or event["confirmed"] else "step up"
    if event["kind"] == "new address" and event["linked"]:
        return "honeypot" if event["sharing"] <= 3 else "step up"
    return {"confirmed": "watch", "unanswered": "honeypot"}.get(event["kind"])


def _key(rng: np.random.Generator) -> str:
    return rng.bytes(6).hex()


def _open(rng: np.random.Generator, accounts: dict[str, Account], age: float, contract: str = "standard") -> str:
    key = _key(rng)
    accounts[key] = Account(f"account {rng.integers(100, 1000)}-{len(accounts)}", age, contract, f"card {_key(rng)}")
    return key


def _customers(
    card: ModelCard, test: np.ndarray, rng: np.random.Generator, accounts: dict[str, Account]
) -> list[Visit]:
    visits: list[Visit] = []

    def come(source: str, stream: np.ndarray, batch: int, age: float, contract: str = "standard") -> None:
        key = _open(rng, accounts, age, contract)
        parts = np.split(stream, range(batch, len(stream), batch))
        times = NINE + np.sort(rng.uniform(0, LENGTH, len(parts)))
        visits.extend(Visit(float(t), key, source, part) for t, part in zip(times, parts, strict=True))

    for i in range(14):
        come(f"198.51.{i}.7", customers.plain(test, rng, 18), 3, float(np.exp(rng.uniform(1.5, 6.8))))
    for _ in range(4):
        come(EXIT, customers.plain(test, rng, 18), 3, float(np.exp(rng.uniform(1.5, 6.8))))
    come("203.0.113.60", customers.analyst(test, rng, 60, card), 10, 400.0, "what-if")
    come("203.0.113.61", customers.analyst(test, rng, 60, card), 10, 300.0)
    come("203.0.113.80", customers.plain(test, rng, 40), 5, 0.5)
    come("203.0.113.40", customers.plain(test, rng, 250), 25, 700.0)
    return visits


def _crew(
    card: ModelCard, own: np.ndarray, rng: np.random.Generator, accounts: dict[str, Account], tests: bool
) -> Crew:
    keys = [_open(rng, accounts, age) for age in rng.uniform(10, 90, 5).tolist()]
    here, there, far = (f"192.0.2.{n}" for n in rng.choice(np.arange(20, 250), 3, replace=False))
    shared = accounts[keys[0]].payment
    for tied in (2, 3):
        one = accounts[keys[tied]]
        accounts[keys[tied]] = Account(one.account, one.age_days, one.contract, shared)
    rows = np.split(own[rng.permutation(len(own))[: 4 * ROWS_A_KEY]], 4)
    invented = query_thieves.uniform(card, own, lambda asked: asked, rng, ROWS_A_KEY)
    sources = [here, here, there, EXIT, far]
    asked = [invented, *rows]
    return Crew([CrewKey(*one) for one in zip(keys, sources, asked, strict=True)], NINE + 0.5 * HOUR, tests)
