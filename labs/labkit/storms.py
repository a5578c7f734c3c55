"""Attacks on limits over HTTP: many threads at once, and a header full of other people's addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from labkit.errors import QueryRefused
from labkit.launch import Target, launch
from labkit.plots import Table
from labkit.transport import HttpTransport


def storm(make_limiter: Callable[[int, int], Any], *, limit: int = 40, asked: int = 120, threads: int = 8) -> Table:
    """Mount ``make_limiter(limit, 3600)`` in a real target, ask ``asked`` rows one by one from ``threads`` threads.

    The counts are the target's own. Threads need real HTTP; on other transports the queries follow one another.
    """
    try:
        limiter = make_limiter(limit, 3600)
    except NotImplementedError:
        return Table([{"your limiter": "not written yet"}], "Write exercise 06.1, then run this cell again.")
    with launch("tumour", defences=[limiter]) as target:
        row, api = target.data("pool").X[:1], target.api("thief")

        def ask(_: int) -> int:
            try:
                api.predict(row)
            except QueryRefused as refused:
                return refused.status
            return 200

        workers = threads if isinstance(target.transport, HttpTransport) else 1
        with ThreadPoolExecutor(workers) as pool:
            statuses = Counter(pool.map(ask, range(asked)))
        rows = target.usage("thief")["rows"]
    return Table([
        {
            "limit": limit,
            "rows asked": asked,
            "rows granted (target's log)": rows,
            "refused (429)": statuses[429],
            "failed (503)": statuses[503],
        }
    ])  # fmt: skip


def refusal(target: Target, rows: Any, *, key: str) -> str:
    """What the target answers to ``rows`` (n, d) under ``key``: status, Retry-After and reason, in one line."""
    reply = target.transport.send("POST", "/v1/predict", {"rows": np.asarray(rows).tolist()}, {"X-API-Key": key})
    if reply.status == 200:
        return f"status 200: {len(rows)} rows answered"
    return f"status {reply.status}, Retry-After {reply.headers.get('retry-after')} s: {reply.body['detail']}"


def seconds_to_answer(target: Target, *, batches: int, rows: int) -> float:
    """Seconds the target took for ``batches`` queries of ``rows`` pool rows, by its own counter."""
    api, batch = target.api("patient"), target.data("pool").X[:rows]
    for _ in range(batches):
        api.predict(batch)
    lines = target.transport.send("GET", "/metrics").body.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("target_latency_seconds_sum"))


def forge(target: Target, *, asked: int = 30, client: str = "203.0.113.9", seed: int = 0) -> int:
    """Send ``asked`` one-row queries, each claiming another address in X-Forwarded-For; return how many were answered.

    This notebook plays the reverse proxy: it appends the address ``client`` from which the thief really came.
    """
    rng = np.random.default_rng(seed)
    body = {"rows": target.data("pool").X[:1].tolist()}
    answered = 0
    for _ in range(asked):
        lie = ".".join(map(str, rng.integers(1, 224, 4)))
        headers = {"X-API-Key": "thief", "X-Forwarded-For": f"{lie}, {client}"}
        answered += target.transport.send("POST", "/v1/predict", body, headers).status == 200
    return answered
