"""One experiment, one ``Outcome``; every figure, table and score of the course is made from lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from tqdm.auto import tqdm


@dataclass(frozen=True)
class Outcome:
    """Result of (victim, defences, thief, budget, seed). Shares are 0 to 1; None means not measured.

    ``agreement`` with the victim and ``accuracy`` against the truth are both the copy's, on test rows.
    """

    victim: str
    thief: str
    budget: int
    seed: int
    agreement: float
    accuracy: float | None = None
    queries: int | None = None
    defences: tuple[str, ...] = ()
    customer_accuracy: float | None = None
    refused_honest: float | None = None
    cost: float | None = None
    detected_at: int | None = None
    latency_ms: float | None = None

    def __repr__(self) -> str:
        setting = f"{self.victim}, {self.thief}, {self.budget} queries, seed {self.seed}"
        return f"Outcome({setting}: agreement {self.agreement:.3f})"


@dataclass(frozen=True)
class Spread:
    """Mean, lowest and highest of one measure over ``seeds`` runs."""

    thief: str
    budget: int
    mean: float
    low: float
    high: float
    seeds: int

    def __repr__(self) -> str:
        band = f"{self.low:.3f} to {self.high:.3f} over {self.seeds}"
        return f"Spread({self.thief}, {self.budget} queries: {self.mean:.3f}, {band})"


def sweep(
    experiment: Callable[[str, int, int], Outcome],
    *,
    thieves: Sequence[str],
    budgets: Sequence[int],
    seeds: Sequence[int],
) -> list[Outcome]:
    """Run ``experiment(thief, budget, seed)`` for every combination, with a progress bar."""
    cells = [(thief, budget, seed) for thief in thieves for budget in budgets for seed in seeds]
    return [experiment(*cell) for cell in tqdm(cells, desc="experiments", leave=False)]


def spread(outcomes: Iterable[Outcome], measure: str = "agreement") -> list[Spread]:
    """Summarise ``measure`` over seeds, one Spread for each (thief, budget), in order of first appearance."""
    groups: dict[tuple[str, int], list[float]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.thief, outcome.budget), []).append(float(getattr(outcome, measure)))
    return [Spread(thief, budget, float(np.mean(v)), min(v), max(v), len(v)) for (thief, budget), v in groups.items()]


def best(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome with the highest agreement."""
    return max(outcomes, key=lambda outcome: outcome.agreement)


def as_records(outcomes: Iterable[Outcome]) -> list[dict]:
    """Plain dictionaries, ready for JSON or a data frame."""
    return [asdict(outcome) for outcome in outcomes]
