"""The warm process that submissions are forked from. It runs no code of theirs and holds no secret.

Over a packet socket it is told to ``warm`` (run a lab's locked cells), to ``run`` (fork a submission, with two sockets:
the examiner's and the judge's), to ``signal`` one; it says ``ended`` when one is gone, with everything it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from . import confine, runner, seccomp

PACKET = 1 << 20


class Zygote:
    """Forks, signals and reaps submissions."""

    def __init__(self, control: socket.socket, plan: dict):
        self.control, self.plan = control, plan
        self.limits = confine.Limits(**plan["limits"])
        self.warm = runner.Warm()
        self.keepers: dict[int, dict] = {}
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Do as told until the examiner is gone."""
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._say({"op": "ready"})
        while True:
            watched: list[Any] = [self.control, self._woken]
            ready, _, _ = select.select(watched, [], [])
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()
            if self.control in ready and not self._obey():
                return

    def _obey(self) -> bool:
        data, handles, _, _ = socket.recv_fds(self.control, PACKET, 4)
        if not data:
            return False
        message = json.loads(data)
        sockets = [socket.socket(fileno=handle) for handle in handles]
        if message["op"] == "run":
            self._run(message, *sockets)
        elif message["op"] == "signal":
            self._signal(message)
        elif message["op"] == "warm":
            self._warm_up(message["sources"], sockets[0])
        for one in sockets:
            one.close()
        return True

    def _warm_up(self, sources: list[str], judge: socket.socket) -> None:
        self.warm.run_setup(sources, judge)
        failed = any(o["output_type"] == "error" for shown in self.warm.shown for o in shown)
        threads = threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1
        self._say({"op": "warmed", "forkable": not failed and not threads})

    def _run(self, message: dict, work: socket.socket, judge: socket.socket) -> None:
        self.warm.freeze()
        told, tell = os.pipe()
        keeper = os.fork()
        if keeper == 0:
            _last_resort(self._keep, message, work, judge, tell)
        os.close(tell)
        with os.fdopen(told, "rb") as pipe:
            line = pipe.readline()
        inner = int(line) if line.strip() else 0
        self.keepers[keeper] = {"id": message["id"], "inner": inner}
        self._say({"op": "started", "id": message["id"], "pid": inner})

    def _keep(self, message: dict, work: socket.socket, judge: socket.socket, tell: int) -> None:
        """The fork between: enters the namespaces, forks process 1 of them, waits for it, and ends as it ended."""
        self.control.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        alone = not self.plan["namespaces"]
        if alone:
            _adopt_orphans()
            os.setsid()
        else:
            confine.enter_namespaces()
        inner = os.fork()
        if inner == 0:
            os.close(tell)
            _last_resort(self._become, message, work, judge)
        os.write(tell, f"{inner}\n".encode())
        os.close(tell)
        work.close()
        judge.close()
        _, status = os.waitpid(inner, 0)
        if alone:
            _end_orphans()
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

    def _become(self, message: dict, work: socket.socket, judge: socket.socket) -> None:
        """The submission's own process: confined first, then the learner's code."""
        alone = not self.plan["namespaces"]
        _close_others(work.fileno(), judge.fileno())
        walls = []
        if not alone:
            confine.furnish(self.limits, message["slot"])
            walls.append("namespaces")
        places = ("/tmp", "/dev/shm") if not alone else (message["folder"],)
        confine.limit(self.limits)
        walls.append("limits")
        if self.plan["walls"]:
            walls.append(confine.drop_rights(message["slot"]))
            walls += confine.wall_in(
                [*self.plan["readable"], "/proc", "/sys", "/dev"],
                places,
                alone=alone,
                sockets=seccomp.UNIX if alone else seccomp.INTERNET,
            )
        os.dup2(1, 2)
        _last_resort(runner.serve, self.warm, work, judge, {**message, "walls": walls})

    def _signal(self, message: dict) -> None:
        for keeper, held in self.keepers.items():
            if held["id"] == message["id"]:
                # With its process 1 a whole namespace dies; without namespaces the keeper ends what is left.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(held["inner"] or keeper, message["signal"])

    def _reap(self) -> None:
        while self.keepers:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            held = self.keepers.pop(pid, None)
            if held:
                code = os.waitstatus_to_exitcode(status)
                self._say({"op": "ended", "id": held["id"], "code": code})

    def _say(self, message: dict) -> None:
        with contextlib.suppress(OSError):
            self.control.send(json.dumps(message).encode())


def _last_resort(work: Any, *arguments: Any) -> None:
    """Run ``work`` in a forked child, which never returns to its parent's code."""
    try:
        work(*arguments)
    except BaseException:
        os.write(2, traceback.format_exc().encode()[-4000:])
        os._exit(70)
    os._exit(0)


def _close_others(*kept: int) -> None:
    """Close every open file but the two lines and a silent 0, 1, 2."""
    silent = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(silent, number)
    for entry in os.listdir("/proc/self/fd"):
        if int(entry) > 2 and int(entry) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(entry))


def _adopt_orphans() -> None:
    confine._LIBC.prctl(36, 1, 0, 0, 0)


def _end_orphans() -> None:
    """Without a process namespace: kill whatever the submission left behind, until nothing is left."""
    children = f"/proc/self/task/{os.getpid()}/children"
    while True:
        with open(children) as file:
            pids = [int(word) for word in file.read().split()]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def main() -> None:
    """Serve on the socket whose number is the first argument; the second is the plan as JSON."""
    control = socket.socket(fileno=int(sys.argv[1]))
    Zygote(control, json.loads(sys.argv[2])).serve()


if __name__ == "__main__":
    main()
