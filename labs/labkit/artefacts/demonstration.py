"""The one pickle of this course that is ever opened: harmless, in a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_OPENER = "import pickle, sys; print('what load() returned:', type(pickle.load(open(sys.argv[1], 'rb'))).__name__)"


@dataclass(frozen=True)
class Demonstration:
    """What opening the file did: was the mark there ``before`` and ``after``, and what the process printed."""

    before: bool
    after: bool
    printed: str


def pickle_that_calls(module: str, name: str, *arguments: str | int) -> bytes:
    """A pickle (protocol 0, plain text) whose opening calls ``module.name(*arguments)``.

    Made by hand: nothing runs here. Text arguments must be ASCII without quotes or line ends.
    """
    lines = [f"c{module}\n{name}\n("]
    for argument in arguments:
        if isinstance(argument, str) and (not argument.isascii() or set(argument) & set("'\"\n\\")):
            raise ValueError(f"the argument {argument!r} must be plain ASCII without quotes, backslashes or line ends")
        lines.append(f"I{argument}\n" if isinstance(argument, int) else f"V{argument}\n")
    return ("".join(lines) + "tR.").encode("ascii")


def demonstrate_pickle() -> Demonstration:
    """Open a pickle that leaves a mark, and look for the mark.

    The pickle calls ``os.open("canary", …)``, which makes an empty file in the current folder. It is opened by a
    separate Python process inside a temporary folder that is deleted at the end; nothing else is touched.
    """
    with tempfile.TemporaryDirectory() as folder:
        canary, leaked = Path(folder, "canary"), Path(folder, "model.pkl")
        leaked.write_bytes(pickle_that_calls("os", "open", "canary", os.O_CREAT | os.O_WRONLY))
        before = canary.exists()
        run = subprocess.run(
            [sys.executable, "-I", "-c", _OPENER, leaked.name],
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return Demonstration(before, canary.exists(), (run.stdout + run.stderr).strip())
