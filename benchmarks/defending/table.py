"""From docstrings and numbers to the defence table. The words are the docstrings', the numbers the run's; no third hand."""

# ruff: noqa: E501 (rows of Markdown tables)
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.defending.field import GROUNDS
from benchmarks.defending.measuring import enough_from
from benchmarks.defending.traffic import GROUPS, HORIZON
from benchmarks.defending.words import promises

HEAD = "| defence | stops | does not stop | costs the honest customer | measured: the customer's cost | measured: the thief's cost |"
_INTRO = """
Words: the defences' own docstrings. Numbers: means over {seeds} seeds (another split, another fit each). Every thief asks the
real app; the figure is the best of several adaptive thieves (equations, maximum likelihood and labels at three strengths, rows
near the boundary, line search; networks and kernel machines on probabilities or labels, unsure rows first; boosting and forests;
each row four times), one choice for all seeds. **Customer**: accuracy lost on test rows in points, labels changed, L1: sum of absolute changes of a
row's probabilities (0 to 2; hidden ones count as the label's one-hot row). **Thief**: agreement with the undefended victim on test
rows for the budget named, and the smallest budget tried from which on the best thief passed the bar: {bars}. In brackets: the same without
the defence; where the two are equal, the defence stopped nobody. At small budgets the best of many is partly the luckiest.

Limits, where answers stay true, are measured on an invented week of {customers} with a simulated clock (`benchmarks/defending/traffic.py`):
rows refused to people who look cases up, to nightly jobs, to the heavy; in a quiet week, and while a thief with ten keys in one network takes
all it can. The thief's time is for the rows it needs on the bare victim.
"""


def report(results: Mapping[str, Any], registry: Mapping[str, type]) -> str:
    """The whole page. Raises KeyError for a defence of ``registry`` without numbers."""
    bars = ", ".join(f"{_percent(g.enough, 0)} on {g.name}" for g in GROUNDS)
    lines = [
        "# What each defence stops, and what it costs", "",
        f"Written by `python -m benchmarks.defences --seeds {results['seeds']}`, from `results/defences.json` and the docstrings.",
        _INTRO.format(seeds=results["seeds"], bars=bars, customers="60 customers").rstrip(), "",
        *_table(results, registry), "", "## Without a defence", "", *_bare(results["bare"]), "", "## Every victim", "",
        *_details(results, registry),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _table(results: Mapping[str, Any], registry: Mapping[str, type]) -> list[str]:
    lines = [HEAD, "| --- | --- | --- | --- | --- | --- |"]
    for name, defence in registry.items():
        found, words = results["defences"][name], promises(defence)
        cells = [f"`{found['setting']}`", *words.values(), *_measured(found, results["bare"])]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return lines


def _measured(found: Mapping[str, Any], bare: Mapping[str, Any]) -> tuple[str, str]:
    customer, thief = [], []
    for name, sides in found.get("victims", {}).items():
        customer.append(f"{name}: {_customer(sides['customer'])}")
        thief.append(f"{name}: {_thief(name, sides, bare[name])}")
    if limit := found.get("limit"):
        customer += [f"{when}: {_refusals(limit[when])}" for when in ("quiet week", "ten-key thief")]
        thief += [f"{name}: {_times(times)}" for name, times in limit["time"].items()]
    return "<br>".join(customer), "<br>".join(thief)


def _customer(cost: Mapping[str, float]) -> str:
    lost = round(100 * cost["accuracy lost"], 1)
    accuracy = f"accuracy {'−' if lost > 0 else '+'}{abs(lost):.1f}" if lost else "accuracy as before"
    return f"{accuracy}, labels {_percent(cost['labels changed'])}, L1 {cost['l1']:.2f}"


def _thief(name: str, sides: Mapping[str, Any], bare: Mapping[str, Any]) -> str:
    ground = next(g for g in GROUNDS if g.name == name)
    now, before = (side["thieves"][str(ground.budget)]["agreement"] for side in (sides, bare))
    return f"{now:.3f} ({before:.3f}) for {ground.budget:,} rows; {_percent(ground.enough, 0)} from {_queries(sides, ground)} ({_queries(bare, ground)})"


def _queries(sides: Mapping[str, Any], ground: Any) -> str:
    budget = enough_from(sides, ground)
    return f"more than {max(ground.budgets):,}" if budget is None else f"{budget:,}"


def _refusals(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{group} {_percent(shares[group])}" for group in GROUPS)


def _times(times: Mapping[str, Any]) -> str:
    told = ", ".join(f"{who}: {_duration(times[who])}" for who in times if who != "rows")
    return f"{times['rows']:,} rows ({told})"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return f"more than {HORIZON} days"
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1 else "at once"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _bare(bare: Mapping[str, Any]) -> list[str]:
    lines = ["| victim | customer's accuracy | rows: best agreement (thief) |", "| --- | --- | --- |"]
    return lines + [f"| {name} | {side['customer']['accuracy']:.3f} | {_ladder(side)} |" for name, side in bare.items()]


def _details(results: Mapping[str, Any], registry: Iterable[str]) -> list[str]:
    lines = ["| defence | victim | customer's accuracy | rows: best agreement (thief) |", "| --- | --- | --- | --- |"]
    for name in registry:
        for victim, side in results["defences"][name].get("victims", {}).items():
            lines.append(f"| {name} | {victim} | {side['customer']['accuracy']:.3f} | {_ladder(side)} |")
    return lines


def _ladder(side: Mapping[str, Any]) -> str:
    steps = side["thieves"].items()
    return "; ".join(
        f"{int(b):,}: {s['agreement']:.3f} [{s['low']:.3f}, {s['high']:.3f}] ({s['thief']})" for b, s in steps
    )
