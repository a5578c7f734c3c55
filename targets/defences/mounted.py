"""A defence that lives elsewhere (a learner's notebook, the examiner's dialogue) and is asked with data."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from targets.defences.base import Defence, DefenceFailed, Query, Refused
from targets.victims.base import Floats

_LENGTH = struct.Struct(">I")

Call = Callable[[dict[str, Any]], dict[str, Any]]


class Mounted(Defence):
    """Passes both hooks on through ``call``: a dictionary of data out, a dictionary of data back.

    Out: ``hook``, ``query`` (its fields) and, for "after", ``probabilities``. Back: ``returned``; or ``refused`` with
    ``retry_after``; or ``failed`` with a sentence.
    """

    def __init__(self, call: Call, name: str = "Mounted", hides_probabilities: bool = False):
        self._call = call
        self.mounted_as = name
        self.hides_probabilities = hides_probabilities

    def before(self, query: Query) -> None:
        """Ask the other side; raises Refused when it refuses."""
        self._ask({"hook": "before", "query": _fields(query)})

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """What the other side makes of ``probabilities``; the pipeline checks its shape."""
        returned: Floats = self._ask({"hook": "after", "query": _fields(query), "probabilities": probabilities})
        return returned

    def _ask(self, message: dict[str, Any]) -> Any:
        answer = self._call(message)
        if "refused" in answer:
            raise Refused(answer["refused"], answer["retry_after"])
        if "failed" in answer:
            raise DefenceFailed(self, answer["failed"])
        return answer["returned"]

    def __repr__(self) -> str:
        return f"{self.mounted_as} (mounted)"


class MountLine:
    """The target's end of a notebook's line (labkit.mounting.Line): one connection a thread, opened when needed."""

    def __init__(self, port: int, token: str):
        self._address, self._token = ("127.0.0.1", port), token
        self._threads = threading.local()

    def defence(self, number: int) -> Mounted:
        """The notebook's defence ``number``. Raises ValueError when the notebook does not answer."""
        try:
            self._connection()
        except (OSError, EOFError) as error:
            raise ValueError(f"the notebook that holds the mounted defence does not answer: {error}") from None
        about = self._threads.descriptions[number]
        return Mounted(
            lambda message: self._exchange({**message, "number": number}), about["name"], about["hides_probabilities"]
        )

    def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        connection = self._connection()
        _write(connection, json.dumps(message, default=_pack, separators=(",", ":")).encode())
        answer: dict[str, Any] = json.loads(_read(connection), object_hook=_unpack)
        return answer

    def _connection(self) -> socket.socket:
        if not hasattr(self._threads, "connection"):
            connection = socket.create_connection(self._address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _write(connection, self._token.encode())
            self._threads.descriptions = json.loads(_read(connection))
            self._threads.connection = connection
        connection = self._threads.connection
        return connection


def _fields(query: Query) -> dict[str, Any]:
    return {field.name: getattr(query, field.name) for field in fields(query)}


def _pack(thing: Any) -> Any:
    if not isinstance(thing, np.ndarray):
        raise TypeError(f"a {type(thing).__name__} cannot be handed to a mounted defence")
    floats = np.asarray(thing, dtype="<f8", order="C")
    return {"__array__": ["<f8", list(floats.shape), base64.b64encode(floats.tobytes()).decode()]}


def _unpack(pairs: dict[str, Any]) -> Any:
    if "__float__" in pairs:
        return float(pairs["__float__"])
    if "__array__" not in pairs:
        return pairs
    _, shape, text = pairs["__array__"]
    return np.frombuffer(base64.b64decode(text), dtype="<f8").reshape(shape)


def _write(connection: socket.socket, data: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(data)) + data)


def _read(connection: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(length - len(parts))
        if not part:
            raise EOFError("the notebook hung up")
        parts += part
    return bytes(parts)
