"""The examiner's room: exercises, the judge, and the plug-ins for nbgrader."""

from grading.exercise import Exercise, NotYet, all_exercises, exercise, find
from grading.learner import expect_array, expect_number
from grading.world import World

__all__ = ["Exercise", "NotYet", "World", "all_exercises", "exercise", "expect_array", "expect_number", "find"]
