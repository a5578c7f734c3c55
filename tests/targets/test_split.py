"""The split: content decides, so a duplicate never crosses from one part to another."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.victims.split import split


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(8, 120), st.integers(1, 4), st.integers(1, 6))
def test_no_content_lies_in_two_parts_and_no_row_is_lost(seed: int, n: int, width: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, values, (n, width)).astype(float), rng.integers(0, 3, n)
    parts = split(X, y, rng)
    contents = [{row.tobytes() for row in part.X} for part in parts]
    assert len(set.union(*contents)) == sum(map(len, contents))
    together = np.column_stack([np.vstack([part.X for part in parts]), np.concatenate([part.y for part in parts])])
    assert sorted(map(tuple, together)) == sorted(map(tuple, np.column_stack([X, y])))


def test_minus_zero_is_the_same_content_as_zero() -> None:
    X = np.array([[0.0], [-0.0]] * 20 + [[float(i)] for i in range(1, 21)])
    parts = split(X, np.zeros(60, dtype=int), np.random.default_rng(0))
    assert sum((part.X == 0).any() for part in parts) == 1
