"""The judge in the notebook's own process: answers at once, forgeable by its owner, and therefore only for self-study
and for stock nbgrader. Data crosses as bytes here too, so that no exercise can come to lean on shared memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from grading.exercise import Exercise, find
from grading.judging import judge as run
from grading.world import PUBLIC_SECRET, World
from labkit import wire
from labkit.errors import LabError
from labkit.learner_side import LearnerSide

SECRET = "MODEL_THEFT_LABS_SECRET"
LEARNER = "MODEL_THEFT_LABS_LEARNER"


class LocalChannel:
    """Carries bytes between judge and learner's side within one process."""

    def __init__(self, side: LearnerSide):
        self._side = side

    def exchange(self, message: bytes, serve: Callable[[bytes], bytes]) -> bytes:
        return self._side.handle(message, serve)


class UnknownExercise(LabError):
    """A check or hint named an exercise that does not exist."""


def judge(exercise: str, side: LearnerSide) -> dict:
    """Judge one answer here and now; returns the verdict as data."""
    found = _find(exercise)
    opening = wire.loads(wire.dumps(side.opening()))
    return run(found, new_world(exercise), LocalChannel(side), opening)


def hints(exercise: str) -> tuple[str, ...]:
    """The hints of ``exercise``, from a nudge to nearly the code."""
    return _find(exercise).hints


def new_world(exercise: str) -> World:
    """The world of one check: a course's seeds if the environment holds its secret, else the public ones."""
    secret = os.environ.get(SECRET) or PUBLIC_SECRET
    return World(exercise, secret=secret, learner=os.environ.get(LEARNER, ""))


def _find(exercise: str) -> Exercise:
    try:
        return find(exercise)
    except KeyError as error:
        raise UnknownExercise(error.args[0]) from None
