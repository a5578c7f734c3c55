"""Lab 07's figures: the trade-off plane as a picture, and as a small drawing that follows a slider at once."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from labkit.plots import COLOURS, DASHES, MARKERS, Figure, show, styled
from labkit.tradeoff import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = {
    "distortion": "distortion of the answers (0 to 2)",
    "accuracy_lost": "accuracy lost (share of rows)",
}
# Nine defences and none: seven colours of the palette, then two of them again with other markers and dashes.
_ORDER = (
    "none",
    "rounding",
    "top_k",
    "label_only",
    "gaussian_noise",
    "laplace_noise",
    "keep_top",
    "reverse_sigmoid",
    "boundary_noise",
    "misinformation",
)


def _look(defence: str) -> dict:
    i = _ORDER.index(defence) if defence in _ORDER else len(_ORDER)
    markers = (*MARKERS, "*", "<", ">", "h")
    return {"color": COLOURS[(i - 1) % len(COLOURS)], "marker": markers[i % len(markers)], "linestyle": DASHES[i % 7]}


def plot_plane(points: Iterable[Point], *, title: str, alt: str, caption: str = "") -> Figure:
    """Customer's cost against the best thief's agreement: a column a victim, a row a measure of cost.

    Points of one defence are joined in order of strength. Low and left is where a vendor wants to be.
    """
    points = list(points)
    victims = list(dict.fromkeys(p.victim for p in points))
    with styled() as plt:
        size = (2.9 * len(victims), 5.4)
        figure, grid = plt.subplots(2, len(victims), figsize=size, sharey="col", squeeze=False)
        for column, victim in enumerate(victims):
            mine = [p for p in points if p.victim == victim]
            for row, (measure, label) in enumerate(MEASURES.items()):
                ax = grid[row, column]
                ax.spines[["top", "right"]].set_visible(False)
                _draw(ax, mine, measure)
                ax.set_xlabel(label, fontsize=9)
            grid[0, column].set_title(victim, fontsize=11)
        for row in range(2):
            grid[row, 0].set_ylabel("best thief's agreement")
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=5, frameon=False, fontsize=9.5
        )
        figure.suptitle(title, x=0.02, ha="left", fontweight="bold")
        figure.tight_layout()
    return show(figure, alt=alt, table=[p.row() for p in points], caption=caption)


def _draw(ax: Axes, points: Sequence[Point], measure: str) -> None:
    for defence in sorted({p.defence for p in points}, key=lambda d: _ORDER.index(d) if d in _ORDER else 99):
        mine = [p for p in points if p.defence == defence]
        x = [getattr(p, measure) for p in mine]
        big = 11 if defence == "none" else 6
        y = [p.agreement for p in mine]
        ax.plot(x, y, markersize=big, linewidth=1.2, label=defence.replace("_", " "), **_look(defence))
        errors = [[p.agreement - p.low for p in mine], [p.high - p.agreement for p in mine]]
        ax.errorbar(x, y, yerr=errors, fmt="none", ecolor=_look(defence)["color"], elinewidth=0.8, alpha=0.5)


def sentence(point: Point, bare: Point) -> str:
    """One sentence that reads ``point`` against ``bare``, the same victim without a defence."""
    return (
        f"{point.victim}, {point.name}: the customer loses {100 * point.accuracy_lost:.1f} points of accuracy and sees "
        f"a distortion of {point.distortion:.2f}; the best thief ({point.best_thief}) agrees on {point.agreement:.3f} "
        f"of the test rows, undefended on {bare.agreement:.3f}."
    )


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 300, 60, 20, 12, 44


def plane_svg(points: Sequence[Point], chosen: Point, *, measure: str = "distortion", fit: Sequence[Point] = ()) -> str:
    """One victim's plane as SVG text with ``chosen`` marked and the points in ``fit`` ringed: milliseconds, no plot.

    Its accessible name is the sentence that reads the chosen point.
    """
    mine = [p for p in points if p.victim == chosen.victim]
    bare = next((p for p in mine if p.defence == "none"), chosen)
    far = max([getattr(p, measure) for p in mine] + [0.01]) * 1.08
    floor = min(p.agreement for p in mine) - 0.03

    def place(cost: float, agreement: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * max(cost, 0) / far
        return x, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (agreement - floor) / (1.02 - floor)

    marks = [_dot(*place(getattr(p, measure), p.agreement), p, p in fit) for p in mine]
    marks.append(_chosen(*place(getattr(chosen, measure), chosen.agreement), chosen.name))
    for i in range(5):
        level, cost = floor + (1.0 - floor) * i / 4, far * i / 4
        marks.append(_text(LEFT - 8, place(0, level)[1] + 4, f"{level:.2f}", "end"))
        marks.append(_text(place(cost, floor)[0], HEIGHT - BOTTOM + 18, f"{cost:.2f}", "middle"))
    return (
        f'<svg role="img" aria-label="{html.escape(sentence(chosen, bare))}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="max-width:100%;width:{WIDTH}px;background:white;border-radius:6px" font-family="sans-serif" '
        f'font-size="12" fill="#222"><path d="M{LEFT} 8V{HEIGHT - BOTTOM}H{WIDTH - 12}" fill="none" stroke="#444"/>'
        f"{''.join(marks)}{_text((WIDTH + LEFT) / 2, HEIGHT - 6, MEASURES[measure], 'middle')}"
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">best thief&#8217;s agreement'
        "</text></svg>"
    )


def _text(x: float, y: float, words: str, anchor: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{html.escape(words)}</text>'


def _dot(x: float, y: float, point: Point, ringed: bool) -> str:
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="#009E73" stroke-width="2"/>' if ringed else ""
    tip = html.escape(f"{point.name}: {point.agreement:.3f}")
    return f'{ring}<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="#767676"><title>{tip}</title></circle>'


def _chosen(x: float, y: float, name: str) -> str:
    square = f'<rect x="{x - 7:.1f}" y="{y - 7:.1f}" width="14" height="14" fill="#D55E00"/>'
    right = x > WIDTH * 0.6
    return square + _text(x - 14 if right else x + 14, y + 4, name, "end" if right else "start", "bold")
