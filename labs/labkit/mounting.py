"""The line on which a target in another process calls the defences that live in this notebook.

A loopback socket, open to whoever holds a token made for one target; data only, in the form of ``labkit.wire``. The
target opens one connection a worker thread, so a mounted defence is called from several threads, as in any real server.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any

from labkit import wire
from labkit.defending import call_hook, describe
from labkit.errors import BadAnswer

_LENGTH = struct.Struct(">I")
_LONGEST_GREETING = 1024


class Line:
    """Answers a target's calls to ``defences``; ``port`` and ``token`` are what the target needs to call."""

    def __init__(self, defences: Sequence[Any]):
        self._defences = tuple(defences)
        self._descriptions = [describe(defence) for defence in self._defences]
        self.token = secrets.token_hex(32)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="mounted-defences", daemon=True).start()

    def close(self) -> None:
        """Hang up: no new call is taken."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close alone would not wake a thread that waits in accept
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), name="mounted-defence", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError, BadAnswer):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not hmac.compare_digest(_read(connection, _LONGEST_GREETING), self.token.encode()):
                return
            _write(connection, wire.dumps(self._descriptions))
            while True:
                message = wire.loads(_read(connection, wire.MAX_BYTES))
                _write(connection, wire.dumps(call_hook(self._defences[message["number"]], message)))


def _read(connection: socket.socket, longest: int) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > longest:
        raise BadAnswer(f"a message of {length:,} bytes is over the limit of {longest:,}")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(length - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _write(connection: socket.socket, data: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(data)) + data)
