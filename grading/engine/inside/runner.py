"""One submission's cells, one after another, in a confined process that was warm before it was born."""

from __future__ import annotations

import base64
import contextlib
import gc
import os
import random
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import frames
from .shell import Collector, Shell, Stream, make_shell, run_cell

_LIBRARIES = (
    "numpy", "scipy.optimize", "scipy.stats", "sklearn.ensemble", "sklearn.linear_model", "sklearn.neural_network",
    "sklearn.tree", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm", "sklearn.neighbors",
    "sklearn.model_selection", "sklearn.naive_bayes", "sklearn.datasets", "sklearn.metrics",
    "sklearn.feature_extraction.text", "matplotlib.pyplot", "labkit", "labkit.thieves", "labkit.judged",
    "ipywidgets", "httpx", "json", "sqlite3",
)  # fmt: skip


class Warm:
    """A shell with the course's libraries imported, and perhaps the lab's set-up cells run: what is forked."""

    def __init__(self) -> None:
        self.collector = Collector()
        sys.stdout, sys.stderr = Stream(self.collector, "stdout"), Stream(self.collector, "stderr")
        self.shell: Shell = make_shell(self.collector)
        self.shown: list[list[dict]] = []
        for name in _LIBRARIES:
            with contextlib.suppress(ImportError):
                __import__(name)
        run_cell(self.shell, "raise ValueError('warm-up: what draws a traceback is imported, too')")
        self.shell.execution_count = 1
        self.collector.start()

    def run_setup(self, sources: list[str], judge: socket.socket) -> None:
        """Run the lab's locked first cells once for everybody."""
        from labkit import judged

        judged.connect(judge)
        self.shown = [run_cell(self.shell, source) for source in sources]

    def freeze(self) -> None:
        """Keep the collector of garbage off what all submissions share: touched pages are copied pages."""
        gc.collect()
        gc.freeze()


def serve(warm: Warm, work: socket.socket, judge: socket.socket, order: dict) -> None:
    """Run cells as they come until the examiner closes the connection."""
    _settle(order, judge)
    # Between cells an interrupt that came too late must not end the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    frames.send(work, {"ready": order["walls"], "setup": warm.shown})
    while True:
        try:
            message = frames.receive(work)
        except (EOFError, OSError):
            os._exit(0)
        if "files" in message:
            _write_files(message["files"])
            continue
        # Numbered by its place, whether the cells before it were run or not.
        warm.shell.execution_count = message["number"] or warm.shell.execution_count
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            outputs = run_cell(warm.shell, message["source"])
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        frames.send(work, {"cell": message["cell"], "outputs": outputs, "count": warm.shell.execution_count - 1})


def _settle(order: dict, judge: socket.socket) -> None:
    """Own folders, own entropy, own line to the judge."""
    work, home = f"{order['folder']}/work", f"{order['folder']}/home"
    for folder in (home, work):
        os.makedirs(folder, exist_ok=True)
    os.chdir(work)
    if home != os.environ["HOME"]:
        for name, value in os.environ.items():
            if value.startswith(os.environ["HOME"] + "/"):
                os.environ[name] = home + value.removeprefix(os.environ["HOME"])
        os.environ["HOME"], os.environ["TMPDIR"] = home, order["folder"]
    # At the end, so that a stray requests.py of the learner's replaces no library.
    sys.path[:] = [p for p in sys.path if p not in ("", "/tmp")] + [work]
    tempfile.tempdir = None
    if order["reseed"]:
        random.seed()
        numpy: Any = sys.modules.get("numpy")
        if numpy:
            numpy.random.seed(int.from_bytes(os.urandom(4), "little"))
    from labkit import judged

    judged.connect(judge)


def _write_files(files: dict[str, str]) -> None:
    root = Path.cwd()
    for name, text in files.items():
        place = root / name
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(base64.b64decode(text))
