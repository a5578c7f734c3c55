"""Lab 10's figures: scores that climb, and how many thieves a false alarm buys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labkit.plots import COLOURS, DASHES, MARKERS, Figure, axes, show, styled

RESAMPLES = 200


def plot_scores(
    lines: Mapping[str, Any], *, threshold: float, title: str, alt: str, caption: str = "", y: str = "capital"
) -> Figure:
    """A score a row for each name of ``lines``, on a logarithmic scale, with the threshold that alarms."""
    figure, ax = axes(title, "row of the key", f"{y} (logarithmic)")
    table = []
    for i, (name, scores) in enumerate(lines.items()):
        scores = np.maximum(np.asarray(scores, dtype=float), 1e-6)
        x = np.arange(1, len(scores) + 1)
        every = max(1, len(x) // 8)
        look: dict[str, Any] = {"color": COLOURS[i % 7], "linestyle": DASHES[i % 7], "marker": MARKERS[i % 7]}
        ax.plot(x, scores, label=name, markersize=5, markevery=every, **look)
        over = np.flatnonzero(scores >= threshold)
        alarm = int(over[0]) + 1 if len(over) else "never"
        table.append({"key": name, "rows": len(x), "highest": float(scores.max()), "alarm at row": alarm})
    ax.axhline(threshold, color="#555555", linestyle=(0, (2, 3)), linewidth=1.2)
    ax.annotate(f"alarm at {threshold:g}", (1, threshold), xytext=(2, 4), textcoords="offset points", fontsize=9)
    ax.set_yscale("log")
    ax.set_ylim(1e-3, 1e6)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return show(figure, alt=alt, table=table, caption=caption)


def roc(honest: Any, guilty: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(false alarms, thieves caught, precision) at every threshold, strictest first, from highest scores of streams."""
    honest, guilty = np.asarray(honest, dtype=float), np.asarray(guilty, dtype=float)
    levels = np.unique(np.concatenate([honest, guilty]))[::-1]
    accused, caught = (len(side) - np.searchsorted(np.sort(side), levels, side="left") for side in (honest, guilty))
    return accused / len(honest), caught / len(guilty), caught / np.maximum(accused + caught, 1)


def caught_at(honest: Any, guilty: Any, ceiling: float) -> float:
    """Largest share of thieves caught by any threshold that accuses at most ``ceiling`` of honest keys."""
    false, caught, _ = roc(honest, guilty)
    return float(max(caught[false <= ceiling], default=0.0))


def band(honest: Any, guilty: Any, ceiling: float, rng: np.random.Generator) -> tuple[float, float]:
    """The middle 95 % of ``caught_at`` over streams drawn again with replacement (bootstrap)."""
    honest, guilty = np.asarray(honest), np.asarray(guilty)
    again = [
        caught_at(rng.choice(honest, len(honest)), rng.choice(guilty, len(guilty)), ceiling) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(low), float(high)


def plot_roc(
    scores: Mapping[str, tuple[Any, Any]], *, title: str, alt: str, caption: str = "", seed: int = 0
) -> Figure:
    """ROC (left) and precision against recall (right), a line a monitor; ``scores``: name -> (honest, guilty).

    Bands are the middle 95 % over streams drawn again with replacement.
    """
    rng, grid = np.random.default_rng(seed), np.linspace(0, 1, 101)
    with styled() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.8))
    table = []
    for i, (name, (honest, guilty)) in enumerate(scores.items()):
        look: dict[str, Any] = {"color": COLOURS[i], "linestyle": DASHES[i]}
        false, caught, precision = roc(honest, guilty)
        curves = _again(np.asarray(honest), np.asarray(guilty), grid, rng)
        left.fill_between(grid, *curves, color=COLOURS[i], alpha=0.15, linewidth=0, step="post")
        left.step([0, *false], [0, *caught], where="post", label=name, **look)
        right.plot(caught, precision, label=name, **look)
        low, high = band(honest, guilty, 0.01, rng)
        table.append({"monitor": name, "caught at 1 % false alarms": caught_at(honest, guilty, 0.01),
                      "low": low, "high": high})  # fmt: skip
    left.set(xlabel="honest keys accused", ylabel="thieves caught", xlim=(-0.02, 1), ylim=(0, 1.03))
    right.set(xlabel="thieves caught (recall)", ylabel="alarms that are thieves (precision)", ylim=(0, 1.03))
    left.legend(loc="lower right", fontsize=9)
    figure.suptitle(title, x=0.07, ha="left", fontweight="bold")
    figure.tight_layout()
    return show(figure, alt=alt, table=table, caption=caption)


def _again(
    honest: np.ndarray, guilty: np.ndarray, grid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper edge of the ROC band on ``grid``."""
    curves = []
    for _ in range(60):
        false, caught, _ = roc(rng.choice(honest, len(honest)), rng.choice(guilty, len(guilty)))
        place = np.searchsorted(false, grid, side="right") - 1
        curves.append(np.where(place >= 0, caught[np.maximum(place, 0)], 0.0))
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return low, high
