"""What lab 00 draws: fit on seen and unseen rows, and where a copy and its victim part ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labkit.plots import COLOURS, DASHES, MARKERS, Figure, Table, _label_ends, axes, show


def plot_fit(
    seen: Mapping[int, float],
    unseen: Mapping[int, float],
    *,
    x: str,
    title: str,
    alt: str,
    caption: str = "",
    baseline: float | None = None,
) -> Figure:
    """Accuracy of models of growing size: ``seen`` and ``unseen`` map size to accuracy on training and test rows.

    ``x`` names the size with its unit; ``baseline`` is the accuracy of the commonest answer.
    """
    figure, ax = axes(title, x, "accuracy")
    ends = []
    for i, (name, line) in enumerate({"rows it trained on": seen, "rows it never saw": unseen}.items()):
        sizes, values = list(line), list(line.values())
        ax.plot(sizes, values, color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i])
        ends.append((values[-1], sizes[-1], name, COLOURS[i]))
    if baseline is not None:
        ax.axhline(baseline, color="#555555", linestyle=(0, (2, 3)), linewidth=1.2)
        ends.append((baseline, max(seen), "always the commonest answer", "#555555"))
    ax.set_ylim(0, 1.02)
    _label_ends(ax, ends)
    table = [{x: size, "rows it trained on": seen[size], "rows it never saw": unseen[size]} for size in seen]
    return show(figure, alt=alt, table=table, caption=caption)


def confusion(copy_labels: Any, victim_labels: Any, classes: int) -> np.ndarray:
    """Counts of (victim's answer, copy's answer), shape (classes, classes): a row a victim's answer, a column a copy's.

    Both inputs are class indices of shape (n,). The diagonal holds the rows on which the two agree.
    """
    copied, asked = np.asarray(copy_labels, dtype=int), np.asarray(victim_labels, dtype=int)
    if copied.ndim != 1 or copied.shape != asked.shape:
        raise ValueError(
            f"copy_labels and victim_labels must be two lists of equal length; got {copied.shape} and {asked.shape}"
        )
    table = np.zeros((classes, classes), dtype=int)
    np.add.at(table, (asked, copied), 1)
    return table


def show_confusion(table: Any, names: Sequence[str]) -> Table:
    """``table`` of ``confusion`` with ``names`` of the classes at its edges."""
    counts = np.asarray(table)
    rows = [
        {"": f"victim says {name}", **{f"copy says {other}": int(n) for other, n in zip(names, line, strict=True)}}
        for name, line in zip(names, counts, strict=True)
    ]
    return Table(rows)
