"""Lab 11: containment in the real app, and an incident that goes on while a playbook answers it.

``Containment`` is a defence like any other; what it does to a key is decided by a playbook, a function of one event.
``replay`` sends customers and a live, adaptive crew past it, in simulated time, and asks the playbook at each event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labkit.defending import Defence, Query, Refused
from labkit.playbook_crew import Crew
from labkit.suspicion import scaler

ACTIONS = ("watch", "throttle", "step up", "honeypot", "revoke")
THROTTLED, HOUR = 5, 3600.0  # rows an hour
CONFIRMS_IN, GIVEN_UP_IN = 600.0, 1800.0  # seconds until the number in the contract was reached, or nobody was
Reply = tuple[int, Any, Any]  # status, labels, probabilities
Send = Callable[[str, str, np.ndarray], Reply]
Event = dict[str, Any]
Playbook = Callable[[Event], "str | None"]


class Containment(Defence):
    """What was decided of each key: nothing, five rows an hour, "confirm first", decoys, or the end.

    ``known`` (n, d) places the decoys' plane, drawn from ``seed``: keep it secret. ``now`` is set by whoever has the
    clock. A key that confirmed is bound to the address it confirmed from.
    """

    def __init__(self, known: Any, seed: int):
        self._actions: dict[str, str] = {}
        self._bound: dict[str, str] = {}
        self._granted: dict[str, list[tuple[float, int]]] = {}
        self.now = 0.0
        self._scale = scaler(known)
        self._direction = np.random.default_rng(seed).normal(size=np.shape(known)[1])

    def put(self, key: str, action: str) -> None:
        """From now on ``action`` for ``key``. Raises ValueError when there is no such action."""
        if action not in ACTIONS:
            raise ValueError(f"{str(action)[:40]!r} is no action; choose one of {', '.join(ACTIONS)}")
        self._actions[key] = action

    def action(self, key: str) -> str:
        """What holds for ``key``."""
        return self._actions.get(key, "watch")

    def bind(self, key: str, source: str) -> None:
        """``key`` was confirmed: it opens from ``source`` alone."""
        self._bound[key] = source

    def contained(self) -> dict[str, str]:
        """Every key that is not only watched, and its action."""
        return {key: action for key, action in self._actions.items() if action != "watch"}

    def before(self, query: Query) -> None:
        """Refuse what was decided to be refused."""
        action = self.action(query.key)
        if action == "revoke":
            raise Refused("this key is revoked", retry_after=86_400)
        if action == "step up" or self._bound.get(query.key, query.source) != query.source:
            raise Refused("please confirm who you are: call the number in your contract", retry_after=CONFIRMS_IN)
        if action == "throttle":
            recent = [(t, n) for t, n in self._granted.get(query.key, []) if t > self.now - HOUR]
            if sum(n for _, n in recent) + len(query.rows) > THROTTLED:
                raise Refused("this key is slowed down", retry_after=HOUR)
            self._granted[query.key] = [*recent, (self.now, len(query.rows))]

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        """On the decoy's side of the plane class k reads, for a key in the honeypot, what class k - 1 had."""
        if self.action(query.key) == "honeypot":
            wrong = self._scale(query.rows) @ self._direction > 0
            probabilities[wrong] = np.roll(probabilities[wrong], 1, axis=1)
        return probabilities


@dataclass(frozen=True, eq=False)
class Visit:
    """One honest request: when, under which key, from where, which rows (n, d)."""

    time: float
    key: str
    source: str
    rows: np.ndarray


@dataclass(frozen=True)
class Account:
    """What the firm knows of a key's holder: age in days, contract ("standard" or "what-if"), payment."""

    account: str
    age_days: float
    contract: str = "standard"
    payment: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """Honest ``visits`` in order of time, what the firm knows of every key, a crew at work, and when the day ends."""

    visits: Sequence[Visit]
    accounts: dict[str, Account]
    crew: Crew
    end: float


@dataclass(eq=False)
class Ending:
    """What came of it. Requests, not rows, where honest ones are counted."""

    honest: int = 0
    refused: int = 0
    lied_to: int = 0
    locked_out: list[str] = field(default_factory=list)
    decisions: list[tuple[float, Event, str]] = field(default_factory=list)
    crew: list[dict[str, Any]] = field(default_factory=list)

    @property
    def refused_share(self) -> float:
        """Share of honest requests refused."""
        return self.refused / max(1, self.honest)

    def leaked(self) -> int:
        """Rows that the crew was answered truthfully."""
        return sum(len(batch["rows"]) for batch in self.crew if batch["true"])


def replay(
    playbook: Playbook, scene: Scene, containment: Containment, send: Send, new_alerts: Callable[[], list[Event]]
) -> Ending:
    """Play ``scene``: ``send`` asks the target that ``containment`` is mounted in, ``new_alerts`` returns the alerts
    raised since it was last called. The playbook is asked at each "new address" of a key, at each "alert", and after a
    "step up": a customer has "confirmed" ten minutes later, a thief's call is "unanswered" after thirty.
    """
    return _Replay(playbook, scene, containment, send, new_alerts).run()


class _Replay:
    def __init__(self, playbook: Playbook, scene: Scene, containment: Containment, send: Send, new_alerts: Any):
        self.playbook, self.scene, self.containment = playbook, scene, containment
        self.send, self.new_alerts = send, new_alerts
        self.ending = Ending()
        self.owners = {visit.key for visit in scene.visits}
        self.addresses: dict[str, list[str]] = {}
        self.confirmed: set[str] = set()
        self.calls: list[tuple[float, str]] = []  # when a call to a key's owner ends

    def run(self) -> Ending:
        visits = list(self.scene.visits)
        while visits or self.scene.crew.next_time < self.scene.end:
            if self.scene.crew.next_time < (visits[0].time if visits else np.inf):
                self._steal()
            else:
                self._visit(visits.pop(0))
        self._end_calls(np.inf)
        shut = {key for key, action in self.containment.contained().items() if action != "throttle"}
        self.ending.locked_out = sorted(shut & self.owners)
        return self.ending

    def _visit(self, visit: Visit) -> None:
        told, (status, _, _) = self._ask(visit.time, visit.key, visit.source, visit.rows)
        self.ending.honest += 1
        self.ending.refused += status != 200
        self.ending.lied_to += status == 200 and told == "honeypot"

    def _steal(self) -> None:
        crew = self.scene.crew
        time, key, source, rows = crew.act()
        told, (status, labels, probabilities) = self._ask(time, key, source, rows)
        crew.hear(status, labels)
        if status == 200:
            batch = {"time": time, "key": key, "rows": rows, "labels": labels, "probabilities": probabilities}
            self.ending.crew.append({**batch, "true": told != "honeypot"})

    def _ask(self, time: float, key: str, source: str, rows: np.ndarray) -> tuple[str, Reply]:
        """The action under which the request was answered, and the reply; alerts come after it."""
        self._end_calls(time)
        self.containment.now = time
        if source not in self.addresses.setdefault(key, []):
            self.addresses[key].append(source)
            self._decide({"kind": "new address", **self._facts(time, key)})
        told, reply = self.containment.action(key), self.send(key, source, rows)
        for alert in self.new_alerts():
            words = {name: alert[name] for name in ("detector", "priority", "score", "queries_seen", "reason")}
            self._decide({"kind": "alert", **self._facts(time, alert["key"]), **words})
        return told, reply

    def _end_calls(self, time: float) -> None:
        due = [call for call in self.calls if call[0] <= time]
        self.calls = [call for call in self.calls if call[0] > time]
        for when, key in due:
            if key in self.owners:
                self.confirmed.add(key)
                self.containment.bind(key, self.addresses[key][-1])
            kind = "confirmed" if key in self.owners else "unanswered"
            self._decide({"kind": kind, **self._facts(when, key)})

    def _decide(self, event: Event) -> None:
        action = self.playbook(event)
        if action is None:
            return
        key, before = event["key"], self.containment.action(event["key"])
        self.containment.put(key, action)
        self.ending.decisions.append((event["time"], event, action))
        if action == "step up" and before != action:
            self.calls.append((event["time"] + (CONFIRMS_IN if key in self.owners else GIVEN_UP_IN), key))

    def _facts(self, time: float, key: str) -> Event:
        """What the firm knows of a key at this moment; ``linked``: contained keys with the same address or payment."""
        one, accounts, source = self.scene.accounts[key], self.scene.accounts, self.addresses[key][-1]
        contained = set(self.containment.contained()) - {key}
        same_address = [k for k, places in self.addresses.items() if source in places and k != key]
        linked = {k for k in same_address if k in contained}
        linked |= {k for k in contained if accounts[k].payment == one.payment}
        return {
            "time": time, "key": key, "source": source, "account": one.account, "age_days": one.age_days,
            "contract": one.contract, "confirmed": key in self.confirmed, "linked": sorted(linked),
            "sharing": len({accounts[k].account for k in same_address} | {one.account}),
            "action": self.containment.action(key),
        }  # fmt: skip
