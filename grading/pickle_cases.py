"""Private pickles for exercise 03.1, put together byte by byte: the judge knows what each names, and opens none.

No callable in them does harm. Names of modules are invented; what could run at all is int() on a text that is no
number, so that a pickle which is opened by mistake raises an error that says so.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

PLAIN = "Walk through pickletools.genops(data) and look at the argument of each GLOBAL and INST."
STACK = "STACK_GLOBAL has no argument: module and name are the two texts pushed before it."
MEMO = "Text can come out of the memo: keep what MEMOIZE and PUT store, and push it again at each GET."


@dataclass(frozen=True)
class PickleCase:
    """``data``, the ``names`` it would import, how to speak ``about`` it, the ``alarms`` it raises when opened."""

    about: str
    data: bytes
    names: frozenset[str]
    advice: str
    alarms: tuple[str, ...]


def pickle_cases(rng: np.random.Generator) -> list[PickleCase]:
    """Eight pickles with fresh names: old and new protocols, nested calls, the memo, and text that is only text."""

    def word(prefix: str) -> str:
        return prefix + "".join(rng.choice(list(string.ascii_lowercase), 6))

    alarm = word("opened")
    # int("openedabc") raises ValueError and harms nobody; the other names cannot be imported at all.
    ring = b"\x80\x04" + _reduce(_global("builtins", "int"), _text(alarm))
    m, n, o, p = (f"{word('vendor_')}.{word('tools')}" for _ in range(4))
    f, g, h = (word("run_") for _ in range(3))
    alarms = (alarm, *(f"No module named '{name.split('.')[0]}'" for name in (m, n, o, p)))
    cases = [
        ("a pickle of plain data", b"\x80\x04" + _text(f"{m} {f}") + b"\x94.", set(), PLAIN),
        ("a pickle of protocol 0", b"c" + f"{m}\n{f}\n(V{alarm}\ntR.".encode(), {f"{m}.{f}"}, PLAIN),
        ("a pickle with INST", f"(V{alarm}\ni{n}\n{g}\n.".encode(), {f"{n}.{g}"}, PLAIN),
        ("a pickle of protocol 4", ring + _stack(m, f) + b"0.", {"builtins.int", f"{m}.{f}"}, STACK),
        ("a call inside a call", ring + _nested(n, g, o, h), {"builtins.int", f"{n}.{g}", f"{o}.{h}"}, STACK),
        ("a pickle that fetches its names from the memo", ring + _memo(p, f, g),
         {"builtins.int", f"{p}.{f}", f"{p}.{g}"}, MEMO),
        ("a pickle with numbered memo entries", ring + _put(m, n, h),
         {"builtins.int", f"{m}.{h}", f"{n}.{h}"}, MEMO),
        ("a pickle whose text looks like a name", ring + b"0" + _text("os") + b"0" + _text("os.system") + b".",
         {"builtins.int"}, PLAIN),
    ]  # fmt: skip
    return [PickleCase(about, data, frozenset(names), advice, alarms) for about, data, names, advice in cases]


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw  # SHORT_BINUNICODE


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _stack(module: str, name: str) -> bytes:
    return _text(module) + b"\x94" + _text(name) + b"\x94\x93"  # MEMOIZE each, STACK_GLOBAL


def _reduce(called: bytes, argument: bytes) -> bytes:
    return called + argument + b"\x85R"  # TUPLE1, REDUCE


def _nested(module: str, name: str, outer: str, outer_name: str) -> bytes:
    """outer.outer_name(module.name("x"))"""
    return b"0" + _stack(outer, outer_name) + _stack(module, name) + _text("x") + b"\x85R\x94\x85R."


def _memo(module: str, first: str, second: str) -> bytes:
    """The module's name is pushed once and fetched for the second import, after other things were memoised."""
    # Memo: 0 module, 1 first name, 2 the first import, 3 second name.
    opening = b"0" + _text(module) + b"\x94" + _text(first) + b"\x94\x93\x94"
    return opening + _text(second) + b"\x940" + b"h\x00" + b"h\x03" + b"\x93\x86."


def _put(module: str, other: str, name: str) -> bytes:
    """BINPUT and LONG_BINPUT under numbers out of order, then BINGET and LONG_BINGET."""
    store = _text(name) + b"q\x07" + b"0" + _text(other) + b"r\x2c\x01\x00\x000" + _text(module) + b"q\x010"
    return b"0" + store + b"h\x01h\x07\x93" + b"j\x2c\x01\x00\x00h\x07\x93\x86."
