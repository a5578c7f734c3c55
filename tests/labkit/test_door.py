"""Lab 05's tools: the key room over HTTP's contract, the leak and the chain, prices by real theft, figures."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.access import (
    DOORS,
    ROLES,
    broken_links,
    chain_again,
    doors_opened,
    knock_everywhere,
    leaky_equal,
    line_digest,
    open_key_room,
    read_by_counting,
    steady_equal,
    what_was_issued,
    years_to_guess,
)
from labkit.door_plots import plot_doors, plot_prices
from labkit.errors import QueryRefused
from labkit.launch import OPENER
from labkit.outcomes import Outcome
from labkit.role_prices import OUTPUTS, days_at_limits, median_rows, price_outputs, rows_to_floor, steps
from targets import TargetConfig
from targets.access import KeyAuthority, Policy
from targets.access.audit import Line, digest_of, first_broken
from targets.defences import parse_defence


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    monkeypatch.setenv(OPENER, "grading.openers:wsgi")


@pytest.fixture
def room():
    with open_key_room("tumour") as room:
        yield room


def test_a_key_lives_its_life_and_its_secret_is_not_shown(room):
    old = room.issue("north", "teller", ticket="T-1")
    assert room.knock("GET /v1/usage", old) == 200
    new = room.rotate(old, overlap=3600)
    assert [room.knock("GET /v1/usage", key) for key in (old, new)] == [200, 200]
    room.revoke(old)
    assert [room.knock("GET /v1/usage", key) for key in (old, new)] == [401, 200]
    shown = repr([old, new, room, room.admin, room.target.spec, room.trail(), room.keys()])
    assert not any(key.secret[17:] in shown for key in (old, new, room.admin))


def test_the_administrator_may_keep_keys_and_nothing_else(room):
    assert room.knock("GET /v1/audit", room.admin) == 403
    with pytest.raises(QueryRefused, match="may not POST /v1/predict"):
        room.api(room.admin).labels(room.target.data("pool").X[:1])


def test_a_room_takes_a_policy_of_ones_own():
    policy = {"roles": {"key_admin": {"endpoints": ["POST /v1/keys"]}, "guest": {}}, "public": []}
    with open_key_room("tumour", policy=policy) as room:
        guest = room.issue("guest", "guest")
        assert room.knock("GET /v1/usage", guest) == 403
        assert room.knock("GET /v1/model") == 401


def test_the_round_of_doors_says_what_the_policy_says(room):
    seen = knock_everywhere(room, ticket="T-2")
    assert set(seen) == {(role, door) for role in ("no key", *ROLES) for door in DOORS}
    policy = TargetConfig(defences=(parse_defence("door"),)).keys.policy
    for (role, door), status in seen.items():
        allowed = policy.is_public(door) or policy.allows(role, door)
        assert (status not in (401, 403)) == allowed, (role, door, status)
    assert doors_opened(seen)["no key"] == 1


@pytest.mark.parametrize("secret", ["a", "QQQQQQ", "x_-9Zq", "".join("Aa0-_z" * 7) + "k"])
def test_counting_reads_a_key_from_a_comparison_that_stops_and_from_no_other(secret):
    leaked = read_by_counting(lambda guess: leaky_equal(secret, guess), len(secret))
    assert (leaked["found"], leaked["right"]) == (secret, True)
    assert leaked["guesses"] <= 65 * len(secret)
    if len(secret) > 1:
        assert not read_by_counting(lambda guess: steady_equal(secret, guess), len(secret))["right"]


@pytest.mark.parametrize("other", ["secret", "Secret", "secreT", "secre", "secrets", "", "xxxxxx"])
def test_both_comparisons_agree_and_one_looks_at_everything(other):
    assert leaky_equal("secret", other)[0] == steady_equal("secret", other)[0] == (other == "secret")
    assert steady_equal("secret", other)[1] == min(6, len(other))


def test_the_chain_is_the_doors_own():
    door = KeyAuthority()
    key = door.issue("ann", "teller", actor="kim", ticket="T-9")
    door.rotate(key.record.id, actor="lee")
    door.revoke(key.record.id, actor="lee")
    lines = [line.to_data() for line in door.trail()]
    content = [lines[0][n] for n in ("number", "time", "actor", "event", "key", "detail", "previous")]
    assert line_digest(lines[0]) == digest_of(*content) == lines[0]["digest"]
    assert broken_links(lines) == []
    changed = [lines[0], {**lines[1], "actor": "eve"}, lines[2]]
    assert broken_links(changed)[0] == first_broken([Line(**line) for line in changed]) == 2
    assert broken_links(chain_again(changed)) == []
    assert chain_again(lines) == lines
    assert what_was_issued(lines[0]) == {"account": "ann", "role": "teller", "ticket": "T-9"}
    assert what_was_issued(lines[1]) == {"account": "ann", "role": "teller", "ticket": "none"}
    assert what_was_issued(lines[2]) is None
    door.close()


def test_prices_are_counted_by_the_target_and_each_output_is_what_it_says():
    runs = price_outputs("tumour", floor=0.9, budgets=[10, 20, 160, 200], seeds=range(2))
    assert {run.thief for run in runs} == set(OUTPUTS)
    assert all(run.queries == run.budget for run in runs)
    found = rows_to_floor(runs, 0.9)
    assert all(len(rows) == 2 for rows in found.values())
    assert np.median(found["full"]) <= np.median([row or 999 for row in found["labels"]])


def test_the_metered_policy_is_one_the_door_can_read():
    from labkit.role_prices import METERED_POLICY

    policy = Policy.from_data(METERED_POLICY)
    assert {policy.roles[name.replace(" ", "_")].rows_a_day for name in OUTPUTS} == {None}


def run(output, seed, budget, agreement):
    return Outcome("v", output, budget, seed, agreement, queries=budget)


def test_one_lucky_budget_is_no_arrival():
    lucky = [run("full", 0, 10, 0.96), run("full", 0, 20, 0.90), run("full", 0, 40, 0.95), run("full", 0, 80, 0.97)]
    never = [run("labels", 0, 10, 0.5), run("labels", 0, 20, 0.99)]
    found = rows_to_floor(lucky + never, 0.95)
    assert found == {"full": [40], "labels": [None]}
    assert median_rows({"v": found}) == {("v", "full"): 40, ("v", "labels"): float("inf")}
    days = days_at_limits({"v": found}, {"full": ("scientist", 30), "labels": ("teller", 10)})
    assert [(line["luckiest, days"], line["median, days"]) for line in days] == [(2, 2), ("never here", "never here")]


def test_budgets_rise_to_their_end():
    assert steps(10, 100) == sorted(set(steps(10, 100)))
    assert (steps(10, 100)[0], steps(10, 100)[-1]) == (10, 100)
    assert years_to_guess(257) == 2 * years_to_guess(256)


def test_figures_carry_their_words_and_their_numbers():
    figure = plot_doors({("teller", "GET /health"): 200, ("teller", "GET /v1/keys"): 403}, title="t", alt="few")
    assert figure.table == [{"role": "teller", "GET /health": 200, "GET /v1/keys": 403}]
    figure = plot_prices({"v": {"full": [5, 6, 9], "labels": [None, None, 50]}}, title="t", alt="dear", most={"v": 80})
    assert [row["median rows"] for row in figure.table] == ["6", "over 80"]
    assert [row["never arrived"] for row in figure.table] == [0, 2]
    with pytest.raises(ValueError, match="alt"):
        plot_prices({"v": {"full": [5]}}, title="t", alt=" ")
