"""Lab 08's figures: two neighbours under noise, the price of many answers, accuracy against rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from labkit.dp_experiments import PLAIN, Run
from labkit.plots import COLOURS, DASHES, MARKERS, Figure, axes, show


def plot_neighbours(
    answers: Sequence[float], *, sensitivity: float, epsilon: float, title: str, x: str, alt: str, caption: str = ""
) -> Figure:
    """Densities of a Laplace answer on two neighbouring tables whose exact ``answers`` are given."""
    scale = sensitivity / epsilon
    figure, ax = axes(title, x, "density of the released answer")
    place = np.linspace(min(answers) - 4 * scale, max(answers) + 4 * scale, 401)
    lines = [np.exp(-np.abs(place - answer) / scale) / (2 * scale) for answer in answers]
    for i, (name, line) in enumerate(zip(("this table", "its neighbour"), lines, strict=True)):
        ax.plot(place, line, color=COLOURS[i], linestyle=DASHES[i], label=f"{name}: exact {answers[i]:.3f}")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right", frameon=False)
    table = [
        {"released": float(place[j]), "this table": float(lines[0][j]), "its neighbour": float(lines[1][j])}
        | {"ratio": float(max(lines[0][j], lines[1][j]) / min(lines[0][j], lines[1][j]))}
        for j in range(0, 401, 50)
    ]
    return show(figure, alt=alt, table=table, caption=caption)


def plot_composition(rows: Sequence[dict], *, title: str, alt: str, caption: str = "") -> Figure:
    """Total epsilon against the number of answers, a line a way of counting; ``rows`` from ``composition_rows``."""
    figure, ax = axes(title, "answers released", "total ε")
    names = [name for name in rows[0] if name != "answers"]
    x = [row["answers"] for row in rows]
    for i, name in enumerate(names):
        ax.plot(x, [row[name] for row in rows], color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], label=name)
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(x, [f"{k:,}" for k in x])
    ax.minorticks_off()
    ax.legend(loc="upper left", frameon=False)
    return show(figure, alt=alt, table=rows, caption=caption)


def plot_accuracy(runs: Iterable[Run], *, title: str, alt: str, caption: str = "") -> Figure:
    """Accuracy on other people against the rows trained on: a line an epsilon, the band its lowest and highest run."""
    everything = list(runs)
    figure, ax = axes(title, "rows trained on", "accuracy on people nobody trained on")
    table = []
    order = sorted(dict.fromkeys(run.epsilon for run in everything), key=lambda e: -np.inf if e is None else -e)
    for i, epsilon in enumerate(order):
        name = PLAIN if epsilon is None else f"ε = {epsilon:g}"
        groups = {
            n: [r.accuracy for r in everything if r.epsilon == epsilon and r.rows == n] for n in sizes(everything)
        }
        x, spread = list(groups), list(groups.values())
        ax.fill_between(
            x, [min(v) for v in spread], [max(v) for v in spread], color=COLOURS[i], alpha=0.15, linewidth=0
        )
        ax.plot(x, [np.mean(v) for v in spread], color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], label=name)
        table += [
            {"training": name, "rows": n, "mean": float(np.mean(v)), "lowest": min(v), "highest": max(v)}
            | {"seeds": len(v)}
            for n, v in groups.items()
        ]
    ax.axhline(0.5, color="#555555", linestyle=(0, (2, 3)), linewidth=1.2, label="a coin")
    ax.set_xscale("log")
    ax.set_xticks(sizes(everything), [f"{n:,}" for n in sizes(everything)])
    ax.minorticks_off()
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return show(figure, alt=alt, table=table, caption=caption)


def sizes(runs: Iterable[Run]) -> list[int]:
    """The different numbers of rows in ``runs``, smallest first."""
    return sorted({run.rows for run in runs})
