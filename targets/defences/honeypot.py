"""Keep a suspect talking: answers that look like the model's, learn well, and are wrong in half of the world."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Any

import numpy as np

from targets.defences.base import Defence, Query
from targets.defences.known import known_rows
from targets.defences.randomness import Draws
from targets.victims.base import Floats


class Honeypot(Defence):
    """Suspected keys get a decoy: on one side of a keyed plane through the data, every class reads what the next has.

    The same row always gets the same decoy, under any suspected key, so that asking twice shows nothing; a copy trained
    on decoys passes its own cross-validation. ``suspects`` are keys ("a+b" on the command line); ``suspect(key)`` and
    ``clear(key)`` change them while the target runs. ``known`` is a table of rows (n, d) or a victim's name (its
    training rows of ``seed``), which places the plane. ATLAS lists honeypots as AML.M0039.
    Stops: a suspect's copy from agreeing, for as long as he does not look through it.
    Does not stop: who asks one row under a second, unsuspected key, or knows some true classes: he sees the decoy.
    Costs the honest customer: nothing, until one is suspected by mistake; then half of the answers are lies.
    """

    def __init__(self, secret: Any = None, known: Any = None, suspects: str | Iterable[str] = (), seed: int = 0):
        if secret is None:
            raise ValueError("secret is the owner's key: whoever can compute the plane can undo the decoy")
        rows, self.known = known_rows(known, seed, 2)
        self._suspects = set(suspects.split("+") if isinstance(suspects, str) else suspects) - {""}
        self._lock = Lock()
        self._middle, self._scale = np.median(rows, axis=0), rows.std(axis=0)
        self._scale[self._scale == 0] = 1.0
        features = np.arange(rows.shape[1], dtype=np.float64)[:, None]
        draws = Draws(secret=secret, purpose="honeypot plane").uniform(features, 1)
        self._direction = draws[:, 0] - 0.5
        self._offset = float(np.median(self._along(rows)))

    def suspect(self, key: str) -> None:
        """From now on ``key`` gets decoys."""
        with self._lock:
            self._suspects.add(key)

    def clear(self, key: str) -> None:
        """``key`` gets true answers again; what it was told before is not taken back."""
        with self._lock:
            self._suspects.discard(key)

    @property
    def suspects(self) -> frozenset[str]:
        """The keys that get decoys."""
        with self._lock:
            return frozenset(self._suspects)

    def decoyed(self, rows: Floats) -> np.ndarray:
        """Which of ``rows`` (n, d) lie on the side of the plane that is answered wrongly, (n,) of bool."""
        return np.asarray(self._along(rows) > self._offset)

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return (n, K); for suspects class k reads, on the decoy's side, what class k - 1 had."""
        if query.key in self.suspects:
            wrong = self.decoyed(query.rows)
            probabilities[wrong] = np.roll(probabilities[wrong], 1, axis=1)
        return probabilities

    def _along(self, rows: Floats) -> Floats:
        return np.asarray((rows - self._middle) / self._scale @ self._direction, dtype=np.float64)

    def __repr__(self) -> str:
        return f"Honeypot(known={self.known!r}, suspects={len(self.suspects)})"
