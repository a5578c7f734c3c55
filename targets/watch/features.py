"""What an analyst asks of a key: how fast, how wide, how near to the boundary, how often the same, from where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from targets.querylog import Record
from targets.victims.base import Floats
from targets.watch.reference import Reference

HOUR = 3600.0


@dataclass(frozen=True)
class KeyFeatures:
    """Of one key or cluster: ``rows`` asked, ``peak`` rows in its busiest hour, ``first_hour`` share of rows in its
    first hour (a new account at full use at once), ``repeated`` share of rows asked before, ``sources`` addresses,
    ``spread`` mean deviation of its rows, ``gap`` median distance to its own nearest earlier row, ``far`` median
    distance to real rows, ``unsure`` share of rows less sure than nine tenths of held-out rows, ``keys``.
    """

    rows: int
    peak: int
    first_hour: float
    repeated: float
    sources: int
    spread: float
    gap: float
    far: float
    unsure: float
    keys: int = 1


def key_features(records: Iterable[Record], reference: Reference) -> dict[str, KeyFeatures]:
    """Features of every key in ``records``; those without stored rows are left out."""
    return cluster_features(records, {}, reference)


def cluster_features(
    records: Iterable[Record], clusters: Mapping[str, str], reference: Reference
) -> dict[str, KeyFeatures]:
    """The same of clusters: ``clusters`` names the cluster of a key; a key without one stands for itself."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.content is not None:
            groups.setdefault(clusters.get(record.key, record.key), []).append(record)
    return {name: _features(group, reference) for name, group in groups.items()}


def _features(records: list[Record], reference: Reference) -> KeyFeatures:
    records = sorted(records, key=lambda record: record.time)
    rows = np.vstack([record.content for record in records if record.content is not None])
    times = np.repeat([record.time for record in records], [record.rows for record in records])
    scaled = reference.scaled(rows)
    different = len(np.unique(rows, axis=0))
    return KeyFeatures(
        rows=len(rows),
        peak=int(max(np.searchsorted(times, times + HOUR, side="left") - np.arange(len(times)))),
        first_hour=float(np.mean(times < times[0] + HOUR)),
        repeated=1 - different / len(rows),
        sources=len({record.source for record in records}),
        spread=float(scaled.std(axis=0).mean()),
        gap=_gap(scaled),
        far=float(np.median(reference.how_far(scaled))),
        unsure=float(np.mean(reference.how_unsure(rows) < np.quantile(reference.margin, 0.1))),
        keys=len({record.key for record in records}),
    )


def _gap(scaled: Floats) -> float:
    """Median distance of each row but the first to the nearest earlier one; 0 for a single row."""
    if len(scaled) < 2:
        return 0.0
    apart = np.where(np.tri(len(scaled), k=-1, dtype=bool), cdist(scaled, scaled), np.inf)
    return float(np.median(apart[1:].min(axis=1)))
