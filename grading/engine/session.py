"""The judge's side of one submission: it answers the kernel's line and writes the ledger. Trusts nothing that it reads.

A check counts only in the window that the examiner opens when it hands out that exercise's own check cell, and only the
first one. Any other check is practice: judged with the public seeds of self-study, so that it tells nothing about the
private ones.
"""

from __future__ import annotations

import json
import logging
import math
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from grading.exercise import NotYet, find
from grading.judging import judge
from grading.openers import config_of
from grading.world import PUBLIC_SECRET, World
from labkit import wire
from labkit.errors import BadAnswer
from labkit.launch import TargetSpec
from labkit.transport import WsgiTransport
from targets import create_app
from targets.defences.mounted import Mounted

_LENGTH = struct.Struct(">I")
_log = logging.getLogger(__name__)
GRACE = 10.0
PRACTICE, TARGETS, HIGHEST_SEED = 40, 40, 999
# Settings that name an address or a file. The judge's own walls stop the attempt; this says so in words.
_FORBIDDEN_WORDS = ("://", "redis")


class ProtocolBroken(Exception):
    """The kernel's side sent what no client of ours sends; the line is closed."""


class Line:
    """Frames to and from the kernel, with a deadline while an answer is awaited."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self.seconds = math.inf
        self.number = 0
        self.pending: bytes | None = None

    def write(self, kind: bytes, data: bytes) -> None:
        """Send one frame. A reader that reads nothing is waited for no longer than an answer."""
        self._connection.settimeout(60)
        try:
            self._connection.sendall(_LENGTH.pack(len(data) + 2) + kind + bytes([self.number]) + data)
        except TimeoutError:
            raise ProtocolBroken("the kernel does not read") from None

    def opening(self) -> bytes:
        """Wait for the next exchange to open; what belongs to an older one is passed over."""
        while True:
            frame, self.pending = self.pending or self.read(), None
            if frame[:1] == b"{":
                self.number = frame[1]
                return frame[2:]
            if frame[:1] not in (b"=", b"?"):
                raise ProtocolBroken("an unexpected frame")

    def read(self, seconds: float | None = None) -> bytes:
        """Receive one frame within ``seconds``. Raises TimeoutError, EOFError, ProtocolBroken."""
        until = None if seconds is None else time.monotonic() + seconds
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, until))
        if not 2 <= length <= wire.MAX_BYTES + 2:
            raise ProtocolBroken(f"a frame of {length:,} bytes")
        return self._exactly(length, until)

    def exchange(self, message: bytes, serve: Callable[[bytes], bytes]) -> bytes:
        """One call of the learner's answer (grading.learner.Channel). Too late is not yet."""
        return self.call(b"(", message, serve)

    def call(self, kind: bytes, data: bytes, serve: Callable[[bytes], bytes] | None) -> bytes:
        """Send a call and answer questions to targets until what it gave comes back."""
        if self.pending is None:
            self.write(kind, data)
        until = time.monotonic() + self.seconds + GRACE
        while True:
            try:
                reply = self.pending or self.read(max(until - time.monotonic(), 0.01))
            except TimeoutError:
                raise NotYet(
                    f"Your code was still running {self.seconds:g} seconds after it was asked, and would not stop.",
                    "Look for a loop that never ends, or a call that waits for ever.",
                ) from None
            if reply[:1] == b"{":
                # The kernel was interrupted in the middle of this check and has gone on to something else.
                self.pending = reply
                raise NotYet("Your code was interrupted: it ran too long.", "Look for a loop that never ends.")
            if reply[:1] not in (b"=", b"?"):
                raise ProtocolBroken("an unexpected frame")
            if reply[1] != self.number:
                continue
            if reply[:1] == b"=":
                return reply[2:]
            self.write(b".", serve(reply[2:]) if serve else wire.dumps(_over()))

    def _exactly(self, count: int, until: float | None) -> bytes:
        data = bytearray()
        while len(data) < count:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            part = self._connection.recv(min(count - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


class Session:
    """One submission's judge. ``control`` brings windows from the examiner and takes the ledger's lines to it."""

    def __init__(self, connection: socket.socket, control: socket.socket, *, secret: str, learner: str):
        self.line, self._control = Line(connection), control
        self._secret, self._learner = secret, learner
        self._window: str | None = None
        self._practice = 0
        self._targets: list[WsgiTransport] = []
        self._mounted_line: list[Any] = []

    def serve(self) -> None:
        """Answer until the line closes or breaks."""
        try:
            while True:
                answer = self._answer(wire.loads(self.line.opening()))
                if self.line.pending is None:
                    self.line.write(b"!", wire.dumps(answer))
        except (EOFError, OSError):
            return
        except (ProtocolBroken, BadAnswer) as error:
            self._tell({"broken": str(error)[:300]})

    def _answer(self, message: Any) -> dict:
        try:
            match message["op"]:
                case "check":
                    return self._check(message)
                case "hints":
                    return {"hints": list(find(str(message["exercise"])).hints)}
                case "open":
                    return self._open(message)
                case "send":
                    sent = self._targets[message["target"]].send(
                        message["method"], message["path"], message["body"], message["headers"]
                    )
                    return {"status": sent.status, "body": sent.body, "headers": dict(sent.headers)}
                case _:
                    return {"error": "the judge knows no such request"}
        except (EOFError, OSError, ProtocolBroken):
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, BadAnswer) as error:
            return {"error": str(error.args[0] if error.args else error)[:300]}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"[:300]}

    def _check(self, message: dict) -> dict:
        exercise = find(str(message["exercise"]))
        self._hear()
        counts = self._window == exercise.id
        if counts:
            self._window = None
        else:
            self._practice += 1
            if self._practice > PRACTICE:
                return {"error": f"a graded run answers {PRACTICE} practice checks and no more"}
        world = (
            World(exercise.id, secret=self._secret, learner=self._learner)
            if counts
            else World(exercise.id, secret=PUBLIC_SECRET)
        )
        self.line.seconds = exercise.seconds
        try:
            verdict = judge(exercise, world, self.line, _opening(message))
        except (EOFError, OSError, ProtocolBroken):
            raise
        except Exception as error:
            _log.exception("exercise %s could not judge an answer", exercise.id)
            verdict = _unjudged(exercise, error)
        if counts:
            self._tell({"verdict": verdict})
            shared = world.victims if self._secret == PUBLIC_SECRET else ()
            self._tell({"built": [{**victim, "public": True} for victim in shared]})
        return verdict

    def _open(self, message: dict) -> dict:
        spec = TargetSpec(**{**message["spec"], "defences": tuple(message["spec"]["defences"]), "log": None})
        if len(self._targets) >= TARGETS:
            raise ValueError(f"a graded run opens {TARGETS} targets and no more")
        if type(spec.seed) is not int or not 0 <= spec.seed <= HIGHEST_SEED:
            raise ValueError(f"in a graded run a target's seed is a whole number from 0 to {HIGHEST_SEED}")
        for text in spec.defences:
            if any(word in str(text).lower() for word in _FORBIDDEN_WORDS):
                raise ValueError(f"the defence {str(text)[:80]!r} names a place outside; a graded run allows none")
        mounted = [self._mount(i, about) for i, about in enumerate(message.get("mounted", []))]
        self._targets.append(WsgiTransport(create_app(config_of(spec, mounted))))
        self._tell({"opened": {"victim": spec.victim, "model": spec.model, "seed": spec.seed}})
        return {"target": len(self._targets) - 1}

    def _mount(self, number: int, about: dict) -> Mounted:
        def call(message: dict) -> dict:
            self.line.seconds = 20.0
            answer = wire.loads(self.line.call(b"h", wire.dumps({**message, "number": number}), None))
            return answer if isinstance(answer, dict) else {"failed": "the defence answered no data"}

        return Mounted(call, str(about["name"])[:80], bool(about["hides_probabilities"]))

    def _hear(self) -> None:
        """Take in what the examiner said: which exercise's check cell it has handed out."""
        self._control.setblocking(False)
        with suppress(BlockingIOError):
            while data := self._control.recv(65_536):
                self._window = json.loads(data)["window"]
        self._control.setblocking(True)

    def _tell(self, line: dict) -> None:
        self._control.send(json.dumps(line).encode())


def _opening(message: dict) -> dict:
    """What the kernel says of its answer, held to the shape that judging expects."""
    kind = message.get("kind")
    if kind not in ("function", "object", "value") or (kind == "value" and "value" not in message):
        raise BadAnswer("an opening is malformed")
    return {"kind": kind, "name": str(message.get("name", ""))[:60], "value": message.get("value")}


def _unjudged(exercise: Any, error: Exception) -> dict:
    return {
        "exercise": exercise.id, "title": exercise.title, "state": "NOT YET", "score": 0.0,
        "points": float(exercise.points), "facts": [], "printed": "", "warned": [],
        "message": f"The examiner could not judge this answer ({type(error).__name__}).",
        "next_step": "Return exactly what the exercise describes; if you do, ask your instructor.",
        "extra": {"unjudged": f"{type(error).__name__}: {error}"[:300]},
    }  # fmt: skip


def _over() -> dict:
    body = {"title": "Refused", "status": 403, "detail": "this exercise is over", "next_step": "return what you have"}
    return {"status": 403, "body": body, "headers": {}}
