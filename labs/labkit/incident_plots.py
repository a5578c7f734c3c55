"""Lab 11's figures: the crew's keys over the week, what a copy was worth by then, a live day under playbooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labkit.incident import Incident
from labkit.incident_papers import START
from labkit.playbook import Ending
from labkit.plots import COLOURS, DASHES, MARKERS, Figure, axes, show
from labkit.traffic import DAY, HOUR


def plot_keys(incident: Incident, keys: Sequence[str], *, title: str, alt: str, caption: str = "") -> Figure:
    """One lane a key, in order of first use: its requests, when it was issued (the trail's clock put right), alerts."""
    times = {key: np.array([line["time"] for line in incident.log if line["key"] == key]) for key in keys}
    order = sorted(keys, key=lambda key: times[key][0])
    figure, ax = axes(title, "day of the incident", "", figsize=(7.2, 1.2 + 0.42 * len(order)))
    table = []
    for lane, key in enumerate(order):
        days = (times[key] - START) / DAY
        ax.plot(days, np.full(len(days), lane), "|", color=COLOURS[0], markersize=11, alpha=0.6)
        issued = [_day(line["time"] - incident.trail_fast) for line in incident.trail if _issues(line, key)]
        alerts = [_day(alert["time"]) for alert in incident.alerts if alert["key"] == key]
        ax.plot([day for day in issued if day >= 0], [lane for day in issued if day >= 0], "D", color=COLOURS[2])
        ax.plot(alerts, [lane] * len(alerts), "v", color=COLOURS[1], markersize=9)
        sources = {line["source"] for line in incident.log if line["key"] == key}
        rows = sum(line["rows"] for line in incident.log if line["key"] == key)
        table.append({
            "key": key, "issued, day": round(issued[0], 2), "first request, day": round(days[0], 2),
            "last, day": round(days[-1], 2), "requests": len(days), "rows asked": rows, "alerts": len(alerts),
            "addresses": ", ".join(sorted(sources)),
        })  # fmt: skip
    for style, label, colour in (("|", "request", 0), ("D", "issued", 2), ("v", "alert", 1)):
        ax.plot([], [], style, color=COLOURS[colour], label=label)
    ax.set_yticks(range(len(order)), order)
    ax.set_xlim(-0.1, 7.1)
    ax.invert_yaxis()
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    return show(figure, alt=alt, table=table, caption=caption)


def _day(time: float) -> float:
    return (time - START) / DAY


def _issues(line: Mapping[str, Any], key: str) -> bool:
    return line["key"] == key and line["event"] in ("issued", "rotated")


def plot_growth(
    lines: Sequence[Mapping[str, Any]], marks: Mapping[str, float], *, title: str, alt: str, caption: str = ""
) -> Figure:
    """Agreement of copies by day (``copies_from_log``), with ``marks``: name -> day."""
    figure, ax = axes(title, "day of the incident", "agreement on test rows")
    kinds = [name for name in lines[0] if name not in ("day", "rows")]
    for i, kind in enumerate(kinds):
        x, y = [line["day"] for line in lines], [line[kind] for line in lines]
        ax.plot(x, y, color=COLOURS[i], marker=MARKERS[i], linestyle=DASHES[i], label=f"{kind} copy")
    for i, (name, day) in enumerate(sorted(marks.items(), key=lambda mark: mark[1])):
        ax.axvline(day, color="#555555", linestyle=(0, (2, 3)), linewidth=1.2)
        ax.annotate(name, (day, 0.06 + 0.1 * (i % 3)), xytext=(4, 0), textcoords="offset points", fontsize=9)
    ax.set_ylim(0, 1.02)
    ax.legend(loc="center right", fontsize=9)
    return show(figure, alt=alt, table=[dict(line) for line in lines], caption=caption)


def plot_leaks(endings: Mapping[str, Ending | str], *, title: str, alt: str, caption: str = "") -> Figure:
    """Rows the crew was told truly by each hour of the day: a line a playbook."""
    figure, ax = axes(title, "hour of the day", "rows told truly to the crew")
    table = []
    played = {name: ending for name, ending in endings.items() if not isinstance(ending, str)}
    for i, (name, ending) in enumerate(played.items()):
        told = [(batch["time"], len(batch["rows"])) for batch in ending.crew if batch["true"]]
        hours = [9.0, *((time % DAY) / HOUR for time, _ in told), 18.0]
        rows = np.cumsum([0, *(n for _, n in told), 0])
        ax.step(hours, rows, where="post", color=COLOURS[i], linestyle=DASHES[i], label=f"{name}: {rows[-1]}")
        table.append(
            {"playbook": name, "rows": int(rows[-1]), "last row at hour": round(hours[-2], 1) if told else "never"}
        )
    ax.legend(loc="upper left", fontsize=9)
    return show(figure, alt=alt, table=table, caption=caption)
