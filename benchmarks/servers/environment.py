"""The benchmark's own environment, beside the course's: FastAPI and MLflow, pinned and hashed, wheels only."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "benchmarks" / "serving-requirements.txt"
FOLDER = ROOT / ".model-theft-labs" / "serving-environment"
BIN = FOLDER / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
_MARK = FOLDER / "made-from"


def prepared() -> bool:
    """Whether the environment stands and was made from today's pins."""
    return PYTHON.exists() and _MARK.exists() and _MARK.read_text(encoding="utf-8") == _stamp()


def prepare() -> None:
    """Make the environment (about 650 MB), or return at once when it is there. Raises CalledProcessError."""
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
    _MARK.write_text(_stamp(), encoding="utf-8")


def versions(*packages: str) -> dict[str, str]:
    """The versions the environment holds, by package."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    told = subprocess.run([str(PYTHON), "-c", code, *packages], capture_output=True, check=True, text=True).stdout
    return dict(zip(packages, told.split(), strict=True))


def _stamp() -> str:
    return f"{sys.version_info[:2]} {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}\n"


def variables() -> dict[str, str]:
    """Environment variables for a server that lives there: its commands first, no telemetry."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    return {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
