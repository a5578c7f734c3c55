"""What starting costs: libraries that take a second and that most processes never use are imported where they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

JUDGE = "from grading.engine import session; from grading.exercise import all_exercises; all_exercises()"
TARGET = "from targets import TargetConfig, create_app; create_app(TargetConfig())"


@pytest.mark.parametrize(("start", "spared"), [
    (JUDGE, ["matplotlib", "skops", "nbgrader", "IPython"]), (TARGET, ["matplotlib", "skops", "IPython"]),
    ("import labkit", ["matplotlib", "skops", "targets", "flask"]),
    ("import grading.engine.cli", ["sklearn", "scipy", "distributed", "flask"]),
])  # fmt: skip
def test_costly_libraries_are_not_imported_before_they_are_used(root, start, spared):
    code = f"import sys; {start}; print([name for name in {spared!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
