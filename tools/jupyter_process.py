"""Find out where a starting Jupyter server is, from its own messages, and when it answers; stop it for certain."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/\S*token=(\w+)")


def wait_for_address(process: subprocess.Popen) -> tuple[str, str]:
    """Return (address, token) of a server whose standard error is a text pipe, once its port takes connections.

    Raises RuntimeError with everything the server said when it stops first.
    """
    heard: list[str] = []
    for line in process.stderr:
        heard.append(line)
        if found := ADDRESS.search(line):
            _wait_until_listening(process, int(found[1]), heard)
            threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()
            return f"http://127.0.0.1:{found[1]}", found[2]
    raise RuntimeError("the Jupyter server stopped before it had an address:\n" + "".join(heard))


def _wait_until_listening(process: subprocess.Popen, port: int, heard: list[str]) -> None:
    """Jupyter prints its address a moment before it listens there."""
    while True:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError("the Jupyter server stopped before it answered:\n" + "".join(heard))


def _drain(stream) -> None:
    """Read on, so that the pipe never fills and stops the server; ends when either side closes it."""
    with contextlib.suppress(ValueError):  # closed here, at the end of a test
        for _ in stream:
            pass


def stop(process: subprocess.Popen) -> None:
    """End a server started in a session of its own, with all that belongs to it; what does not listen is killed."""
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
