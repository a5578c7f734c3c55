"""Reading rows: exact where they are sound, the first fault by name where they are not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.problems import Problem
from targets.rows import read_rows
from targets.victims import Feature

FEATURES = (Feature("amount", 0, 5000, "EUR"), Feature("hour", 0, 24, "h"))


def read(document: Any) -> np.ndarray:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_rows(body, FEATURES, max_rows=3)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.tuples(*[st.floats(-1e15, 1e15)] * 2), min_size=1, max_size=3))
def test_numbers_arrive_to_the_last_bit(rows: list[tuple[float, float]]) -> None:
    assert read({"rows": rows}).tobytes() == np.array(rows, dtype=np.float64).tobytes()


def test_whole_numbers_and_mixed_rows_are_numbers() -> None:
    array = read({"rows": [[1, 2.5], [3, 4]]})
    assert array.dtype == np.float64
    assert array.tolist() == [[1.0, 2.5], [3.0, 4.0]]


def test_an_escaped_key_is_still_rows() -> None:
    assert read(b'{"\\u0072ows": [[1, 2]]}').tolist() == [[1.0, 2.0]]


def test_the_array_is_read_only() -> None:
    assert not read({"rows": [[1, 2]]}).flags.writeable


FAULTS = {
    "missing value": ({"rows": [[1, 2], [1]]}, "hour", 1, "row 1 has 1 of 2 values; 'hour' is missing"),
    "no value": ({"rows": [[]]}, "amount", 0, "'amount' is missing"),
    "extra value": ({"rows": [[1, 2, 3]]}, "extra value 2", 0, "row 0 has 3 values; this target takes 2"),
    "text": ({"rows": [[1, "two"]]}, "hour", 0, "row 0, 'hour': a text ('two') is not a number"),
    "number in quotes": ({"rows": [["1", "2"]]}, "amount", 0, "a text ('1') is not a number"),
    "true": ({"rows": [[1, True]]}, "hour", 0, "true is not a number"),
    "false among numbers": ({"rows": [[1.5, 2], [False, 2]]}, "amount", 1, "false is not a number"),
    "null": ({"rows": [[1, None]]}, "hour", 0, "null is not a number"),
    "list": ({"rows": [[1, [2]]]}, "hour", 0, "a list is not a number"),
    "object": ({"rows": [[1, {}]]}, "hour", 0, "an object is not a number"),
    "only lists": ({"rows": [[[1], [2]]]}, "amount", 0, "a list is not a number"),
    "NaN": (b'{"rows": [[1, NaN]]}', "hour", 0, "nan is not a finite number"),
    "Infinity": (b'{"rows": [[Infinity, 1]]}', "amount", 0, "inf is not a finite number"),
    "-Infinity": (b'{"rows": [[-Infinity, 1]]}', "amount", 0, "-inf is not a finite number"),
    "1e400": (b'{"rows": [[1, 1e400]]}', "hour", 0, "inf is not a finite number"),
    "huge": ({"rows": [[1, 1.1e15]]}, "hour", 0, "the number is too large (limit 1e+15)"),
    "huge negative": ({"rows": [[1, -1e16]]}, "hour", 0, "too large"),
    "whole number beyond float": ({"rows": [[10**400, 1]]}, "amount", 0, "too large"),
    "row is a number": ({"rows": [1, 2]}, "rows", 0, "row 0 is a number, not a list"),
    "row is a text": ({"rows": [[1, 2], "12"]}, "rows", 1, "row 1 is a text ('12'), not a list"),
    "row is null": ({"rows": [None]}, "rows", 0, "row 0 is null, not a list"),
    "row is an object": ({"rows": [{"amount": 1, "hour": 2}]}, "rows", 0, "row 0 is an object, not a list"),
    "one flat row": ({"rows": [1.0, 2.0]}, "rows", 0, "row 0 is a number, not a list"),
    "rows is a number": ({"rows": 7}, "rows", None, "rows must be a list of rows, not a number"),
    "rows is a text": ({"rows": "[[1,2]]"}, "rows", None, "rows must be a list of rows, not a text"),
    "rows is null": ({"rows": None}, "rows", None, "rows must be a list of rows, not null"),
    "no rows": ({"rows": []}, "rows", None, "rows is empty"),
    "no field rows": ({"row": [[1, 2]]}, "rows", None, "the field rows is missing"),
    "another field": ({"rows": [[1, 2]], "model": "big"}, "model", None, "the field 'model' is not known"),
    "a list": ([[1, 2]], "body", None, "the JSON must be an object, not a list"),
    "a text": ("rows", "body", None, "the JSON must be an object, not a text"),
    "null document": (None, "body", None, "the JSON must be an object, not null"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_fault_is_named(fault: str) -> None:
    document, field, row, words = FAULTS[fault]
    with pytest.raises(Problem) as caught:
        read(document)
    problem = caught.value
    assert (problem.status, problem.field, problem.row) == (422, field, row)
    assert words in problem.detail
    assert problem.next_step


NOT_JSON = {
    "nothing": b"",
    "words": b"hello",
    "cut short": b'{"rows": [[1, 2]',
    "two documents": b'{"rows": [[1, 2]]} {}',
    "not UTF-8": b'{"rows": "\xff"}',
    "deeply nested": b"[" * 200_000,
    "a number of 10,000 digits": b'{"rows": [[' + b"9" * 10_000 + b", 1]]}",
}


@pytest.mark.parametrize("fault", NOT_JSON)
def test_what_is_not_json_says_so(fault: str) -> None:
    with pytest.raises(Problem) as caught:
        read(NOT_JSON[fault])
    assert (caught.value.status, caught.value.field) == (400, "body")
    assert 'Send {"rows"' in caught.value.next_step


def test_too_many_rows_state_the_limit() -> None:
    with pytest.raises(Problem) as caught:
        read({"rows": [[1, 2]] * 4})
    assert caught.value.status == 413
    assert caught.value.detail == "4 rows in one request; this target takes at most 3"
    assert caught.value.next_step == "Send at most 3 rows at a time"
