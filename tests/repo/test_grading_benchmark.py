"""The grading benchmark grades what it says, and its page holds every way that it names."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks import grading
from benchmarks.gradebench import classes, ways
from benchmarks.gradebench.cost import Cost
from benchmarks.gradebench.page import Measured, report, report_closer
from benchmarks.gradebench.ways import Run
from grading.engine.reassemble import reassemble
from grading.engine.released import Release
from grading.engine.submission import read

LABS = (grading.LIGHT, grading.HEAVY)


@pytest.fixture(scope="module", params=LABS)
def course(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    return folder, request.param, classes.make(folder, request.param, len(classes.MIX))


def test_every_submission_is_honest_and_complete(course):
    folder, lab, kinds = course
    release = Release.read(classes.ROOT / "labs" / lab / f"{lab}.ipynb")
    for number, kind in enumerate(kinds):
        mended = reassemble(release, read(folder / "submitted" / f"learner{number:03}" / lab, lab))
        assert not mended.findings, kind
        # The kind that has every cell run is the one that the page counts.
        assert (not mended.left_out) == (kind == "magic"), kind


def test_otter_gets_the_same_answers_and_a_test_for_each_exercise(course, tmp_path):
    folder, lab, _ = course
    place = folder / "submitted" / "learner000" / lab / f"{lab}.ipynb"
    ways._for_otter(place, tmp_path / "otter.ipynb")
    theirs = json.loads((tmp_path / "otter.ipynb").read_text(encoding="utf-8"))["cells"][1:]
    ours = json.loads(place.read_text(encoding="utf-8"))["cells"]
    changed = [a["id"] for a, b in zip(ours, theirs, strict=True) if a["source"] != b["source"]]
    assert changed == [cell for cell, _, _ in ways._checks(lab)]
    assert len(changed) == 5


def test_ratios_are_taken_round_by_round():
    lab = Measured("00_start_here", 10)
    for way, walls in {"ours": (10, 20), "again": (0.1, 0.1), "stock": (100, 120), "otter": (300, 300)}.items():
        lab.rounds[way] = [Run(wall, wall / 2) for wall in walls]
    page = report([lab], "7")
    assert "**8.0 ×** (6.0 to 10.0)" in page
    assert "**22.5 ×** (15.0 to 30.0)" in page


def test_the_closer_look_says_what_a_submission_and_the_walls_cost():
    lab = Measured("00_start_here", 0)
    lab.costs, lab.profile = {"every cell": Cost(1.0, 1.1, 1.0)}, {"demonstrations": 0.5}
    page = report_closer([lab], ([0.07, 0.08], [0.06, 0.07]), "quiet")
    assert "| every cell | 1.000 | 1.100 | 1.000 | 1.10 × |" in page
    assert "The walls cost +10 ms" in page


def _parts(name):
    """The page's sections, by their heading's first words."""
    parts = (grading.RESULTS / name).read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.splitlines()[0].split(":")[0]: part for part in parts}


def test_the_pages_name_every_way_for_each_lab_and_what_one_submission_costs():
    classes, closer = _parts("grading.md"), _parts("grading-closer.md")
    assert list(classes) == list(LABS)
    assert list(closer) == [*LABS, "Isolation"]
    for lab in LABS:
        for words in ("our engine", "class unchanged", "stock `nbgrader autograde`", "otter-grader"):
            assert words in classes[lab]
        for words in ("cells that a grade depends on", "every cell", "no cell", "demonstrations", "MB a worker"):
            assert words in closer[lab]


def test_otters_environment_is_pinned_and_shares_the_courses_versions():
    pin = re.compile(r"^([a-z0-9-]+)==(\S+?)(?: ; .*)? \\$", re.MULTILINE)
    root = classes.ROOT
    ours = set(pin.findall((root / "requirements.lock").read_text(encoding="utf-8")))
    text = (root / "benchmarks" / "grading-requirements.txt").read_text(encoding="utf-8")
    pins = pin.findall(text)
    shared = {name for name, _ in pins} & {name for name, _ in ours}
    assert "otter-grader" in {name for name, _ in pins}
    assert {one for one in pins if one[0] in shared - {"wrapt", "deprecated"}} <= ours
    assert text.count("--hash=sha256:") >= len(pins)
    assert "http" not in text.replace("httpcore", "").replace("httpx", "")
