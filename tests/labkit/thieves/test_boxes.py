"""What a tree's thief knows and does not know: boxes, and what they leave over."""

import numpy as np
import pytest

from labkit.thieves.boxes import TreeCopy, Unknown
from labkit.thieves.thresholds import roundest, search_threshold


def found_by(same, *search):
    """Run a threshold search against ``same(value)``; return the threshold and how often it asked."""
    steps, asked = search_threshold(*search), 1
    value = next(steps)
    while True:
        try:
            value = steps.send(same(value))
            asked += 1
        except StopIteration as end:
            return end.value, asked


@pytest.mark.parametrize("threshold", [2.5, 7.0, 0.1234567])
def test_a_threshold_is_found_from_both_sides(threshold):
    for near, far in ((0.0, 10.0), (10.0, 0.0)):
        here = near <= threshold
        place, _ = found_by(lambda value, here=here: (value <= threshold) == here, near, far, [], 1e-7)
        assert place == pytest.approx(threshold, abs=2e-7)


def test_a_row_on_the_threshold_goes_where_the_tree_sends_it():
    place, _ = found_by(lambda value: value <= 8.0, 0.0, 50.0, [], 1e-6)
    assert place == 8.0
    place, _ = found_by(lambda value: value < 8.0, 0.0, 50.0, [], 1e-6)
    assert 8 - 1e-5 < place < 8


def test_a_known_threshold_costs_two_questions():
    assert found_by(lambda value: value <= 2.5, 0.0, 10.0, [2.5], 1e-6) == (2.5, 2)


def test_the_roundest_number_has_the_fewest_digits():
    assert roundest(2.4999, 2.5001) == 2.5
    assert roundest(99.2, 101) == 100


@pytest.mark.parametrize("seed", range(10))
def test_what_is_left_is_exactly_what_no_box_covers(seed):
    rng = np.random.default_rng(seed)
    unknown = Unknown(np.zeros(3), np.ones(3))
    boxes = [np.sort(rng.random((2, 3)), axis=0) for _ in range(6)]
    for low, high in boxes:
        unknown.remove(low, high, 0.0)
    for row in rng.random((300, 3)):
        covered = any((low < row).all() and (row <= high).all() for low, high in boxes)
        assert unknown.holds(row) == (not covered)


def test_nothing_is_left_when_all_is_covered():
    unknown = Unknown(np.zeros(2), np.ones(2))
    unknown.remove(np.zeros(2), np.array([0.4, 1.0]), 0.0)
    assert unknown
    assert unknown.middle_of_largest().tolist() == [0.7, 0.5]
    unknown.remove(np.array([0.4, 0.0]), np.ones(2), 0.0)
    assert not unknown


def test_where_boxes_overlap_the_smallest_wins():
    low, high = np.array([[0.0, 0.0], [0.4, 0.4]]), np.array([[1.0, 1.0], [0.6, 0.6]])
    copy = TreeCopy(low, high, np.eye(2), np.array([0, 1]))
    assert copy.predict([[0.1, 0.1], [0.5, 0.5], [0.6, 0.6], [0.4, 0.4]]).tolist() == [0, 1, 1, 0]


def test_a_row_outside_every_box_goes_to_the_nearest():
    copy = TreeCopy(np.array([[0.0], [0.5]]), np.array([[0.4], [1.0]]), np.eye(2), np.array([0, 1]))
    assert copy.predict([[-3.0], [0.42], [0.49], [5.0]]).tolist() == [0, 0, 1, 1]
