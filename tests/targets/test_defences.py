"""The pipeline keeps its order and its promises; each defence does what its page says, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from targets import Defence, Query, Refused, load_victim
from targets.defences import DEFENCES, DefenceFailed, LabelOnly, Pipeline, Rounding, parse_defence


class Diary(Defence):
    def __init__(self, name: str, diary: list[str], refuse: bool = False):
        self.name, self._diary, self._refuse = name, diary, refuse

    def before(self, query: Query) -> None:
        self._diary.append(f"before {self.name}")
        if self._refuse:
            raise Refused("no", retry_after=5)

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        self._diary.append(f"after {self.name}")
        return probabilities


@pytest.fixture
def query() -> Query:
    return Query(load_victim("digits").test.X[:50])


def test_before_hooks_run_top_to_bottom_then_after_hooks_top_to_bottom(query: Query) -> None:
    diary: list[str] = []
    Pipeline(load_victim("digits"), [Diary("a", diary), Diary("b", diary)]).answer(query)
    assert diary == ["before a", "before b", "after a", "after b"]


def test_a_refusal_stops_later_defences_and_the_victim(query: Query) -> None:
    diary: list[str] = []
    pipeline = Pipeline(load_victim("digits"), [Diary("a", diary, refuse=True), Diary("b", diary)])
    with pytest.raises(Refused, match="no"):
        pipeline.answer(query)
    assert diary == ["before a"]


def test_without_defences_the_answer_is_the_victims(query: Query) -> None:
    victim = load_victim("digits")
    answer = Pipeline(victim).answer(query)
    assert answer.probabilities is not None
    assert answer.probabilities.tobytes() == victim.probabilities(query.rows).tobytes()
    assert (answer.labels == victim.labels(query.rows)).all()


def test_the_list_of_defences_cannot_be_changed_from_outside() -> None:
    mine = [Rounding(2)]
    pipeline = Pipeline(load_victim("digits"), mine)
    mine.clear()
    assert len(pipeline.defences) == 1
    assert isinstance(pipeline.defences, tuple)


def test_the_repr_shows_the_order() -> None:
    pipeline = Pipeline(load_victim("tumour"), [Rounding(2), LabelOnly()])
    assert repr(pipeline) == "Rounding(decimals=2) -> LabelOnly() -> Victim('tumour', model='linear', seed=0)"


def test_any_object_with_the_two_hooks_mounts(query: Query) -> None:
    class Learners:
        def before(self, query: Query) -> None:
            return None

        def after(self, query: Query, probabilities: np.ndarray) -> list:
            return probabilities[:, ::-1].tolist()

    victim = load_victim("digits")
    answer = Pipeline(victim, [Learners()]).answer(query)  # type: ignore[list-item]
    assert (answer.labels == 9 - victim.labels(query.rows)).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Rounding, r"Rounding\(\) instead of Rounding"),
        ("rounding", "'rounding' has no method before; inherit from targets.Defence"),
        (type("Half", (), {"before": lambda *_: None})(), "has no method after"),
    ],
)
def test_what_is_not_a_defence_is_named(wrong: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Pipeline(load_victim("tumour"), [wrong])


def _leaves(value: Any) -> Any:
    return lambda query, probabilities: value(probabilities) if callable(value) else value


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "after returned None; it must return the probabilities"),
        ("high", "after returned str, not an array of numbers"),
        (lambda p: p[:, :1], r"after returned shape \(50, 1\), not \(50, 10\)"),
        (lambda p: p[:-1], r"after returned shape \(49, 10\)"),
        (lambda p: p * np.nan, "NaN or an infinite number"),
        (lambda p: p + np.inf, "NaN or an infinite number"),
        (lambda p: 1 / 0, "after raised ZeroDivisionError: division by zero"),
        (lambda p: exit(3), "after raised SystemExit: 3"),
        (lambda p: p + 1j, "not an array of numbers"),
        (lambda p: [[1], [2, 3]], "not an array of numbers"),
    ],
)
def test_a_broken_defence_is_named(query: Query, returned: Any, words: str) -> None:
    broken = type("Broken", (Defence,), {"after": lambda self, *hook: _leaves(returned)(*hook)})()
    with pytest.raises(DefenceFailed, match=f"the target's defence Broken failed: .*{words}"):
        Pipeline(load_victim("digits"), [broken]).answer(query)


def test_a_defence_may_change_the_array_it_is_given(query: Query) -> None:
    class InPlace(Defence):
        def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
            probabilities[:] = 0.1
            return probabilities

    victim = load_victim("digits")
    before = victim.probabilities(query.rows)
    Pipeline(victim, [InPlace()]).answer(query)
    assert victim.probabilities(query.rows).tobytes() == before.tobytes()


def test_rounding_leaves_steps_of_its_last_decimal(query: Query) -> None:
    raw = load_victim("digits").probabilities(query.rows)
    rounded = Rounding(2).after(query, raw.copy())
    np.testing.assert_allclose(rounded * 100, np.round(rounded * 100), atol=1e-9)
    assert np.abs(rounded - raw).max() <= 0.005 + 1e-12


@pytest.mark.parametrize("decimals", [0, 1, 2, 15])
def test_rounding_keeps_the_top_label(query: Query, decimals: int) -> None:
    victim = load_victim("credit")
    rows = Query(victim.test.X)
    answer = Pipeline(victim, [Rounding(decimals)]).answer(rows)
    assert (answer.labels == victim.labels(rows.rows)).all()


def test_label_only_hides_every_probability(query: Query) -> None:
    victim = load_victim("digits")
    answer = Pipeline(victim, [LabelOnly()]).answer(query)
    assert answer.probabilities is None
    assert (answer.labels == victim.labels(query.rows)).all()
    assert np.unique(LabelOnly().after(query, victim.probabilities(query.rows))).tolist() == [0, 1]


@pytest.mark.parametrize("name", DEFENCES)
def test_every_defence_says_what_it_stops_what_it_does_not_and_what_it_costs(name: str) -> None:
    text = DEFENCES[name].__doc__ or ""
    for part in ("Stops:", "Does not stop:", "Costs the honest customer:"):
        assert part in text


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("label_only", "LabelOnly()"),
        ("rounding", "Rounding(decimals=3)"),
        ("rounding:decimals=2", "Rounding(decimals=2)"),
    ],
)
def test_the_command_line_names_defences(text: str, built: str) -> None:
    assert repr(parse_defence(text)) == built


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no defence is named ''; choose one of label_only, rounding, "),
        ("round", "no defence is named 'round'; choose one of label_only, rounding, "),
        ("rounding:digits=2", "defence rounding has no setting 'digits'; it has decimals"),
        ("rounding:decimals", "write decimals=VALUE"),
        ("rounding:decimals=two", "decimals is a whole number from 0 to 15, not 'two'"),
        ("rounding:decimals=99", "decimals is a whole number from 0 to 15, not 99"),
        ("rounding:decimals=True", "not True"),
        ("rounding:decimals=__import__('os')", "decimals is a whole number"),
        ("label_only:decimals=2", "defence label_only has no setting 'decimals'; it has none"),
    ],
)
def test_a_mistyped_defence_says_what_would_be_right(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="defence") as caught:
        parse_defence(text)
    assert words in str(caught.value)
