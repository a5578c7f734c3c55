"""Lab 11's cast: who holds which key, from which address, paid by whom, and who opened a ticket about what.

Invented, like all traffic in this course. The honest ones include everybody a hasty investigator would accuse: the
analyst whose rows look odd, the nightly job, the newcomer at full use, four firms behind one exit, a firm that moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

EXIT = "198.18.0.9"  # a provider's exit: many customers share it, so it proves nothing
CUSTOMERS = 14


@dataclass
class Holder:
    """One key: its id, account, role, usual address, how its rows arise, its payment, when it was issued (days).

    ``crew``: the thief holds it. ``stolen_from``: the address of the honest owner, where the key is a stolen one.
    """

    key: str
    account: str
    role: str
    source: str
    rows: str
    payment: str
    issued: float
    crew: bool = False
    stolen_from: str = ""
    tickets: list[tuple[float, str, str]] = field(default_factory=list)  # (day, kind, text)


def cast(rng: np.random.Generator) -> list[Holder]:
    """Everybody in one incident: about 22 honest keys, and 6 to 8 that the crew holds."""
    people = _Registrar(rng)
    honest = [people.add(f"198.51.{i}.7", "plain", "analyst" if i % 3 else "teller") for i in range(CUSTOMERS)]
    honest += [people.add(EXIT, "plain", "analyst") for _ in range(4)]
    nightly = people.add("203.0.113.40", "nightly", "scientist")
    office = people.add("203.0.113.20", "office", "analyst")
    analyst = people.add("203.0.113.60", "analyst", "scientist")
    analyst.tickets.append((-20.0, "contract", "what-if contract: one case, one feature varied at a time"))
    people.add("203.0.113.60", "plain", "teller", account=analyst.account)
    newcomer = people.add("203.0.113.80", "newcomer", "analyst", issued=2.3)
    newcomer.tickets.append((2.2, "migration", "we move our whole book to you on Wednesday, expect a peak"))
    mover = honest[3]
    mover.tickets.append((3.1, "new address", f"new office, new line: from now on {mover.source.replace('.7', '.8')}"))
    office.tickets.append((1.6, "question", "what does Retry-After mean?"))
    nightly.tickets.append((4.7, "question", "may we ask 300 rows a night from January?"))
    _crew(rng, people, honest[int(rng.integers(4, CUSTOMERS))])
    return people.all


def _crew(rng: np.random.Generator, people: _Registrar, robbed: Holder) -> None:
    """The crew's keys, each tied to an earlier one by account, address or payment, never by all three."""
    day = 2.0 + float(rng.uniform(0.35, 0.6))
    here, there = (f"192.0.2.{n}" for n in rng.choice(np.arange(20, 90), 2, replace=False))
    probe = people.add(here, "probe", "analyst", issued=day, crew=True)
    again = people.add(there, "form", "analyst", issued=day + 1.0, crew=True, account=probe.account)
    probe.tickets.append((day + 0.97, "lost key", "please give us another key, ours was lost"))
    pool = [people.add(here, "real", "analyst", issued=day + 0.25, crew=True)]
    for i in range(int(rng.integers(2, 5))):
        source = EXIT if i == 1 else f"192.0.2.{100 + int(rng.integers(100))}"
        role = "teller" if i == 0 else "analyst"
        pool.append(people.add(source, "real", role, issued=day + 0.5 + 0.3 * i, crew=True, payment=pool[0].payment))
    robbed.crew, robbed.stolen_from, robbed.source = True, robbed.source, again.source
    robbed.rows, robbed.role = "real", "scientist"
    robbed.tickets.append((day + 2.2, "disputed bill", "our bill shows hundreds of rows that we never asked for"))


class _Registrar:
    """Hands out ids, accounts and payments."""

    def __init__(self, rng: np.random.Generator):
        self._rng = rng
        self.all: list[Holder] = []
        self._names = list(rng.permutation(np.arange(100, 1000)))

    def add(
        self, source: str, rows: str, role: str, *, issued: float | None = None, crew: bool = False, account: str = "",
        payment: str = "",
    ) -> Holder:  # fmt: skip
        """A new key; a new account unless one is named."""
        known = [one for one in self.all if one.account == account]
        holder = Holder(
            key=self._rng.bytes(6).hex(),
            account=account or f"account {self._names.pop()}",
            role=role,
            source=source,
            rows=rows,
            payment=known[0].payment if known else payment or f"card {self._rng.bytes(3).hex()}",
            issued=float(self._rng.uniform(-80, -5)) if issued is None else issued,
            crew=crew,
        )
        self.all.append(holder)
        return holder
