"""Measuring and drawing exact theft: gaps of 1e-9 need another ruler than agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from labkit.api import Api
from labkit.launch import Target
from labkit.metrics import agreement
from labkit.plots import COLOURS, DASHES, MARKERS, Figure, axes, show
from labkit.surrogates import fit_surrogate
from labkit.thieves.hinges import hinges_on_line
from labkit.thieves.scores import scores


def largest_gap(copy: Any, victim: Any) -> float:
    """Largest total variation between two tables of probabilities (n, K): half the sum of differences, worst row."""
    first, second = np.asarray(copy, dtype=float), np.asarray(victim, dtype=float)
    if first.shape != second.shape:
        raise ValueError(f"the copy's probabilities have shape {first.shape}, the victim's {second.shape}")
    return float(np.abs(first - second).sum(axis=1).max() / 2)


def compare(copy: Any, rows: Any, probabilities: Any) -> dict:
    """A table's row on how close ``copy`` is to the victim's ``probabilities`` (n, K) on ``rows`` (n, d)."""
    wanted = np.asarray(probabilities, dtype=float)
    full = _aligned(copy, np.asarray(rows), wanted.shape[1])
    return {
        "agreement": agreement(full.argmax(axis=1), wanted.argmax(axis=1)),
        "largest gap": f"{largest_gap(full, wanted):.0e}",
    }


def plot_line(
    places: Any,
    values: Any,
    hinges: Sequence[float],
    *,
    classes: Sequence[int],
    title: str,
    alt: str,
    caption: str = "",
) -> Figure:
    """Scores ``values`` (n, K) of some ``classes`` at ``places`` (n,) of a line, with its hinges as vertical rules."""
    t, z = np.asarray(places), np.asarray(values)
    figure, ax = axes(title, "place on the line (0 start, 1 end)", "score (centred log-probability)")
    for place in hinges:
        ax.axvline(place, color="#777777", linewidth=0.9, linestyle=(0, (2, 2)))
    for i, k in enumerate(classes):
        ax.plot(t, z[:, k], color=COLOURS[i], linestyle=DASHES[i], marker=MARKERS[i], markevery=len(t) // 8)
        ax.annotate(f" class {k}", (t[-1], z[-1, k]), color=COLOURS[i], va="center", fontweight="bold", fontsize=10)
    table = [{"hinge": number + 1, "place": float(place)} for number, place in enumerate(hinges)]
    return show(figure, alt=alt, table=table or [{"hinge": "none", "place": ""}], caption=caption)


def plot_gaps(records: Sequence[dict], *, title: str, alt: str, caption: str = "") -> Figure:
    """Dots on a logarithmic axis: one line a ``victim``, one mark a ``thief``, its largest ``gap`` to the victim."""
    victims, thieves = (list(dict.fromkeys(r[key] for r in records)) for key in ("victim", "thief"))
    figure, ax = axes(
        title, "largest gap to the victim's probabilities on test rows (log scale)", "", figsize=(7.2, 2.8)
    )
    for i, thief in enumerate(thieves):
        mine = [r for r in records if r["thief"] == thief]
        x, y = [max(r["gap"], 1e-17) for r in mine], [victims.index(r["victim"]) for r in mine]
        ax.scatter(x, y, color=COLOURS[i], marker=MARKERS[i], s=70, label=thief, zorder=3)
    ax.set_xscale("log")
    ax.set_xlim(1e-17, 10)
    ax.set_yticks(range(len(victims)), victims)
    ax.set_ylim(len(victims) - 0.5, -0.5)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=len(thieves))
    table = [{**r, "gap": f"{r['gap']:.1e}"} for r in records]
    return show(figure, alt=alt, table=table, caption=caption)


def plot_spectrum(spectra: dict[str, Any], *, title: str, alt: str, caption: str = "") -> Figure:
    """Singular values, each list relative to its largest, on a logarithmic axis; ``spectra`` maps name to values."""
    figure, ax = axes(title, "singular value, by size", "relative to the largest (log scale)")
    for i, (name, values) in enumerate(spectra.items()):
        share = np.maximum(np.asarray(values, dtype=float) / np.max(values), 1e-18)
        ax.plot(
            np.arange(1, len(share) + 1), share, color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], label=name
        )
    ax.set_yscale("log")
    ax.set_xticks(range(1, max(len(v) for v in spectra.values()) + 1))
    ax.legend()
    table = [
        {"number": k + 1, **{name: f"{v[k] / max(v):.0e}" if k < len(v) else "" for name, v in spectra.items()}}
        for k in range(max(len(v) for v in spectra.values()))
    ]
    return show(figure, alt=alt, table=table, caption=caption)


def duel(name: str, target: Target, solved: Any, *, queries: int, kind: str) -> list[dict]:
    """Records for ``plot_gaps``: a ``solved`` copy, and one of the same ``kind`` trained on as many queries.

    The trainer asks the rows of ``duel_rows``.
    """
    test = target.data("test").X
    rows = duel_rows(target.data("pool").X, queries)
    trained = fit_surrogate(rows, target.api(f"trainer {queries}").predict(rows), kind=kind)
    says = target.api("referee").probabilities(test)
    return [
        {
            "victim": name,
            "thief": thief,
            "queries": queries,
            "gap": largest_gap(_aligned(copy, test, says.shape[1]), says),
        }
        for thief, copy in (("solved", solved), ("trained", trained))
    ]


def duel_rows(pool: Any, count: int, *, seed: int = 0) -> np.ndarray:
    """``count`` rows to train on: those of ``pool`` (n, d) in random order, then points between two of them."""
    rng = np.random.default_rng(seed)
    pool = np.asarray(pool, dtype=float)
    first, second = pool[rng.integers(0, len(pool), (2, count))]
    return np.vstack([rng.permutation(pool), first + rng.random((count, 1)) * (second - first)])[:count]


def _aligned(copy: Any, rows: np.ndarray, classes: int) -> np.ndarray:
    """The copy's probabilities with a column for every class of the victim, also those it never saw."""
    full = np.zeros((len(rows), classes))
    full[:, getattr(copy, "classes_", np.arange(classes))] = copy.predict_proba(rows)
    return full


def walk(api: Api, start: Any, end: Any, *, points: int = 201) -> tuple[np.ndarray, np.ndarray, list[float], int]:
    """Along the line from ``start`` to ``end`` (d,): places (n,), scores (n, K), hinges, and the queries those took."""
    start, way = np.asarray(start, dtype=float), np.asarray(end, dtype=float) - start

    def on_the_line(t: np.ndarray) -> np.ndarray:
        return scores(api.probabilities(start + t[:, None] * way))

    before = api.spent
    hinges = [hinge.t for hinge in hinges_on_line(on_the_line)]
    spent = api.spent - before
    t = np.linspace(0, 1, points)
    return t, on_the_line(t), hinges, spent
