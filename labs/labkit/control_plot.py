"""The control room's curve: how far a copy made of each key's answers agrees with the model, by rows answered."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from labkit.plots import COLOURS, DASHES

WIDTH, HEIGHT = 660, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 520, 34, 210
MOST_LINES, LEAST_ROWS, MOST_MARKS = 5, 20, 4
_SVG_DASHES = {"-": "", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}


def curve_sentence(picture: dict[str, Any]) -> str:
    """The finding in words: first and last estimate of each key drawn."""
    words = [
        f"{facts['key']} from {facts['curve'][0][1]:.2f} after {facts['curve'][0][0]:,} rows "
        f"to {facts['curve'][-1][1]:.2f} after {facts['curve'][-1][0]:,}"
        for facts in _drawn(picture)
    ]
    return "Estimated agreement of a copy: " + ("; ".join(words) or "no key has enough answers yet") + "."


def curve_svg(picture: dict[str, Any], marks: Sequence[tuple[int, str]] = ()) -> str:
    """An SVG on a white card; the same numbers stand in the table of keys.

    ``marks`` are (rows, words): upright lines that say when something was switched.
    """
    drawn = _drawn(picture)
    most = max([100, *(facts["curve"][-1][0] for facts in drawn)])
    most = -(-most // 100) * 100
    parts = [
        f'<svg role="img" aria-label="{html.escape(curve_sentence(picture))}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="width:100%;max-width:{WIDTH}px;background:#fff;border-radius:6px" font-family="sans-serif" '
        'font-size="11" fill="#222">',
        f'<text x="{LEFT - 34}" y="18" font-size="13" font-weight="bold">What has left the house</text>',
        *_grid(most),
        *_baseline(picture["baseline"]),
        *_marks(marks, most),
    ]
    taken: list[float] = []
    for i, facts in enumerate(drawn):
        parts += _line(facts, most, COLOURS[i % len(COLOURS)], _SVG_DASHES.get(str(DASHES[i % 4]), ""), taken)
    return "".join(parts) + "</svg>"


def _drawn(picture: dict[str, Any]) -> list[dict[str, Any]]:
    return [facts for facts in picture["keys"] if facts["curve"] and facts["answered"] >= LEAST_ROWS][:MOST_LINES]


def _x(rows: float, most: int) -> float:
    return LEFT + (RIGHT - LEFT) * rows / most


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _grid(most: int) -> list[str]:
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _y(share)
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#E4E4E4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.2f}</text>')
    for quarter in range(5):
        rows = most * quarter // 4
        parts.append(f'<text x="{_x(rows, most):.1f}" y="{BOTTOM + 15}" text-anchor="middle">{rows:,}</text>')
    middle = (LEFT + RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{BOTTOM + 32}" text-anchor="middle">rows answered to the key</text>')
    return parts


def _baseline(share: float) -> list[str]:
    y = _y(share)
    return [
        f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#555" stroke-dasharray="2 3"/>',
        f'<text x="{RIGHT - 4}" y="{y - 4:.1f}" text-anchor="end" fill="#555">knowing nothing {share:.2f}</text>',
    ]


def _marks(marks: Sequence[tuple[int, str]], most: int) -> list[str]:
    parts = []
    for i, (rows, words) in enumerate(marks[-MOST_MARKS:]):
        x, y = _x(min(rows, most), most), BOTTOM - 8 - 13 * i
        side, anchor = (-5, "end") if rows > most / 2 else (5, "start")
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}" stroke="#D55E00" stroke-width="1.2"/>')
        parts.append(
            f'<text x="{x + side:.1f}" y="{y}" text-anchor="{anchor}" fill="#A84300">{html.escape(words)}</text>'
        )
    return parts


def _line(facts: dict[str, Any], most: int, colour: str, dash: str, taken: list[float]) -> list[str]:
    points = [(_x(rows, most), _y(share)) for rows, share in facts["curve"]]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    label = y + 4
    while any(abs(label - other) < 12 for other in taken):
        label += 12
    taken.append(label)
    name = html.escape(facts["key"][:14])
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dash}"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>',
        f'<text x="{x + 8:.1f}" y="{label:.1f}" fill="{colour}" font-weight="bold">'
        f"{name} {facts['curve'][-1][1]:.2f}</text>",
    ]
