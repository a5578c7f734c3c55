"""The judge in a process of its own: frames of data over a pipe, nothing shared.

Both ends speak in frames: four bytes of length, then JSON (see labkit.wire). The learner's side opens with ``check``;
the judge sends ``call`` frames, each answered by ``return`` or ``raise``, with ``send`` frames in between that the
judge answers; it closes with ``verdict``.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from typing import IO

from grading.exercise import find
from grading.judging import judge as run
from grading.selfstudy import new_world
from labkit import wire
from labkit.errors import BadAnswer, LabError
from labkit.learner_side import LearnerSide

_LENGTH = struct.Struct(">I")


class JudgeGone(LabError):
    """The judge's process ended in the middle of a check."""


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Send one frame."""
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes:
    """Receive one frame. Raises EOFError at the end, BadAnswer if it is longer than the limit."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > wire.MAX_BYTES:
        raise BadAnswer(f"a frame of {length:,} bytes is over the limit")
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


class PipeChannel:
    """The judge's end of the pipe."""

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes]):
        self._in, self._out = incoming, outgoing

    def exchange(self, message: bytes, serve: Callable[[bytes], bytes]) -> bytes:
        write_frame(self._out, message)
        while True:
            frame = read_frame(self._in)
            # One byte tells a request to the target from the end of the call, so that it is parsed once.
            if frame[:1] == b"?":
                write_frame(self._out, serve(frame[1:]))
            else:
                return frame[1:]


def serve_judge(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Judge check after check until the pipe closes."""
    channel = PipeChannel(incoming, outgoing)
    while True:
        try:
            opening = wire.loads(read_frame(incoming))
        except EOFError:
            return
        exercise = find(opening["exercise"])
        verdict = run(exercise, new_world(exercise.id), channel, opening)
        write_frame(outgoing, b"!" + wire.dumps(verdict))


class JudgeProcess:
    """The learner's end: starts a judge in a process of its own and takes part in its dialogue."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grading", "judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout

    def judge(self, exercise: str, side: LearnerSide) -> dict:
        """Judge one answer over the pipe; returns the verdict as data."""
        try:
            write_frame(self._to, wire.dumps({**side.opening(), "exercise": exercise}))
            while True:
                frame = read_frame(self._from)
                if frame[:1] == b"!":
                    return wire.loads(frame[1:])
                write_frame(self._to, b"=" + side.handle(frame, self._ask))
        except (EOFError, BrokenPipeError):
            raise JudgeGone("the judge stopped in the middle of this check; run it again") from None

    def _ask(self, data: bytes) -> bytes:
        write_frame(self._to, b"?" + data)
        return read_frame(self._from)

    def close(self) -> None:
        """Let the judge go."""
        self._to.close()
        self._process.wait()
        self._from.close()

    def __enter__(self) -> JudgeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
