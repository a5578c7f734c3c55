"""Start a server in its own process, find its address in what it prints, read the CPU time of its process tree."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class NotStarted(Exception):
    """A server ended, or kept silent, before it named its address; the message holds its last lines."""


@dataclass(frozen=True)
class Running:
    """A server that answers on ``port`` of 127.0.0.1; ``pid`` is the root of its process tree."""

    port: int
    pid: int


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run ``command``, its output in ``log``, until the block ends; then stop the whole tree."""
    environment = os.environ | _THREADS | dict(variables or {})
    with open(log, "wb") as output:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        yield Running(_port(process, command[0], log), process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _port(process: subprocess.Popen, program: str, log: Path, patience: float = 120.0) -> int:
    text, deadline = "", time.monotonic() + patience
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8", errors="replace")
        # Waitress binds before it prints; Uvicorn prints this line once it listens, but MLflow prints its own before.
        lines = [line for line in text.splitlines() if " serves " in line or "Uvicorn running on" in line]
        if found := _ADDRESS.search("\n".join(lines)):
            return int(found[1])
        if process.poll() is not None:
            raise NotStarted(f"{program} ended with exit code {process.returncode}:\n{text[-2000:]}")
        time.sleep(0.05)
    raise NotStarted(f"{program} named no address in {patience:.0f} s:\n{text[-2000:]}")


def tree(pid: int) -> list[int]:
    """``pid`` and every process below it, from /proc."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):  # what is no process, or ended meanwhile
            parents[int(entry)] = int(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds, user and system, that the process tree of ``pid`` has used: ended threads too, to the microsecond.

    The system's CPU clock of each process rather than /proc/PID/stat, which tells the same time in steps of 10 ms.
    """
    return sum(time.clock_gettime(_cpu_clock(one)) for one in tree(pid))


def _cpu_clock(pid: int) -> int:
    clock = ctypes.c_int()
    if fault := ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(fault, os.strerror(fault), str(pid))
    return clock.value
