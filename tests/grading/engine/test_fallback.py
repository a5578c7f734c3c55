"""An ordinary user on a machine where user namespaces are off: landlock and seccomp hold, or grading refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tools.by_path import load

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = ROOT / "tests" / "grading" / "hostile"
OUTSIDE = Path("/tmp/hostile-was-here")
# An ordinary user without any capability, for whom the kernel makes no further user namespace.
UNPRIVILEGED = [
    "unshare", "--user", "--map-root-user", "sh", "-c",
    'echo 1 > /proc/sys/user/max_user_namespaces && exec unshare --user --map-user=65534 --map-group=65534 "$@"', "sh",
]  # fmt: skip
# A kernel that has no landlock either: the one thing here that is pretended.
WITHOUT_LANDLOCK = """
import sys
from grading.engine.inside import landlock
landlock.abi = lambda: 0
from grading.__main__ import main
sys.exit(main())
"""
# Not "kills everybody": were the walls down, so would be every process of whoever runs the tests.
CHOSEN = ("writes_outside", "calls_out", "leaves_a_process_behind", "asks_the_kernel_for_everything", "exits_half_way")


@cache
def _can_be_had():
    try:
        done = subprocess.run([*UNPRIVILEGED, "id", "-u"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == "65534"


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _can_be_had(), reason="needs user namespaces, to make a user who has none"),
]


kit = load("hostile_kit", HOSTILE / "kit.py")
for family in ("escaping", "exhausting"):
    load(f"hostile_{family}", HOSTILE / f"{family}.py")


@pytest.fixture
def course(tmp_path):
    """A course with the small lab and one honest learner."""
    for folder in ("solutions", "labs"):
        place = tmp_path / folder / kit.LAB
        place.mkdir(parents=True)
        (place / f"{kit.LAB}.ipynb").write_text(json.dumps(kit.graded_part(folder)), encoding="utf-8")
    kit.Notebook(solved=True).save(tmp_path / "submitted" / "honest" / kit.LAB)
    return tmp_path


def grade(course, *options, program=("-m", "grading")):
    command = [*UNPRIVILEGED, sys.executable, *program, "autograde", kit.LAB, "--root", str(course), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MODEL_THEFT_LABS_SECRET": kit.SECRET, "MTL_CACHE": "off"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def points(course):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        return {s.student.id: sum(g.auto_score or 0 for n in s.notebooks for g in n.grades)
                for s in book.assignment_submissions(kit.LAB)}  # fmt: skip


def test_there_bubblewrap_and_namespaces_are_refused_by_the_kernel():
    for command in (["unshare", "--user", "true"], ["bwrap", "--unshare-user", "--ro-bind", "/", "/", "true"]):
        assert subprocess.run([*UNPRIVILEGED, *command], capture_output=True, check=False).returncode


def test_landlock_and_seccomp_hold_and_the_report_says_that_these_did(course):
    for name in CHOSEN:
        notebook, folder = kit.Notebook(solved=True), course / "submitted" / name / kit.LAB
        kit.CASES[name].make(notebook, folder)
        notebook.save(folder)
    done = grade(course, "--cell-seconds", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    (walls,) = [line for line in done.stdout.splitlines() if line.startswith("Walls")]
    assert walls.startswith("Walls around each submission: limits, no capabilities, landlock ")
    assert walls.endswith(", seccomp.")
    assert points(course) == {"honest": kit.FULL, **{name: kit.CASES[name].points for name in CHOSEN}}
    assert not OUTSIDE.exists()
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"hostile-sleeper" in _read(p)]
    for name in CHOSEN:
        place = course / "autograded" / name / kit.LAB / f"{kit.LAB}.ipynb"
        cells = json.loads(place.read_text(encoding="utf-8"))["cells"]
        shown = [o for cell in cells for o in cell.get("outputs", []) if o["output_type"] != "error"]
        assert "LEAK" not in json.dumps(shown)


def test_without_any_wall_grading_refuses_and_trust_is_the_way_round(course):
    refused = grade(course, program=("-c", WITHOUT_LANDLOCK))
    assert refused.returncode == 2
    assert "No sandbox can be had on this machine, so no submission is run. Install bubblewrap" in refused.stderr
    assert "--trust-submissions" in refused.stderr
    assert not (course / "gradebook.db").exists()
    trusted = grade(course, "--trust-submissions", program=("-c", WITHOUT_LANDLOCK))
    assert trusted.returncode == 0, trusted.stdout + trusted.stderr
    assert "Walls around each submission: limits only: submissions were trusted." in trusted.stdout
    assert points(course) == {"honest": kit.FULL}


def _read(place):
    try:
        return place.read_bytes()
    except OSError:
        return b""
