"""The field of play: four victims, what a thief may own there, how much it buys, and when it has won."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from targets import Victim, load_victim


@dataclass(frozen=True)
class Ground:
    """One victim of the table: ``budgets`` to try, the ``budget`` that is printed, the agreement that is ``enough``."""

    name: str
    model: str
    kind: str
    budgets: tuple[int, ...]
    budget: int
    enough: float = 0.95

    def victim(self, seed: int) -> Victim:
        """The victim of ``seed``: another split, another fit."""
        return load_victim(self.name, seed=seed, model=self.model)

    def __str__(self) -> str:
        return f"{self.name} {self.model}"


# Linear victims have d + 1 among their budgets. No thief of ours reached 0.95 on the forest with 12,000 queries.
GROUNDS = (
    Ground("tumour", "linear", "linear", (8, 16, 31, 62, 124, 248, 496, 992), 124),
    Ground("digits", "network", "network", (65, 130, 260, 520, 1040, 2080), 1040),
    Ground("mail", "linear", "linear", (49, 97, 194, 388, 776, 1552, 3104), 776),
    Ground("fraud", "forest", "forest", (250, 500, 1000, 2000, 4000), 2000, enough=0.9),
)


def thief_rows(victim: Victim, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` rows (count, d) a thief who owns the pool would ask: its rows, then points between two of them."""
    pool = victim.pool.X
    own = pool[rng.permutation(len(pool))][:count]
    missing = count - len(own)
    first, second = pool[rng.integers(len(pool), size=(2, missing))] if missing else (own[:0], own[:0])
    return np.vstack([own, first + rng.random((missing, 1)) * (second - first)])
