"""The data that may pass between notebook and judge: JSON and arrays, within limits. Never code, never pickles."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from labkit.errors import BadAnswer

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 12
MAX_ITEMS = 1_000_000
ARRAY_KINDS = "biuf"
# What JSON carries as it is; a float only if it is finite. Rows of them are told at once: a theft sends a million.
_LEAVES = {int, bool, str, type(None)}
# A dictionary whose only key starts with two underscores is one of ours; a learner's own such key is refused.
_TAGS = ("__array__", "__float__", "__tuple__", "__rng__", "__api__", "__handle__", "__query__")


def dumps(value: Any, *, default: Callable[[Any], dict] | None = None) -> bytes:
    """Encode ``value`` to bytes.

    Travels: None, bool, int, float, str, list, tuple, dict with str keys, NumPy scalars and arrays of numbers, bools
    or text. Anything else goes through ``default`` (which returns a tagged dict) or raises BadAnswer.
    """
    data = json.dumps(_pack(value, default, 0), separators=(",", ":"), allow_nan=False).encode()
    if len(data) > MAX_BYTES:
        raise BadAnswer(f"{len(data) / 1e6:.0f} MB is too much to hand over; the limit is {MAX_BYTES // 1_000_000} MB")
    return data


def loads(data: bytes, *, hook: Callable[[str, Any], Any] | None = None) -> Any:
    """Decode bytes made by ``dumps``. ``hook(tag, value)`` turns __rng__, __api__ and __handle__ into objects.

    Raises BadAnswer on anything malformed, too deep or too large: the sender is not trusted.
    """
    if len(data) > MAX_BYTES:
        raise BadAnswer(f"a message of {len(data):,} bytes is over the limit of {MAX_BYTES:,}")
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        raise BadAnswer("a message is not JSON") from None
    return _unpack(raw, hook, 0, [MAX_ITEMS])


def pack(value: Any) -> Any:
    """``value`` as it stands inside a message; for the body of a tag."""
    return _pack(value, None, 1)


def _pack(value: Any, default: Callable[[Any], dict] | None, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise BadAnswer(f"lists and dictionaries are nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"__float__": repr(float(value))}
    if isinstance(value, np.ndarray):
        return _pack_array(value)
    if isinstance(value, tuple):
        return {"__tuple__": [_pack(v, default, depth + 1) for v in value]}
    if isinstance(value, list):
        if depth < MAX_DEPTH and _is_plain(value):
            return value.copy()
        return [_pack(v, default, depth + 1) for v in value]
    if isinstance(value, dict):
        return _pack_dict(value, default, depth)
    if default is not None:
        return default(value)
    raise BadAnswer(
        f"a {type(value).__name__} cannot be handed over; return numbers, text, lists, dictionaries or NumPy arrays"
    )


def _is_plain(value: list) -> bool:
    """Whether JSON carries all of ``value`` as it is."""
    kinds = {*map(type, value)}
    return kinds <= _LEAVES or (kinds == {float} and all(map(math.isfinite, value)))


def _pack_dict(value: dict, default: Callable[[Any], dict] | None, depth: int) -> dict:
    out = {}
    for key, item in value.items():
        if isinstance(key, np.generic):
            key = key.item()
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            raise BadAnswer(f"dictionary keys must be text; got {key!r}")
        if str(key) in _TAGS:
            raise BadAnswer(f"the dictionary key {key!r} is reserved")
        out[str(key)] = _pack(item, default, depth + 1)
    return out


def _pack_array(value: np.ndarray) -> Any:
    if value.dtype.kind in "OU":
        return _pack(value.tolist(), None, 1)
    if value.dtype.kind not in ARRAY_KINDS or value.dtype.itemsize > 8:
        raise BadAnswer(f"an array of type {value.dtype} cannot be handed over; use numbers")
    # ascontiguousarray would turn a single number (no axes) into an array of one.
    little = np.asarray(value, dtype=value.dtype.newbyteorder("<"), order="C")
    return {"__array__": [little.dtype.str, list(value.shape), base64.b64encode(little.tobytes()).decode()]}


def _unpack(raw: Any, hook: Callable[[str, Any], Any] | None, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth > MAX_DEPTH + 2 or left[0] < 0:
        raise BadAnswer("a message is nested too deep or holds too many items")
    if isinstance(raw, list):
        if depth < MAX_DEPTH + 2 and {*map(type, raw)} <= {*_LEAVES, float} and len(raw) <= left[0]:
            left[0] -= len(raw)
            return raw
        return [_unpack(v, hook, depth + 1, left) for v in raw]
    if not isinstance(raw, dict):
        return raw
    tag = next(iter(raw)) if len(raw) == 1 else ""
    if tag not in _TAGS:
        return {k: _unpack(v, hook, depth + 1, left) for k, v in raw.items()}
    body = raw[tag]
    if tag == "__array__":
        return _unpack_array(body)
    if tag == "__float__":
        return _unpack_float(body)
    if tag == "__tuple__":
        if not isinstance(body, list):
            raise BadAnswer("a tuple in a message is malformed")
        return tuple(_unpack(v, hook, depth + 1, left) for v in body)
    if hook is None:
        raise BadAnswer(f"a message holds {tag}, which is not expected here")
    return hook(tag, _unpack(body, None, depth + 1, left))


def _unpack_float(body: Any) -> float:
    if body not in ("nan", "inf", "-inf"):
        raise BadAnswer("a number in a message is malformed")
    return float(body)


def _unpack_array(body: Any) -> np.ndarray:
    try:
        kind, shape, text = body
        dtype = np.dtype(kind)
        if dtype.kind not in ARRAY_KINDS or dtype.itemsize > 8 or len(shape) > 8 or any(n < 0 for n in shape):
            raise ValueError
        return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype).reshape(shape).copy()
    except (TypeError, ValueError, OverflowError):
        raise BadAnswer("an array in a message is malformed") from None
