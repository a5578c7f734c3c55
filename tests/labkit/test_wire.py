"""The wire carries data, whole and typed, and nothing else."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labkit import wire
from labkit.errors import BadAnswer

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=8).filter(lambda k: k not in wire._TAGS), inner, max_size=4)
    ),
    max_leaves=20,
)


def same(a, b):
    if isinstance(a, float) and a != a:
        return isinstance(b, float) and b != b
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@given(PLAIN)
@settings(max_examples=150, deadline=None)
def test_plain_data_comes_back_as_it_went(value):
    assert same(value, wire.loads(wire.dumps(value)))


@given(
    hnp.arrays(st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]), hnp.array_shapes(min_dims=0))
)
@settings(max_examples=100, deadline=None)
def test_arrays_come_back_bit_for_bit(array):
    back = wire.loads(wire.dumps(array))
    if array.ndim == 0:
        back = np.asarray(back, dtype=array.dtype)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@given(st.binary(max_size=200) | PLAIN.map(lambda v: json.dumps(v, default=str).encode()))
@settings(max_examples=200, deadline=None)
def test_any_bytes_decode_or_are_refused_in_words(data):
    with contextlib.suppress(BadAnswer):
        wire.loads(data)


@pytest.mark.parametrize("thing", [object(), print, {1.5: "x"}, {"__api__": {}}, b"bytes", {1, 2}, 1j])
def test_what_is_not_data_is_refused(thing):
    with pytest.raises(BadAnswer):
        wire.dumps(thing)


@pytest.mark.parametrize(
    "raw",
    [
        {"__array__": ["|O", [1], "AAAAAAAAAAA="]},
        {"__array__": ["<f8", [-1], ""]},
        {"__array__": ["<f8", [3], "AAAA"]},
        {"__array__": ["<f8", [2**40], "AAAAAAAAAAA="]},
        {"__array__": 7},
        {"__float__": "1e999999"},
        {"__rng__": 1},
        {"__handle__": [0, "x"]},
        {"__tuple__": 3},
    ],
)
def test_forged_tags_are_refused(raw):
    with pytest.raises(BadAnswer):
        wire.loads(json.dumps(raw).encode())


def test_depth_and_number_of_items_are_limited():
    deep = []
    for _ in range(30):
        deep = [deep]
    with pytest.raises(BadAnswer, match="nested"):
        wire.dumps(deep)
    with pytest.raises(BadAnswer):
        wire.loads(json.dumps(deep).encode())
    with pytest.raises(BadAnswer, match="too many"):
        wire.loads(json.dumps([0] * (wire.MAX_ITEMS + 1)).encode())


@pytest.mark.parametrize("row", [[1.5, 2.5], [1.5, float("nan")], [1, "a", None, True], [np.float64(1), 1.5], [2, 0.5]])
def test_a_row_counts_and_is_nested_whatever_it_holds(row, monkeypatch):
    """Rows of plain numbers are told at once and others item by item; the limits are the same."""

    def nested(depth):
        made = row
        for _ in range(depth):
            made = [made]
        return made

    assert same(wire.loads(wire.dumps(nested(wire.MAX_DEPTH - 1))), json.loads(json.dumps(nested(wire.MAX_DEPTH - 1))))
    with pytest.raises(BadAnswer, match="nested"):
        wire.dumps(nested(wire.MAX_DEPTH))
    data = wire.dumps([row, row])
    items = 3 + 2 * len(row)  # the whole, two rows, what they hold
    monkeypatch.setattr(wire, "MAX_ITEMS", items)
    wire.loads(data)
    monkeypatch.setattr(wire, "MAX_ITEMS", items - 1)
    with pytest.raises(BadAnswer, match="too many"):
        wire.loads(data)
