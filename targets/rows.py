"""From a request body to an array of rows, or to the first field that is wrong.

The good path costs little more than ``json.loads`` and ``np.array``; only a body that looks odd is searched value by
value. Row numbers in messages count from 0, as an array does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from targets.problems import Problem
from targets.victims.base import Feature, Floats

LARGEST = 1e15  # beyond this no documented feature makes sense, and products of weights start to overflow
_EXAMPLE = 'Send {"rows": [[number, …], …]}'


def read_rows(body: bytes, features: Sequence[Feature], max_rows: int) -> Floats:
    """Rows (n, d) float64, read-only, from the JSON ``body``. Raises Problem 400, 413 or 422 naming the fault."""
    rows = _rows_of(_parse(body), features, max_rows)
    # Booleans and quoted numbers become numbers in NumPy without a word; no honest body holds either.
    odd = b"true" in body or b"false" in body or body.count(b'"') != 2
    array = None if odd else _as_array(rows, len(features))
    if array is None:
        raise_first_fault(rows, features)
        array = np.array(rows, dtype=np.float64)  # odd spelling, sound rows: an escaped key, say
    array.setflags(write=False)
    return array


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise Problem(400, "the JSON is nested too deeply", _EXAMPLE, field="body") from None
    except ValueError as error:  # bad JSON, bad UTF-8, an integer of thousands of digits
        raise Problem(400, f"the body is not JSON: {str(error)[:200]}", _EXAMPLE, field="body") from None


def _rows_of(document: Any, features: Sequence[Feature], max_rows: int) -> list[Any]:
    if not isinstance(document, dict):
        raise Problem(422, f"the JSON must be an object, not {_kind(document)}", _EXAMPLE, field="body")
    if "rows" not in document:
        raise Problem(422, "the field rows is missing", _EXAMPLE, field="rows")
    extra = next((name for name in document if name != "rows"), None)
    if extra is not None:
        raise Problem(422, f"the field {extra[:80]!r} is not known", f"{_EXAMPLE} and nothing else", field=extra[:80])
    rows = document["rows"]
    if not isinstance(rows, list):
        raise Problem(422, f"rows must be a list of rows, not {_kind(rows)}", _EXAMPLE, field="rows")
    if not rows:
        raise Problem(422, "rows is empty", f"Send at least one row of {len(features)} numbers", field="rows")
    if len(rows) > max_rows:
        detail = f"{len(rows):,} rows in one request; this target takes at most {max_rows:,}"
        raise Problem(413, detail, f"Send at most {max_rows:,} rows at a time", field="rows")
    return rows


def _as_array(rows: list[Any], width: int) -> Floats | None:
    try:
        array = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if array.ndim != 2 or array.shape[1] != width:
        return None
    # One pass finds NaN, infinities and huge numbers: a comparison with NaN is false.
    return array if (np.abs(array) <= LARGEST).all() else None


def raise_first_fault(rows: list[Any], features: Sequence[Feature]) -> None:
    """Raise Problem 422 for the first row or value that is wrong; return when there is none."""
    width = len(features)
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            next_step = f"Send each row as a list of {width} numbers"
            raise Problem(422, f"row {number} is {_kind(row)}, not a list", next_step, field="rows", row=number)
        if len(row) < width:
            name = features[len(row)].name
            detail = f"row {number} has {len(row)} of {width} values; {name!r} is missing"
            raise Problem(422, detail, "See GET /v1/model for the order of the features", field=name, row=number)
        if len(row) > width:
            detail = f"row {number} has {len(row)} values; this target takes {width}, up to {features[-1].name!r}"
            raise Problem(422, detail, "Leave out the extra values", field=f"extra value {width}", row=number)
        for value, feature in zip(row, features, strict=True):
            _check_value(value, feature, number)


def _check_value(value: Any, feature: Feature, number: int) -> None:
    next_step = f"Send a finite number; {feature.name!r} is documented from {feature.low:g} to {feature.high:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        detail = f"row {number}, {feature.name!r}: {_kind(value)} is not a number"
    elif value != value or value in (float("inf"), float("-inf")):
        detail = f"row {number}, {feature.name!r}: {value} is not a finite number"
    elif abs(value) > LARGEST:
        detail = f"row {number}, {feature.name!r}: the number is too large (limit {LARGEST:g})"
    else:
        return
    raise Problem(422, detail, next_step, field=feature.name, row=number)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return f"a text ({value[:20]!r})" if isinstance(value, str) else names[type(value)]
