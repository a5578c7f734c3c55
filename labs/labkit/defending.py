"""A defence of your own: two hooks on plain arrays. ``launch(..., defences=[mine])`` mounts it in the real app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Query:
    """What a defence may know of one request: ``rows`` (n, d), API key, role, source address, time in seconds."""

    rows: np.ndarray
    key: str = "anonymous"
    source: str = "127.0.0.1"
    time: float = 0.0
    role: str = ""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Query:
        """A query as it came over the wire; what this class does not know is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def __repr__(self) -> str:
        return f"Query({len(self.rows)} rows, key={self.key!r})"


class Refused(Exception):
    """Raised by ``before`` to turn a query away: HTTP 429 with ``message`` and Retry-After, in seconds."""

    def __init__(self, message: str, retry_after: float = 60.0):
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class Defence:
    """Inherit, and override one hook or both; the defaults do nothing."""

    hides_probabilities: bool = False

    def before(self, query: Query) -> None:
        """Look at the query before the model does. Raise ``Refused`` to turn it away."""

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        """Return the (n, K) probabilities to pass on; the array given is yours to change."""
        return probabilities

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({settings})"


def describe(defence: Any) -> dict[str, Any]:
    """What a target must know of ``defence`` to mount it. Raises TypeError that says what is missing."""
    if isinstance(defence, type):
        raise TypeError(f"pass a defence, not its class: {defence.__name__}() instead of {defence.__name__}")
    for hook in ("before", "after"):
        if not callable(getattr(defence, hook, None)):
            raise TypeError(f"a {type(defence).__name__} has no method {hook}; inherit from labkit.Defence to get it")
    hides = bool(getattr(defence, "hides_probabilities", False))
    return {"name": type(defence).__name__, "hides_probabilities": hides}


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 60.0


def call_hook(defence: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    """Run one hook of ``defence`` on data and return data; whatever it raises becomes part of the answer."""
    query = Query.from_data(message["query"])
    try:
        if message["hook"] == "before":
            defence.before(query)
            return {"returned": None}
        returned = defence.after(query, np.array(message["probabilities"], dtype=float))
        return {"returned": None if returned is None else np.asarray(returned, dtype=float)}
    except Refused as refused:
        return {"refused": str(refused.message), "retry_after": _seconds(refused.retry_after)}
    except Exception as error:
        return {"failed": f"{message['hook']} raised {type(error).__name__}: {error}"}
