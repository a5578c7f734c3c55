"""Frames of JSON over a stream socket: four bytes of length, then the text. Both ends of the sandbox speak it."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

_LENGTH = struct.Struct(">I")
MAX_FRAME = 96 << 20


class TooLong(Exception):
    """A frame over the limit."""


def send(connection: socket.socket, message: Any) -> None:
    """Send one message."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > MAX_FRAME:
        raise TooLong(f"{len(data):,} bytes")
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, *, limit: int = MAX_FRAME, until: float | None = None) -> Any:
    """Receive one message. Raises EOFError, TooLong, ValueError (no JSON), TimeoutError (``until``, monotonic)."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, until))
    if length > limit:
        raise TooLong(f"{length:,} bytes")
    return json.loads(_exactly(connection, length, until))


def _exactly(connection: socket.socket, count: int, until: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        if until is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        part = connection.recv(min(count - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
