"""What the control room shows, as HTML: plain functions of one picture (see labkit.control.Controls.picture)."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence
from textwrap import shorten
from typing import Any

Picture = dict[str, Any]
SHOWN_KEYS, SHOWN_QUERIES = 6, 8

_LABELS = {
    "sentry": "Stop alarmed keys",
    "token_bucket": "Limit rows",
    "rounding": "Round probabilities",
    "label_only": "Labels only",
}
# Colours of JupyterLab's own theme, so that tables read well in the dark one.
STYLE = """<style>
.mtl-room table {border-collapse: collapse; width: 100%; font-size: 12px; line-height: 1.35;
  color: var(--jp-ui-font-color1, #222); font-variant-numeric: tabular-nums}
.mtl-room th {text-align: left; font-weight: 600; padding: 2px 10px 2px 0; vertical-align: bottom;
  border-bottom: 1px solid var(--jp-border-color1, #bbb)}
.mtl-room td {padding: 2px 10px 2px 0; border-bottom: 1px solid var(--jp-border-color2, #ddd); white-space: nowrap}
.mtl-room td.wide {white-space: normal}
.mtl-room .n {text-align: right}
.mtl-room h4 {margin: 10px 0 3px; font-size: 13px; line-height: 1.35; color: var(--jp-ui-font-color1, #222)}
.mtl-room p {margin: 3px 0; font-size: 12px; line-height: 1.45; color: var(--jp-ui-font-color1, #222)}
.mtl-room p.status {font-size: 13.5px; padding: 6px 10px; border-left: 4px solid #0072B2;
  background: var(--jp-layout-color2, #f3f3f3)}
.mtl-room p.status.alert {border-left-color: #D55E00}
.mtl-room p.numbers {padding: 0 10px 4px; font-size: 13px}
.mtl-room b.alarm {color: var(--jp-ui-font-color0, #000); border-bottom: 2px solid #D55E00}
</style>"""


def switch_label(name: str) -> str:
    """What stands beside a switch: "Limit rows (rows=100, rate=1.0)" for ``token_bucket:rows=100,rate=1.0``."""
    kind, _, settings = name.partition(":")
    label = _LABELS.get(kind, kind.replace("_", " ").capitalize())
    return f"{label} ({settings.replace(',', ', ')})" if settings and kind != "sentry" else label


def status(picture: Picture) -> str:
    """What has happened, in a sentence that changes only when something does: screen readers read it out each time."""
    alerts = [alert for alert in picture["alerts"] if not alert["held"]]
    words = f"{len(alerts)} alert{'' if len(alerts) == 1 else 's'}"
    if alerts:
        newest = alerts[-1]
        words += f", the newest: {newest['detector']} for {newest['key']}, priority {newest['priority']}"
    on = [switch_label(switch["name"]) for switch in picture["switches"] if switch["on"]]
    return f"{words}. On: {', '.join(on) or 'no defence'}."


def numbers(picture: Picture, thief: str = "") -> str:
    """Rows and agreement of the thief's key, or of all; changes all the time, so nobody is made to listen to it."""
    keys = {facts["key"]: facts for facts in picture["keys"]}
    if not keys:
        return "No query yet. Start a theft, or ask this target from a cell of yours."
    if thief not in keys:
        return f"{sum(facts['answered'] for facts in keys.values()):,} rows answered to {len(keys)} keys; no theft."
    facts, base = keys[thief], picture["baseline"]
    words = f"{thief}: {facts['answered']:,} rows answered, {facts['refused']:,} refused"
    if facts["curve"]:
        words += f"; a copy made of its answers agrees on {facts['curve'][-1][1]:.0%} of test rows"
    return f"{words} (knowing nothing: {base:.0%})."


def status_html(text: str, alert: bool = False) -> str:
    """The status line."""
    return f'{STYLE}<p class="status{" alert" if alert else ""}" role="status">{html.escape(text)}</p>'


def numbers_html(text: str) -> str:
    """The line of numbers."""
    return f'<p class="numbers">{html.escape(text)}</p>'


def keys_html(picture: Picture) -> str:
    """A line a key: what it asked, what the watch makes of it, what its holder can have learned."""
    lines = []
    for facts in picture["keys"][:SHOWN_KEYS]:
        features = facts["features"] or {}
        agreement = f"{facts['curve'][-1][1]:.2f}" if facts["curve"] else "…"
        state = '<b class="alarm">alarmed</b>' if facts.get("alarmed") else "watched"
        lines.append([
            html.escape(facts["key"]), f"{facts['answered']:,}", f"{facts['refused']:,}",
            *(_number(features.get(name), digits) for name, digits in (("far", 2), ("gap", 2), ("unsure", 2))),
            _capital(facts.get("capital")), state, agreement,
        ])  # fmt: skip
    heads = ("key", "answered", "refused", "far", "gap", "unsure", "capital", "watch", "copy agrees")
    more = len(picture["keys"]) - SHOWN_KEYS
    note = (
        "<p>Far: median distance to real rows. Gap: to the key's own nearest earlier row. Unsure: share of rows near "
        "the boundary. Capital: the martingale's, alarm at 100. Copy agrees: estimate, on test rows."
        + (f" {more} more keys not shown." if more > 0 else "")
        + "</p>"
    )
    table = _table(heads, lines, numbers=(1, 2, 3, 4, 5, 6, 8)) + note
    return "<h4>Keys</h4>" + (table if lines else "<p>None yet.</p>")


def alerts_html(picture: Picture, received: int | None = None) -> str:
    """Alerts, the newest first: priority, detector, key and reason, and whether they were delivered."""
    lines = [
        [
            _clock(alert["time"]), f"<b class='alarm'>{html.escape(alert['priority'])}</b>",
            html.escape(alert["detector"]), html.escape(alert["key"]), html.escape(alert["reason"]),
            "held back" if alert["held"] else "delivered" if alert["delivered_to"] else "on record",
        ]
        for alert in reversed(picture["alerts"])
    ]  # fmt: skip
    got = "" if received is None else f"<p>Your webhook received {received} alert{'' if received == 1 else 's'}.</p>"
    heads = ("time", "priority", "detector", "key", "reason", "delivery")
    return "<h4>Alerts</h4>" + (_table(heads, lines, wide=(4,)) if lines else "<p>None.</p>") + got


def stream_html(picture: Picture) -> str:
    """The newest queries, newest first."""
    lines = [
        [
            _clock(record["time"]), html.escape(record["key"]), f"{record['rows']:,}", html.escape(record["verdict"]),
            html.escape(shorten(record["reason"], 36, placeholder="…")),
        ]
        for record in reversed(picture["stream"][-SHOWN_QUERIES:])
    ]  # fmt: skip
    heads = ("time", "key", "rows", "verdict", "reason")
    return "<h4>Query stream</h4>" + (_table(heads, lines, numbers=(2,), wide=(4,)) if lines else "<p>Quiet.</p>")


def _table(
    heads: Sequence[str], lines: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), wide: Sequence[int] = ()
) -> str:
    """Cells are HTML already."""
    kind = {**dict.fromkeys(numbers, ' class="n"'), **dict.fromkeys(wide, ' class="wide"')}
    head = "".join(f'<th scope="col"{kind.get(i, "")}>{name}</th>' for i, name in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{kind.get(i, '')}>{cell}</td>" for i, cell in enumerate(line)) + "</tr>" for line in lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float | None, digits: int) -> str:
    return "…" if value is None else f"{value:.{digits}f}"


def _capital(value: float | None) -> str:
    if value is None:
        return "…"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}" if value >= 0.01 else "&lt; 0.01"


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
