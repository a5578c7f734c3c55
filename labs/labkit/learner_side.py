"""The notebook's half of the dialogue with the judge: it runs the learner's code on data and sends data back.

The judge speaks first (``call``), the notebook answers (``return`` or ``raise``); while the learner's function runs it
may ask the judge's target (``send``). The same code serves both transports: only the wire differs.
"""

from __future__ import annotations

import contextlib
import io
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from labkit import wire
from labkit.api import Api
from labkit.crowd import call_from_threads
from labkit.defending import Query, Refused
from labkit.errors import BadAnswer, LabError
from labkit.transport import Reply

Ask = Callable[[bytes], bytes]
KEPT_OUTPUT = 2_000


class OutOfTime(BaseException):
    """The learner's code ran longer than the exercise allows. BaseException: ``except Exception`` must not eat it."""


class AskTransport:
    """An Api transport that asks the judge: the target stands on the judge's side."""

    def __init__(self, ask: Ask, target: int):
        self._ask = ask
        self._target = target

    def send(self, method: str, path: str, body: Any = None, headers: Any = None) -> Reply:
        message = {"op": "send", "target": self._target, "method": method, "path": path, "body": body}
        reply = wire.loads(self._ask(wire.dumps({**message, "headers": dict(headers or {})})))
        return Reply(reply["status"], reply["body"], reply["headers"])


class LearnerSide:
    """Holds one answer (a function, an object with methods, or a value) and does what the judge asks of it."""

    def __init__(self, answer: Any):
        # Handle 0 is the answer itself; others are objects that the answer's own code returned, such as a fitted model.
        self._objects: list[Any] = [answer]

    def opening(self) -> dict:
        """What the judge learns first: whether the answer can be called, and its value if it is plain data."""
        answer = self._objects[0]
        if callable(answer):
            return {"kind": "function", "name": getattr(answer, "__name__", type(answer).__name__)}
        try:
            wire.dumps(answer)
            return {"kind": "value", "name": type(answer).__name__, "value": answer}
        except BadAnswer:
            return {"kind": "object", "name": type(answer).__name__}

    def handle(self, data: bytes, ask: Ask) -> bytes:
        """Run one ``call`` and encode its outcome; never raises what the learner's code raised."""
        message = wire.loads(data, hook=lambda tag, body: self._revive(tag, body, ask))
        noise = io.StringIO()
        reply: dict[str, Any]
        with _quiet(noise) as caught:
            try:
                with _time_limit(message["seconds"]):
                    value = self._call(message)
                reply = {"op": "return", "value": value}
            except OutOfTime:
                reply = {"op": "raise", "type": "OutOfTime", "text": f"{message['seconds']:g}", "where": ""}
            except Refused as refused:  # what a defence says to a query, not a failure
                reply = {"op": "raise", "type": "Refused", "text": str(refused.message), "where": ""}
                reply["retry_after"] = refused.retry_after
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                reply = {"op": "raise", **_describe(error)}
        reply["printed"] = noise.getvalue()[-KEPT_OUTPUT:]
        reply["warned"] = [f"{w.category.__name__}: {w.message}"[:300] for w in caught[:3]]
        try:
            return wire.dumps(reply, default=self._keep)
        except BadAnswer as error:
            return wire.dumps(
                {**reply, "op": "raise", "value": None, "type": "BadAnswer", "text": str(error), "where": ""}
            )

    def _call(self, message: dict) -> Any:
        thing = self._objects[message["handle"]]
        method = message["method"]
        if method is not None:
            if method.startswith("_") or not hasattr(thing, method):
                raise AttributeError(f"a {type(thing).__name__} has no method {method!r}")
            thing = getattr(thing, method)
        if message["op"] == "call_many":
            return [_outcome(one) for one in call_from_threads(thing, message["calls"], message["threads"])]
        if not callable(thing):
            # An attribute: a fitted model's coef_, a limiter's count.
            return thing
        return thing(*message["args"], **message["kwargs"])

    def _keep(self, thing: Any) -> dict:
        self._objects.append(thing)
        return {"__handle__": [len(self._objects) - 1, type(thing).__name__]}

    def _revive(self, tag: str, body: Any, ask: Ask) -> Any:
        if tag == "__rng__":
            return np.random.default_rng(body)
        if tag == "__api__":
            return Api(AskTransport(ask, body["target"]), key=body["key"], budget=body["budget"], progress=False)
        if tag == "__query__":
            return Query.from_data(body)
        if tag == "__handle__":
            return self._objects[body[0]]
        raise BadAnswer(f"a message holds {tag}")


def _outcome(one: Any) -> dict[str, Any]:
    """What one call of many came to, as data."""
    if isinstance(one, Refused):
        return {"type": "Refused", "text": str(one.message), "retry_after": one.retry_after}
    return _describe(one) if isinstance(one, BaseException) else {"value": one}


def _describe(error: BaseException) -> dict:
    """Type, text and the learner's own line of an exception, for a sentence instead of a traceback."""
    # A line inside a library helps nobody; the last line of the learner's own cell does.
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "labkit" not in f.filename and "site-packages" not in f.filename]
    where = f"line {own[-1].lineno}: {own[-1].line or ''}".strip() if own else ""
    prefix = "" if isinstance(error, LabError) else where
    return {"type": type(error).__name__, "text": str(error)[:500], "where": prefix[:200]}


@contextlib.contextmanager
def _quiet(noise: io.StringIO) -> Iterator[list]:
    """Keep prints and warnings of the learner's code out of the graded cell: nbgrader scores any stderr as 0."""
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(noise),
        contextlib.redirect_stderr(noise),
    ):
        warnings.simplefilter("default")
        yield caught


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the main thread after ``seconds``; elsewhere the caller's own limit must do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    fired = threading.Event()
    stop = threading.Event()
    main = threading.get_ident()

    def watch() -> None:
        while not stop.wait(seconds if not fired.is_set() else 1.0):
            fired.set()
            if hasattr(signal, "pthread_kill"):
                # A real signal also wakes time.sleep and blocking reads.
                signal.pthread_kill(main, signal.SIGINT)
            else:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: Any) -> None:
        raise OutOfTime if fired.is_set() else KeyboardInterrupt

    signal.signal(signal.SIGINT, on_interrupt)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
