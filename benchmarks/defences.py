"""What every defence stops and costs, against the best of many thieves: ``python -m benchmarks.defences [--seeds 5]``.

Measures every entry of ``targets.defences.DEFENCES`` (``--only NAME …``: those alone, the other numbers stay) and
writes ``benchmarks/results/defences.json`` and, with the docstrings' words, ``benchmarks/results/defences.md``.
``--words`` writes the page again from the numbers there are: after a docstring was changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.defending.field import GROUNDS, Ground
from benchmarks.defending.measuring import enough_from, on_ground
from benchmarks.defending.settings import build, changes_answers, described, limiter, limits
from benchmarks.defending.table import report
from benchmarks.defending.traffic import honest_week, keys, refused, seconds_to
from targets.defences import DEFENCES

RESULTS = Path(__file__).parent / "results"
NUMBERS, PAGE = RESULTS / "defences.json", RESULTS / "defences.md"
BARE = "bare"
THIEVES = {"one key": keys(1, 1), "ten keys": keys(10, 1), "ten keys in ten networks": keys(10, 10)}


def answers(name: str, ground: Ground, seeds: int) -> dict[str, Any]:
    """One defence (or none, ``BARE``) on one victim, over ``seeds`` seeds."""
    with threadpool_limits(1):
        return on_ground(ground, lambda g, seed: () if name == BARE else (build(name, g, seed),), seeds)


def limit(name: str, seeds: int, needed: dict[str, int]) -> dict[str, Any]:
    """Honest refusals over ``seeds`` invented weeks; the time a thief takes for the rows ``needed`` of each victim."""
    weeks = [honest_week(np.random.default_rng(seed)) for seed in range(seeds)]
    found: dict[str, Any] = {}
    for when, thief in (("quiet week", []), ("ten-key thief", THIEVES["ten keys"])):
        shares = [refused(limiter(name, GROUNDS[0]), week, thief) for week in weeks]
        found[when] = {group: round(float(np.mean([share[group] for share in shares])), 4) for group in shares[0]}
    found["time"] = {
        victim: {
            "rows": rows,
            **{who: seconds_to(limiter(name, GROUNDS[0]), rows, own) for who, own in THIEVES.items()},
        }
        for victim, rows in needed.items()
    }
    return found


def measure(names: Iterable[str], seeds: int, jobs: int, results: dict[str, Any]) -> None:
    """Measure ``names`` into ``results``; BARE comes first, because limits are told in its rows."""
    with ProcessPoolExecutor(jobs) as pool:
        names = list(names)
        asked = [n for n in names if n == BARE or changes_answers(n, GROUNDS[0])]
        running = {(n, g.name): pool.submit(answers, n, g, seeds) for n in asked for g in GROUNDS}
        for name in names:
            sides = {g.name: running[name, g.name].result() for g in GROUNDS if (name, g.name) in running}
            if name == BARE:
                results[BARE] = sides
            else:
                setting = {"setting": described(name, GROUNDS[0])}
                results["defences"][name] = setting | _parts(name, sides, seeds, results)
            _write(results)
            print(f"{name} measured", file=sys.stderr, flush=True)


def _parts(name: str, sides: dict[str, Any], seeds: int, results: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"victims": sides} if sides else {}
    if limits(name, GROUNDS[0]):
        needed = {g.name: enough_from(results[BARE][g.name], g) or max(g.budgets) for g in GROUNDS}
        found["limit"] = limit(name, seeds, needed)
    return found


def _write(results: dict[str, Any]) -> None:
    results["defences"] = {name: results["defences"][name] for name in DEFENCES if name in results["defences"]}
    NUMBERS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at work")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[BARE, *DEFENCES], help="measure these alone")
    parser.add_argument("--words", action="store_true", help="measure nothing: write the page again")
    options = parser.parse_args()
    results = json.loads(NUMBERS.read_text(encoding="utf-8")) if options.words or options.only else {"defences": {}}
    if not options.words:
        if options.only and results["seeds"] != options.seeds:
            sys.exit(f"the other numbers are over {results['seeds']} seeds: add --seeds {results['seeds']}")
        results["seeds"] = options.seeds
        measure(options.only or [BARE, *DEFENCES], options.seeds, options.jobs, results)
    PAGE.write_text(report(results, DEFENCES), encoding="utf-8")


if __name__ == "__main__":
    main()
