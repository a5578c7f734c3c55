"""The page: rounds in, Markdown out."""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass, field

from benchmarks.gradebench.cost import Cost
from benchmarks.gradebench.ways import Run

NAMES = {
    "ours": "our engine", "every": "our engine, `--run-every-cell`", "again": "our engine, class unchanged",
    "stock": "stock `nbgrader autograde`, batch", "otter": "otter-grader, two at a time",
}  # fmt: skip


@dataclass
class Measured:
    """One lab: rounds by way, each in the order of the rounds, what the kinds of submissions were, and the rest."""

    lab: str
    count: int
    rounds: dict[str, list[Run]] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    empty: tuple[float, float] | None = None
    profile: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    differ: dict[str, int] = field(default_factory=dict)
    load: list[str] = field(default_factory=list)

    def ratios(self, way: str, other: str = "ours") -> list[float]:
        """How many times faster ``other`` was than ``way``, round by round."""
        both = zip(self.rounds[way], self.rounds[other], strict=True)
        return [slow.wall / fast.wall for slow, fast in both]


def report(labs: list[Measured], otter: str) -> str:
    """The page on whole classes."""
    lines = [
        "# Grading: our engine beside stock nbgrader and otter-grader", "",
        f"Python {platform.python_version()}, {platform.machine()}, otter-grader {otter}. A class of honest learners: "
        "solved, solved otherwise, half done, untouched, with guesses, with a cell of their own. Each way grades the "
        "same files from nothing, in turns; seconds a submission with the start of each command shared among them. "
        "Stock and otter have the target in the notebook's process, which spares them a server. Ratios are taken round "
        "by round: median (lowest to highest). CPU time is what a busy machine disturbs least.", "",
    ]  # fmt: skip
    for lab in labs:
        lines += _table(lab)
    return "\n".join(lines)


def report_closer(labs: list[Measured], isolation: tuple[list[float], list[float]], load: str) -> str:
    """The page on one submission."""
    lines = [
        "# Grading, a closer look: what one submission costs", "",
        f"Python {platform.python_version()}, {platform.machine()}; machine at the start: {load}. The solution of a "
        "lab, again and again: by our engine (kernel, judge and examiner together) and, in turns with it, as the same "
        "cells in one warm process that keeps everything in memory. Medians. What is left of the CPU time after cells "
        "and forks are taken off goes into pages copied after a fork, caches that start cold, and the wire.", "",
    ]  # fmt: skip
    for lab in labs:
        lines += [f"## {lab.lab}", "", *_details(lab)]
    confined, free = (statistics.median(times) * 1000 for times in isolation)
    least = [min(times) * 1000 for times in isolation]
    lines += [
        "## Isolation", "",
        f"A run of one empty cell, {len(isolation[0])} times each in turns: {confined:.0f} ms confined, {free:.0f} ms "
        f"not (medians; at best {least[0]:.0f} and {least[1]:.0f} ms). The walls cost {confined - free:+.0f} ms in the "
        f"median, {least[0] - least[1]:+.0f} ms at best.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _table(lab: Measured) -> list[str]:
    lines = [
        f"## {lab.lab}: {lab.count} submissions, rounds: {len(lab.rounds['ours'])}", "",
        "| way | wall s | CPU s | our engine is faster by | by CPU |", "| :-- | --: | --: | --: | --: |",
    ]  # fmt: skip
    for way, runs in lab.rounds.items():
        wall, cpu = (statistics.median(getattr(r, what) for r in runs) / lab.count for what in ("wall", "cpu"))
        faster = "" if way in ("ours", "again") else _spread(lab.ratios(way))
        cheaper = [slow.cpu / fast.cpu for slow, fast in zip(runs, lab.rounds["ours"], strict=True)]
        by_cpu = "" if way in ("ours", "again") else _spread(cheaper)
        lines.append(f"| {NAMES[way]} | {wall:.3f} | {cpu:.3f} | {faster} | {by_cpu} |")
    whole = sum(kind == "magic" for kind in lab.kinds)
    again = _spread(
        [fast.wall / again.wall for fast, again in zip(lab.rounds["ours"], lab.rounds["again"], strict=True)]
    )
    lines += [
        "", f"An unchanged class is graded again {again} faster than the first time. {whole} of the {lab.count} "
        "submissions have a cell of the learner's own that has every cell run.",
    ]  # fmt: skip
    for way, number in lab.differ.items():
        lines.append(f"{NAMES[way]} gave {number} of {lab.count} learners other points than our engine.")
    return [*lines, "Machine: " + "; ".join(lab.load) + ".", ""]


def _details(lab: Measured) -> list[str]:
    lines = ["| one submission (the solution), warm | wall s | CPU s | same cells, one warm process | CPU over that |",
             "| :-- | --: | --: | --: | --: |"]  # fmt: skip
    for name, cost in lab.costs.items():
        lines.append(f"| {name} | {cost.wall:.3f} | {cost.cpu:.3f} | {cost.floor:.3f} | {cost.ratio:.2f} × |")
    if lab.empty:
        wall, cpu = lab.empty
        lines.append(f"| no cell: two forks and a judge's, walls, end | {wall:.3f} | {cpu:.3f} | | |")
    lines += ["", "| where its time goes, every cell run | wall s |", "| :-- | --: |"]
    lines += [f"| {what} | {seconds:.3f} |" for what, seconds in lab.profile.items()]
    if lab.memory:
        m = lab.memory
        lines += ["", f"Memory, every cell run: {m['worker']:.0f} MB a worker (kernel, judge and its share of the warm "
                      "processes; shared pages counted once). With all they share the largest kernel shows "
                      f"{m['kernel']:.0f} MB, the largest judge {m['judge']:.0f} MB; the writer has "
                      f"{m['writer']:.0f} MB."]  # fmt: skip
    return [*lines, ""]


def _spread(ratios: list[float]) -> str:
    middle = statistics.median(ratios)
    return f"**{middle:.1f} ×** ({min(ratios):.1f} to {max(ratios):.1f})"
