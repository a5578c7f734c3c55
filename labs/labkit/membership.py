"""Membership inference: does a model's confidence in a row's true class tell whether it was trained on that row?

Yeom et al. (2018) name the measure: advantage = true positive rate minus false positive rate. 0 tells nothing, 1 all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score, roc_curve

from labkit.launch import Rows
from labkit.metrics import accuracy

FOREST_KINDS = {"overfit": 1, "regularised": 10}


@dataclass(frozen=True, eq=False)
class Candidates:
    """Rows whose membership is known, because you trained the model yourself: ``confidence`` (n,) in the true class,
    ``member`` (n,) bool; ``accuracy`` of the model on rows that are neither.
    """

    model: str
    seed: int
    confidence: np.ndarray
    member: np.ndarray
    accuracy: float

    def __repr__(self) -> str:
        return f"Candidates({self.model}, seed {self.seed}: {int(self.member.sum())} members of {len(self.member)})"


@dataclass(frozen=True)
class Leak:
    """What confidences give away: ``advantage`` (best TPR − FPR), ``auc``, and ``accuracy`` of the model itself."""

    model: str
    seed: int
    advantage: float
    auc: float
    accuracy: float


def own_forest(kind: str, seed: int = 0) -> RandomForestClassifier:
    """An unfitted forest: "overfit" grows every tree to single rows, "regularised" keeps ten rows a leaf."""
    if kind not in FOREST_KINDS:
        raise ValueError(f"kind must be one of {', '.join(FOREST_KINDS)}; got {kind!r}")
    return RandomForestClassifier(60, min_samples_leaf=FOREST_KINDS[kind], random_state=seed)


def true_confidence(probabilities: Any, truth: Any) -> np.ndarray:
    """Each row's probability for its own true class, (n,)."""
    table = np.asarray(probabilities, dtype=float)
    return table[np.arange(len(table)), np.asarray(truth, dtype=int)]


def train_on_half(rows: Rows, test: Rows, kind: str, seed: int) -> Candidates:
    """Train a forest of ``kind`` on a random half of ``rows``; the other half are the non-members.

    The half is drawn by position, so ``rows`` must hold no row twice (the data room's parts do not).
    """
    rng = np.random.default_rng(seed)
    member = np.zeros(len(rows), dtype=bool)
    member[rng.permutation(len(rows))[: len(rows) // 2]] = True
    model = own_forest(kind, seed).fit(rows.X[member], rows.truth[member])
    if len(model.classes_) <= rows.truth.max():
        raise ValueError("a class is missing from the training half; use more rows")
    confidence = true_confidence(model.predict_proba(rows.X), rows.truth)
    return Candidates(kind, seed, confidence, member, accuracy(model.predict(test.X), test.truth))


def measure_leak(candidates: Candidates) -> Leak:
    """Advantage and area under the curve of the true-class confidence, over every possible threshold."""
    false, true, _ = roc_curve(candidates.member, candidates.confidence)
    area = float(roc_auc_score(candidates.member, candidates.confidence))
    return Leak(candidates.model, candidates.seed, float((true - false).max()), area, candidates.accuracy)


def leak_rows(leaks: Sequence[Leak]) -> list[dict]:
    """Mean, lowest and highest of each measure over seeds, a row for each model and measure."""
    rows = []
    for model in dict.fromkeys(leak.model for leak in leaks):
        for measure in ("advantage", "auc", "accuracy"):
            values = [float(getattr(leak, measure)) for leak in leaks if leak.model == model]
            ends = {"lowest": min(values), "highest": max(values), "seeds": len(values)}
            rows.append({"forest": model, "measure": measure, "mean": float(np.mean(values)), **ends})
    return rows
