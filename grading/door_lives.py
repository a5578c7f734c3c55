"""Private cases of exercise 05.2: moments in a key's life, edges included, and what is right at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from grading.exercise import NotYet
from grading.learner import Remote

DAY = 86_400.0


@dataclass(frozen=True)
class Moment:
    """One question about a key: ``record`` at ``now``; with ``overlap`` it is to be rotated, else admitted or not."""

    number: int
    about: str
    record: dict
    now: float
    overlap: float | None = None

    def problem(self, admits: Remote, rotate: Remote) -> tuple[str, str] | None:
        """What is wrong with the learner's answer, and the next step; None when it is right."""
        if self.overlap is None:
            said = admits(self.record, self.now)
            if said is not _alive(self.record, self.now):
                word = "admits" if said is True else "refuses" if said is False else f"says {said!r} to"
                return (
                    f"admits(…) {word} {self.about}.",
                    "Return True from issue until just before `expires`, unless revoked.",
                )
            return None
        return self._rotation_problem(rotate(self.record, "feedc0ffee00", self.now, self.overlap), self.overlap)

    def _rotation_problem(self, pair: Any, overlap: float) -> tuple[str, str] | None:
        if not _alive(self.record, self.now):
            step = "Return None for a key that is not admitted any more: rotation must not revive it."
            return None if pair is None else (f"rotate(…) gives {self.about} a new life.", step)
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(one, dict) for one in pair):
            raise NotYet(f"For {self.about}, rotate returns {str(pair)[:40]!r}.", "Return (old record, new record).")
        old, new = pair
        life = self.record["expires"] - self.record["issued"]
        wanted_old = {**self.record, "expires": min(self.record["expires"], self.now + overlap)}
        wanted_new = {**self.record, "id": "feedc0ffee00", "issued": self.now, "expires": self.now + life}
        for name, got, wanted in (("old", old, wanted_old), ("new", new, wanted_new)):
            for field in wanted:
                if got.get(field) != wanted[field] or set(got) != set(wanted):
                    advice = _ADVICE.get((name, field), "Copy the record and change only what the text names.")
                    return f"Rotating {self.about}: the {name} record has {field} {got.get(field)!r}.", advice
        return None


_ADVICE = {
    ("old", "expires"): "The old key ends with the overlap or at its own end, whichever comes first.",
    ("new", "expires"): "The new key lives as long as the old one was meant to: expires - issued, from now on.",
    ("new", "role"): "Rotation changes the secret, never the rights.",
}


def _alive(record: dict, now: float) -> bool:
    return record["revoked"] is None and now < record["expires"]


def lives(rng: np.random.Generator) -> list[Moment]:
    """Moments with edges: at the end, a blink before, revoked, the clock set back, overlaps of all sizes."""
    start = float(rng.integers(10**6, 10**7))
    days = int(rng.integers(20, 90))
    end, role = start + days * DAY, str(rng.choice(["branch", "analyst"]))
    key: dict[str, Any] = {"id": rng.bytes(6).hex(), "account": "northern branch", "role": role}
    key |= {"issued": start, "expires": end, "revoked": None}
    revoked = {**key, "revoked": start + DAY}
    moments: list[tuple[str, dict, float, float | None]] = [
        ("a fresh key", key, start, None),
        ("a key in the middle of its life", key, start + 5 * DAY, None),
        ("a key half a second before it expires", key, end - 0.5, None),
        ("a key at the second it expires", key, end, None),
        ("a key long expired", key, end + 30 * DAY, None),
        ("a revoked key", revoked, start + 2 * DAY, None),
        ("a revoked key after the clock was set back", revoked, start + 0.5 * DAY, None),
        ("a key with a day's overlap", key, start + 3 * DAY, DAY),
        ("a key an hour before its end, overlap a day", key, end - 3600, DAY),
        ("a key with no overlap at all", key, start + 3 * DAY, 0.0),
        ("an expired key", key, end, DAY),
        ("a revoked key", revoked, start + 2 * DAY, DAY),
        ("a revoked key after the clock was set back", revoked, start + 0.5 * DAY, DAY),
    ]
    return [Moment(number, *moment) for number, moment in enumerate(moments, start=1)]
