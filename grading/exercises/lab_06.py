"""Lab 06, slow the thief: an exact limiter, a source nobody forges, limits from a log, clusters, the Sybil verdict."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from grading import NotYet, World, exercise, expect_number
from grading.exercise import manual
from grading.learner import RefusedThere, Remote, Tagged
from targets.defences.counters import sliding_rule

THREADS, CALLS, CROWDED = 8, 80, 25


def _query(rows: int, time: float, key: str = "customer", source: str = "192.0.2.1") -> Tagged:
    return Tagged("__query__", {"rows": np.zeros((rows, 2)), "key": key, "source": source, "time": time, "role": ""})


class _Limiter:
    """The learner's limiter, asked with simulated queries."""

    def __init__(self, learner: Remote, limit: int, seconds: int):
        made = learner(limit, seconds)
        if not isinstance(made, Remote):
            raise NotYet(
                f"Your function returned {type(made).__name__}, not a limiter.",
                "End with `return` and an object that has the method before(query).",
            )
        self.remote, self.limit, self.seconds = made, limit, seconds

    def ask(self, rows: int, time: float, key: str = "customer") -> float | None:
        """None when granted, else the seconds to wait."""
        try:
            self.remote.before(_query(rows, time, key))
        except RefusedThere as refused:
            return refused.retry_after
        return None


@exercise(
    "06.1",
    title="Count rows, exactly",
    points=4,
    minutes=14,
    objectives=("2.5", "3.3"),
    passed="No window holds more rows than you promised, whatever the threads do, and who waits as told is served.",
    hints=(
        "Keep, for each key, when rows were granted and how many. Which of them lie in the last `seconds` seconds "
        "before query.time? And what happens when two threads ask that at the same moment?",
        "Inside `with self.lock:` keep the entries younger than `seconds`, add up their rows, refuse when the new ones "
        "do not fit, else append (query.time, len(query.rows)). Looking and counting belong under the same lock.",
        "with self.lock:\n"
        "    recent = [(t, n) for t, n in self.granted.get(query.key, []) if t > query.time - seconds]\n"
        "    if sum(n for _, n in recent) + len(query.rows) > limit:\n"
        "        raise Refused('…', retry_after=seconds)\n"
        "    self.granted[query.key] = [*recent, (query.time, len(query.rows))]",
    ),
)
def counts_rows_exactly(learner: Remote, world: World) -> float:
    rng = world.rng("limits")
    limit, seconds = int(rng.integers(30, 60)), int(rng.integers(40, 100))
    start = 1_000_000.0 * seconds  # long ago: a limiter that looks at the wall clock gets everything wrong
    _grants_its_limit(_Limiter(learner, limit, seconds), start)
    _counts_only_what_it_granted(_Limiter(learner, limit, seconds), start)
    _has_no_edge(_Limiter(learner, limit, seconds), start)
    _says_how_long(_Limiter(learner, limit, seconds), start)
    _agrees_with_a_plain_count(_Limiter(learner, limit, seconds), start, rng)
    world.say(f"one thread: right on every query, limit {limit} rows in any {seconds} s")
    for _ in range(2):
        _holds_under_threads(_Limiter(learner, CROWDED, seconds), start)
    world.say(f"{THREADS} threads, {CALLS} queries at one moment, limit {CROWDED}: {CROWDED} granted, twice")
    return 1.0


def _grants_its_limit(limiter: _Limiter, start: float) -> None:
    limit = limiter.limit
    if limiter.ask(limit, start) is not None:
        raise NotYet(
            f"The first query, {limit} rows with a limit of {limit}, was refused.", "Grant as long as the rows fit."
        )
    if limiter.ask(1, start + 1) is None:
        raise NotYet(
            f"One query took the whole limit of {limit} rows, and the next was granted all the same.",
            "Count len(query.rows), not queries.",
        )
    if limiter.ask(limit, start + 1, "somebody else") is not None:
        raise NotYet("One key spent its limit and another key was refused.", "Count each query.key for itself.")
    if limiter.ask(limit, start + limiter.seconds + 2) is not None:
        raise NotYet(
            f"{limiter.seconds + 2} seconds after the last granted row the limit was still spent.",
            "Take the time from query.time, and forget rows older than `seconds`.",
        )


def _counts_only_what_it_granted(limiter: _Limiter, start: float) -> None:
    limit = limiter.limit
    limiter.ask(limit - 5, start)
    refused = [limiter.ask(rows, start + 1) for rows in (6, limit + 1, 6)]
    if None in refused:
        raise NotYet(
            f"{limit - 5} of {limit} rows were granted, and then a query of more than 5 was granted too.",
            "Refuse a query whose rows do not all fit, the largest one too.",
        )
    if limiter.ask(5, start + 2) is not None:
        raise NotYet(
            "After refusals, rows that would still fit were refused: refused rows were counted.",
            "Count a query only when you grant it.",
        )


def _has_no_edge(limiter: _Limiter, start: float) -> None:
    for offset in (0.0, 0.25, 0.5, 0.75):
        edge, key = start + (1000 + offset) * limiter.seconds, f"edge {offset}"
        limiter.ask(limiter.limit, edge - 1, key)
        if limiter.ask(limiter.limit, edge + 1, key) is None:
            raise NotYet(
                f"Twice the limit was granted within 2 seconds, around the edge of a window: {2 * limiter.limit} rows.",
                "A fixed window starts afresh at its edge. Count back from query.time instead.",
                score=0.25,
            )


def _says_how_long(limiter: _Limiter, start: float) -> None:
    limiter.ask(limiter.limit, start + 0.5)
    wait = limiter.ask(3, start + 10.5)
    if wait is None or not 0 < wait <= limiter.seconds + 1:
        raise NotYet(
            f"A refused customer was told to wait {wait} seconds in a window of {limiter.seconds}.",
            "Put a number of seconds into retry_after: above 0, and no more than the window.",
        )
    if limiter.ask(3, start + 10.5 + wait) is not None:
        raise NotYet(
            f"A customer waited {wait:g} seconds, as told, and was refused again.",
            "retry_after must suffice: until enough granted rows have left the window.",
        )


def _agrees_with_a_plain_count(limiter: _Limiter, start: float, rng: np.random.Generator) -> None:
    states: dict[str, Any] = {}
    time = start
    for _ in range(40):
        time += float(rng.exponential(limiter.seconds / 8))
        key, rows = str(rng.choice(["a", "b"])), int(rng.integers(1, limiter.limit // 2))
        wait, states[key] = sliding_rule(states.get(key), rows, limiter.limit, limiter.seconds, time)
        given = limiter.ask(rows, time, key)
        if (wait == 0) != (given is None):
            did, fits = ("granted", "more than fit") if given is None else ("refused", "which would fit")
            raise NotYet(
                f"In a mixed run of two customers your limiter {did} {rows} rows, {fits} into {limiter.limit} in any "
                f"{limiter.seconds} seconds.",
                "Print what you hold for the key at that moment: old entries kept, or young ones dropped?",
                score=0.25,
            )


def _holds_under_threads(limiter: _Limiter, start: float) -> None:
    outcomes = limiter.remote.call_many("before", [(_query(1, start),)] * CALLS, threads=THREADS)
    granted = sum(not isinstance(outcome, RefusedThere) for outcome in outcomes)
    if granted == limiter.limit:
        return
    raise NotYet(
        f"With one thread your limiter is right; with {THREADS} threads it granted {granted} rows of a limit of "
        f"{limiter.limit}.",
        "Between looking and counting another thread does the same. Put both under one lock.",
        score=0.5,
    )


@exercise(
    "06.2",
    title="Key on what cannot be forged",
    points=2,
    minutes=8,
    objectives=("2.5", "3.1"),
    passed="Whatever a client writes into X-Forwarded-For, you find the address it cannot choose.",
    hints=(
        "Each proxy appends the address it heard from. Which end of the list is written by your own proxy?",
        "Start at the peer. While the present address is one of your proxies and hops are left, step to the next hop "
        "from the right. Stop at the first address that is not yours.",
        "source = peer\n"
        "for hop in reversed(hops):\n"
        "    if source not in proxies or not is_address(hop):\n"
        "        break\n"
        "    source = hop\n"
        "return source",
    ),
)
def finds_the_source(learner: Remote, world: World) -> float:
    cases = _journeys(world.rng("journeys"))
    right = 0
    for peer, hops, proxies, wanted, why in cases:
        given = learner(peer, hops, proxies)
        if given == wanted:
            right += 1
            continue
        world.say(f"peer {peer}, hops {hops}, your proxies {proxies}: you say {str(given)[:40]}; {why}")
    if right == len(cases):
        world.say(f"{right} requests traced to their source, forged headers among them")
        return 1.0
    raise NotYet(
        f"{right} of {len(cases)} requests traced to their source.",
        "Walk from the right, from the peer on, and only across proxies that are yours.",
    )


def _journeys(rng: np.random.Generator) -> list[tuple[str, list[str], list[str], str, str]]:
    """(peer, hops, our proxies, the source, why), in random order and with random addresses."""

    def anybody() -> str:
        return str(ipaddress.IPv4Address(int(rng.integers(0x0B000000, 0xDF000000))))

    cases: list[tuple[str, list[str], list[str], str, str]] = []
    for _ in range(3):
        inner, outer, client, forged = (
            f"10.0.0.{rng.integers(1, 99)}",
            f"10.1.0.{rng.integers(1, 99)}",
            anybody(),
            anybody(),
        )
        ours = [inner, outer]
        cases += [
            (client, [], ours, client, "nobody stands in front, so the peer is the sender"),
            (client, [forged], ours, client, "the peer is a stranger, and the header is its word"),
            (inner, [client], ours, client, "your proxy heard from that address"),
            (inner, [forged, client], ours, client, "the left hop is what the sender wrote"),
            (inner, [forged, client, outer], ours, client, "two proxies of yours stand in front"),
            (inner, [outer, client], ours, client, "the sender wrote the name of your proxy on the left"),
            (inner, [forged, "unknown"], ours, inner, "the hop nearest to your proxy is no address, so it is the last"),
            (inner, [], ours, inner, "your proxy itself asked"),
            (inner, [forged, client], [], inner, "you declared no proxy, so no header counts"),
        ]
    return [cases[i] for i in rng.permutation(len(cases))]


@exercise(
    "06.3",
    title="Set the limits from the log",
    points=3,
    minutes=10,
    objectives=("2.2", "2.5"),
    passed="The thief takes years, and the customers, the heavy ones too, do not notice.",
    hints=(
        "Two kinds of customer: a stranger with a card, and one whose contract you know. Do they need the same limit?",
        "A new thief has no contract: days · default must stay within what may leak. A contract key gets a budget from "
        "its own past: its largest day and some room, not the sky, for keys are stolen too.",
        "largest = {}\n"
        "for r in log:\n"
        "    if r['contract']:\n"
        "        largest[r['key']] = max(r['rows'], largest.get(r['key'], 0))\n"
        "return {'default': most_stolen // days, 'contracts': {k: 2 * v for k, v in largest.items()}}",
    ),
)
def sets_limits_that_stop_the_thief_and_not_the_customer(learner: Remote, world: World) -> float:
    rng = world.rng("weeks")
    usual = {f"key-{i:02d}": float(rng.uniform(10, 45)) for i in range(30)}
    heavy = {f"firm-{i}": float(rng.uniform(800, 4000)) for i in range(3)}
    days, most_stolen = int(rng.integers(5, 11)), int(rng.integers(700, 1100))
    thief = [{"key": "acct-x", "day": day, "rows": 1000, "contract": False} for day in range(7)]
    log = [*_week(usual, heavy, rng), *thief]
    policy = _policy(learner([log[i] for i in rng.permutation(len(log))], days, most_stolen), heavy)
    stolen = days * max(policy["default"], policy["contracts"].get("acct-x", 0))
    later = [record for _ in range(4) for record in _week(usual, heavy, rng)]
    refused = [_budget(policy, r["key"]) < r["rows"] for r in later]
    world.say(
        f"a thief under a new key, or under acct-x, gets {stolen:,} rows in {days} days; {most_stolen:,} may leak"
    )
    world.say(f"of {len(later)} customer days in the next four weeks, {np.mean(refused):.1%} meet a refusal")
    if stolen > most_stolen:
        raise NotYet(
            f"A thief without a contract gets {stolen:,} rows in {days} days; at most {most_stolen:,} may leak.",
            "Nobody's past usage is a contract. Lower the default, and give no exception to a key without one.",
        )
    wide = [k for k, mean in heavy.items() if _budget(policy, k) > 4 * mean]
    if wide:
        raise NotYet(
            f"The contract {wide[0]} may take {_budget(policy, wide[0]):,} rows a day, over 4 times its usual day.",
            "A contract key can be stolen: leave room above its largest day, not an open door.",
            score=0.5,
        )
    if np.mean(refused) > 0.01:
        who = "contract customers" if any(_budget(policy, k) < 1.2 * m for k, m in heavy.items()) else "small customers"
        raise NotYet(
            f"{np.mean(refused):.1%} of customer days meet a refusal, most of them {who}; at most 1 % is asked.",
            "Use all of what may leak for the default, and leave a contract room above its largest day.",
            score=0.3,
        )
    return 1.0


def _week(usual: dict[str, float], heavy: dict[str, float], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Rows by key and day of one honest week; a heavy customer's day varies by a sixth, a small one's by a third."""
    days = []
    for means, spread, contract in ((usual, 0.33, False), (heavy, 0.16, True)):
        for key, mean in means.items():
            for day in range(7):
                rows = int(mean * np.clip(np.exp(rng.normal(0, spread)), 0.3, 1.5 if contract else 1.4))
                days.append({"key": key, "day": day, "rows": rows, "contract": contract})
    return days


def _policy(given: Any, heavy: dict[str, float]) -> dict[str, Any]:
    if (
        not isinstance(given, dict)
        or set(given) != {"default", "contracts"}
        or not isinstance(given["contracts"], dict)
    ):
        raise NotYet("Your policy is not of the form asked.", "Return {'default': rows, 'contracts': {key: rows, …}}.")
    default = int(expect_number(given["default"], "default"))
    return {"default": default, "contracts": {k: int(expect_number(v, k)) for k, v in given["contracts"].items()}}


def _budget(policy: dict[str, Any], key: str) -> int:
    return policy["contracts"].get(key, policy["default"])


@exercise(
    "06.4",
    title="Budget the cluster",
    points=3,
    minutes=10,
    objectives=("4.1", "4.3"),
    passed="Forty accounts share one budget or two, and their honest neighbours keep their own.",
    hints=(
        "A shared network alone is a university; a full budget alone is a good customer. What is both?",
        "First keep the suspects: accounts that used at least 90 % of their limit on every day since they were opened. "
        "Then pair those that share a payer or a network, and let connected(keys, pairs) name the clusters.",
        "full = [a for a in accounts if min(a['rows']) >= 0.9 * a['limit']]\n"
        "pairs = [(a['key'], b['key']) for a in full for b in full\n"
        "         if a['payer'] == b['payer'] or a['network'] == b['network']]\n"
        "return connected([a['key'] for a in accounts], pairs)",
    ),
)
def gives_the_cluster_one_budget(learner: Remote, world: World) -> float:
    rng = world.rng("accounts")
    accounts, guilty = _accounts(rng)
    given = learner(accounts)
    names = _names(given, [a["key"] for a in accounts])
    granted = _grant_by_cluster(accounts, names)
    limit = accounts[0]["limit"]
    stolen = sum(granted[k] for k in guilty)
    honest = [a for a in accounts if a["key"] not in guilty]
    asked = sum(a["rows"][-1] for a in honest)
    refused = 1 - sum(granted[a["key"]] for a in honest) / asked
    world.say(f"the thief's {len(guilty)} accounts get {stolen:,.0f} rows a day; one account's limit is {limit:,}")
    world.say(f"honest accounts lose {refused:.1%} of their rows")
    if stolen > 2 * limit:
        raise NotYet(
            f"The thief's {len(guilty)} accounts still get {stolen:,.0f} rows a day, {stolen / limit:.1f} limits.",
            "Some share a payer, some a network: link them through either, and through each other.",
            score=0.3 if stolen < len(guilty) * limit / 3 and refused <= 0.01 else 0.0,
        )
    if refused > 0.01:
        raise NotYet(
            f"Honest accounts lose {refused:.1%} of their rows; at most 1 % is asked.",
            "A thief's neighbour is no thief. Link only accounts that also use their limit to the full.",
            score=0.3,
        )
    return 1.0


def _accounts(rng: np.random.Generator) -> tuple[list[dict[str, Any]], set[str]]:
    """Accounts with what a vendor knows of them, and the keys of the thief's forty among them."""
    limit = int(rng.integers(4, 9)) * 100
    made: list[tuple[dict[str, Any], bool]] = []

    def add(network: str, payer: str, age: int, share: tuple[float, float], guilty: bool) -> None:
        rows = [int(limit * rng.uniform(*share)) for _ in range(age)]
        made.append(({"network": network, "payer": payer, "limit": limit, "rows": rows}, guilty))

    clouds, cards = [f"cloud-{i}" for i in range(6)], [f"card-{i}" for i in range(7)]
    for i in range(40):  # 6 networks and 7 payers: each account is linked to every other, through others
        add(clouds[i % 6], cards[i % 7], 5, (0.95, 1.0), True)
    for i in range(30):
        add(f"home-{i}", f"person-{i}", int(rng.integers(10, 60)), (0.02, 0.5), False)
    for i in range(12):
        add("university", f"student-{i}", int(rng.integers(10, 60)), (0.05, 0.4), False)
    for i in range(8):  # honest tenants of the thief's clouds, and honest holders of the same prepaid cards
        add(clouds[i % 6], f"start-up-{i}", int(rng.integers(10, 60)), (0.1, 0.6), False)
        add(f"office-{i}", cards[i % 7], int(rng.integers(10, 60)), (0.1, 0.6), False)
    for i in range(3):  # honest, heavy, alone
        add(f"data-centre-{i}", f"firm-{i}", int(rng.integers(20, 60)), (0.92, 1.0), False)
    names = rng.permutation(len(made))
    rows = [({"key": f"k{names[i]:03d}", **account}, guilty) for i, (account, guilty) in enumerate(made)]
    order = rng.permutation(len(rows))
    return [rows[i][0] for i in order], {a["key"] for a, guilty in rows if guilty}


def _names(given: Any, keys: Sequence[str]) -> dict[str, str]:
    if not isinstance(given, dict) or set(given) != set(keys):
        raise NotYet(
            f"Your function does not name a cluster for each of the {len(keys)} accounts.",
            "Return {key: name of its cluster} for every account; an account alone is a cluster of one.",
        )
    return {key: str(given[key]) for key in keys}


def _grant_by_cluster(accounts: Sequence[dict[str, Any]], names: dict[str, str]) -> dict[str, float]:
    """Rows each account gets on the last day when a cluster shares one account's limit, in equal parts of its wish."""
    wishes: dict[str, int] = {}
    for account in accounts:
        wishes[names[account["key"]]] = wishes.get(names[account["key"]], 0) + account["rows"][-1]
    return {a["key"]: a["rows"][-1] * min(1.0, a["limit"] / max(1, wishes[names[a["key"]]])) for a in accounts}


@exercise(
    "06.5",
    title="Give the Sybil verdict",
    points=2,
    minutes=8,
    objectives=("1.2", "2.5"),
    passed="You can say for each offer what the limit costs a thief, and which control stops the theft, if any does.",
    hints=(
        "With a limit a key the thief buys time with accounts. How many does it take to be done within `days`?",
        "accounts = ceil(rows_needed / (per_key · days)). It pays if they cost less than the model is worth. A cluster "
        "or global budget caps the rows a day whatever the number of accounts.",
        "accounts = math.ceil(offer['rows_needed'] / (offer['per_key'] * offer['days']))\n"
        "cost = accounts * offer['price']\n"
        "caps = {'cluster': offer['clusters'] * offer['per_cluster'], 'global': offer['global']}\n"
        "# 'per key' if cost >= worth; else the first cap with cap * days < rows_needed; a global cap below\n"
        "# offer['honest'] is no option; else 'none'",
    ),
)
def gives_the_sybil_verdict(learner: Remote, world: World) -> float:
    offers = _offers(world.rng("offers"))
    right = 0
    for offer in offers:
        wanted = _verdict(offer)
        given = learner(dict(offer))
        if not isinstance(given, dict) or set(given) != set(wanted):
            raise NotYet("Your verdict is not of the form asked.", "Return {'accounts': n, 'cost': c, 'stops': name}.")
        same = (
            expect_number(given["accounts"], "accounts") == wanted["accounts"]
            and math.isclose(expect_number(given["cost"], "cost"), wanted["cost"], rel_tol=1e-9)
            and given["stops"] == wanted["stops"]
        )
        right += same
        if not same and len(world.facts) < 3:
            world.say(f"{offer}: you say {given}; the numbers say {wanted}")
    world.say(f"{right} of {len(offers)} offers judged right")
    if right == len(offers):
        return 1.0
    raise NotYet(
        f"{right} of {len(offers)} offers judged right.",
        "Round accounts up; take the narrowest control that stops it; a global cap must leave customers room.",
        score=0.5 if right >= len(offers) - 2 else 0.0,
    )


def _offers(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Offers of every verdict, with accounts that come out even and uneven."""
    offers: list[dict[str, Any]] = []
    wanted = ["per key", "cluster", "global", "none"] * 3
    while len(offers) < len(wanted):
        offer = {
            "rows_needed": int(rng.integers(20, 400)) * 100,
            "per_key": int(rng.integers(1, 20)) * 50,
            "days": int(rng.integers(3, 31)),
            "price": int(rng.integers(1, 60)),
            "worth": int(rng.integers(1, 40)) * 100,
            "clusters": int(rng.integers(1, 12)),
            "per_cluster": int(rng.integers(1, 20)) * 100,
            "global": int(rng.integers(5, 100)) * 100,
            "honest": int(rng.integers(5, 80)) * 100,
        }
        several = len(offers) < 8 and wanted[len(offers)] in ("per key", "cluster")  # a wider control would stop it too
        if _verdict(offer)["stops"] == wanted[len(offers)] and (not several or _global_stops(offer)):
            offers.append(offer)
    return offers


def _verdict(offer: dict[str, Any]) -> dict[str, Any]:
    accounts = math.ceil(offer["rows_needed"] / (offer["per_key"] * offer["days"]))
    cost = accounts * offer["price"]
    stops = "none"
    if cost >= offer["worth"]:
        stops = "per key"
    elif offer["clusters"] * offer["per_cluster"] * offer["days"] < offer["rows_needed"]:
        stops = "cluster"
    elif _global_stops(offer):
        stops = "global"
    return {"accounts": accounts, "cost": float(cost), "stops": stops}


def _global_stops(offer: dict[str, Any]) -> bool:
    return offer["honest"] <= offer["global"] and offer["global"] * offer["days"] < offer["rows_needed"]


PARAGRAPH = manual(
    "06.6",
    title="Tell the service owner",
    minutes=8,
    role="the owner of the prediction service",
    rubric=(
        (1, "Names the limits, what they count and on what they are keyed, with this notebook's numbers on both sides"),
        (1, "Says what a thief with many accounts still reaches, and in how many days"),
        (1, "Says how the heavy honest customer is served, and who decides on exceptions"),
    ),
)
