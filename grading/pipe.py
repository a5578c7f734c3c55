"""The judge in a process of its own: frames of data over a pipe, nothing shared.

Both ends speak in frames: four bytes of length, then JSON (see labkit.wire). The learner's side opens with ``check``;
the judge sends ``call`` frames, each answered by ``return`` or ``raise``, with ``send`` frames in between that the
judge answers; it closes with the verdict. ``open`` and ``send`` at the top serve the lab's own cells; a target whose
defences live in the notebook calls their hooks back before it answers. The first byte of a frame tells them apart:
``!`` verdict or answer, ``?`` request to a target, ``=`` reply, ``>`` hook of a mounted defence, ``{`` call.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import IO, Any

from grading.exercise import find
from grading.judging import judge as run
from grading.selfstudy import new_world
from labkit import wire
from labkit.defending import call_hook, describe
from labkit.errors import BadAnswer, LabError
from labkit.launch import TargetSpec
from labkit.learner_side import LearnerSide
from labkit.transport import WsgiTransport
from targets import create_app
from targets.defences.mounted import Call, Mounted

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
                write_frame(self._out, b"=" + serve(frame[1:]))
            else:
                return frame[1:]


def serve_judge(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Serve checks, and targets opened for the lab's own cells, until the pipe closes."""
    channel = PipeChannel(incoming, outgoing)
    targets: list[WsgiTransport] = []

    def call_hook(message: dict) -> dict:
        write_frame(outgoing, b">" + wire.dumps(message))
        return wire.loads(read_frame(incoming))

    while True:
        try:
            message = wire.loads(read_frame(incoming))
        except EOFError:
            return
        if message["op"] == "check":
            exercise = find(message["exercise"])
            answer = run(exercise, new_world(exercise.id), channel, message)
        elif message["op"] == "open":
            answer = _open(targets, message["spec"], message["mounted"], call_hook)
        else:
            sent = targets[message["target"]].send(
                message["method"], message["path"], message["body"], message["headers"]
            )
            answer = {"status": sent.status, "body": sent.body, "headers": dict(sent.headers)}
        write_frame(outgoing, b"!" + wire.dumps(answer))


def _call_over_there(call_hook: Call, whose: dict, message: dict) -> dict:
    return call_hook({**message, **whose})


def _open(targets: list[WsgiTransport], spec: dict, mounted: list[dict], call_hook: Call) -> dict:
    from grading.openers import config_of

    number = len(targets)
    there = [
        Mounted(partial(_call_over_there, call_hook, {"target": number, "number": n}), **about)
        for n, about in enumerate(mounted)
    ]
    try:
        app = create_app(config_of(TargetSpec(**{**spec, "defences": tuple(spec["defences"])}), there))
    except ValueError as error:
        return {"error": str(error)}
    targets.append(WsgiTransport(app))
    return {"target": len(targets) - 1}


class JudgeProcess:
    """The learner's end: starts a judge in a process of its own and takes part in its dialogue."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grading", "judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._mounted: dict[int, Sequence[Any]] = {}

    def judge(self, exercise: str, side: LearnerSide) -> dict:
        """Judge one answer over the pipe; returns the verdict as data."""
        try:
            write_frame(self._to, wire.dumps({**side.opening(), "op": "check", "exercise": exercise}))
            while True:
                frame = read_frame(self._from)
                if frame[:1] == b"!":
                    return wire.loads(frame[1:])
                write_frame(self._to, b"=" + side.handle(frame, lambda data: self._ask(data, side)))
        except (EOFError, BrokenPipeError):
            raise JudgeGone("the judge stopped in the middle of this check; run it again") from None

    def open(self, spec: TargetSpec, mounted: Sequence[Any] = ()) -> int:
        """Open a target over there; returns its number. ``mounted`` defences stay here and are called back.

        Raises ValueError if it cannot be built.
        """
        about = [describe(defence) for defence in mounted]
        answer = self._exchange({"op": "open", "spec": asdict(spec), "mounted": about})
        if "error" in answer:
            raise ValueError(answer["error"])
        self._mounted[answer["target"]] = tuple(mounted)
        return answer["target"]

    def send(self, target: int, method: str, path: str, body: Any, headers: dict[str, str]) -> dict:
        """One request to an opened target."""
        message = {"op": "send", "target": target, "method": method, "path": path, "body": body, "headers": headers}
        return self._exchange(message)

    def _exchange(self, message: dict) -> dict:
        try:
            write_frame(self._to, wire.dumps(message))
            while True:
                frame = read_frame(self._from)
                if frame[:1] == b"!":
                    return wire.loads(frame[1:])
                call = wire.loads(frame[1:])
                defence = self._mounted[call["target"]][call["number"]]
                write_frame(self._to, wire.dumps(call_hook(defence, call)))
        except (EOFError, BrokenPipeError):
            raise JudgeGone("the judge's process has ended; start the target again") from None

    def _ask(self, data: bytes, side: LearnerSide) -> bytes:
        write_frame(self._to, b"?" + data)
        while True:
            frame = read_frame(self._from)
            if frame[:1] == b"=":
                return frame[1:]
            # The target that was asked stands behind the learner's own defence: answer its hook in between.
            write_frame(self._to, b"=" + side.handle(frame, lambda data: self._ask(data, side)))

    def close(self) -> None:
        """Let the judge go; closing twice does no harm."""
        if self._to.closed:
            return
        self._to.close()
        self._process.wait()
        self._from.close()

    def __enter__(self) -> JudgeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
