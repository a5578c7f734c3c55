"""From the kept days to the detection page; no number is typed by hand."""

# ruff: noqa: E501 (rows of Markdown tables)
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import beta

from benchmarks.watching.traffic import BLIND, HONEST, SYBIL
from labkit.query_thieves import SEED_ROWS, SYNTHETIC
from labkit.watching_plots import band, caught_at

BAR_ROWS, BAR_SHARE = 35, 0.01
GUARD = "martingale"
Stream = Mapping[str, Any]
_WHY = (
    f"Why it is missed where it is: Jacobian steps and active learning open with {SEED_ROWS} real rows, which nobody can tell from a "
    "customer's, so they have 15 rows left to be found in. A p-value is a rank and cannot fall below one in the number of ordinary rows; "
    "on tumour those are 356, so each row moves the capital less than on the larger victims."
)

_INTRO = """
Every day is another split, another fit and other traffic of one victim, replayed through the real app with the martingale on guard
(alarm at a capital of 100, the key is stopped) and every row stored; the other monitors then read that log. The vendor calibrates with its
training rows and half of the pool, thieves own the other half, customers ask rows of the test part. Settings were chosen on seeds 0 to 11,
the days below have seeds from {first} on. Traffic is invented. {days} days, {honest:,} honest customers, {thieves:,} streams of thieves who invent
their rows. Customers of a day: {kinds}. A thief asks one row a request.
"""


def report(days: Mapping[str, Sequence[Stream]]) -> str:
    """The whole page."""
    by_victim: dict[str, list[Stream]] = {}
    for label, streams in days.items():
        by_victim.setdefault(label.partition(" ")[0], []).extend(unfolded(streams))
    everybody = [stream for streams in by_victim.values() for stream in streams]
    kinds = ", ".join(f"{count} {kind} ({low} to {high} rows)" for kind, (count, low, high) in HONEST.items())
    intro = _INTRO.format(
        first=min(int(label.split()[1]) for label in days),
        days=len(days),
        honest=len(_of(everybody, HONEST)),
        thieves=len(_of(everybody, SYNTHETIC)),
        kinds=kinds,
    )
    return "\n".join([
        "# Who is caught, how soon, and who is accused", "", "Written by `python -m benchmarks.detection`.", intro.rstrip(), "",
        "## The bar", "", *_bar(by_victim), "", "## Thieves who invent their rows", "",
        "Alarmed, and the row of the alarm: median, latest. What was answered is one row less.", "", *_caught(by_victim), "",
        "## Blind spots and adapted thieves", "",
        "Alarmed, and rows answered of rows asked: all streams together. A blind spot is a row with few alarms, or one whose alarms hit "
        "an honest person.", "", *_blind(by_victim), "", "## Every monitor", "", *_monitors(by_victim),
    ]) + "\n"  # fmt: skip


def unfolded(streams: Iterable[Stream]) -> list[Stream]:
    """Streams that were alike are kept once with how many ``times``; here they are all again."""
    return [stream for stream in streams for _ in range(stream.get("times", 1))]


def _of(streams: Iterable[Stream], kinds: Iterable[str]) -> list[Stream]:
    wanted = set(kinds)
    return [stream for stream in streams if stream["kind"] in wanted]


def _bar(by_victim: Mapping[str, Sequence[Stream]]) -> list[str]:
    lines = [
        f"| victim | honest customers | accused | at most, 95 % sure | thieves who invent rows | alarmed within {BAR_ROWS} rows | "
        "latest alarm | bar |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for victim, streams in [*by_victim.items(), ("all", [s for part in by_victim.values() for s in part])]:
        honest, thieves = _of(streams, HONEST), _of(streams, SYNTHETIC)
        accused = sum(s["alarm"][GUARD] is not None for s in honest)
        rows = [s["alarm"][GUARD] for s in thieves]
        soon = sum(row is not None and row <= BAR_ROWS for row in rows)
        latest = "never" if None in rows else max(rows)
        met = soon == len(thieves) and accused <= BAR_SHARE * len(honest)
        verdict = "met" if met else f"missed: {_why(thieves, accused, honest)}"
        lines.append(
            f"| {victim} | {len(honest):,} | {accused} ({accused / len(honest):.2%}) | {_upper(accused, len(honest)):.2%} | "
            f"{len(thieves):,} | {soon:,} | {latest} | {verdict} |"
        )
    if any("missed" in line for line in lines):
        lines += ["", _WHY]
    return lines


def _why(thieves: Sequence[Stream], accused: int, honest: Sequence[Stream]) -> str:
    late: dict[str, int] = {}
    for stream in thieves:
        row = stream["alarm"][GUARD]
        if row is None or row > BAR_ROWS:
            late[stream["kind"]] = late.get(stream["kind"], 0) + 1
    told = [f"{kind} late or never {count} times" for kind, count in late.items()]
    if accused > BAR_SHARE * len(honest):
        told.append("more than 1 % of customers accused")
    return "; ".join(told)


def _upper(count: int, of: int) -> float:
    """One-sided 95 % Clopper-Pearson bound."""
    return 1.0 if count == of else float(beta.ppf(0.95, count + 1, of - count))


def _caught(by_victim: Mapping[str, Sequence[Stream]]) -> list[str]:
    lines = [f"| thief | {' | '.join(by_victim)} |", f"| --- |{' --- |' * len(by_victim)}"]
    for kind in SYNTHETIC:
        cells = []
        for streams in by_victim.values():
            rows = [s["alarm"][GUARD] for s in _of(streams, [kind])]
            found = [row for row in rows if row is not None]
            when = f", {np.median(found):g}, {max(found)}" if found else ""
            cells.append(f"{len(found)}/{len(rows)}{when}")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def _blind(by_victim: Mapping[str, Sequence[Stream]]) -> list[str]:
    lines = [f"| who | {' | '.join(by_victim)} |", f"| --- |{' --- |' * len(by_victim)}"]
    for kind in (*BLIND, f"{SYBIL}, keys watched together"):
        cells = []
        for streams in by_victim.values():
            mine = _of(streams, [kind])
            alarmed = sum(s["alarm"][GUARD] is not None for s in mine)
            answered, asked = sum(s["answered"] for s in mine), sum(s["rows"] for s in mine)
            cells.append(f"{alarmed}/{len(mine)}, {answered:,} of {asked:,}")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def _monitors(by_victim: Mapping[str, Sequence[Stream]]) -> list[str]:
    names = list(next(s for s in next(iter(by_victim.values())) if s["kind"] == "plain")["score"])
    lines = [
        "At its own threshold: share of honest customers accused and of thieves who invent rows alarmed. Then, over all thresholds, the "
        "share of thieves alarmed by the best one that accuses at most 1 % of these customers, with the middle 95 % over streams drawn "
        "again. All but the martingale saw the first 120 rows of a stream.",
        "",
        "| monitor | victim | accused | alarmed | alarmed at 1 % accused |",
        "| --- | --- | --- | --- | --- |",
    ]
    rng = np.random.default_rng(0)
    for name in names:
        for victim, streams in by_victim.items():
            honest, thieves = (_of(streams, kinds) for kinds in (HONEST, SYNTHETIC))
            shares = [np.mean([s["alarm"][name] is not None for s in part]) for part in (honest, thieves)]
            innocent, guilty = ([s["score"][name] for s in part] for part in (honest, thieves))
            low, high = band(innocent, guilty, 0.01, rng)
            lines.append(
                f"| {name} | {victim} | {shares[0]:.1%} | {shares[1]:.0%} | {caught_at(innocent, guilty, 0.01):.0%} ({low:.0%} to {high:.0%}) |"
            )
    return lines
