"""Every untouched notebook runs from top to bottom, earns nothing and shows no error; lab 01 does on every transport.

A file of its own, so that two workers share the notebooks.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted(ROOT.glob("solutions/[0-9][0-9]_*/*.ipynb"))

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_the_untouched_notebook_earns_nothing_and_shows_no_error(path, run, graded, stderr):
    notebook = run(ROOT / "labs" / path.parent.name / path.name)
    for earned, card in graded(notebook).values():
        assert earned == 0
        assert "UNATTEMPTED" in card
    assert stderr(notebook) == ""


@pytest.mark.parametrize("opener", ["grading.openers:wsgi", "grading.openers:judge_pipe"])
def test_lab_01_runs_the_same_on_the_other_two_transports(run, opener, graded, stderr):
    (path,) = [p for p in SOLUTIONS if p.stem.startswith("01")]
    notebook = run(path, opener)
    assert sum(earned for earned, _ in graded(notebook).values()) == 12
    assert stderr(notebook) == ""
