"""An environment of a benchmark's own beside the course's: pinned and hashed, wheels only."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class OwnEnvironment:
    """What ``benchmarks/NAME-requirements.txt`` pins, in ``.model-theft-labs/NAME-environment``."""

    name: str

    @property
    def requirements(self) -> Path:
        """The pins."""
        return ROOT / "benchmarks" / f"{self.name}-requirements.txt"

    @property
    def folder(self) -> Path:
        """Where it stands."""
        return ROOT / ".model-theft-labs" / f"{self.name}-environment"

    @property
    def bin(self) -> Path:
        """Its commands."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.bin / ("python.exe" if os.name == "nt" else "python")

    def prepared(self) -> bool:
        """Whether it stands and was made from today's pins."""
        mark = self.folder / "made-from"
        return self.python.exists() and mark.exists() and mark.read_text(encoding="utf-8") == self._stamp()

    def prepare(self) -> None:
        """Make it, or return at once when it is there. Raises CalledProcessError."""
        if self.prepared():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        rules = ["--require-hashes", "--only-binary", ":all:", "-r", str(self.requirements)]
        base = getattr(sys, "_base_executable", sys.executable)
        if uv := shutil.which("uv"):
            subprocess.run([uv, "venv", "-q", "--python", base, str(self.folder)], check=True)
            subprocess.run(
                [uv, "pip", "install", "--compile-bytecode", "--python", str(self.python), *rules], check=True
            )
        else:
            subprocess.run([base, "-m", "venv", str(self.folder)], check=True)
            install = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check"]
            subprocess.run([*install, *rules], check=True)
        (self.folder / "made-from").write_text(self._stamp(), encoding="utf-8")

    def versions(self, *packages: str) -> dict[str, str]:
        """The versions that it holds, by package."""
        code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
        told = subprocess.run([str(self.python), "-c", code, *packages], capture_output=True, check=True, text=True)
        return dict(zip(packages, told.stdout.split(), strict=True))

    def _stamp(self) -> str:
        return f"{sys.version_info[:2]} {hashlib.sha256(self.requirements.read_bytes()).hexdigest()}\n"
