"""Is an exercise fair to every learner? ``python tools/sweep_seeds.py [--learners 20] [09 01.3 …]``.

The tests judge with the public seeds; in a course each learner has victims of their own. This judges every right answer
of ``tests/grading/answers`` for many invented learners, and every wrong one, and names what fails or passes for some of
them. Exit code 1 if a right answer failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from grading.selfstudy import LEARNER, SECRET, judge
from labkit.learner_side import LearnerSide
from tools.by_path import load

TABLES = Path(__file__).resolve().parents[1] / "tests" / "grading" / "answers"


def sweep(exercise: str, table: ModuleType, learners: int) -> tuple[list[str], list[str]]:
    """What went wrong for right answers, and which wrong ones passed: a line each."""
    unfair, lucky = [], []
    for number in range(learners):
        os.environ[LEARNER] = f"learner {number}"
        for name, answer in table.RIGHT[exercise].items():
            verdict: dict[str, Any] = judge(exercise, LearnerSide(answer))
            if verdict["score"] < 1:
                unfair.append(f"  learner {number}, right answer {name!r}: {verdict['message']}")
        for name, (answer, _) in table.WRONG[exercise].items():
            if judge(exercise, LearnerSide(answer))["score"] > 0.5:
                lucky.append(f"  learner {number}, wrong answer {name!r} passed")
    return unfair, lucky


def main() -> int:
    """Sweep what was asked for; print a line an exercise and each surprise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", help="labs (09) or exercises (01.3); without any, all")
    parser.add_argument("--learners", type=int, default=20)
    options = parser.parse_args()
    os.environ.setdefault(SECRET, "a sweep over learners")
    warnings.simplefilter("ignore")
    failed = False
    for path in sorted(TABLES.glob("lab_*.py")):
        table = load(f"answers_{path.stem}", path)
        for exercise in table.RIGHT:
            if options.which and not {exercise, exercise[:2]} & set(options.which):
                continue
            unfair, lucky = sweep(exercise, table, options.learners)
            failed = failed or bool(unfair)
            print(f"{exercise}: {options.learners} learners, {len(unfair)} unfair, {len(lucky)} lucky", flush=True)
            print("\n".join(unfair + lucky), end="\n" if unfair + lucky else "", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
