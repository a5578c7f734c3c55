"""The defence interface, free of Flask: two hooks on plain arrays, and the pipeline that runs them in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from targets.victims.base import Floats, Ints, Victim


@dataclass(frozen=True, eq=False)
class Query:
    """What a defence may know of one request: ``rows`` (n, d) read-only, API key, source address, time in seconds.

    Behind a key authority ``key`` is the verified key's public id and ``role`` its role; else ``role`` is empty.
    """

    rows: Floats
    key: str = "anonymous"
    source: str = "127.0.0.1"
    time: float = 0.0
    role: str = ""

    def __repr__(self) -> str:
        return f"Query({len(self.rows)} rows, key={self.key!r})"


class Refused(Exception):
    """Raised by ``before`` to turn a query away: HTTP 429 with ``message`` and a Retry-After in whole seconds."""

    def __init__(self, message: str, retry_after: float = 60.0):
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class Defence:
    """A defence overrides one hook or both; the defaults do nothing. Clocks and generators are passed in."""

    hides_probabilities: bool = False

    def before(self, query: Query) -> None:
        """Look at the query before the model does. Raise ``Refused`` to turn it away."""

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Return the (n, K) probabilities to pass on; the array given is yours to change."""
        return probabilities

    def hides_from(self, query: Query) -> bool:
        """Whether the reply to ``query`` goes without probabilities; by default the same for everybody."""
        return self.hides_probabilities

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({settings})"


class DefenceFailed(Exception):
    """A defence broke its promise: an exception, or an answer that is not (n, K) finite numbers."""

    def __init__(self, defence: Any, why: str):
        self.name = getattr(defence, "mounted_as", type(defence).__name__)
        super().__init__(f"the target's defence {self.name} failed: {why}")


@dataclass(frozen=True, eq=False)
class Answer:
    """What leaves the pipeline: labels (n,) and probabilities (n, K), or None where a defence hides them."""

    labels: Ints
    probabilities: Floats | None


class Pipeline:
    """A victim behind an ordered, fixed list of defences.

    Order: every ``before`` from first to last, then the victim, then every ``after`` from first to last. When one
    ``before`` refuses, later ones never see the query. Labels are the largest of the final probabilities; a tie that a
    defence made (rounding) goes to the label the victim itself gave.
    """

    def __init__(self, victim: Victim, defences: Iterable[Defence] = ()):
        self.victim = victim
        self.defences = tuple(defences)
        for defence in self.defences:
            _check_defence(defence)
        self._before, self._after, self._hiding = (
            [d for d in self.defences if _has_its_own(hook, d)] for hook in ("before", "after", "hides_from")
        )
        self.hides_probabilities = any(getattr(d, "hides_probabilities", False) for d in self.defences)

    def answer(self, query: Query) -> Answer:
        """Answer one query. Raises ``Refused`` or ``DefenceFailed``."""
        for defence in self._before:
            _call(defence, "before", query)
        own = self.victim.probabilities(query.rows)
        final = own.copy()
        for defence in self._after:
            final = _checked(defence, _call(defence, "after", query, final), own.shape)
        labels, best = final.argmax(axis=1), own.argmax(axis=1)
        moved = np.flatnonzero(labels != best)
        if len(moved):
            tied = moved[final[moved, best[moved]] == final[moved, labels[moved]]]
            labels[tied] = best[tied]
        return Answer(labels.astype(np.int64), None if self._hides_from(query) else final)

    def _hides_from(self, query: Query) -> bool:
        return self.hides_probabilities or any(d.hides_from(query) for d in self._hiding)

    def __repr__(self) -> str:
        return " -> ".join([*map(repr, self.defences), repr(self.victim)])


def _has_its_own(hook: str, defence: Any) -> bool:
    """Whether ``defence`` overrides ``hook``: calling a do-nothing default a hundred times a second costs, too."""
    own = getattr(defence, hook, None)  # a learner's defence need not inherit, so it may lack hides_from
    return own is not None and getattr(own, "__func__", None) is not getattr(Defence, hook)


def _check_defence(defence: Any) -> None:
    if isinstance(defence, type):
        raise TypeError(f"pass a defence, not its class: {defence.__name__}() instead of {defence.__name__}")
    for hook in ("before", "after"):
        if not callable(getattr(defence, hook, None)):
            raise TypeError(f"{defence!r} has no method {hook}; inherit from targets.Defence to get a do-nothing one")


def _call(defence: Any, hook: str, *arguments: Any) -> Any:
    try:
        return getattr(defence, hook)(*arguments)
    except (Refused, DefenceFailed):
        raise
    except (Exception, SystemExit) as error:  # a learner's defence may raise anything; the target must still answer
        raise DefenceFailed(defence, f"{hook} raised {type(error).__name__}: {error}") from error


def _checked(defence: Any, returned: Any, shape: tuple[int, ...]) -> Floats:
    if returned is None:
        raise DefenceFailed(defence, "after returned None; it must return the probabilities")
    try:
        final = np.asarray(returned)
    except (TypeError, ValueError):  # lists of unequal length
        final = np.empty(0, dtype=object)
    if final.dtype.kind not in "fiu":
        raise DefenceFailed(defence, f"after returned {type(returned).__name__}, not an array of numbers")
    if final.shape != shape:
        raise DefenceFailed(defence, f"after returned shape {final.shape}, not {shape}")
    if not np.isfinite(final).all():
        raise DefenceFailed(defence, "after returned NaN or an infinite number")
    return np.array(final, dtype=np.float64)
