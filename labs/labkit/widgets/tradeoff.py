"""Sliders over the measured trade-off plane: each move reads the cached grid again, nothing is attacked anew."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from labkit.plots import html_table
from labkit.tradeoff import Point, admissible, find_point
from labkit.tradeoff_plots import MEASURES, plane_svg, sentence


def reading_html(
    points: Sequence[Point],
    victim: str,
    defence: str,
    strength: str = "",
    *,
    measure: str = "distortion",
    accuracy_lost: float = 1.0,
    distortion: float = 2.0,
    agreement: float = 1.0,
) -> str:
    """What the panel shows for one position of its controls: plane, sentence, what meets the limits, thieves.

    Settings that meet all three limits are ringed in the drawing and named below it.
    """
    mine = [p for p in points if p.victim == victim]
    chosen, bare = find_point(mine, victim, defence, strength), find_point(mine, victim, "none")
    fit = admissible(mine, accuracy_lost=accuracy_lost, distortion=distortion, agreement=agreement)
    thieves = [{"thief": t, "agreement": a} for t, a in sorted(chosen.thieves.items(), key=lambda one: -one[1])]
    names = ", ".join(p.name for p in fit) or "none of those measured"
    return (
        plane_svg(mine, chosen, measure=measure, fit=fit)
        + f'<p role="status">{html.escape(sentence(chosen, bare))}</p>'
        + f"<p>Within your limits ({len(fit)} of {len(mine)}, ringed): {html.escape(names)}.</p>"
        + html_table(thieves)
    )


def strengths(points: Sequence[Point], victim: str, defence: str) -> list[str]:
    """The strengths measured for this victim and defence, weakest first; [""] where there is none to vary."""
    return [p.strength for p in points if p.victim == victim and p.defence == defence] or [""]


def tradeoff(points: Sequence[Point]) -> Any:
    """A panel over ``points``: victim, defence, strength, limits for customer and thief. Returns an ipywidgets box.

    Every slider has a text label and shows its value; everything shown is in the figure and table above it, too.
    """
    import ipywidgets as w

    style, wide = {"description_width": "14em"}, w.Layout(width="34em")
    victims = list(dict.fromkeys(p.victim for p in points))
    victim = w.Dropdown(options=victims, description="Victim", style=style, layout=wide)
    defence = w.Dropdown(options=_defences(points, victims[0]), description="Defence", style=style, layout=wide)
    strength = w.SelectionSlider(options=[""], description="Strength", style=style, layout=wide)
    measure = w.Dropdown(options=[(v, k) for k, v in MEASURES.items()], description="Cost", style=style, layout=wide)
    most = np.ceil(100 * max(0.1, *(p.accuracy_lost for p in points))) / 100  # limits start where they exclude nothing
    limits = {
        "accuracy_lost": _slider(w, "Accuracy lost, at most", most, style, wide),
        "distortion": _slider(w, "Distortion, at most", 2.0, style, wide),
        "agreement": _slider(w, "Thief's agreement, at most", 1.0, style, wide),
    }
    shown = w.HTML()
    busy = False

    def follow(_: Any = None) -> None:
        if not busy:
            values = {name: slider.value for name, slider in limits.items()}
            shown.value = reading_html(
                points, victim.value, defence.value, strength.value, measure=measure.value, **values
            )

    def refill(change: Any = None) -> None:
        nonlocal busy
        busy = True  # changed options fire events with the old value of the other control
        if change is None or change.owner is victim:
            options = _defences(points, victim.value)
            kept = defence.value
            defence.options = options
            defence.value = kept if kept in [name for _, name in options] else options[0][1]
        strength.options = strengths(points, victim.value, defence.value)
        busy = False
        follow()

    for control in (victim, defence):
        control.observe(refill, names="value")
    for control in (strength, measure, *limits.values()):
        control.observe(follow, names="value")
    refill()
    return w.VBox([victim, defence, strength, measure, *limits.values(), shown])


def _defences(points: Sequence[Point], victim: str) -> list[tuple[str, str]]:
    names = dict.fromkeys(p.defence for p in points if p.victim == victim)
    return [(name.replace("_", " "), name) for name in names]


def _slider(w: Any, label: str, highest: float, style: Any, layout: Any) -> Any:
    return w.FloatSlider(
        min=0.0, max=highest, step=0.005, value=highest, description=label, style=style, layout=layout,
        readout_format=".3f",
    )  # fmt: skip
