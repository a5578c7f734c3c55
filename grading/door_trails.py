"""Private cases of exercise 05.5: trails of a real authority, honest or with an insider, whole, changed or cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from grading.door_firm import POLICY_JOBS
from labkit.access import chain_again
from targets.access import KeyAuthority, Policy
from targets.access.audit import Line, first_broken


@dataclass(frozen=True)
class TrailCase:
    """A copy of a trail, the anchors the auditor kept, the approved tickets, and what is true of them."""

    about: str
    lines: list[dict]
    anchors: list[list]
    tickets: dict[str, dict]

    def problem(self, first_bad: Any, unapproved: Any) -> tuple[str, str] | None:
        """What is wrong with an answer, and the next step; None when it is right."""
        bad = first_broken([Line(**line) for line in self.lines], dict(map(tuple, self.anchors)))
        if first_bad is not None and (isinstance(first_bad, bool) or not isinstance(first_bad, int)):
            return f"On {self.about}, first_bad is {first_bad!r}.", "Return a line's number, or None for a whole trail."
        if first_bad != bad:
            return (
                f"On {self.about} you say first_bad is {first_bad}; it is {bad}.",
                "Check number, link and digest of each line, then the anchors: a cut leaves no broken link.",
            )
        keys = self._unapproved(bad)
        if not isinstance(unapproved, (list, tuple)) or not all(isinstance(one, str) for one in unapproved):
            return "unapproved is not a list of key ids.", 'Return line["key"] of each key that no ticket asked for.'
        missed, extra = sorted(keys - set(unapproved)), sorted(set(unapproved) - keys)
        step = "A key needs a ticket for its account and role; a ticket is good for one key; read only trusted lines."
        if missed:
            return f"On {self.about} you miss {len(missed)} of {len(keys)} keys that nobody asked for.", step
        if extra:
            return f"On {self.about} you accuse {len(extra)} keys for which nothing speaks.", step
        return None

    def _unapproved(self, bad: int | None) -> set[str]:
        used: set[str] = set()
        keys = set()
        for line in self.lines[: None if bad is None else bad - 1]:
            if line["event"] not in ("issued", "rotated"):
                continue
            words, ticket = line["detail"].rsplit(", ticket ", 1)
            role, account = words.split(", instead of ")[0].split(" for ", 1)
            if self.tickets.get(ticket) != {"account": account, "role": role} or ticket in used:
                keys.add(line["key"])
            used.add(ticket)
        return keys


def trails(rng: np.random.Generator) -> list[TrailCase]:
    """Five copies of real trails: honest, with an insider, with a changed line, made anew, cut."""
    honest = _Story(rng)
    insider = _Story(rng, insider=True)
    lines, tickets = insider.lines, insider.tickets
    place = int(rng.integers(len(lines) // 2, len(lines) - 2))
    changed = list(lines)
    changed[place] = {**lines[place], "detail": _whitewashed(str(lines[place]["detail"]))}
    anchors = [[n, lines[n - 1]["digest"]] for n in sorted({3, len(lines) // 2, len(lines)})]
    return [
        TrailCase("an honest trail", honest.lines, [[len(honest.lines), honest.lines[-1]["digest"]]], honest.tickets),
        TrailCase("a trail with an insider", lines, anchors, tickets),
        TrailCase("a trail with one changed line", changed, anchors, tickets),
        TrailCase("a trail that was made anew after a change", chain_again(changed), anchors, tickets),
        TrailCase("a trail whose end was cut off", lines[:-2], anchors, tickets),
        TrailCase("a trail without anchors", chain_again(changed), [], tickets),
    ]


def _whitewashed(detail: str) -> str:
    return detail.replace("model_team", "branch") if "model_team" in detail else detail + "0"


class _Story:
    """Some weeks of a key desk, played through a real authority; the insider helps itself three ways."""

    def __init__(self, rng: np.random.Generator, insider: bool = False):
        roles = {job: {"endpoints": list(job_[0])} for job, job_ in POLICY_JOBS.items()}
        self._now = float(rng.integers(10**8, 10**9))
        self._door = KeyAuthority(policy=Policy.from_data({"roles": roles}), clock=lambda: self._now)
        self.tickets: dict[str, dict] = {}
        self._rng = rng
        keys = [self._asked(f"branch {n}", str(rng.choice(["branch", "analyst"]))) for n in range(6)]
        if insider:
            self._issue("kim", "night desk", "model_team", "")  # no ticket at all
            spare = next(iter(self.tickets))
            self._issue("kim", **self.tickets[spare], ticket=spare)  # a ticket used twice
        for key in keys[:3]:
            self._rotated(key)
        if insider:
            wanted = self._ticket("branch 7", "branch")
            self._issue("kim", "branch 7", "model_team", wanted)  # more than was asked for
            self._door.rotate(keys[4].record.id, actor="kim")  # somebody else's key, "rotated" unasked
        for n in range(7, 10):
            self._asked(f"branch {n + 1}", "branch")
        self._door.revoke(keys[5].record.id, actor="lee")
        self.lines = [line.to_data() for line in self._door.trail()]
        self._door.close()

    def _ticket(self, account: str, role: str) -> str:
        name = f"T-{1000 + len(self.tickets) * 7 + int(self._rng.integers(0, 7))}"
        self.tickets[name] = {"account": account, "role": role}
        return name

    def _issue(self, actor: str, account: str, role: str, ticket: str) -> Any:
        self._now += float(self._rng.integers(600, 40_000))
        return self._door.issue(account, role, actor=actor, ticket=ticket)

    def _asked(self, account: str, role: str) -> Any:
        return self._issue(str(self._rng.choice(["kim", "lee"])), account, role, self._ticket(account, role))

    def _rotated(self, key: Any) -> None:
        self._now += 3600.0
        ticket = self._ticket(key.record.account, key.record.role)
        self._door.rotate(key.record.id, actor=str(self._rng.choice(["kim", "lee"])), ticket=ticket)
