"""What a learner sees of a check: a card, a number for nbgrader, progress kept; no traceback, no lost points."""

import contextlib
import json
import sys
import time
import warnings

import numpy as np
import pytest

from labkit import check, guess, hint, progress, reveal
from labkit.errors import LabError
from labkit.learner_side import LearnerSide
from labkit.verdict import Verdict


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_HOME", str(tmp_path))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return tmp_path


def lowest(runs, floor):
    good = [b for b in {r["budget"] for r in runs} if min(r["agreement"] for r in runs if r["budget"] == b) >= floor]
    return min(good, default=None)


def test_the_verdict_prints_as_the_points_so_that_nbgrader_reads_them():
    verdict = check("01.5", lowest)
    assert float(repr(verdict)) == verdict.points == verdict.earned
    assert "PASSED" in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()


def test_warnings_and_prints_cost_nothing_and_stay_off_the_cell(capsys):
    def noisy(runs, floor):
        warnings.warn("old function", DeprecationWarning, stacklevel=1)
        print("debug")
        print("careful", file=sys.stderr)
        return lowest(runs, floor)

    verdict = check("01.5", noisy)
    assert verdict.earned == verdict.points
    assert "debug" in verdict.printed
    assert "old function" in verdict.warned[0]
    assert capsys.readouterr() == ("", "")


def test_learners_text_is_escaped_in_the_card():
    def attack(runs, floor):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in check("01.5", attack)._repr_html_()


def test_an_endless_loop_is_stopped_and_named():
    side = LearnerSide(lambda: [None for _ in iter(int, 1)])
    call = {"op": "call", "handle": 0, "method": None, "args": [], "kwargs": {}, "seconds": 0.2}
    reply = json.loads(side.handle(json.dumps(call).encode(), None))
    assert (reply["op"], reply["type"]) == ("raise", "OutOfTime")


def test_a_sleeping_answer_that_swallows_exceptions_is_stopped_too():
    def stubborn():
        while True:
            with contextlib.suppress(Exception):
                time.sleep(60)

    call = {"op": "call", "handle": 0, "method": None, "args": [], "kwargs": {}, "seconds": 0.2}
    reply = json.loads(LearnerSide(stubborn).handle(json.dumps(call).encode(), None))
    assert reply["type"] == "OutOfTime"


def test_private_methods_are_out_of_the_judges_reach():
    call = {"op": "call", "handle": 0, "method": "__class__", "args": [], "kwargs": {}, "seconds": 1}
    assert json.loads(LearnerSide(object()).handle(json.dumps(call).encode(), None))["op"] == "raise"


def test_an_unknown_exercise_is_told_with_the_known_ones():
    with pytest.raises(LabError, match=r"01\.99.*01\.1"):
        check("01.99", lowest)


def test_errors_show_a_sentence_in_place_of_a_traceback():
    error = LabError("what and what next")
    assert error._render_traceback_() == ["LabError: what and what next"]


def test_hints_come_in_tiers():
    assert hint("01.5").number == 1
    assert "1 of 3" in repr(hint("01.5", 1))
    with pytest.raises(ValueError, match="hints 1 to 3"):
        hint("01.5", 4)


def test_progress_keeps_the_best_verdict_and_counts_tries(home):
    check("01.5", lowest)
    check("01.5", lambda runs, floor: 7)
    kept = json.loads((home / "01.json").read_text())["checks"]["01.5"]
    assert (kept["state"], kept["earned"], kept["tries"]) == ("PASSED", 2.0, 2)


def test_a_damaged_progress_file_is_empty_not_fatal(home):
    (home / "01.json").write_text('{"checks": {"01')
    assert progress.load("01")["checks"] == {}
    check("01.5", lowest)
    assert progress.load("01")["checks"]["01.5"]["state"] == "PASSED"


def test_progress_travels_in_one_file(home, tmp_path):
    check("01.5", lowest)
    saved = progress.backup(tmp_path / "mine.json")
    (home / "01.json").unlink()
    assert progress.restore(saved) == ["01"]
    assert progress.load("01")["checks"]["01.5"]["state"] == "PASSED"


@pytest.mark.parametrize("text", ["", "[]", '{"labs": 3}', "not json"])
def test_a_strange_progress_file_is_refused_in_words(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not a progress file"):
        progress.restore(path)


def test_a_missing_progress_file_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="upload it"):
        progress.restore(tmp_path / "none.json")


def test_a_grading_run_leaves_no_trace(home, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    check("01.5", lowest)
    assert list(home.iterdir()) == []


def test_a_guess_is_kept_and_compared():
    assert "No prediction yet" in repr(guess("01-a", None))
    guess("01-a", 0.7)
    assert repr(reveal("01-a", 0.9)) == "You said 0.7; it is 0.9. Off by 0.2."
    guess("01-b", "random")
    assert "Right." in repr(reveal("01-b", "random"))


def test_partial_points_never_exceed_the_whole():
    data = {"exercise": "x", "title": "t", "state": "NOT YET", "score": 1 / 3, "points": 2.0, "message": "m",
            "next_step": "", "facts": [], "printed": "", "warned": []}  # fmt: skip
    assert repr(Verdict.from_data(data)) == "0.67"
    assert np.isclose(Verdict.from_data({**data, "score": 1.0}).earned, 2)
