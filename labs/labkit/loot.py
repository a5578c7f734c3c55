"""Bought answers on disk, so that a kernel restart in mid-theft loses none of them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labkit.api import Answers


class Loot:
    """An append-only store of (row, answer) in one SQLite file.

    A row is recognised by its exact bytes, so only a repeat of the same query is free. ``victim`` names what was
    asked (say "digits, seed 0, rounding 2"): answers of one victim are never given for another. Not for targets whose
    answers are random: a repeat would return the first draw.
    """

    def __init__(self, path: str | Path, *, victim: str):
        self.path = Path(path)
        self.victim = victim
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS loot (victim TEXT, row TEXT, answer TEXT, PRIMARY KEY (victim, row))"
        )

    def keep(self, table: np.ndarray, answers: Answers) -> None:
        """Store the answers of one batch; once this returns, a kill loses nothing of it."""
        soft = answers.probabilities
        rows = [
            (
                self.victim,
                _fingerprint(row),
                json.dumps([int(answers.labels[i]), None if soft is None else soft[i].tolist()]),
            )
            for i, row in enumerate(table)
        ]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO loot VALUES (?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def complete(self, table: np.ndarray, buy: Callable[[np.ndarray], Answers]) -> Answers:
        """Answers for all rows of ``table``: known ones from disk, the others through ``buy``."""
        prints = [_fingerprint(row) for row in table]
        missing = [i for i, p in enumerate(prints) if self._get(p) is None]
        # A row that stands twice in the table is bought once.
        first = {prints[i]: i for i in reversed(missing)}
        if first:
            buy(table[sorted(first.values())])
        return self._answers([self._get(p) for p in prints])

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM loot WHERE victim = ?", (self.victim,)).fetchone()[0]

    def __repr__(self) -> str:
        return f"Loot({len(self):,} answers of {self.victim})"

    def close(self) -> None:
        self._db.close()

    def _get(self, fingerprint: str) -> list | None:
        found = self._db.execute(
            "SELECT answer FROM loot WHERE victim = ? AND row = ?", (self.victim, fingerprint)
        ).fetchone()
        return json.loads(found[0]) if found else None

    @staticmethod
    def _answers(pairs: list) -> Answers:
        from labkit.api import Answers

        soft = [s for _, s in pairs]
        return Answers(
            np.array([label for label, _ in pairs], dtype=int),
            None if any(s is None for s in soft) else np.array(soft, dtype=float),
        )


def _fingerprint(row: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(row, dtype="<f8").tobytes()).hexdigest()
