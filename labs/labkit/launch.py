"""Start a target and hold its lead: a separate process on a free loopback port, gone when the notebook is."""

from __future__ import annotations

import atexit
import html
import importlib
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from labkit import defending, progress
from labkit.api import Api, ModelCard, _raise_for_problem
from labkit.errors import TargetGone
from labkit.loot import Loot
from labkit.mounting import Line
from labkit.transport import HttpTransport, Transport

# "module:function" that opens a target another way (in process, or through the judge); see grading/openers.py.
OPENER = "MODEL_THEFT_LABS_OPENER"
MOUNT_TOKEN = "MODEL_THEFT_LABS_MOUNT"
KEPT_LOGS = 20
_starts = itertools.count()


@dataclass(frozen=True)
class Rows:
    """Rows of one part of the data: ``X`` (n, d) and ``truth`` (n,), the true class of each row."""

    X: np.ndarray
    truth: np.ndarray

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        return f"Rows({len(self.X)} rows, {self.X.shape[1]} features)"


@dataclass(frozen=True)
class TargetSpec:
    """What to start: victim, its model and seed, defences as text such as "rounding:decimals=2", and the log's URL.

    A notebook's own defence stands in ``defences`` as "mounted:NUMBER NAME"; the object travels beside the spec.
    """

    victim: str
    model: str | None = None
    seed: int = 0
    defences: tuple[str, ...] = ()
    log: str | None = None
    proxies: tuple[str, ...] = ()


class Target:
    """A running target. ``api()`` opens a customer's session; ``data()`` is the lab's own data room, which a real
    vendor would never open: rows and true classes to measure with.
    """

    def __init__(self, spec: TargetSpec, transport: Transport, stop: Callable[[], None], where: str):
        self.spec = spec
        self.transport = transport
        self.where = where
        self._stop = stop

    def api(self, key: str = "thief", *, budget: int | None = None, save: str | None = None) -> Api:
        """A session under ``key`` that may buy ``budget`` rows. ``save`` names a file that keeps bought answers."""
        spec = self.spec
        victim = f"{spec.victim} {spec.model or 'default'} seed {spec.seed} {'+'.join(spec.defences) or 'undefended'}"
        return Api(self.transport, key=key, budget=budget, loot=Loot(save, victim=victim) if save else None)

    def model(self) -> ModelCard:
        """The model's public card."""
        return self.api("visitor").model()

    def data(self, part: str) -> Rows:
        """Rows of ``part``: "pool" (what a thief may own) or "test" (for measuring only)."""
        if part not in ("pool", "test"):
            raise ValueError(f'part must be "pool" or "test", got {part!r}; the victim\'s own training rows are secret')
        raw = self._get(f"/lab/data/{part}")
        return Rows(np.asarray(raw["rows"], dtype=float), np.asarray(raw["truth"], dtype=int))

    def fingerprints(self) -> frozenset[str]:
        """SHA-256 of each row the victim was trained on: enough to prove that no row leaked, too little to read one."""
        return frozenset(self._get("/lab/data/fingerprints")["victim"])

    def usage(self, key: str = "thief") -> dict:
        """What the target's own log says of ``key``."""
        return self.api(key).usage()

    def stop(self) -> None:
        """Stop the target. Its query log stays."""
        self._stop()

    def _get(self, path: str) -> dict:
        reply = self.transport.send("GET", path)
        _raise_for_problem(reply)
        return reply.body

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Target({self.spec.victim} at {self.where})"

    def _repr_html_(self) -> str:
        card = self.model()
        link = html.escape(self.where)
        place = f'<a href="{link}/docs">{link}</a>' if link.startswith("http") else link
        return (
            f"<p><b>{html.escape(card.title)}</b> is live at {place}: {len(card.features)} features in, "
            f"{len(card.classes)} classes out, answers with {html.escape(card.output)}.</p>"
        )


_running: dict[TargetSpec, Target] = {}


def launch(
    victim: str,
    *,
    model: str | None = None,
    seed: int = 0,
    defences: Sequence[Any] = (),
    log: str | None = None,
    proxies: Sequence[str] = (),
) -> Target:
    """Start a target in a process of its own and wait until it answers.

    ``victim`` is digits, tumour, fraud, credit, mail or readmission; ``defences``, in pipeline order, are texts like
    "rounding:decimals=2" and defences of your own (see labkit.Defence), which stay in this notebook and are called from
    the target's threads; ``log`` is an SQLAlchemy URL for the query log (default: a new file beside your progress, the
    newest 20 are kept). From the addresses ``proxies`` alone it believes X-Forwarded-For. Starting the same target
    again replaces the old one. The target stops with ``stop()``, at the end of a ``with`` block, and whenever this
    kernel ends, however it ends.
    Raises ValueError with the target's own words if it cannot start.
    """
    mounted = [defence for defence in defences if not isinstance(defence, str)]
    spec = TargetSpec(victim, model, seed, tuple(_texts(defences)), log, tuple(proxies))
    if spec in _running:
        _running.pop(spec).stop()
    opener = os.environ.get(OPENER)
    if opener:
        module, _, name = opener.partition(":")
        target = getattr(importlib.import_module(module), name)(spec, mounted)
    else:
        target = _open_process(spec, mounted)
    _running[spec] = target
    return target


def _texts(defences: Sequence[Any]) -> Iterator[str]:
    numbers = itertools.count()
    for defence in defences:
        if isinstance(defence, str):
            yield defence
            continue
        name = defending.describe(defence)["name"]
        # Settings are part of the name, so that equal ones replace each other; an address in memory is not a setting.
        text = repr(defence)
        yield f"mounted:{next(numbers)} {name if ' at 0x' in text else text[:80]}"


def _open_process(spec: TargetSpec, mounted: Sequence[Any] = ()) -> Target:
    command = [sys.executable, "-m", "targets", "serve", spec.victim, "--port", "0", "--seed", str(spec.seed)]
    command += ["--exit-with-parent", *(["--model", spec.model] if spec.model else [])]
    command += [part for defence in spec.defences for part in ("--defence", defence)]
    command += [part for proxy in spec.proxies for part in ("--proxy", proxy)]
    command += ["--log", spec.log or _new_log(spec.victim)]
    hooks = Line(mounted) if mounted else None
    command += ["--mount", str(hooks.port)] if hooks else []
    environment = {**os.environ, MOUNT_TOKEN: hooks.token} if hooks else None
    complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
    # stdin is the lifeline: the target stops when this end closes, even if this process is killed.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environment
    )
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    found = re.search(r"https?://\S+", line)
    if not found:
        _end(process)
        if hooks:
            hooks.close()
        complaints.seek(0)
        words = complaints.read().decode(errors="replace").strip() or line.strip()
        complaints.close()
        raise ValueError(words.splitlines()[-1] if words else "the target stopped before it was ready")
    url = found.group(0).rstrip("/")
    transport = HttpTransport(url)

    def stop() -> None:
        atexit.unregister(stop)
        transport.close()
        _end(process)
        if hooks:
            hooks.close()
        complaints.close()

    atexit.register(stop)
    return Target(spec, transport, stop, url)


def _new_log(victim: str) -> str:
    """URL of a fresh log file; one a start, so that running a notebook twice counts from 0 twice."""
    folder = progress.home() / "queries"
    if os.environ.get("NBGRADER_EXECUTION"):
        return "sqlite://"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("*.sqlite"), key=lambda f: f.stat().st_mtime)[:-KEPT_LOGS]:
            for file in folder.glob(f"{old.name}*"):
                file.unlink(missing_ok=True)
    except OSError:
        return "sqlite://"
    name = f"{victim}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_starts)}.sqlite"
    return f"sqlite:///{folder / name}"


def _end(process: subprocess.Popen[Any]) -> None:
    if process.stdin and not process.stdin.closed:
        process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def stop_all() -> None:
    """Stop every target this notebook started."""
    while _running:
        _running.popitem()[1].stop()


__all__ = ["Rows", "Target", "TargetGone", "TargetSpec", "launch", "stop_all"]
