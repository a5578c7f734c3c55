"""What every thief brings home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.api import Answers


@dataclass(frozen=True)
class Theft:
    """A trained copy and what was paid for it: ``rows`` (n, d) asked, ``answers`` received."""

    thief: str
    surrogate: Any
    rows: np.ndarray
    answers: Answers

    @property
    def queries(self) -> int:
        """Rows bought."""
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Theft({self.thief}: {self.queries} queries, {type(self.surrogate).__name__})"


def draw(pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of ``count`` different rows of ``pool``; fewer if the pool is smaller."""
    return rng.permutation(len(pool))[:count]
