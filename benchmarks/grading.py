"""Our engine beside stock nbgrader and otter-grader: ``python -m benchmarks.grading [--submissions 30] [--rounds 3]``.

``--prepare`` makes otter-grader's environment once (about 900 MB). ``--quick`` grades four submissions in one round.
Every way grades the same class from nothing, one way after the other in each round; the page says where points differ.
Writes ``benchmarks/results/grading.md``. ``--closer`` measures one submission instead, for ``grading-closer.md``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.gradebench import classes, cost, environment, inside, ways
from benchmarks.gradebench.page import Measured, report, report_closer

RESULTS = Path(__file__).parent / "results"
LIGHT, HEAVY = "00_start_here", "01_steal_by_query"


def one_round(lab: Measured, number: int, peers: tuple[str, ...]) -> None:
    """Each way once, from the other end in every second round."""
    order = ["ours", *peers] if number % 2 == 0 else [*reversed(peers), "ours"]
    points: dict[str, dict[str, float]] = {}
    lab.load.append(f"round {number + 1}: {inside.load()}")
    for way in order:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            course = Path(folder)
            lab.kinds = classes.make(course, lab.lab, lab.count)
            run = _graded(way, course, lab.lab)
            points[way] = run.points
            lab.rounds.setdefault(way, []).append(run)
            print(
                f"{lab.lab}, round {number + 1}: {way} {run.wall / lab.count:.2f} s each", file=sys.stderr, flush=True
            )
            if way == "ours":
                lab.rounds.setdefault("again", []).append(ways.ours(course, lab.lab))
    for way in peers:
        lab.differ[way] = sum(points[way].get(learner) != earned for learner, earned in points["ours"].items())


def _graded(way: str, course: Path, lab: str) -> ways.Run:
    if way == "every":
        return ways.ours(course, lab, "--run-every-cell")
    return {"ours": ways.ours, "stock": ways.stock, "otter": ways.otter}[way](course, lab)


def look_closer(lab: Measured, runs: int) -> None:
    """One submission: what it costs, where its time goes, how much memory a worker takes."""
    lab.costs["cells that a grade depends on"] = cost.measure(lab.lab, every_cell=False, runs=runs)
    lab.costs["every cell"] = cost.measure(lab.lab, every_cell=True, runs=max(1, runs // 3))
    lab.empty = cost.empty(lab.lab, 2 * runs)
    lab.profile = inside.profile(lab.lab)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        classes.make(Path(folder), lab.lab, 2)
        lab.memory = inside.memory(Path(folder), lab.lab, os.cpu_count() or 1)


def closer(names: list[str], runs: int, *, keep: bool) -> None:
    """What one submission to each of these labs costs, and what the walls do."""
    load, labs = inside.load(), [Measured(name, 0) for name in names]
    for lab in labs:
        look_closer(lab, runs)
    text = report_closer(labs, cost.isolation(20), load)
    print(text)
    if keep:
        (RESULTS / "grading-closer.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grading", description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="make otter-grader's environment, then stop")
    parser.add_argument("--submissions", type=int, default=30, help="learners in the class (default 30)")
    parser.add_argument(
        "--heavy", type=int, help="learners in lab 01's class, where the others take longest (default: same)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all ways (default 3)")
    parser.add_argument("--heavy-rounds", type=int, help="of these with lab 01, twenty minutes each (default: all)")
    parser.add_argument("--quick", action="store_true", help="four submissions, one round")
    parser.add_argument("--lab", action="append", choices=[LIGHT, HEAVY], help="only this lab; writes no page")
    parser.add_argument("--every", action="store_true", help="our engine with every cell run, too")
    parser.add_argument("--closer", action="store_true", help="no class, but one submission, and the walls")
    options = parser.parse_args()
    if options.prepare:
        return environment.prepare()
    if options.closer:
        return closer(options.lab or [LIGHT, HEAVY], 3 if options.quick else 9, keep=not options.lab)
    if not environment.prepared():
        sys.exit("otter-grader has an environment of its own: python -m benchmarks.grading --prepare")
    count, rounds = (4, 1) if options.quick else (options.submissions, options.rounds)
    peers = (*(("every",) if options.every else ()), "stock", "otter")
    counts = {LIGHT: count, HEAVY: options.heavy or count}
    labs = [Measured(name, counts[name]) for name in options.lab or (LIGHT, HEAVY)]
    for number in range(rounds):
        for lab in labs:
            if lab.lab == LIGHT or options.heavy_rounds is None or number < options.heavy_rounds:
                one_round(lab, number, peers)
    text = report(labs, environment.version("otter-grader"))
    print(text)
    if not options.lab:
        (RESULTS / "grading.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
