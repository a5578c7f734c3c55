"""A webhook receiver of your own: what a ticket system or a pager is to a target's alerts. On this machine only."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_BYTES = 1_000_000


class Receiver:
    """Listens on a free loopback port; ``url`` holds a secret path, so that nobody else can send it alerts.

    ``alerts`` are the documents received, the newest last, each ``event.id`` once: a sender that cannot know whether a
    delivery arrived delivers again. ``deliveries`` counts every delivery by id. ``on_delivery(document)`` is called
    before the answer is given; when it raises, the sender is told to try again (503).
    """

    def __init__(self, on_delivery: Callable[[dict[str, Any]], Any] = lambda document: None):
        self.alerts: list[dict[str, Any]] = []
        self.deliveries: dict[str, int] = {}
        self._on_delivery = on_delivery
        self._arrived = threading.Condition()
        self._path = f"/{secrets.token_urlsafe(16)}"
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{self._path}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="webhook", daemon=True).start()

    def wait_for(self, count: int, timeout: float = 60.0) -> bool:
        """Wait until ``count`` different alerts have arrived; whether they have."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.alerts) >= count, timeout)

    def take(self, path: str, body: bytes) -> int:
        """The HTTP status for one delivery."""
        if not secrets.compare_digest(path.encode(), self._path.encode()):
            return 404
        try:
            document = json.loads(body)
            name = document["event"]["id"]
            hash(name)
        except (ValueError, KeyError, TypeError):
            return 400
        with self._arrived:
            self.deliveries[name] = self.deliveries.get(name, 0) + 1
        try:
            self._on_delivery(document)
        except Exception:
            return 503
        with self._arrived:
            if name not in {known["event"]["id"] for known in self.alerts}:
                self.alerts.append(document)
            self._arrived.notify_all()
        return 204

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Receiver({len(self.alerts)} alerts)"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a sender that hangs up delivers again."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status = receiver.take(self.path, self.rfile.read(length)) if 0 < length <= MOST_BYTES else 413
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing: standard error belongs to the notebook."""

    return Handler
