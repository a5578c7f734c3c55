"""The page of ``benchmarks.watermarks``, written from its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binom

from labkit.mark_thieves import FAMILIES, SIX

BAR = 1e-6
NAMES = {"trigger": "trigger set", "keyed": "keyed mark", "margin": "margin mark"}


def report(results: dict[str, Any]) -> str:
    """The whole page."""
    seeds = f"{results['first']} to {results['first'] + results['seeds'] - 1}"
    lines = [f"{run['victim']} {run['seed']}" for run in results["runs"]]
    victims = list(dict.fromkeys(line.split()[0] for line in lines))
    parts = [
        "# Watermarks, measured",
        f"Written by `python -m benchmarks.watermarks --first {results['first']} --seeds {results['seeds']}`. Victims "
        f"of seeds {seeds}; every setting was chosen on seeds 100 to 105. A thief buys {results['budget']:,} rows of "
        "the customers' own kind and fits one copy a family to the labels. p is the chance that an innocent model "
        "matches as often; p values are exact (see `labkit.watermarks`) and need no innocent models or sampled keys. "
        "The margin mark's test counts a row four times, twice or once, by how undecided its neighbours in the log are "
        "(`tipping_weights`), for that is where a copy can follow. "
        f"Zones of the margin mark: {', '.join(f'{v} {z:g}' for v, z in results['zones'].items())}. "
        f"Shown: the weakest (largest) p over seeds. **Bold**: at most {BAR:g} on every seed.",
        *[_survival(results, victim) for victim in victims],
        "## False claims\n",
        _innocents(results),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _found(results: dict[str, Any], what: str, victim: str) -> list[dict[str, Any]]:
    runs = [run for run in results["runs"] if run["what"] == what and run["victim"] == victim]
    return [line for run in runs for line in run["found"]]


def _survival(results: dict[str, Any], victim: str) -> str:
    marks = _found(results, "survival", victim)
    traps = _found(results, "triggers", victim)
    attacks = list(dict.fromkeys(line["attack"] for line in marks))
    families = [*FAMILIES, "forest on probabilities"]
    head = ["copy", *[f"{NAMES[m]}, {a}" if a != "none" else NAMES[m] for m in ("keyed", "margin") for a in attacks]]
    head = [head[0], NAMES["trigger"], *head[1:]]
    rows = []
    for family in families:
        cells = [_p([t for t in traps if t["family"] == family])]
        for mark in ("keyed", "margin"):
            for attack in attacks:
                cells.append(_p([x for x in marks if (x["mark"], x["attack"], x["family"]) == (mark, attack, family)]))
        rows.append([family, *cells])
    own = _p([t for t in traps if t["family"] == "the marked model itself"])
    return "\n\n".join(
        [f"## {victim}", _table(head, rows), _costs(marks, traps, own), _verdict(marks), _agreements(marks, attacks)]
    )


def _p(lines: list[dict[str, Any]]) -> str:
    if not lines:
        return ""
    worst = max(line["p"] for line in lines)
    text = f"{worst:.0e}" if worst < 0.01 else f"{worst:.2f}"
    return f"**{text}**" if worst <= BAR else text


def _costs(marks: list[dict[str, Any]], traps: list[dict[str, Any]], own: str) -> str:
    words = []
    for mark in ("keyed", "margin"):
        lost = _each(marks, mark, "lost")
        changed = _each(marks, mark, "changed")
        words.append(
            f"the {NAMES[mark]} changes {100 * np.mean(changed):.1f} % of answers and costs {100 * np.mean(lost):.2f} "
            f"points (worst seed {100 * max(lost):.2f})"
        )
    lost = sorted({t["lost"] for t in traps})
    return (
        f"Customer's accuracy, on fresh rows: {'; '.join(words)}; the trigger set costs {100 * np.mean(lost):.2f} "
        f"points (worst {100 * max(lost):.2f}) and is found in the marked model itself at p = {own}."
    )


def _each(marks: list[dict[str, Any]], mark: str, what: str) -> list[float]:
    return sorted({line[what] for line in marks if line["mark"] == mark})


def _verdict(marks: list[dict[str, Any]]) -> str:
    words = []
    for mark in ("keyed", "margin"):
        mine = [x for x in marks if x["mark"] == mark and x["attack"] == "none"]

        def holds(family: str, lines: list[dict[str, Any]] = mine) -> bool:
            # A family stands only if it does with leaves of five, too.
            return all(x["p"] <= BAR for x in lines if x["family"].split(",")[0] == family)

        failing = [family for family in SIX if not holds(family)]
        kept = len(SIX) - len(failing)
        words.append(
            f"{NAMES[mark].capitalize()}: {kept} of {len(SIX)} families on every seed, leaves of five included; "
            f"fails on {', '.join(failing) or 'none'}."
        )
    return " ".join(words)


def _agreements(marks: list[dict[str, Any]], attacks: list[str]) -> str:
    rows = []
    for family in SIX:
        cells = []
        for attack in attacks:
            mine = [
                x["agreement"] for x in marks if (x["mark"], x["attack"], x["family"]) == ("margin", attack, family)
            ]
            cells.append(f"{np.mean(mine):.3f}")
        rows.append([family, *cells])
    return "What washing costs the thief: agreement on test rows (margin mark, mean over seeds).\n\n" + _table(
        ["copy", *attacks], rows
    )


def _innocents(results: dict[str, Any]) -> str:
    runs = [run for run in results["runs"] if run["what"] == "innocents"]
    models, claims = results["innocents"] * len(runs), results["innocents"] * results["keys"] * len(runs)
    levels = list(runs[0]["found"]["margin"])
    rows = []
    for mark in NAMES:
        counts = [sum(run["found"][mark][level] for run in runs) for level in levels]
        cells = [
            f"{c} ({c / claims:.3%}; {_as_many(c, claims, float(a)):.2f})" for a, c in zip(levels, counts, strict=True)
        ]
        rows.append([NAMES[mark], *cells])
    return (
        f"{models} innocent models of ten families, each trained on rows of its own draw, each accused under "
        f"{results['keys']} keys of its own: {claims:,} claims a mark. In brackets the share, and how likely so many "
        f"or more are when the test keeps exactly to its level: a small number would say that it does not.\n\n"
        + _table(["mark", *[f"accused at p < {level}" for level in levels]], rows)
    )


def _as_many(count: int, of: int, level: float) -> float:
    return float(binom.sf(count - 1, of, level))


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
