"""Sliders around the loss model of ``labkit.money``: each has a text label and a number box beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labkit.money import TheftCase, summary
from labkit.plots import html_table

# field: (label, highest, step)
CONTROLS = {
    "rows": ("Rows the thief buys", 10_000, 100),
    "price_per_row": ("Price of a row", 1.0, 0.01),
    "cost_to_train": ("Cost to train honestly", 200_000, 1_000),
    "asset_value": ("Value of the model", 1_000_000, 10_000),
    "exposure": ("Share lost in one theft", 1.0, 0.05),
    "thefts_per_year": ("Thefts a year", 4.0, 0.05),
}


def result_html(case: TheftCase, **changes: float) -> str:
    """The results of ``case`` with ``changes``, as an HTML table."""
    return html_table(summary(replace(case, **changes)))


def theft_cost(case: TheftCase) -> Any:
    """A panel of sliders and number boxes over ``case``; the table below follows. Returns an ipywidgets box."""
    import ipywidgets

    shown = ipywidgets.HTML(result_html(case))
    sliders: dict[str, Any] = {}

    def follow(_: Any) -> None:
        shown.value = result_html(case, **{name: slider.value for name, slider in sliders.items()})

    lines = []
    for name, (label, highest, step) in CONTROLS.items():
        value = float(getattr(case, name))
        limits = {"min": 0.0, "max": max(float(highest), value), "step": step, "value": value}
        slider = ipywidgets.FloatSlider(
            **limits,
            description=label,
            readout=False,
            style={"description_width": "12em"},
            layout=ipywidgets.Layout(width="30em"),
        )
        box = ipywidgets.BoundedFloatText(
            **limits, layout=ipywidgets.Layout(width="8em"), tooltip=label, description_allow_html=False
        )
        ipywidgets.link((slider, "value"), (box, "value"))
        slider.observe(follow, names="value")
        sliders[name] = slider
        lines.append(ipywidgets.HBox([slider, box]))
    return ipywidgets.VBox([*lines, shown])
