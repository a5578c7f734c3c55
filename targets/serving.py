"""A production WSGI server on loopback: ports, signals, and an end that follows the parent's."""

from __future__ import annotations

import errno
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
import threading
from typing import Any

from flask import Flask
from threadpoolctl import threadpool_limits
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from targets.problems import Problem

# Waitress keeps a large body in a temporary file; the app turns it away unread. Beyond this it is not even received.
MOST_BYTES = 64 * 1024 * 1024
THREADS = 4
# A busy lab queues a request now and then; a line on standard error for each would only worry people.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class CannotServe(Exception):
    """The address cannot be used; the message says why and what to do."""


def is_loopback(host: str) -> bool:
    """Whether ``host`` can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_server(app: Flask, host: str = "127.0.0.1", port: int = 0) -> TcpWSGIServer:
    """Bind ``app`` to an address; ``server.effective_port`` is its port, ``server.run()`` serves. Or CannotServe."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)  # unlike Waitress, it closes what it cannot bind
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(f"port {port} is taken; choose another, or use --port 0 for a free one") from None
        raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror}") from None
    workers = _Workers()
    workers.set_thread_count(THREADS)
    # The app itself decides whose X-Forwarded-For counts (sources.py), so Waitress leaves the header alone.
    settings = {"max_request_body_size": MOST_BYTES, "ident": None, "clear_untrusted_proxy_headers": False}
    server = create_server(app, sockets=[listener], _dispatcher=workers, **settings)
    server.channel_class = _Channel
    return server


def stop_on_signals() -> None:
    """Make SIGTERM end the server as Ctrl+C does: pending requests finish, the log is closed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def stop_with_parent() -> None:
    """End this process when its standard input ends: the parent died, was interrupted, or said goodbye."""

    def watch() -> None:
        try:
            while sys.stdin is not None and os.read(sys.stdin.fileno(), 4096):
                pass
        except (OSError, ValueError):
            pass  # a closed input is an ended one
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class _Workers(ThreadedTaskDispatcher):
    """Worker threads whose numeric libraries use one thread each: a request is small work, a crowd only waits."""

    def handler_thread(self, thread_no: int) -> None:
        """Serve requests. The limit is set inside the thread, because OpenMP keeps it by calling thread."""
        with threadpool_limits(1):
            super().handler_thread(thread_no)


class _ProblemTask(ErrorTask):
    """Errors that Waitress finds before the app sees the request, as problem documents."""

    def execute(self) -> None:
        """Write the problem and close the connection."""
        error = self.request.error
        next_step = "Send fewer rows in a request" if error.code == 413 else "Send a plain HTTP/1.1 request"
        body = json.dumps(Problem(error.code, f"the target cannot take this: {error.body}", next_step).document())
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/problem+json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body.encode())


class _Channel(HTTPChannel):
    error_task_class: Any = _ProblemTask
