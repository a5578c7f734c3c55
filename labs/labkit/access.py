"""Lab 05's key room over HTTP, and the pieces to look into: a leaky comparison, a chained trail."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from labkit.api import Api, _raise_for_problem
from labkit.launch import Target, launch

START = "0" * 64
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Key:
    """An issued key; ``secret`` is what a caller sends, and the one thing this object does not show."""

    id: str
    account: str
    role: str
    secret: str = field(repr=False)


class KeyRoom:
    """A target behind a key authority, seen by its first key administrator."""

    def __init__(self, target: Target, admin: Key):
        self.target, self.admin = target, admin
        self._auditor: Key | None = None

    def issue(self, account: str, role: str, *, ticket: str = "") -> Key:
        """A key for ``account``; its secret is shown in this reply and never again."""
        return self._key(self._ask("POST /v1/keys", {"account": account, "role": role, "ticket": ticket}))

    def rotate(self, key: Key, *, overlap: float) -> Key:
        """A successor of ``key``, which works ``overlap`` seconds more."""
        return self._key(self._ask(f"POST /v1/keys/{key.id}/rotate", {"overlap": overlap}))

    def revoke(self, key: Key) -> None:
        """End ``key`` now."""
        self._ask(f"DELETE /v1/keys/{key.id}")

    def keys(self) -> list[dict]:
        """Every key's record."""
        return self._ask("GET /v1/keys")["keys"]

    def trail(self) -> list[dict]:
        """The audit trail, read under an auditor's key: an administrator may not."""
        self._auditor = self._auditor or self.issue("auditor", "auditor", ticket="lab")
        reply = self.target.transport.send("GET", "/v1/audit", None, {"X-API-Key": self._auditor.secret})
        _raise_for_problem(reply)
        return reply.body["lines"]

    def knock(self, endpoint: str, key: Key | None = None, body: Any = None) -> int:
        """Status of one call of ``endpoint`` ("GET /v1/keys"), with ``key`` or as a stranger."""
        method, path = endpoint.split(" ")
        headers = {"X-API-Key": key.secret} if key else {}
        return self.target.transport.send(method, path.replace("<id>", "nobody"), body, headers).status

    def api(self, key: Key, *, budget: int | None = None) -> Api:
        """A customer's session under ``key``."""
        return self.target.api(key.secret, budget=budget)

    def __enter__(self) -> KeyRoom:
        return self

    def __exit__(self, *_: object) -> None:
        self.target.stop()

    def _ask(self, endpoint: str, body: Any = None) -> dict:
        method, path = endpoint.split(" ")
        reply = self.target.transport.send(method, path, body, {"X-API-Key": self.admin.secret})
        _raise_for_problem(reply)
        return reply.body

    def _key(self, raw: Mapping) -> Key:
        return Key(raw["id"], raw["account"], raw["role"], raw["key"])

    def __repr__(self) -> str:
        return f"KeyRoom({self.target!r})"


def open_key_room(victim: str, *, model: str | None = None, seed: int = 0, policy: Mapping | None = None) -> KeyRoom:
    """Launch ``victim`` behind a door with roles (``policy`` as data; by default the labs' own six roles).

    The administrator's key is made here; the target gets its id and SHA-256 only, so that the key is in no process
    list and in no log.
    """
    id = secrets.token_hex(6)
    secret = f"mtl_{id}_{secrets.token_urlsafe(32)}"
    door = f"door:first_key={id}:{sha256(secret.encode()).hexdigest()}"
    if policy is not None:
        door += f",policy={base64.urlsafe_b64encode(json.dumps(policy).encode()).decode().rstrip('=')}"
    target = launch(victim, model=model, seed=seed, defences=[door])
    return KeyRoom(target, Key(id, "first administrator", "key_admin", secret))


DOORS = (
    "POST /v1/predict", "GET /v1/usage", "GET /metrics", "GET /v1/keys", "POST /v1/keys", "GET /v1/audit",
    "GET /v1/model",
)  # fmt: skip
ROLES = ("teller", "analyst", "scientist", "operator", "auditor", "key_admin")


def knock_everywhere(room: KeyRoom, *, ticket: str) -> dict[tuple[str, str], int]:
    """HTTP status of one call at each of ``DOORS``, without a key and with a fresh one of each role."""
    row = room.target.data("pool").X[:1].tolist()
    bodies = {"POST /v1/predict": {"rows": row}, "POST /v1/keys": {}}
    staff = {"no key": None, **{role: room.issue(f"{role} 1", role, ticket=ticket) for role in ROLES}}
    return {(role, door): room.knock(door, key, bodies.get(door)) for role, key in staff.items() for door in DOORS}


def doors_opened(statuses: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """How many doors each role got through: neither 401 nor 403."""
    opened: dict[str, int] = {}
    for (role, _), status in statuses.items():
        opened[role] = opened.get(role, 0) + (status not in (401, 403))
    return opened


def years_to_guess(bits: float, *, a_second: float = 1e10) -> float:
    """Years to try half of all secrets of so many bits."""
    return 2.0 ** (bits - 1) / a_second / 31_557_600


def leaky_equal(stored: str, presented: str) -> tuple[bool, int]:
    """Compare as ``==`` may: stop at the first difference. Also says how many characters were looked at."""
    for looked, (a, b) in enumerate(zip(stored, presented, strict=False), start=1):
        if a != b:
            return False, looked
    return len(stored) == len(presented), min(len(stored), len(presented))


def steady_equal(stored: str, presented: str) -> tuple[bool, int]:
    """Compare as ``hmac.compare_digest`` does: every character, whatever was found before. Says how many, too."""
    difference = len(stored) ^ len(presented)
    for a, b in zip(stored, presented, strict=False):
        difference |= ord(a) ^ ord(b)
    return difference == 0, min(len(stored), len(presented))


def read_by_counting(compare: Callable[[str], tuple[bool, int]], length: int, alphabet: str = ALPHABET) -> dict:
    """Find a secret of ``length`` characters by watching how far ``compare(guess)`` looks; one character at a time.

    Returns the text found and the number of guesses. Where the count tells nothing, every character stays a guess.
    """
    found, tries = "", 0
    for _ in range(length):
        # A letter that no secret has shows how far a comparison looks when this place is wrong.
        wrong, tries = compare(found.ljust(length, "\x00"))[1], tries + 1
        chosen = alphabet[0]
        for letter in alphabet:
            tries += 1
            right, looked = compare((found + letter).ljust(length, "\x00"))
            if right or looked != wrong:
                chosen = letter
                break
        found += chosen
    return {"found": found, "guesses": tries, "right": compare(found)[0]}


def line_digest(line: Mapping) -> str:
    """SHA-256 over everything in a line of the trail but its own digest, as the door makes it."""
    content = [line["number"], float(line["time"])]
    content += [line[name] for name in ("actor", "event", "key", "detail", "previous")]
    return sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def chain_again(lines: Iterable[Mapping]) -> list[dict]:
    """What a forger does who knows the method: number, chain and digest every line anew."""
    out: list[dict] = []
    for number, line in enumerate(lines, start=1):
        fresh = {**line, "number": number, "previous": out[-1]["digest"] if out else START}
        out.append({**fresh, "digest": line_digest(fresh)})
    return out


def broken_links(lines: Sequence[Mapping]) -> list[int]:
    """Numbers of the lines whose digest, number or link to the line before does not fit."""
    broken, previous = [], START
    for place, line in enumerate(lines, start=1):
        if line["number"] != place or line["previous"] != previous or line["digest"] != line_digest(line):
            broken.append(place)
        previous = line["digest"]
    return broken


_ISSUED = re.compile(r"(?P<role>[\w-]+) for (?P<account>.+?)(?:, instead of (?P<old>\w+))?, ticket (?P<ticket>.+)")


def what_was_issued(line: Mapping) -> dict | None:
    """Account, role and ticket ("none" without one) of an "issued" or "rotated" line; None for other lines."""
    found = _ISSUED.fullmatch(line["detail"]) if line["event"] in ("issued", "rotated") else None
    return found and {name: found[name] for name in ("account", "role", "ticket")}
