"""The tables of `benchmarks.serving`: every figure with its lowest and highest round."""

# ruff: noqa: E501 (rows of Markdown tables)
from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import version

import numpy as np

from benchmarks.servers import environment
from benchmarks.servers.load import Block
from benchmarks.servers.stack import LAYERS

MOST = 30  # percent more CPU a request than the bare target: what a full stack may cost
Blocks = dict[tuple[str, int], list[Block]]
_INTRO = """
All servers answer for the same fitted model (tumour, logistic regression behind a scaler, 30 features) at the same time, each in
a process of its own; {rounds} rounds, and in each round every server in turn, {connections} connections, each waiting for its reply.
Every reply was 200 with the victim's own labels, or this file would not have been written. Our target comes layer by layer, each
the one before with one more thing: **bare** (as the labs start it: any key, no defence, query log in memory), **log** (query log on
disk), **keys** (API keys with roles and audit trail on disk, 3 decimals, the role's daily budget), **limits** (sliding window,
daily budget by key), **full** (keyed noise that keeps the label). Limits count every row and are too high to be reached.

CPU is user and system time of the server's process tree; p50 and p99 are seen by the client, with {connections} requests under way, over
all rounds. Other figures are the median round (5 % to 95 % of the rounds); "beside bare" is CPU a row over the bare target's in the
same round, its median with a 95 % bootstrap interval. The machine is shared: trust CPU before wall time.
FastAPI is written as its guide has it and calls `predict_proba`; "direct arithmetic" replaces that call by the three lines of
arithmetic that our target does too. Neither FastAPI nor MLflow says which field is wrong, or keeps a log of queries, here; bare does.
"""


def report(blocks: Blocks, rounds: int, connections: int, names: list[str]) -> str:
    """The whole results file; ``names`` come first in its tables, and the first of them is what others are held to."""
    names = list(dict.fromkeys([*names, *(name for name, _ in blocks)]))
    lines = [
        "# Serving, measured", "",
        f"Written by `python -m benchmarks.serving --rounds {rounds}` on {date.today()}; {_versions(names)}; {platform.machine()}, "
        f"{os.cpu_count()} shared cores, one numeric thread a server.",
        _INTRO.format(rounds=rounds, connections=connections).rstrip(), "", verdict(blocks),
    ]  # fmt: skip
    for size in dict.fromkeys(size for _, size in blocks):
        lines += ["", f"## {size:,} row{'s' if size > 1 else ''} a request", ""]
        lines += [
            "| server | requests | p50 ms | p99 ms | rows/s | CPU ms a request | CPU µs a row | CPU beside bare |"
        ]
        lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(row(name, blocks[name, size], blocks[names[0], size]))} |" for name in names]
    return "\n".join(lines) + "\n"


def verdict(blocks: Blocks) -> str:
    """What the full stack costs over the bare target, size by size, in one sentence."""
    sizes = dict.fromkeys(size for _, size in blocks)
    costs = [100 * (float(np.median(ratios(blocks[LAYERS[-1], size], blocks[LAYERS[0], size]))) - 1) for size in sizes]
    told = ", ".join(f"{cost:+.0f} % at {size:,}" for size, cost in zip(sizes, costs, strict=True))
    word = "within" if max(costs) <= MOST else "above"
    return f"**The full defence stack costs, in CPU a request and by rows in it: {told}; {word} the bar of +{MOST} %.**"


def row(name: str, own: list[Block], bare: list[Block]) -> list[str]:
    """One server's cells at one size."""
    latencies = np.concatenate([block.latencies for block in own])
    p50, p99 = np.percentile(latencies, [50, 99])
    cpu = [1000 * block.cpu / len(block.latencies) for block in own]
    a_row = [1e6 * block.cpu / block.rows for block in own]
    return [
        name, f"{len(latencies):,}", f"{p50:.2f}", f"{p99:.2f}", spread([b.rows / b.wall for b in own], ",.0f"),
        spread(cpu, ".2f"), spread(a_row, ",.1f"), f"{interval(ratios(own, bare))} ×",
    ]  # fmt: skip


def ratios(own: list[Block], bare: list[Block]) -> list[float]:
    """CPU a row beside the bare target's, round by round."""
    return [(a.cpu / a.rows) / (b.cpu / b.rows) for a, b in zip(own, bare, strict=True)]


def spread(values: list[float], form: str, unit: str = "") -> str:
    """Median (5 % to 95 %)."""
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"{middle:{form}}{unit} ({low:{form}} to {high:{form}})"


def interval(values: list[float]) -> str:
    """Median and where it would lie, 19 times in 20, had other rounds been drawn (percentile bootstrap)."""
    rng = np.random.default_rng(0)
    again = np.median(rng.choice(values, (2000, len(values))), axis=1)
    low, high = np.percentile(again, [2.5, 97.5])
    return f"{np.median(values):.2f} ({low:.2f} to {high:.2f})"


def _versions(names: list[str]) -> str:
    told = {name: version(name) for name in ("flask", "waitress", "scikit-learn")}
    if "MLflow" in names:
        told |= environment.versions("fastapi", "uvicorn", "mlflow")
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {number}" for name, number in told.items())])
