"""Whatever bytes arrive, the answer is an answer or a problem document."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from targets import TargetConfig, create_app

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5) | st.just("rows"), inner, max_size=3)
    ),
    max_leaves=20,
)
_cells = st.floats() | st.integers() | st.booleans() | st.none() | st.text(max_size=3)
_tables = st.lists(st.lists(_cells, min_size=29, max_size=31), max_size=3)
_bodies = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | _values.map(lambda value: json.dumps(value).encode())
    | _values.map(lambda value: json.dumps({"rows": value}).encode())
    | _tables.map(lambda rows: json.dumps({"rows": rows}).encode())
)
_app = None


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(_bodies)
def test_no_body_whatever_gives_a_500(body: bytes) -> None:
    global _app
    _app = _app or create_app(TargetConfig(victim="tumour"))
    reply = _app.test_client().post("/v1/predict", data=body, content_type="application/json")
    if reply.status_code == 200:
        assert np.isfinite(json.loads(reply.data)["probabilities"]).all()
    else:
        assert reply.status_code in (400, 413, 422)
        assert reply.mimetype == "application/problem+json"
        assert {"detail", "next_step", "status"} <= set(json.loads(reply.data))
