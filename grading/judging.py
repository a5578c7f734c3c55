"""One check from question to verdict, whatever carries the dialogue."""

from __future__ import annotations

from grading.exercise import Exercise, NotYet
from grading.learner import Channel, Dialogue
from grading.world import World
from labkit.errors import BadAnswer
from labkit.verdict import NOT_YET, PASSED, UNATTEMPTED


def judge(exercise: Exercise, world: World, channel: Channel, opening: dict) -> dict:
    """Let ``exercise`` question the learner's side over ``channel``; return the verdict as data.

    ``opening`` is what the learner's side said of its answer (LearnerSide.opening). An error in the exercise itself
    is the author's, and is raised; whatever the learner's side does becomes a sentence.
    """
    dialogue = Dialogue(channel, opening, world.serve, exercise.seconds)
    try:
        if opening["kind"] == "value" and opening["value"] is None:
            raise NotYet(
                "The answer is None: nothing is written here yet.", "Fill in the cell above.", unattempted=True
            )
        _fits(opening, exercise)
        score, state = _checked(exercise.judge(dialogue.answer(), world), exercise), PASSED
        message, next_step = exercise.passed, ""
        if score < 1:
            state, message = NOT_YET, "Part of the way."
    except NotYet as reason:
        score, message, next_step = reason.score, reason.message, reason.next_step
        state = UNATTEMPTED if reason.unattempted else NOT_YET
    except BadAnswer as error:
        score, state = 0.0, NOT_YET
        message, next_step = (
            f"Your answer cannot be judged: {error}.",
            "Return what the exercise's docstring describes.",
        )
    return {
        "exercise": exercise.id,
        "title": exercise.title,
        "state": state,
        "score": float(score),
        "points": float(exercise.points),
        "message": message,
        "next_step": next_step,
        "facts": [] if state == UNATTEMPTED else world.facts,
        "printed": dialogue.printed,
        "warned": dialogue.warned,
    }


def _fits(opening: dict, exercise: Exercise) -> None:
    """Catch the commonest slip, handing in what a function returned in place of the function."""
    given = opening["kind"]
    if given == exercise.kind or (given, exercise.kind) == ("function", "object"):
        return
    wanted = {"function": "a function", "object": "an object with methods", "value": "a value"}[exercise.kind]
    raise NotYet(
        f"You handed in a {opening['name']}; this exercise wants {wanted}.",
        "Name the function itself, without brackets after it: check(id, my_function)."
        if exercise.kind == "function"
        else "Hand in what the exercise's text describes.",
    )


def _checked(score: float, exercise: Exercise) -> float:
    if not 0 <= score <= 1:
        raise ValueError(f"exercise {exercise.id} returned the score {score!r}; it must be between 0 and 1")
    return score
