"""Calls from many threads at once: in order, each with its own outcome, and no race stays hidden."""

from __future__ import annotations

import sys
import threading

import pytest

from labkit.crowd import call_from_threads


class Budget:
    """Grants 40 calls, with or without a lock around looking and counting."""

    def __init__(self, lock):
        self.used, self.lock = 0, lock

    def take(self, rows):
        with self.lock:
            if self.used + rows > 40:
                return False
            self.used += rows
            return True


class NoLock:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_each_call_has_its_own_outcome_in_order():
    outcomes = call_from_threads(lambda a, b: a / b, [(i, i % 3) for i in range(60)], 8)
    for i, outcome in enumerate(outcomes):
        if i % 3:
            assert outcome == i / (i % 3)
        else:
            assert isinstance(outcome, ZeroDivisionError)


def test_the_calls_come_from_several_threads_and_nothing_is_left_changed():
    before = sys.getswitchinterval()
    seen = set(call_from_threads(threading.get_ident, [()] * 200, 4))
    assert threading.get_ident() not in seen
    assert sys.getswitchinterval() == before
    assert sys.gettrace() is None or sys.gettrace().__module__ != "labkit.crowd"


def test_a_lock_holds_and_its_absence_shows():
    assert sum(call_from_threads(Budget(threading.Lock()).take, [(1,)] * 120, 8)) == 40
    # Chance decides who loses a turn, so the claim is made of five runs, each of which nearly always shows it.
    assert any(sum(call_from_threads(Budget(NoLock()).take, [(1,)] * 120, 8)) > 40 for _ in range(5))


def test_without_threads_the_calls_still_happen(monkeypatch):
    def no_threads(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_threads)
    assert call_from_threads(lambda i: i * i, [(i,) for i in range(5)], 8) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_calls_than_threads_is_fine(count):
    assert call_from_threads(lambda i: i, [(i,) for i in range(count)], 8) == list(range(count))
