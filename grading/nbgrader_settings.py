"""Where nbgrader finds the course and what it does to a notebook on the way to the learner and back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STUB = "# YOUR CODE HERE\nraise NotImplementedError"


def apply(c: Any) -> None:
    """Fill nbgrader's configuration object ``c``."""
    # nbgrader makes a new gradebook with a program that it looks for by name.
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    c.CourseDirectory.course_id = "model-theft-labs"
    c.CourseDirectory.root = str(ROOT)
    c.CourseDirectory.source_directory = "solutions"
    c.CourseDirectory.release_directory = "labs"
    # Solutions and labs have no student level: solutions/01_steal_by_query/01_steal_by_query.ipynb.
    c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc*", "__pycache__", ".model-theft-labs"]
    c.ClearSolutions.code_stub = {"python": STUB}
    c.ClearSolutions.text_stub = "*Your answer here.*"
    # Encrypt what passes between nbgrader and its kernels where both can; silences ipykernel's warning, too.
    c.KernelManager.transport_encryption = "auto"
    # Seconds a cell; a whole submission gets five times that. The engine keeps to it, and stock nbgrader would.
    c.Execute.timeout = 120
    c.ExecutePreprocessor.timeout = 120
    # Feedback and grades must not depend on which kernel name a learner's notebook carries.
    c.ExecutePreprocessor.kernel_name = "python3"
