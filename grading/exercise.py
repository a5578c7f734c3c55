"""What an exercise is: one function that reads like its claim, and the facts about it, registered in one place."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


class NotYet(Exception):
    """The answer does not pass yet. ``message`` says what was seen, ``next_step`` what to try; both to the learner.

    ``score`` in [0, 1] is partial credit. ``unattempted`` marks an answer that was never written.
    """

    def __init__(self, message: str, next_step: str = "", *, score: float = 0.0, unattempted: bool = False):
        super().__init__(message)
        self.message, self.next_step, self.score, self.unattempted = message, next_step, score, unattempted


@dataclass(frozen=True)
class Exercise:
    """Facts of one exercise. ``judge(learner, world)`` returns a score in [0, 1] or raises NotYet."""

    id: str
    title: str
    points: float
    minutes: int
    objectives: tuple[str, ...]
    hints: tuple[str, ...]
    judge: Callable[[Any, Any], float]
    passed: str
    seconds: float
    kind: str

    @property
    def lab(self) -> str:
        """Number of its lab, "01"."""
        return self.id.split(".")[0]

    @property
    def claim(self) -> str:
        """What the function's name says, in words."""
        return self.judge.__name__.replace("_", " ")


_registry: dict[str, Exercise] = {}


def exercise(
    id: str,
    *,
    title: str,
    points: float,
    minutes: int,
    objectives: tuple[str, ...],
    hints: tuple[str, ...],
    passed: str,
    seconds: float = 20.0,
    kind: str = "function",
) -> Callable[[Callable[[Any, Any], float]], Callable[[Any, Any], float]]:
    """Register a judging function as exercise ``id`` ("01.2").

    ``objectives`` are CAS-005 numbers ("1.5"); ``hints`` two or three, from a nudge to nearly the code; ``passed`` the
    sentence for full marks; ``seconds`` the longest one call of the learner's code may take; ``kind`` is what is to be
    handed in: a "function", an "object" with methods, or a "value".
    """
    if not 2 <= len(hints) <= 3:
        raise ValueError(f"exercise {id} needs two or three hints, it has {len(hints)}")

    def register(judge: Callable[[Any, Any], float]) -> Callable[[Any, Any], float]:
        if id in _registry and _registry[id].judge.__module__ != judge.__module__:
            raise ValueError(f"exercise {id} is registered twice")
        _registry[id] = Exercise(id, title, points, minutes, objectives, hints, judge, passed, seconds, kind)
        return judge

    return register


def find(id: str) -> Exercise:
    """The exercise with this id. Raises KeyError with the ids of its lab."""
    lab = id.split(".")[0]
    name = f"grading.exercises.lab_{lab}"
    if name in _modules():
        importlib.import_module(name)
    if id not in _registry:
        known = ", ".join(sorted(e for e in _registry if e.startswith(f"{lab}."))) or "none in this lab"
        raise KeyError(f"there is no exercise {id!r}; known: {known}")
    return _registry[id]


def all_exercises() -> list[Exercise]:
    """Every exercise of every lab, in order of id."""
    for name in _modules():
        importlib.import_module(name)
    return [_registry[id] for id in sorted(_registry)]


def _modules() -> list[str]:
    return sorted(_module_names())


def _module_names() -> Iterator[str]:
    package = importlib.import_module("grading.exercises")
    for module in pkgutil.iter_modules(package.__path__):
        yield f"grading.exercises.{module.name}"


@dataclass(frozen=True)
class ManualTask:
    """A paragraph that a person grades, with the rubric that says how."""

    id: str
    title: str
    points: float
    minutes: int
    role: str
    rubric: tuple[tuple[float, str], ...]


_manual: dict[str, ManualTask] = {}


def manual(id: str, *, title: str, minutes: int, role: str, rubric: tuple[tuple[float, str], ...]) -> ManualTask:
    """Register a paragraph for ``role`` that a person grades; its points are the sum of the rubric's lines."""
    task = ManualTask(id, title, sum(points for points, _ in rubric), minutes, role, rubric)
    _manual[id] = task
    return task


def manual_task(id: str) -> ManualTask:
    """The manually graded paragraph with this id. Raises KeyError."""
    importlib.import_module(f"grading.exercises.lab_{id.split('.')[0]}")
    return _manual[id]
