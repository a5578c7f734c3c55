"""Lab 05's figures: which role gets through which door, and what each role's answers cost a thief."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labkit.plots import COLOURS, MARKERS, Figure, axes, show


def plot_doors(statuses: Mapping[tuple[str, str], int], *, title: str, alt: str, caption: str = "") -> Figure:
    """A grid of roles (rows) and endpoints (columns); ``statuses`` maps (role, endpoint) to the HTTP status seen."""
    roles = list(dict.fromkeys(role for role, _ in statuses))
    endpoints = list(dict.fromkeys(endpoint for _, endpoint in statuses))
    figure, ax = axes(title, "", "", figsize=(1.2 + 0.62 * len(endpoints), 1.6 + 0.42 * len(roles)))
    for (role, endpoint), status in statuses.items():
        x, y, opened = endpoints.index(endpoint), roles.index(role), status not in (401, 403)
        face = {"color": COLOURS[0] if opened else "#F0F0F0", "edgecolor": "#888888"}
        ax.add_patch(_square(x, y, face))
        ax.text(x, y, str(status), ha="center", va="center", fontsize=9, color="white" if opened else "#444444")
    ax.set(xlim=(-0.5, len(endpoints) - 0.5), ylim=(len(roles) - 0.5, -0.5))
    ax.set_xticks(range(len(endpoints)), endpoints, rotation=40, ha="right", fontsize=9)
    ax.set_yticks(range(len(roles)), roles)
    ax.grid(False)
    table = [{"role": role, **{e: statuses.get((role, e), "") for e in endpoints}} for role in roles]
    return show(figure, alt=alt, table=table, caption=caption)


def _square(x: float, y: float, face: Mapping[str, Any]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, facecolor=face["color"], edgecolor=face["edgecolor"])


def plot_prices(
    prices: Mapping[str, Mapping[str, Sequence[int | None]]], *, title: str, alt: str, caption: str = "",
    most: Mapping[str, int] | None = None,
) -> Figure:  # fmt: skip
    """Rows to the floor, by victim and output: the median as a mark, the range over seeds as a bar.

    ``prices`` maps a victim's name to {output: rows of each seed, None where the floor was not reached}; ``most`` says
    how many rows were tried there. A theft that never arrived is drawn as an arrow at that number.
    """
    outputs = list(dict.fromkeys(output for victim in prices.values() for output in victim))
    figure, ax = axes(title, "rows bought until the copy agrees", "", figsize=(7.2, 0.9 + 1.1 * len(prices)))
    table = []
    for i, (victim, by_output) in enumerate(prices.items()):
        for j, output in enumerate(outputs):
            rows = [row for row in by_output[output] if row is not None]
            missed = len(by_output[output]) - len(rows)
            limit = (most or {}).get(victim, max(rows, default=1))
            low, middle, high = _range(by_output[output], limit)
            y = i + (j - (len(outputs) - 1) / 2) * 0.26
            ax.plot([low, high], [y, y], color=COLOURS[j], linewidth=5, alpha=0.35, solid_capstyle="round")
            marker = ">" if missed * 2 > len(by_output[output]) else MARKERS[j]
            ax.plot(middle, y, marker, color=COLOURS[j], markersize=9, label=output if i == 0 else None)
            words = f"over {limit:,}" if marker == ">" else f"{middle:,.0f}"
            ax.annotate(words, (high, y), xytext=(9, 0), textcoords="offset points", va="center", fontsize=9)
            line = {"victim": victim, "output": output, "median rows": words, "lowest": low, "highest": high}
            table.append({**line, "thefts": len(by_output[output]), "never arrived": missed})
    ax.set_xscale("log")
    ax.set_yticks(range(len(prices)), list(prices))
    ax.set_ylim(len(prices) - 0.4, -0.6)
    ax.margins(x=0.15)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.grid(False, axis="y")
    ax.legend(title="what a row tells", loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    return show(figure, alt=alt, table=table, caption=caption)


def _range(rows: Sequence[int | None], limit: int) -> tuple[float, float, float]:
    counted = [limit if row is None else row for row in rows]
    return min(counted), float(np.median(counted)), max(counted)
