"""Put the model of a file behind an API, in this process: the same Api, budget and answers as a target over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from labkit.api import Api
from labkit.artefacts.leak import Leak
from labkit.metrics import agreement
from labkit.outcomes import Outcome
from labkit.thieves.natural import steal_natural
from labkit.transport import Reply


@dataclass(frozen=True)
class FileModel:
    """A linear model as numbers: scores = rows[:, order] * factors @ coef.T + intercept. ``coef`` (K, d), K = 1 for two
    classes. ``order`` and ``factors`` (d,) are what a loader applies; a plain file has 0, 1, 2 … and ones.
    """

    coef: np.ndarray
    intercept: np.ndarray
    order: np.ndarray
    factors: np.ndarray

    def probabilities(self, rows: Any) -> np.ndarray:
        """Probabilities (n, K) of rows (n, d) in the customer's own units and order."""
        turned = np.asarray(rows, dtype=float)[:, self.order] * self.factors
        scores = turned @ self.coef.T + self.intercept
        # Two classes share one score: softmax of (0, s) is the logistic function of s.
        return softmax(np.column_stack([0 * scores, scores]) if scores.shape[1] == 1 else scores, axis=1)


class _InProcess:
    """A transport around a function from rows to probabilities."""

    def __init__(self, probabilities: Callable[[np.ndarray], np.ndarray], card: dict):
        self._probabilities, self._card = probabilities, card

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        if path == "/v1/model":
            return Reply(200, self._card, {})
        p = self._probabilities(np.asarray(body["rows"], dtype=float))
        return Reply(200, {"labels": p.argmax(axis=1).tolist(), "probabilities": p.tolist(), "rows": len(p)}, {})


def serve_file(model: FileModel, *, features: Sequence[str], rows: np.ndarray, budget: int | None = None) -> Api:
    """An Api that answers with ``model``; documented ranges are those of ``rows`` (n, d)."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    columns = [
        {"name": name, "low": float(a), "high": float(b), "unit": ""}
        for name, a, b in zip(features, low, high, strict=True)
    ]
    classes = [str(k) for k in range(max(2, len(model.coef)))]
    card = {
        "name": "file", "title": "Model from a file", "features": columns, "classes": classes,
        "output": "probabilities", "max_rows": 1000,
    }  # fmt: skip
    return Api(_InProcess(model.probabilities, card), budget=budget)


def steal_from_file(
    models: Mapping[str, FileModel], leak: Leak, *, budgets: Sequence[int], seeds: Sequence[int]
) -> list[Outcome]:
    """Thefts through the API of each model: ``Outcome``s with the model's name as thief.

    The thief owns half of the leak's probe rows and buys answers for some; agreement is measured on the other half.
    """
    cut = len(leak.probe) // 2
    pool, test = leak.probe[:cut], leak.probe[cut:]
    outcomes = []
    for name, model in models.items():
        truth = model.probabilities(test).argmax(axis=1)
        for budget, seed in itertools.product(budgets, seeds):
            api = serve_file(model, features=leak.features, rows=pool, budget=budget)
            theft = steal_natural(api, pool, budget=budget, rng=np.random.default_rng(seed), kind="linear")
            agrees = agreement(theft.surrogate.predict(test), truth)
            outcomes.append(Outcome("file", name, budget, seed, agrees, queries=api.spent))
    return outcomes
