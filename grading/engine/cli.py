"""``python -m grading autograde LAB``: grade a class from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

# Nothing of the engine is imported before it is used: other commands of this program run where there is no Linux.
if TYPE_CHECKING:
    from grading.engine.attempt import Patience
    from grading.engine.run import Summary

ELSEWHERE = (
    "Submissions are run in sandboxes that only Linux has: grade there, or in a Linux container or virtual machine. "
    "For people you trust, MODEL_THEFT_LABS_TRUST=1 nbgrader autograde runs their notebooks unconfined, as you, with a "
    "judge that they could forge."
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's options."""
    parser = commands.add_parser("autograde", help="grade submitted/*/LAB in sandboxes, several at once")
    parser.add_argument("lab", help="the lab's folder, such as 01_steal_by_query")
    parser.add_argument("--root", help="the course's folder; this project without")
    parser.add_argument("--student", default="*", help="whose submission (a pattern); everybody's without")
    parser.add_argument("--jobs", type=int, default=0, help="submissions at once; one a core without")
    parser.add_argument("--dask", metavar="ADDRESS", default="", help="grade on the workers of this Dask scheduler")
    parser.add_argument("--cell-seconds", type=float, help="the longest one cell may run; Execute.timeout without")
    parser.add_argument("--run-every-cell", action="store_true", help="run what no grade depends on, too")
    parser.add_argument("--force", action="store_true", help="grade unchanged submissions again, too")
    parser.add_argument("--trust-submissions", action="store_true", help="run them unconfined, as you, on this machine")


def main(options: argparse.Namespace) -> int:
    """Run the command; 0 if every submission has its grade."""
    if sys.platform != "linux":
        print(ELSEWHERE, file=sys.stderr)
        return 2
    from grading.engine.course import load
    from grading.engine.released import NotOurs
    from grading.engine.run import Settings, Stopped, autograde
    from grading.engine.sandbox import NoSandbox

    course, config = load(options.root, student=options.student)
    if options.cell_seconds:
        config.Execute.timeout = options.cell_seconds
    if options.run_every_cell:
        config.Autograde.run_every_cell = True
    bar = sys.stderr.isatty()
    settings = Settings(
        options.jobs, options.trust_submissions, options.force, patience_of(config), bar, dask=options.dask
    )
    if not bar:
        settings.say = lambda line: print(line, flush=True)
    try:
        summary = autograde(course, options.lab, settings, config)
    except (NotOurs, NoSandbox, FileNotFoundError, Stopped) as error:
        print(error, file=sys.stderr)
        return 2
    report(summary, print)
    return 1 if summary.failed or summary.stopped else 0


def patience_of(config: Any) -> Patience:
    """Time limits from nbgrader's own setting for a cell, Execute.timeout; Autograde.run_every_cell is ours."""
    from grading.engine.attempt import Patience

    cell = float(config.Execute.get("timeout", Patience.cell))
    every_cell = str(config.Autograde.get("run_every_cell", False)) in ("True", "1")
    return Patience(cell=cell, whole=5 * cell, every_cell=every_cell)


def report(summary: Summary, say: Callable[[str], None]) -> None:
    """Say in plain words what came of a run."""
    for result in summary.graded:
        for finding in result.findings:
            where = f" [{finding.cell}]" if finding.cell else ""
            say(f"{result.student}: {finding.kind}{where}: {finding.words}")
    for student, why in summary.failed.items():
        say(f"{student}: NOT GRADED, by a failure of the engine: {why}")
    say(
        f"{len(summary.graded)} graded, {len(summary.kept)} unchanged since the last run and kept, "
        f"{len(summary.failed)} not graded."
    )
    for walls, count in summary.walls.most_common():
        around = "each submission" if len(summary.walls) == 1 else f"{count} of the submissions"
        trusted = " only: submissions were trusted" if walls == ("limits",) else ""
        say(f"Walls around {around}: {', '.join(walls)}{trusted}.")
    for note in summary.notes:
        say(note)
    if summary.stopped:
        say(summary.stopped)
