"""Figures that can be read without eyes: an image with alt text, a caption, and the numbers as a table below."""

from __future__ import annotations

import base64
import contextlib
import html
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.outcomes import Outcome, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

# Okabe and Ito's palette, in the order in which neighbours differ most; markers and dashes so that colour is not alone.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), "-")
# A white card, because JupyterLab's dark theme would show through and swallow grey text.
STYLE: Any = {
    "figure.facecolor": "white",
    "figure.figsize": (7.2, 4.0),
    "figure.dpi": 110,
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": "#222222",
    "grid.color": "#E4E4E4",
    "font.size": 10.5,
    "legend.frameon": False,
    "lines.linewidth": 2,
}


class Figure:
    """A finished figure. In a notebook it shows as ``<figure>`` with alt text, caption and a table of its data."""

    def __init__(self, png: bytes, *, alt: str, table: Sequence[dict], caption: str = ""):
        self.png, self.alt, self.table, self.caption = png, alt, list(table), caption

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.png).decode()
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure style="margin:.5em 0"><img style="max-width:100%;border-radius:6px" '
            f'alt="{html.escape(self.alt)}" src="data:image/png;base64,{image}">{caption}'
            f"<details><summary>The same as a table</summary>{html_table(self.table)}</details></figure>"
        )


def show(figure: MplFigure, *, alt: str, table: Sequence[dict], caption: str = "") -> Figure:
    """Turn a matplotlib figure into an accessible one. ``alt`` states the finding; ``table`` is a list of rows (dicts).

    Raises ValueError if either is missing: a figure that some cannot read is not finished.
    """
    if not alt.strip() or not table:
        raise ValueError("a figure needs alt= (one sentence that states the finding) and table= (its data)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=110)
    import matplotlib.pyplot as plt

    plt.close(figure)
    return Figure(buffer.getvalue(), alt=alt, table=table, caption=caption)


@contextlib.contextmanager
def styled() -> Iterator[Any]:
    """Matplotlib's pyplot in the course's style. Imported here: it takes a second, and who judges draws nothing."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mpl.rc_context(STYLE):
        yield plt


def axes(title: str, x: str, y: str, **size: Any) -> tuple[MplFigure, Axes]:
    """An empty figure in the course's style; ``x`` and ``y`` are axis labels with units."""
    with styled() as plt:
        figure, ax = plt.subplots(**size)
        ax.set(title=title, xlabel=x, ylabel=y)
        for spine in ("top", "right"):
            ax.spines[spine].set_visible(False)
    return figure, ax


def plot_curve(
    outcomes: Iterable[Outcome],
    *,
    title: str,
    alt: str,
    caption: str = "",
    measure: str = "agreement",
    baseline: float | None = None,
    baseline_name: str = "always the commonest answer",
) -> Figure:
    """``measure`` against the query budget: a line a thief, the band its lowest and highest run over seeds."""
    spreads = spread(outcomes, measure)
    figure, ax = axes(title, "queries (rows bought)", f"{measure} on test rows")
    ends = []
    for i, thief in enumerate(dict.fromkeys(s.thief for s in spreads)):
        mine = [s for s in spreads if s.thief == thief]
        x = [s.budget for s in mine]
        ax.fill_between(x, [s.low for s in mine], [s.high for s in mine], color=COLOURS[i], alpha=0.15, linewidth=0)
        ax.plot(x, [s.mean for s in mine], color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], linewidth=2)
        ends.append((mine[-1].mean, x[-1], thief, COLOURS[i]))
    if baseline is not None:
        ax.axhline(baseline, color="#555555", linestyle=(0, (2, 3)), linewidth=1.2)
        ends.append((baseline, max(s.budget for s in spreads), baseline_name, "#555555"))
    ax.set_xscale("log")
    budgets = sorted({s.budget for s in spreads})
    ax.set_xticks(budgets, [f"{b:,}" for b in budgets])
    ax.minorticks_off()
    ax.set_ylim(0, 1.02)
    _label_ends(ax, ends)
    table = [
        {"thief": s.thief, "queries": s.budget, "mean": s.mean, "lowest": s.low, "highest": s.high, "seeds": s.seeds}
        for s in spreads
    ]
    return show(figure, alt=alt, table=table, caption=caption)


def plot_bars(
    values: dict[str, float], *, title: str, x: str, y: str = "", alt: str, caption: str = "", unit: str = ""
) -> Figure:
    """Horizontal bars with their values written at the end; ``values`` maps name to number."""
    names = list(values)
    figure, ax = axes(title, x, y, figsize=(7.2, 0.9 + 0.45 * len(names)))
    ax.barh(range(len(names)), list(values.values()), color=[COLOURS[i % len(COLOURS)] for i in range(len(names))])
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    for i, value in enumerate(values.values()):
        ax.annotate(f"{value:.3g}{unit}", (value, i), xytext=(4, 0), textcoords="offset points", va="center")
    ax.margins(x=0.12)
    return show(figure, alt=alt, table=[{"": n, x: v} for n, v in values.items()], caption=caption)


def plot_digits(
    rows: Any, *, labels: Sequence[str], title: str, alt: str, caption: str = "", names: Sequence[str] | None = None
) -> Figure:
    """8 × 8 digit images side by side, each under its label. ``rows`` (n, 64), brightness 0 to 16."""
    images = np.asarray(rows).reshape(len(rows), 8, 8)
    with styled() as plt:
        figure, places = plt.subplots(1, len(images), figsize=(1.05 * len(images), 1.7))
    for place, image, label in zip(np.atleast_1d(places), images, labels, strict=True):
        place.imshow(image, cmap="cividis", vmin=0, vmax=16)
        place.set_title(label, fontsize=10)
        place.axis("off")
    figure.suptitle(title, x=0.125, ha="left", fontweight="bold", y=1.03)
    table = [{"image": i if names is None else names[i], "label": label} for i, label in enumerate(labels)]
    return show(figure, alt=alt, table=table, caption=caption)


def html_table(rows: Sequence[dict]) -> str:
    """A plain HTML table of ``rows``; numbers to three decimals."""
    heads = list(rows[0])
    head = "".join(f"<th scope='col'>{html.escape(str(h))}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(_cell(r[h]))}</td>" for h in heads) + "</tr>" for r in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Table:
    """Rows (dicts with the same keys) that show as a table in a notebook."""

    def __init__(self, rows: Sequence[dict], caption: str = ""):
        self.rows, self.caption = list(rows), caption

    def __repr__(self) -> str:
        return "\n".join("  ".join(f"{k}: {_cell(v)}" for k, v in row.items()) for row in self.rows)

    def _repr_html_(self) -> str:
        return (f"<p>{html.escape(self.caption)}</p>" if self.caption else "") + html_table(self.rows)


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else str(value)


def _label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name at its right end, pushed apart so that none covers another."""
    last = -1.0
    for y, x, name, colour in sorted(ends):
        place = max(y, last + 0.055)
        last = place
        ax.annotate(
            f" {name}", (x, y), xytext=(1.01, place), textcoords=("axes fraction", "data"), color=colour,
            va="center", annotation_clip=False, fontweight="bold", fontsize=10,
        )  # fmt: skip
