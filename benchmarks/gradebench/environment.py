"""The environment of otter-grader (about 900 MB); it sees this project through a path file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.own_environment import ROOT, OwnEnvironment

OWN = OwnEnvironment("grading")
PYTHON, OTTER = OWN.python, OWN.bin / "otter"


def prepared() -> bool:
    """Whether the environment stands, was made from today's pins and sees the project."""
    return OWN.prepared() and OTTER.exists() and _path_file().exists()


def prepare() -> None:
    """Make the environment, or return at once when it is there. Raises CalledProcessError.

    The grader's tests call this project's judge, in the notebook's process, as stock nbgrader's cells do.
    """
    OWN.prepare()
    _path_file().write_text(f"{ROOT}\n{ROOT / 'labs'}\n", encoding="utf-8")


def version(package: str) -> str:
    """The version that the environment holds."""
    return OWN.versions(package)[package]


def _path_file() -> Path:
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([str(PYTHON), "-c", where], capture_output=True, check=True, text=True).stdout.strip()
    return Path(place) / "model_theft_labs.pth"
