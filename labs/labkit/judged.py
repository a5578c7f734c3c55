"""The line to a judge in another process, as a graded run uses it. Data only; the score is what the judge writes down.

Frames are four bytes of length, one letter, the exchange's number (one byte), then ``labkit.wire``. From here: ``{``
opens an exchange, ``?`` asks a target during one, ``=`` returns what a call gave. From the judge: ``(`` calls the
answer, ``h`` a mounted defence's hook, ``.`` answers ``?``, ``!`` closes the exchange. By the number each side passes
over what belongs to an exchange that an interrupt broke off.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from labkit import wire
from labkit.defending import call_hook, describe
from labkit.errors import LabError
from labkit.launch import Target, TargetSpec
from labkit.learner_side import LearnerSide
from labkit.transport import Reply

_LENGTH = struct.Struct(">I")


class JudgeGone(LabError):
    """The judge does not answer any more."""


class JudgeRefused(LabError):
    """The judge turned a request away: it names why."""


class JudgeLine:
    """This notebook's end of the line. One exchange at a time."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._opened: list[tuple[TargetSpec, tuple[Any, ...]]] = []
        self._numbers: dict[int, int] = {}
        self._number = 0
        self._early: bytes | None = None

    def judge(self, exercise: str, side: LearnerSide) -> dict:
        """Judge one answer; returns the verdict as data."""
        return self._exchange({**side.opening(), "op": "check", "exercise": exercise}, side)

    def hints(self, exercise: str) -> tuple[str, ...]:
        """The hints of ``exercise``."""
        return tuple(self._exchange({"op": "hints", "exercise": exercise})["hints"])

    def open(self, spec: TargetSpec, mounted: Sequence[Any] = ()) -> int:
        """Open a target over there; returns its number. Raises ValueError if it cannot be built."""
        # Kept, so that a line to another judge can ask for the same targets.
        self._opened.append((spec, tuple(mounted)))
        target = len(self._opened) - 1
        try:
            self._there(target)
        except JudgeRefused as error:
            self._opened.pop()
            raise ValueError(str(error)) from None
        return target

    def send(self, target: int, method: str, path: str, body: Any, headers: Mapping[str, str]) -> dict:
        """One request to an opened target."""
        message = {"op": "send", "target": self._there(target), "method": method, "path": path, "body": body}
        return self._exchange({**message, "headers": dict(headers)}, mounted=self._opened[target][1])

    def move_to(self, connection: socket.socket) -> None:
        """Talk to another judge from now on; the targets that are open will be opened there once they are asked."""
        self._connection, self._numbers = connection, {}

    def _there(self, target: int) -> int:
        """The number under which this judge knows a target, which is opened there if it is not."""
        if target not in self._numbers:
            spec, mounted = self._opened[target]
            described = [describe(defence) for defence in mounted]
            answer = self._exchange({"op": "open", "spec": asdict(spec), "mounted": described})
            self._numbers[target] = answer["target"]
        return self._numbers[target]

    def _exchange(self, message: dict, side: LearnerSide | None = None, mounted: Sequence[Any] = ()) -> dict:
        data = wire.dumps(message)
        self._number, self._early = (self._number + 1) % 256, None
        self._write(b"{", data)
        answer = wire.loads(self._until(b"!", side, mounted))
        if "error" in answer:
            raise JudgeRefused(str(answer["error"]))
        return answer

    def _until(self, end: bytes, side: LearnerSide | None, mounted: Sequence[Any]) -> bytes:
        """Serve the judge's calls until a frame of the kind ``end`` comes."""
        ask: Callable[[bytes], bytes] = lambda data: self._ask(data, side, mounted)  # noqa: E731
        while True:
            if end == b"!" and self._early is not None:
                return self._early
            frame = self._read()
            kind, number, data = frame[:1], frame[1], frame[2:]
            if number != self._number:
                continue
            if kind == end:
                return data
            if kind == b"!":
                # Closed while the learner's code was asking a target: it took too long.
                self._early = data
                raise JudgeGone("this check is over: it took too long")
            if kind == b"(" and side is not None:
                self._write(b"=", side.handle(data, ask))
            elif kind == b"h":
                call = wire.loads(data)
                self._write(b"=", wire.dumps(call_hook(mounted[call["number"]], call)))

    def _ask(self, data: bytes, side: LearnerSide | None, mounted: Sequence[Any]) -> bytes:
        self._write(b"?", data)
        return self._until(b".", side, mounted)

    def _write(self, kind: bytes, data: bytes) -> None:
        try:
            self._connection.sendall(_LENGTH.pack(len(data) + 2) + kind + bytes([self._number]) + data)
        except OSError:
            raise JudgeGone("the judge does not answer any more") from None

    def _read(self) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            try:
                part = self._connection.recv(min(length - len(data), 1 << 20))
            except OSError:
                part = b""
            if not part:
                raise JudgeGone("the judge does not answer any more")
            data += part
        return bytes(data)


class _LineTransport:
    """Sends a lab cell's requests to a target that the judge holds."""

    def __init__(self, line: JudgeLine, number: int):
        self._line, self._number = line, number

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        reply = self._line.send(self._number, method, path, body, headers or {})
        return Reply(reply["status"], reply["body"], reply["headers"])


_line: JudgeLine | None = None


def connect(connection: socket.socket) -> None:
    """Judge over ``connection`` from now on; targets that are open stay open."""
    global _line
    if _line is None:
        _line = JudgeLine(connection)
    else:
        _line.move_to(connection)


def judge(exercise: str, side: LearnerSide) -> dict:
    """Judge one answer over the line."""
    return _connected().judge(exercise, side)


def hints(exercise: str) -> tuple[str, ...]:
    """The hints of ``exercise``."""
    return _connected().hints(exercise)


def open_target(spec: TargetSpec, mounted: Sequence[Any] = ()) -> Target:
    """Open a target that the judge holds: for $MODEL_THEFT_LABS_OPENER."""
    line = _connected()
    return Target(spec, _LineTransport(line, line.open(spec, mounted)), lambda: None, "the judge's process")


def _connected() -> JudgeLine:
    if _line is None:
        raise JudgeGone("no judge is connected to this kernel")
    return _line
