"""Measures that say what they measure. Agreement compares with the victim, accuracy with the truth; never mix them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def agreement(surrogate_labels: Any, victim_labels: Any) -> float:
    """Share of rows on which the surrogate gives the victim's label, 0 to 1 (also called fidelity).

    Both of shape (n,). Measure it on rows neither side trained on (Jagielski et al. 2020).
    """
    return _share_equal(surrogate_labels, victim_labels, "surrogate_labels", "victim_labels")


def accuracy(labels: Any, truth: Any) -> float:
    """Share of rows on which ``labels`` equal the true class, 0 to 1. Both of shape (n,)."""
    return _share_equal(labels, truth, "labels", "truth")


def majority_share(labels: Any) -> float:
    """Share of the commonest label: what a copy reaches that always gives the same answer."""
    values = _labels(labels, "labels")
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def agreement_by_class(surrogate_labels: Any, victim_labels: Any) -> dict[int, float]:
    """Agreement within each class the victim answers: {class index: share}. Shows what one average hides."""
    copy, victim = _labels(surrogate_labels, "surrogate_labels"), _labels(victim_labels, "victim_labels")
    return {int(k): agreement(copy[victim == k], victim[victim == k]) for k in np.unique(victim)}


def fingerprint(row: Any) -> str:
    """SHA-256 of one row's numbers (little-endian float64): equal rows, equal fingerprints."""
    return hashlib.sha256(np.ascontiguousarray(row, dtype="<f8").tobytes()).hexdigest()


def fingerprints(rows: Any) -> frozenset[str]:
    """The set of fingerprints of ``rows`` (n, d)."""
    return frozenset(fingerprint(row) for row in np.asarray(rows))


def _share_equal(first: Any, second: Any, first_name: str, second_name: str) -> float:
    a, b = _labels(first, first_name), _labels(second, second_name)
    if a.shape != b.shape:
        raise ValueError(f"{first_name} has {len(a)} rows and {second_name} {len(b)}; compare answers to the same rows")
    return float(np.mean(a == b))


def _labels(values: Any, name: str) -> np.ndarray:
    labels = np.asarray(values)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"{name} must be a list of labels, shape (n,), with n of at least 1; got shape {labels.shape}")
    return labels
