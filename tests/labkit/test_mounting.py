"""A learner's own defence in the real app: the same on all three ways to open a target."""

import socket

import numpy as np
import pytest

from labkit import Defence, QueryRefused, Refused, launch
from labkit.launch import stop_all
from labkit.mounting import Line


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_HOME", str(tmp_path))
    yield
    stop_all()


@pytest.fixture(params=["", "grading.openers:wsgi", "grading.openers:judge_pipe"], ids=["http", "wsgi", "judge"])
def opener(request, monkeypatch):
    monkeypatch.setenv("MODEL_THEFT_LABS_OPENER", request.param)


class Halved(Defence):
    """Moves every answer half of the way to even odds, and counts rows by key."""

    def __init__(self, limit=10):
        self.limit = limit
        self._rows = {}
        self.seen = []

    def before(self, query):
        self._rows[query.key] = self._rows.get(query.key, 0) + len(query.rows)
        if self._rows[query.key] > self.limit:
            raise Refused(f"{query.key} has had {self.limit} rows", retry_after=12.5)

    def after(self, query, probabilities):
        self.seen.append((query.key, query.source, query.rows.copy(), query.time))
        return (probabilities + 1 / probabilities.shape[1]) / 2


@pytest.mark.usefixtures("opener")
def test_both_hooks_act_and_the_object_stays_in_the_notebook():
    mine = Halved(limit=5)
    plain, defended = launch("tumour"), launch("tumour", defences=["rounding:decimals=2", mine])
    rows = plain.data("pool").X[:4]
    before, after = plain.api("me").predict(rows), defended.api("me").predict(rows)
    assert np.allclose(after.probabilities, np.round(before.probabilities, 2) / 2 + 0.25, rtol=0, atol=1e-15)
    (key, source, seen, when), *more = mine.seen
    assert (key, source, more) == ("me", "127.0.0.1", [])
    assert np.array_equal(seen, rows)
    assert when > 1.7e9
    with pytest.raises(QueryRefused, match="me has had 5 rows") as refused:
        defended.api("me").predict(rows[:2])
    assert (refused.value.status, refused.value.retry_after) == (429, 13)
    assert defended.api("other").predict(rows[:1]).probabilities is not None


@pytest.mark.usefixtures("opener")
def test_a_hook_that_fails_is_a_sentence_with_its_name():
    class Broken(Defence):
        def after(self, query, probabilities):
            return probabilities / len(query.nothing)

    target = launch("tumour", defences=[Broken()])
    with pytest.raises(QueryRefused, match=r"defence Broken failed: after raised AttributeError.*nothing") as caught:
        target.api("me").predict(np.zeros((1, 30)))
    assert caught.value.status == 503


@pytest.mark.usefixtures("opener")
@pytest.mark.parametrize(
    ("returned", "words"),
    [(None, "after returned None"), ([[1.0]], r"shape \(1, 1\)"), ([[float("nan"), 1.0]], "NaN"), ("x", "raised")],
)
def test_a_wrong_answer_of_a_hook_is_named(returned, words):
    class Wrong(Defence):
        def after(self, query, probabilities):
            return returned

    target = launch("tumour", defences=[Wrong()])
    with pytest.raises(QueryRefused, match=f"Wrong failed: .*{words}"):
        target.api("me").predict(np.zeros((1, 30)))


@pytest.mark.usefixtures("opener")
def test_a_mounted_defence_can_hide_the_probabilities():
    class Gate(Defence):
        hides_probabilities = True

    target = launch("tumour", defences=[Gate()])
    assert target.model().output == "labels"
    assert target.api("me").predict(np.zeros((1, 30))).probabilities is None


@pytest.mark.parametrize(("thing", "words"), [(Halved, r"Halved\(\) instead of Halved"), (3, "has no method before")])
def test_what_is_no_defence_is_told_at_launch(thing, words):
    with pytest.raises(TypeError, match=words):
        launch("tumour", defences=[thing])


def test_equal_settings_replace_and_others_stand_beside():
    first, second = launch("tumour", defences=[Halved(1)]), launch("tumour", defences=[Halved(2)])
    third = launch("tumour", defences=[Halved(1)])
    assert second.model().name == third.model().name == "tumour"
    with pytest.raises(Exception, match="Start the target again"):
        first.model()


def test_the_line_answers_nobody_without_its_token():
    line = Line([Halved()])
    with socket.create_connection(("127.0.0.1", line.port)) as stranger:
        stranger.sendall(b"\x00\x00\x00\x40" + b"0" * 64)
        assert stranger.recv(1) == b""
    with socket.create_connection(("127.0.0.1", line.port)) as flood:
        flood.sendall(b"\xff\xff\xff\xff")
        assert flood.recv(1) == b""
    line.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", line.port))


def test_the_learners_defence_and_the_targets_are_one_contract():
    import dataclasses
    import inspect

    import labkit
    import targets

    for hook in ("before", "after"):
        ours, theirs = (inspect.signature(getattr(room.Defence, hook)) for room in (labkit, targets))
        assert list(ours.parameters) == list(theirs.parameters)
    ours, theirs = ({f.name: f.default for f in dataclasses.fields(room.Query)} for room in (labkit, targets))
    assert ours == theirs
    ours, theirs = (inspect.signature(room.Refused) for room in (labkit, targets))
    assert list(ours.parameters) == list(theirs.parameters)
