"""A warm judge that forks one judge a submission. Runs outside the sandbox; holds the course's secret.

Started by the examiner with one packet socket. ``judge`` comes with two sockets, the kernel's line and the ledger's;
``preload`` names victims that labs open, so that every fork has them fitted.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from grading.engine.inside import confine

MEMORY, CPU = 4 << 30, 1_200


def main() -> None:
    """Serve on the socket whose number is the first argument."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # ends with the examiner, however that ends
    control = socket.socket(fileno=int(sys.argv[1]))
    from grading.engine import session  # the costly part, once
    from grading.exercise import all_exercises

    all_exercises()
    _rehearse()
    signal.signal(signal.SIGCHLD, _reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control.send(b'{"op":"ready"}')
    while True:
        data, handles, _, _ = socket.recv_fds(control, 1 << 20, 4)
        if not data:
            return
        message = json.loads(data)
        if message["op"] == "preload":
            _preload(message["victims"])
        elif message["op"] == "judge":
            _fork(session, control, message, handles)
        for handle in handles:
            os.close(handle)


def _rehearse() -> None:
    """Ask a target one question: SQLAlchemy, Flask and httpx import much at their first use; here once for all."""
    from labkit.transport import WsgiTransport
    from targets import TargetConfig, create_app, load_victim

    victim = load_victim("tumour", model="tree")
    app = create_app(TargetConfig(victim=victim.name, model=victim.model, data_room=False))
    line = WsgiTransport(app)
    line.send("POST", "/v1/predict", {"rows": victim.pool.X[:1].tolist()})
    line.close()
    app.extensions["query_log"].close()


def _reap(*_: Any) -> None:
    """Let ended judges go; nobody asks how they ended, their ledger's end is their end."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _fork(session: Any, control: socket.socket, message: dict, handles: list[int]) -> None:
    gc.freeze()  # a fork that collects garbage would copy every page it looks at
    if os.fork():
        return
    try:
        control.close()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
        for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, CPU), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(what, (most, most))
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if message["secret"] != "self-study":
            os.environ["MTL_CACHE"] = "off"  # a class's private victims would fill the disk
        line, ledger = (socket.socket(fileno=handle) for handle in handles)
        wall_in_judge()
        ledger.send(json.dumps({"pid": os.getpid()}).encode())
        session.Session(line, ledger, secret=message["secret"], learner=message["learner"]).serve()
    finally:
        os._exit(0)


def wall_in_judge() -> None:
    """A submission may name addresses and files in what it sends; the judge reaches none of them."""
    from targets.victims.cache import cache_folder

    cache = [str(cache_folder())] if cache_folder() else []
    confine.wall_in(["/"], cache, alone=True, sockets=())


def _preload(victims: list[dict]) -> None:
    from targets import load_victim

    for one in victims:
        with suppress(Exception):
            load_victim(one["victim"], seed=one["seed"], model=one["model"])


if __name__ == "__main__":
    main()
