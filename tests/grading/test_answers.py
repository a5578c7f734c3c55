"""Every exercise takes right answers however written, and turns away each named wrong one with a sentence that helps.

All run twice: with the judge in this process, and with the judge in a process of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from grading import all_exercises
from grading.pipe import JudgeProcess
from grading.selfstudy import judge as judge_here
from labkit.learner_side import LearnerSide
from tools.by_path import load

TABLES = sorted(Path(__file__).parent.glob("answers/lab_*.py"))


ANSWERS = [load(f"answers_{path.stem}", path) for path in TABLES]
RIGHT = {id: answers for module in ANSWERS for id, answers in module.RIGHT.items()}
WRONG = {id: answers for module in ANSWERS for id, answers in module.WRONG.items()}


def _cases(table):
    return [pytest.param(id, name, id=f"{id} {name}") for id, answers in table.items() for name in answers]


@pytest.fixture(scope="module")
def judge_there():
    with JudgeProcess() as process:
        yield process.judge


@pytest.fixture(params=["in process", "over the pipe"])
def judge(request, judge_there):
    return judge_here if request.param == "in process" else judge_there


@pytest.mark.parametrize(("id", "name"), _cases(RIGHT))
def test_a_right_answer_earns_everything(id, name, judge):
    verdict = judge(id, LearnerSide(RIGHT[id][name]))
    assert (verdict["state"], verdict["score"]) == ("PASSED", 1.0), verdict["message"]


@pytest.mark.parametrize(("id", "name"), _cases(WRONG))
def test_a_wrong_answer_gets_a_sentence_that_helps(id, name, judge):
    answer, words = WRONG[id][name]
    verdict = judge(id, LearnerSide(answer))
    assert verdict["state"] == "NOT YET"
    assert verdict["score"] <= 0.5
    assert words in verdict["message"] + " " + verdict["next_step"]
    assert verdict["next_step"], "a refusal says what to try next"


@pytest.mark.parametrize("exercise", [pytest.param(e, id=e.id) for e in all_exercises()])
def test_an_untouched_answer_is_unattempted_not_wrong(exercise):
    def untouched(*args, **kwargs):
        raise NotImplementedError

    for answer in (untouched, None):
        verdict = judge_here(exercise.id, LearnerSide(answer))
        assert (verdict["state"], verdict["score"]) == ("UNATTEMPTED", 0.0)


@pytest.mark.parametrize("exercise", [pytest.param(e, id=e.id) for e in all_exercises()])
@pytest.mark.parametrize(
    "nonsense",
    [lambda *a, **k: None, lambda *a, **k: "text", lambda *a, **k: object(), lambda: 1, lambda *a, **k: 1 / 0, 7, [[]]],
    ids=["None", "text", "an object", "no parameters", "an error", "a number", "an empty table"],
)
def test_nonsense_gets_a_sentence_and_no_points(exercise, nonsense):
    verdict = judge_here(exercise.id, LearnerSide(nonsense))
    assert verdict["state"] == "NOT YET"
    assert verdict["score"] < 1
    assert len(verdict["message"]) > 15
    assert verdict["next_step"]


def test_every_exercise_has_enough_right_and_wrong_answers():
    for exercise in all_exercises():
        assert len(RIGHT.get(exercise.id, {})) >= 2, f"{exercise.id} needs two right answers, one written differently"
        assert len(WRONG.get(exercise.id, {})) >= 4, f"{exercise.id} needs four named wrong answers"


def test_every_exercise_has_its_facts():
    for exercise in all_exercises():
        assert exercise.points > 0
        assert 1 <= exercise.minutes <= 20
        assert exercise.passed.endswith(".")
        assert all(part.count(".") == 1 for part in exercise.objectives)
