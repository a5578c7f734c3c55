"""Lab 04's figures: transfer against budget, confidences of members, the tornado of an annual loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from labkit.membership import Candidates
from labkit.outcomes import spread
from labkit.plots import COLOURS, DASHES, MARKERS, Figure, axes, show


def plot_transfer(
    attempts: Iterable[Any], *, levels: dict[str, float], title: str, alt: str, caption: str = ""
) -> Figure:
    """Pass rate at the real filter against rows bought: a line a thief with its band over seeds, ``levels`` as dotted
    lines for what does not depend on the budget.
    """
    runs = list(attempts)
    spreads = spread(runs, "pass_rate")
    figure, ax = axes(title, "rows bought, or labelled by hand", "share of edited spam that passes")
    for i, thief in enumerate(dict.fromkeys(s.thief for s in spreads)):
        mine = [s for s in spreads if s.thief == thief]
        x = [s.budget for s in mine]
        ax.fill_between(x, [s.low for s in mine], [s.high for s in mine], color=COLOURS[i], alpha=0.15, linewidth=0)
        ax.plot(x, [s.mean for s in mine], color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], label=thief)
    for i, (name, level) in enumerate(levels.items()):
        style = (0, (2, 2 + 2 * i))
        ax.axhline(level, color=COLOURS[-1 - i], linestyle=style, linewidth=1.4, label=f"{name}: {level:.2f}")
    ax.set_xscale("log")
    budgets = sorted({s.budget for s in spreads})
    ax.set_xticks(budgets, [f"{b:,}" for b in budgets])
    ax.minorticks_off()
    ax.set_ylim(0, 1.02)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    table = [
        {"thief": s.thief, "rows": s.budget, "mean": s.mean, "lowest": s.low, "highest": s.high, "seeds": s.seeds}
        for s in spreads
    ] + [{"thief": n, "rows": "any", "mean": v, "lowest": "", "highest": "", "seeds": ""} for n, v in levels.items()]
    return show(figure, alt=alt, table=table, caption=caption)


def plot_confidences(candidates: Sequence[Candidates], *, title: str, alt: str, caption: str = "") -> Figure:
    """Share of members and of others above each confidence, a colour a model; the gap of its lines is TPR − FPR."""
    figure, ax = axes(title, "threshold on the true class's confidence", "share of rows above it")
    levels = np.linspace(0, 1, 201)
    table = []
    for i, one in enumerate(candidates):
        for member, dash in ((True, "-"), (False, "--")):
            scores = one.confidence[one.member == member]
            share = np.array([(scores >= level).mean() for level in levels])
            who = "members" if member else "others"
            ax.plot(levels, share, color=COLOURS[i], linestyle=dash, label=f"{one.model}: {who}")
            at = {f"above {t:g}": float((scores >= t).mean()) for t in (0.5, 0.7, 0.9)}
            table.append({"model": one.model, "rows": who, **at})
    ax.set_ylim(0, 1.02)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return show(figure, alt=alt, table=table, caption=caption)


def plot_tornado(rows: Sequence[dict], *, centre: float, title: str, alt: str, caption: str = "") -> Figure:
    """Annual loss as each input moves from low to high; ``rows`` as from ``money.sensitivity``, widest first."""
    figure, ax = axes(title, "annual loss expectancy", "", figsize=(7.2, 1.2 + 0.55 * len(rows)))
    for i, row in enumerate(rows):
        if row["loss at low"] == row["loss at high"]:
            ax.annotate("no effect", (centre, i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
            continue
        for end, colour, hatch in (("low", COLOURS[0], ""), ("high", COLOURS[1], "//")):
            loss = row[f"loss at {end}"]
            ax.barh(i, loss - centre, left=centre, color=colour, hatch=hatch, edgecolor="white", height=0.6)
            text: Any = {"ha": "left" if loss >= centre else "right", "va": "center", "fontsize": 9}
            offset = (4 if loss >= centre else -4, 0)
            ax.annotate(f"{row[end]:,g}", (loss, i), xytext=offset, textcoords="offset points", **text)
    ax.axvline(centre, color="#333333", linewidth=1)
    ax.set_yticks(range(len(rows)), [str(row["input"]).replace("_", " ") for row in rows])
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.margins(x=0.12)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return show(figure, alt=alt, table=list(rows), caption=caption)
