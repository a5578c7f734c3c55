"""The judge drives a learner's defence: directly, inside a target, and behind the learner's own thief."""

import os
import threading

import numpy as np
import pytest

from grading.exercise import Exercise
from grading.judging import judge
from grading.pipe import JudgeProcess, PipeChannel, read_frame, write_frame
from grading.selfstudy import LocalChannel
from grading.world import World
from labkit import Defence, Refused, wire
from labkit.learner_side import LearnerSide
from targets import Query
from targets import Refused as TargetRefused


class Gate(Defence):
    def __init__(self, limit):
        self.limit = limit

    def before(self, query):
        if len(query.rows) > self.limit:
            raise Refused(f"at most {self.limit} rows at {query.time:g}", retry_after=7)

    def after(self, query, probabilities):
        return np.round(probabilities, 1)


def checked(answer, claim):
    exercise = Exercise("99.1", "t", 1, 1, (), ("a", "b"), claim, "passed", 20.0, "function")
    side = LearnerSide(answer)
    return judge(exercise, World("99.1"), LocalChannel(side), wire.loads(wire.dumps(side.opening())))


def test_hooks_called_directly_speak_the_targets_language():
    def claim(learner, world):
        gate = world.mounted(learner(2))
        gate.before(Query(np.zeros((2, 3)), time=5.0))
        with pytest.raises(TargetRefused, match="at most 2 rows at 6") as refused:
            gate.before(Query(np.zeros((3, 3)), time=6.0))
        assert refused.value.retry_after == 7
        assert gate.after(Query(np.zeros((1, 3))), np.array([[0.26, 0.74]])).tolist() == [[0.3, 0.7]]
        return 1.0

    assert checked(Gate, claim)["score"] == 1


def test_the_judges_customers_meet_it_in_the_real_app():
    def claim(learner, world):
        target = world.target("tumour", defences=(world.mounted(learner(2)),), clock=lambda: 100.0)
        assert target.predict(np.zeros((2, 30)), key="honest", source="10.0.0.9").status == 200
        reply = target.predict(np.zeros((3, 30)), key="thief")
        assert (reply.status, reply.headers["retry-after"]) == (429, "7")
        assert "at 100" in reply.body["detail"]
        return 1.0

    assert checked(Gate, claim)["score"] == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda limit: 3, "not a defence"),
        (lambda limit: type("Bad", (Defence,), {"before": lambda self, query: 1 / 0})(), "ZeroDivisionError"),
        (lambda limit: type("Bad", (Defence,), {"after": lambda self, query, p: p[:0]})(), "has shape"),
    ],
)
def test_a_defence_that_fails_inside_the_target_is_the_learners_sentence(answer, words):
    def claim(learner, world):
        target = world.target("tumour", defences=(world.mounted(learner(2)),))
        target.predict(np.zeros((1, 30)))
        raise AssertionError("the target answered")

    verdict = checked(answer, claim)
    assert words in verdict["message"]
    assert verdict["score"] == 0


def test_a_refusal_outside_a_hook_is_a_sentence_too():
    def answer(limit):
        raise Refused("no")

    assert "refused a query: no" in checked(answer, lambda learner, world: learner(1))["message"]


class ThiefAndGate:
    """Gives a defence when asked for nothing, and steals when given an api."""

    def __init__(self):
        self.seen = []

    def __call__(self, api=None, rows=None):
        return self if api is None else api.predict(rows).labels

    def before(self, query):
        self.seen.append(len(query.rows))

    def after(self, query, probabilities):
        return probabilities


def behind_its_own_gate(learner, world):
    target = world.target("tumour", defences=(world.mounted(learner()),))
    assert len(learner(target.api(budget=5), np.zeros((4, 30)))) == 4
    return 1.0


def test_a_thief_may_meet_its_own_defence_in_process():
    both = ThiefAndGate()
    assert checked(both, behind_its_own_gate)["score"] == 1
    assert both.seen == [4]


def test_a_thief_may_meet_its_own_defence_over_the_pipe():
    """The judge's target calls the learner's hook while the learner's own function waits for its answer."""
    exercise = Exercise("99.1", "t", 1, 1, (), ("a", "b"), behind_its_own_gate, "passed", 20.0, "function")
    to_judge, to_learner = os.pipe(), os.pipe()
    both = ThiefAndGate()

    def judge_side():
        with os.fdopen(to_judge[0], "rb") as incoming, os.fdopen(to_learner[1], "wb") as outgoing:
            opening = wire.loads(read_frame(incoming))
            verdict = judge(exercise, World("99.1"), PipeChannel(incoming, outgoing), opening)
            write_frame(outgoing, b"!" + wire.dumps(verdict))

    thread = threading.Thread(target=judge_side)
    thread.start()
    learner_end = JudgeProcess.__new__(JudgeProcess)
    learner_end._to, learner_end._from = os.fdopen(to_judge[1], "wb"), os.fdopen(to_learner[0], "rb")
    assert learner_end.judge("99.1", LearnerSide(both))["score"] == 1
    assert both.seen == [4]
    thread.join()
    learner_end._to.close()
    learner_end._from.close()
