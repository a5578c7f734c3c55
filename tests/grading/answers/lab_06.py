"""Right and wrong answers to lab 06: the examiner is tested with both."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import deque

from labkit import Defence, Refused
from labkit.slow_theft import connected


class Sliding(Defence):
    def __init__(self, limit, seconds):
        self.limit, self.seconds = limit, seconds
        self.granted, self.lock = {}, threading.Lock()

    def before(self, query):
        with self.lock:
            self.look_and_count(query)

    def look_and_count(self, query):
        recent = [(t, n) for t, n in self.granted.get(query.key, []) if t > query.time - self.seconds]
        if sum(n for _, n in recent) + len(query.rows) > self.limit:
            raise Refused("too many rows", retry_after=self.seconds)
        self.granted[query.key] = [*recent, (query.time, len(query.rows))]


class RowByRow:
    """No base class, one deque of times a key, one lock a key, and the shortest honest wait."""

    def __init__(self, limit, seconds):
        self.limit, self.seconds = limit, seconds
        self.times, self.locks, self.door = {}, {}, threading.RLock()

    def before(self, query):
        with self.door:
            lock = self.locks.setdefault(query.key, threading.Lock())
        with lock:
            times, n = self.times.setdefault(query.key, deque()), len(query.rows)
            while times and times[0] <= query.time - self.seconds:
                times.popleft()
            over = len(times) + n - self.limit
            if over > 0:
                last = times[min(over, len(times)) - 1] if times else query.time
                raise Refused("later", retry_after=last + self.seconds - query.time + 0.01)
            times.extend([query.time] * n)

    def after(self, query, probabilities):
        return probabilities


class NoLock(Sliding):
    def before(self, query):
        self.look_and_count(query)


class LockTooSmall(Sliding):
    """Locks the counting, not the looking."""

    def before(self, query):
        recent = [(t, n) for t, n in self.granted.get(query.key, []) if t > query.time - self.seconds]
        if sum(n for _, n in recent) + len(query.rows) > self.limit:
            raise Refused("too many rows", retry_after=self.seconds)
        with self.lock:
            self.granted[query.key] = [*recent, (query.time, len(query.rows))]


class CountsQueries(Sliding):
    def look_and_count(self, query):
        recent = [t for t in self.granted.get(query.key, []) if t > query.time - self.seconds]
        if len(recent) + 1 > self.limit:
            raise Refused("too many queries", retry_after=self.seconds)
        self.granted[query.key] = [*recent, query.time]


class CountsRefused(Sliding):
    def look_and_count(self, query):
        recent = [(t, n) for t, n in self.granted.get(query.key, []) if t > query.time - self.seconds]
        self.granted[query.key] = [*recent, (query.time, len(query.rows))]
        if sum(n for _, n in self.granted[query.key]) > self.limit:
            raise Refused("too many rows", retry_after=self.seconds)


class Fixed(Sliding):
    def look_and_count(self, query):
        window = (query.key, query.time // self.seconds)
        if self.granted.get(window, 0) + len(query.rows) > self.limit:
            raise Refused("too many rows", retry_after=self.seconds - query.time % self.seconds + 0.01)
        self.granted[window] = self.granted.get(window, 0) + len(query.rows)


class WallClock(Sliding):
    def look_and_count(self, query):
        now = time.time()
        recent = [(t, n) for t, n in self.granted.get(query.key, []) if t > now - self.seconds]
        if sum(n for _, n in recent) + len(query.rows) > self.limit:
            raise Refused("too many rows", retry_after=self.seconds)
        self.granted[query.key] = [*recent, (now, len(query.rows))]


class OneForAll(Sliding):
    def look_and_count(self, query):
        recent = [(t, n) for t, n in self.granted.get("", []) if t > query.time - self.seconds]
        if sum(n for _, n in recent) + len(query.rows) > self.limit:
            raise Refused("too many rows", retry_after=self.seconds)
        self.granted[""] = [*recent, (query.time, len(query.rows))]


class OffByOne(Sliding):
    def look_and_count(self, query):
        recent = [(t, n) for t, n in self.granted.get(query.key, []) if t > query.time - self.seconds]
        if sum(n for _, n in recent) + len(query.rows) >= self.limit:
            raise Refused("too many rows", retry_after=self.seconds)
        self.granted[query.key] = [*recent, (query.time, len(query.rows))]


class NeverForgets(Sliding):
    def look_and_count(self, query):
        used = self.granted.get(query.key, 0)
        if used + len(query.rows) > self.limit:
            raise Refused("too many rows", retry_after=self.seconds)
        self.granted[query.key] = used + len(query.rows)


class Impatient(Sliding):
    def look_and_count(self, query):
        try:
            super().look_and_count(query)
        except Refused:
            raise Refused("try again", retry_after=1.0) from None


class BlocksAll(Defence):
    def before(self, query):
        raise Refused("no", retry_after=60)


class Deadlock(Sliding):
    def before(self, query):
        with self.lock:
            if threading.current_thread() is threading.main_thread():
                self.look_and_count(query)
            else:
                raise ZeroDivisionError


def is_address(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def source_by_walking(peer, hops, proxies):
    source = peer
    for hop in reversed(hops):
        if source not in proxies or not is_address(hop):
            break
        source = hop
    return source


def source_by_list(peer, hops, proxies):
    way = [*hops, peer]
    while way[-1] in proxies and len(way) > 1 and way[-2].count(".") == 3:
        way.pop()
    return way[-1]


def limits_from_contracts(log, days, most_stolen):
    largest = {}
    for r in log:
        if r["contract"]:
            largest[r["key"]] = max(r["rows"], largest.get(r["key"], 0))
    return {"default": most_stolen // days, "contracts": {k: 2 * v for k, v in largest.items()}}


def limits_by_comprehension(log, days, most_stolen):
    firms = {r["key"] for r in log if r["contract"]}
    peak = {f: max(r["rows"] for r in log if r["key"] == f) for f in firms}
    return {"default": int(most_stolen / days), "contracts": {f: round(1.7 * p) for f, p in peak.items()}}


def limits(default, contracts):
    def choose(log, days, most_stolen):
        keys = {r["key"] for r in log}
        mine = {k: [r["rows"] for r in log if r["key"] == k] for k in keys}
        signed = {r["key"] for r in log if r["contract"]}
        return {"default": default(log, days, most_stolen), "contracts": contracts(mine, signed)}

    return choose


def _max_signed(mine, signed):
    return {k: 2 * max(mine[k]) for k in signed}


def clusters_of_the_full(accounts):
    full = [a for a in accounts if min(a["rows"]) >= 0.9 * a["limit"]]
    pairs = [
        (a["key"], b["key"]) for a in full for b in full if a["payer"] == b["payer"] or a["network"] == b["network"]
    ]
    return connected([a["key"] for a in accounts], pairs)


def clusters_by_spreading(accounts):
    """No helper: names spread along shared networks and payers until nothing changes."""
    names = {a["key"]: a["key"] for a in accounts}
    full = [a for a in accounts if sum(a["rows"]) > 0.93 * len(a["rows"]) * a["limit"]]
    for _ in full:
        for what in ("network", "payer"):
            for a in full:
                names[a["key"]] = min(names[b["key"]] for b in full if b[what] == a[what])
    return names


def clusters_by(what, only_full=False):
    def name(accounts):
        chosen = [a for a in accounts if not only_full or min(a["rows"]) >= 0.9 * a["limit"]]
        return {a["key"]: a["key"] for a in accounts} | {a["key"]: a[what] for a in chosen}

    return name


def clusters_of_all_shared(accounts):
    pairs = [
        (a["key"], b["key"])
        for a in accounts
        for b in accounts
        if a["payer"] == b["payer"] or a["network"] == b["network"]
    ]
    return connected([a["key"] for a in accounts], pairs)


def verdict(offer):
    accounts = math.ceil(offer["rows_needed"] / (offer["per_key"] * offer["days"]))
    cost = accounts * offer["price"]
    if cost >= offer["worth"]:
        stops = "per key"
    elif offer["clusters"] * offer["per_cluster"] * offer["days"] < offer["rows_needed"]:
        stops = "cluster"
    elif offer["honest"] <= offer["global"] and offer["global"] * offer["days"] < offer["rows_needed"]:
        stops = "global"
    else:
        stops = "none"
    return {"accounts": accounts, "cost": cost, "stops": stops}


def verdict_by_rates(offer):
    need = offer["rows_needed"] / offer["days"]
    accounts = -(-offer["rows_needed"] // (offer["per_key"] * offer["days"]))
    tests = {
        "per key": accounts * offer["price"] >= offer["worth"],
        "cluster": offer["clusters"] * offer["per_cluster"] < need,
        "global": offer["honest"] <= offer["global"] < need,
    }
    stops = next((name for name, holds in tests.items() if holds), "none")
    return {"accounts": accounts, "cost": float(accounts * offer["price"]), "stops": stops}


def verdict_rounds_down(offer):
    accounts = offer["rows_needed"] // (offer["per_key"] * offer["days"])
    return verdict(offer) | {"accounts": accounts, "cost": accounts * offer["price"]}


def verdict_widest_first(offer):
    told = verdict(offer)
    if offer["honest"] <= offer["global"] and offer["global"] * offer["days"] < offer["rows_needed"]:
        told["stops"] = "global"
    return told


RIGHT = {
    "06.1": {"list of grants": Sliding, "deque of rows, a lock a key": RowByRow},
    "06.2": {"walk from the right": source_by_walking, "pop trusted ends": source_by_list},
    "06.3": {"twice the largest day": limits_from_contracts, "comprehensions": limits_by_comprehension},
    "06.4": {"full and sharing": clusters_of_the_full, "names that spread": clusters_by_spreading},
    "06.5": {"if and elif": verdict, "rates a day": verdict_by_rates},
}
WRONG = {
    "06.1": {
        "no lock": (NoLock, "with 8 threads it granted"),
        "a lock around half of it": (LockTooSmall, "with 8 threads it granted"),
        "counts queries": (CountsQueries, "Count len(query.rows)"),
        "counts refused rows": (CountsRefused, "refused rows were counted"),
        "fixed window": (Fixed, "around the edge of a window"),
        "wall clock": (WallClock, "the limit was still spent"),
        "one count for all keys": (OneForAll, "another key was refused"),
        "off by one": (OffByOne, "was refused"),
        "never forgets": (NeverForgets, "the limit was still spent"),
        "tells a second": (Impatient, "was refused again"),
        "blocks all": (lambda limit, seconds: BlocksAll(), "was refused"),
        "lets all through": (lambda limit, seconds: Defence(), "granted all the same"),
        "breaks in other threads": (Deadlock, "raised ZeroDivisionError"),
        "returns a number": (lambda limit, seconds: limit, "not a limiter"),
    },
    "06.2": {
        "leftmost hop": (lambda peer, hops, proxies: hops[0] if hops else peer, "from the right"),
        "rightmost hop": (lambda peer, hops, proxies: hops[-1] if hops else peer, "from the right"),
        "always the peer": (lambda peer, hops, proxies: peer, "from the right"),
        "any stranger on the left": (
            lambda peer, hops, proxies: next((h for h in [*hops, peer] if h not in proxies), peer),
            "from the right",
        ),
        "rightmost that is not ours, whoever asks": (
            lambda peer, hops, proxies: next((h for h in reversed(hops) if h not in proxies), peer),
            "from the right",
        ),
    },
    "06.3": {
        "allow all": (limits(lambda *_: 10**6, lambda mine, signed: {}), "may leak"),
        "block all": (limits(lambda *_: 0, lambda mine, signed: {}), "meet a refusal"),
        "default from the largest": (limits(lambda log, d, m: max(r["rows"] for r in log), _max_signed), "may leak"),
        "no exceptions": (limits(lambda log, d, m: m // d, lambda mine, signed: {}), "meet a refusal"),
        "an exception for every past": (
            limits(lambda log, d, m: m // d, lambda mine, signed: {k: 2 * max(v) for k, v in mine.items()}),
            "may leak",
        ),
        "the mean of a contract": (
            limits(lambda log, d, m: m // d, lambda mine, signed: {k: sum(mine[k]) / 7 for k in signed}),
            "meet a refusal",
        ),
        "contracts without end": (
            limits(lambda log, d, m: m // d, lambda mine, signed: dict.fromkeys(signed, 10**6)),
            "over 4 times",
        ),
        "one day only": (limits(lambda log, d, m: m, _max_signed), "may leak"),
        "a list": (lambda log, days, most_stolen: [100], "form asked"),
    },
    "06.4": {
        "each alone": (lambda accounts: {a["key"]: a["key"] for a in accounts}, "still get"),
        "by network": (clusters_by("network"), "still get"),
        "by payer, the full": (clusters_by("payer", True), "still get"),
        "by network, the full": (clusters_by("network", True), "still get"),
        "all who share": (clusters_of_all_shared, "Honest accounts lose"),
        "all in one": (lambda accounts: dict.fromkeys([a["key"] for a in accounts], "all"), "Honest accounts lose"),
        "all the full in one": (
            lambda accounts: {a["key"]: "full" if min(a["rows"]) > 0.9 * a["limit"] else a["key"] for a in accounts},
            "Honest accounts lose",
        ),
        "forgets some": (lambda accounts: {a["key"]: "x" for a in accounts[1:]}, "does not name a cluster"),
    },
    "06.5": {
        "rounds down": (verdict_rounds_down, "judged right"),
        "a limit a key stops everybody": (lambda o: verdict(o) | {"stops": "per key"}, "judged right"),
        "widest first": (verdict_widest_first, "judged right"),
        "never none": (
            lambda o: verdict(o) | {"stops": verdict(o)["stops"].replace("none", "global")},
            "judged right",
        ),
        "forgets the days": (
            lambda o: verdict(o) | {"accounts": math.ceil(o["rows_needed"] / o["per_key"])},
            "judged right",
        ),
        "a sentence": (lambda offer: "per key", "form asked"),
    },
}
