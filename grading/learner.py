"""The judge's hold on an answer: call it with data, get data back. The same on both transports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from grading.exercise import NotYet
from labkit import wire

Serve = Callable[[dict], dict]


class Channel(Protocol):
    """Carries one call to the learner's side and its outcome back, serving its requests to targets meanwhile."""

    def exchange(self, message: bytes, serve: Callable[[bytes], bytes]) -> bytes: ...


class RefusedThere(NotYet):
    """The learner's code raised labkit.Refused: what a defence says to a query. ``retry_after`` in seconds."""

    def __init__(self, message: str, retry_after: float):
        super().__init__(
            f"Your code refused a query: {message}", "Refuse in a defence's before(), and only what your rule says."
        )
        self.said, self.retry_after = message, retry_after


class Remote:
    """Something on the learner's side that is not data: the answer itself, or an object its code returned.

    Calling it, or a method of it, runs over there: ``learner(rows, 3)``, ``model.predict(rows)``.
    """

    def __init__(self, dialogue: Dialogue, handle: int, kind: str):
        self._dialogue, self._handle, self.kind = dialogue, handle, kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._dialogue.call(self._handle, None, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self._dialogue.call(self._handle, name, args, kwargs)

    def call_many(self, method: str, calls: Sequence[Sequence[Any]], *, threads: int = 8) -> list[Any]:
        """Call ``method`` once with each arguments of ``calls``, from ``threads`` threads at once (labkit.crowd).

        Returns in order what each call returned, or a RefusedThere. Any other exception is raised as the first NotYet.
        """
        return self._dialogue.call_many(self._handle, method, calls, threads)


class Dialogue:
    """One check's conversation with the learner's side: what it called, what was printed and warned."""

    def __init__(self, channel: Channel, opening: dict, serve: Serve, seconds: float):
        self.channel, self.opening, self.seconds = channel, opening, seconds
        self._serve = serve
        self.printed = ""
        self.warned: list[str] = []

    def answer(self) -> Any:
        """The answer as exercises see it: a Remote for functions and objects, the value itself for data."""
        return self.opening["value"] if self.opening["kind"] == "value" else Remote(self, 0, self.opening["name"])

    def call(self, handle: int, method: str | None, args: tuple, kwargs: dict) -> Any:
        """Run one call over there. Raises NotYet with a sentence if it fails, hangs or was never written."""
        return self._exchange({"op": "call", "handle": handle, "method": method, "args": list(args), "kwargs": kwargs})

    def call_many(self, handle: int, method: str, calls: Sequence[Sequence[Any]], threads: int) -> list[Any]:
        """See Remote.call_many."""
        message = {"op": "call_many", "handle": handle, "method": method, "threads": threads}
        outcomes = self._exchange({**message, "calls": [list(arguments) for arguments in calls]})
        if (
            not isinstance(outcomes, list)
            or len(outcomes) != len(calls)
            or not all(isinstance(o, dict) for o in outcomes)
        ):
            raise wire.BadAnswer("the answers to many calls are malformed")
        return [one["value"] if "value" in one else self._refused_or_raise(one) for one in outcomes]

    def _exchange(self, message: dict[str, Any]) -> Any:
        data = wire.dumps({**message, "seconds": self.seconds}, default=_tag)
        reply = wire.loads(self.channel.exchange(data, self._service), hook=self._revive)
        self.printed = (self.printed + str(reply.get("printed", "")))[-2000:]
        self.warned = [*self.warned, *[str(w)[:300] for w in reply.get("warned", [])]][:3]
        if reply["op"] == "return":
            return reply["value"]
        raise self._refused_or_raise(reply)

    def _refused_or_raise(self, reply: dict[str, Any]) -> RefusedThere:
        if reply["type"] == "Refused":
            return RefusedThere(str(reply["text"])[:500], _seconds(reply.get("retry_after")))
        raise _sentence(str(reply["type"]), str(reply["text"])[:500], str(reply["where"])[:200], self.seconds)

    def _service(self, data: bytes) -> bytes:
        return wire.dumps(self._serve(wire.loads(data)))

    def _revive(self, tag: str, body: Any) -> Any:
        if tag == "__handle__" and isinstance(body, list) and len(body) == 2 and isinstance(body[0], int):
            return Remote(self, body[0], str(body[1])[:60])
        raise wire.BadAnswer(f"a message holds {tag}, which is not expected here")


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotYet(
            f"retry_after is {str(value)[:60]!r}, not a number of seconds.", "Refused(message, retry_after=60)"
        )
    return float(value)


class Tagged:
    """A judge's object that crosses as a tag: a seeded generator, an Api, a handle."""

    def __init__(self, tag: str, body: Any):
        self.tag, self.body = tag, body


def _tag(thing: Any) -> dict:
    if isinstance(thing, Tagged):
        return {thing.tag: wire.pack(thing.body)}
    if isinstance(thing, Remote):
        return {"__handle__": [thing._handle, thing.kind]}
    raise wire.BadAnswer(f"the judge cannot hand over a {type(thing).__name__}")


def _sentence(kind: str, text: str, where: str, seconds: float) -> NotYet:
    if kind == "NotImplementedError":
        return NotYet(
            "Nothing is written here yet.", "Fill in the cell above, run it, then run this check.", unattempted=True
        )
    if kind == "OutOfTime":
        return NotYet(
            f"Your code was still running after {seconds:g} seconds and was stopped.",
            "Look for a loop that never ends, or for one query a row where a whole table could be sent at once.",
        )
    if kind == "BudgetSpent":
        return NotYet(
            f"Your code went over its query budget: {text}.", "Count rows before you ask: api.left says how many."
        )
    if kind == "BadAnswer":
        return NotYet(f"Your answer cannot be judged: {text}.", "Return what the exercise's docstring describes.")
    place = f" ({where})" if where else ""
    return NotYet(f"Your code raised {kind}: {text}{place}.", "Run the function yourself in a new cell to see where.")


def expect_array(value: Any, shape: tuple[int | None, ...], what: str) -> np.ndarray:
    """``value`` as a float array of ``shape`` (None: any length), or NotYet in plain words. ``what`` names it."""
    if isinstance(value, Remote):
        raise NotYet(f"{what} is a {value.kind} object.", "Return the numbers themselves, as an array or a list.")
    if value is None:
        raise NotYet(f"{what} is None.", "Is there a `return` on every way through your function?")
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise NotYet(f"{what} is not a table of numbers.", "Return an array or a list of numbers.") from None
    wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
    fits = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    if not fits:
        raise NotYet(f"{what} has shape {array.shape}; expected {wanted}.", "Print its shape and compare.")
    if not np.isfinite(array).all():
        raise NotYet(f"{what} holds NaN or infinite values.", "Find the row they come from; a division by zero?")
    return array


def expect_number(value: Any, what: str) -> float:
    """``value`` as one finite float, or NotYet in plain words."""
    if isinstance(value, bool):
        raise NotYet(f"{what} is {value}; expected a number.", "Return the number, not a comparison.")
    return float(expect_array(value, (), what))
