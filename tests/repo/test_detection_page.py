"""The detection page is what its command wrote from the kept days, and the bar it states holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.watching.page import report, unfolded
from benchmarks.watching.traffic import HONEST, SYBIL, mixed_day
from labkit.query_thieves import ADAPTED, SYNTHETIC
from targets import load_victim
from targets.watch.reference import held_out_rows

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
DAYS = json.loads((RESULTS / "detection.json").read_text(encoding="utf-8"))
STREAMS = [stream for day in DAYS.values() for stream in unfolded(day)]


def test_the_page_is_what_the_command_writes():
    assert (RESULTS / "detection.md").read_text(encoding="utf-8") == report(DAYS)


def test_every_synthetic_thief_is_stopped_within_35_queries():
    for label, day in DAYS.items():
        for stream in day:
            if stream["kind"] in SYNTHETIC:
                alarm = stream["alarm"]["martingale"]
                assert alarm is not None
                assert stream["answered"] == alarm - 1, "the log shows an answer after the alarm"
                assert alarm <= 35, f"{stream['kind']} on {label} got away until row {alarm}"
    assert {label.split()[0] for label in DAYS} == {"tumour", "digits", "mail", "credit", "fraud"}
    assert {stream["kind"] for stream in STREAMS} >= set(SYNTHETIC)


def test_at_most_one_honest_customer_in_a_hundred_is_accused():
    honest = [stream for stream in STREAMS if stream["kind"] in HONEST]
    assert len(honest) >= 500
    assert np.mean([stream["alarm"]["martingale"] is not None for stream in honest]) <= 0.01


def test_the_blind_spots_are_on_the_page():
    page = report(DAYS)
    for kind in (*ADAPTED, "a row a day", SYBIL, "analyst"):
        assert f"\n| {kind} |" in page


def test_no_row_serves_vendor_thief_and_customer():
    victim = load_victim("tumour")
    own = {row.tobytes() for row in victim.pool.X[len(held_out_rows(victim)) :]}
    vendors = {row.tobytes() for part in (victim.train.X, held_out_rows(victim)) for row in part}
    day = mixed_day(victim, np.random.default_rng(0))
    asked = {
        kind: {row.tobytes() for r in day if r.key.startswith(kind) for row in r.rows} for kind in ("plain", "real")
    }
    assert not asked["plain"] & (own | vendors)
    assert asked["real"] <= own
    assert not own & vendors
