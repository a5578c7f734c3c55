"""otter-grader's own environment, pinned and hashed, wheels only; it sees this project through a path file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "benchmarks" / "grading-requirements.txt"
FOLDER = ROOT / ".model-theft-labs" / "grading-environment"
OTTER, PYTHON = FOLDER / "bin" / "otter", FOLDER / "bin" / "python"
_MARK = FOLDER / "made-from"


def prepared() -> bool:
    """Whether the environment stands and was made from today's pins."""
    return OTTER.exists() and _MARK.exists() and _MARK.read_text(encoding="utf-8") == _stamp()


def prepare() -> None:
    """Make the environment (about 900 MB), or return at once when it is there. Raises CalledProcessError."""
    if prepared():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    rules = ["--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)]
    base = getattr(sys, "_base_executable", sys.executable)
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "-q", "--python", base, str(FOLDER)], check=True)
        subprocess.run([uv, "pip", "install", "--compile-bytecode", "--python", str(PYTHON), *rules], check=True)
    else:
        subprocess.run([base, "-m", "venv", str(FOLDER)], check=True)
        subprocess.run([str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *rules], check=True)
    _see_project()
    _MARK.write_text(_stamp(), encoding="utf-8")


def version(package: str) -> str:
    """The version that the environment holds."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([str(PYTHON), "-c", code], capture_output=True, check=True, text=True).stdout.strip()


def _see_project() -> None:
    """The grader's tests call this project's judge, in the notebook's process, as stock nbgrader's cells do."""
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([str(PYTHON), "-c", where], capture_output=True, check=True, text=True).stdout.strip()
    (Path(place) / "model_theft_labs.pth").write_text(f"{ROOT}\n{ROOT / 'labs'}\n", encoding="utf-8")


def _stamp() -> str:
    return f"{sys.version_info[:2]} {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}\n"
