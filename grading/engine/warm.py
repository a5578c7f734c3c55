"""The two warm processes that submissions and judges are forked from, as the examiner holds them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from grading.engine import sandbox

MOST_PRELOADED = 24


class EngineFailed(RuntimeError):
    """A process of the engine's own failed; no submission is to blame."""


class Zygote:
    """The confined warm process. Threads may use it together: what it says is sorted by submission."""

    def __init__(self, plan: sandbox.Plan):
        self._process, self._control = sandbox.start(plan)
        self.pid = self._process.pid
        self.warm = 0
        self._heard: dict[tuple[str, Any], queue.SimpleQueue] = defaultdict(queue.SimpleQueue)
        self._telling = threading.Lock()
        self._gone = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.hear("ready", 180)

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return not self._gone.is_set() and self._process.poll() is None

    def tell(self, message: dict, handles: Sequence[int] = ()) -> None:
        """Send an order, with open files. Raises EngineFailed if it is gone."""
        try:
            with self._telling:
                socket.send_fds(self._control, [json.dumps(message).encode()], list(handles))
        except OSError:
            self._gone.set()
            raise EngineFailed("the confined warm process has ended") from None

    def hear(self, op: str, seconds: float, id: int | None = None) -> dict:
        """Wait until it says ``op`` about submission ``id``. Raises EngineFailed with its last words."""
        heard = self._heard[op, id]
        try:
            message = heard.get(timeout=0.2 if self._gone.is_set() else seconds)
        except queue.Empty:
            message = None
        self._heard.pop((op, id), None)
        if message is None:
            raise EngineFailed(f"the confined process did not say {op!r}: {self._last_words()}")
        return message

    def signal(self, id: int, number: int) -> None:
        """Send a signal to submission ``id``; SIGKILL ends it with everything it started."""
        self.tell({"op": "signal", "id": id, "signal": number})

    def warm_up(self, sources: Sequence[str], judge: socket.socket) -> bool:
        """Run set-up cells in the warm process itself; whether it can still be forked."""
        self.tell({"op": "warm", "sources": list(sources)}, [judge.fileno()])
        forkable = bool(self.hear("warmed", 180)["forkable"])
        self.warm = len(sources) if forkable else 0
        return forkable

    def close(self) -> None:
        """End it and all its submissions."""
        self._gone.set()
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        _end(self._process)
        self._listener.join(timeout=5)
        self._control.close()

    def _listen(self) -> None:
        while True:
            try:
                data = self._control.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                self._gone.set()
                for heard in list(self._heard.values()):
                    heard.put(None)
                return
            message = json.loads(data)
            self._heard[message["op"], message.get("id")].put(message)

    def _last_words(self) -> str:
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        return "" if self._process.stderr.closed else self._process.stderr.read().decode(errors="replace")[-1500:]


class Judges:
    """The warm judge, outside the sandbox: forks a judge a submission."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made = {k: v for k, v in os.environ.items() if not k.startswith("MODEL_THEFT_LABS_")}
        made |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grading.engine.judge_server", str(theirs.fileno())], env=made,
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._preloaded: set[str] = set()
        self._telling = threading.Lock()
        self._control.settimeout(180)
        self._heard_of = False

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return self._process.poll() is None

    def fork(self, secret: str, learner: str) -> tuple[socket.socket, socket.socket]:
        """Fork a judge for ``learner``; returns the kernel's end of its line and our end of its ledger."""
        kernel, line = socket.socketpair()
        ours, ledger = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._tell({"op": "judge", "secret": secret, "learner": learner}, [line.fileno(), ledger.fileno()])
        finally:
            line.close()
            ledger.close()
        return kernel, ours

    def preload(self, opened: list[dict]) -> None:
        """Have the victims of ``opened`` targets fitted once for all judges that follow."""
        with self._telling:
            # Seed 0 is the labs' own; others that the kernel asked for could be its way to keep the judge busy.
            harmless = [one for one in opened if one["seed"] == 0 or one.get("public")]
            new = [one for one in harmless if json.dumps(one) not in self._preloaded]
            new = new[: MOST_PRELOADED - len(self._preloaded)]
            self._preloaded |= {json.dumps(one) for one in new}
        if new:
            self._tell({"op": "preload", "victims": new}, [])

    def close(self) -> None:
        """End it; judges that still run end with it."""
        self._control.close()
        _end(self._process)

    def _tell(self, message: dict, handles: list[int]) -> None:
        with self._telling:
            self._wait_for_start()
            try:
                socket.send_fds(self._control, [json.dumps(message).encode()], handles)
            except OSError:
                raise EngineFailed("the judge's process has ended") from None

    def _wait_for_start(self) -> None:
        """At the first order only: until then it and the confined process may start side by side."""
        if self._heard_of:
            return
        with contextlib.suppress(OSError):
            self._heard_of = bool(self._control.recv(1000))
        if not self._heard_of:
            raise EngineFailed("the judge's process did not start")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr:
        process.stderr.close()
