"""Right and wrong answers to lab 05: the examiner is tested with both."""

from __future__ import annotations

import copy
import hashlib
import hmac
import math

from labkit import fit_surrogate
from labkit.access import START, broken_links, line_digest, what_was_issued
from labkit.thieves.rounded import fit_soft, steal_rounded

# 05.1


def _hmac(key, pepper):
    return hmac.new(bytes.fromhex(pepper), key.encode(), "sha256").hexdigest()


def _id(key):
    return key.split("_")[1] if key.count("_") > 1 else ""


def lock(digest=_hmac, unknown="0" * 64, find=None):
    def record(key, pepper):
        return {"id": key.split("_")[1], "digest": digest(key, pepper)}

    def sides(presented, records, pepper):
        stored = {row["id"]: row["digest"] for row in records}
        if find is not None:
            return find(presented, stored, pepper, digest)
        return stored.get(_id(presented), unknown), digest(presented, pepper)

    return lambda: (record, sides)


def lock_in_two_steps():
    def digest(key, pepper):
        inner = hashlib.sha256(key.encode("utf-8")).digest()
        return hmac.digest(bytes.fromhex(pepper), inner, "sha512").hex()

    def record(key, pepper):
        _, id, _ = key.split("_", 2)
        return {"id": id, "digest": digest(key, pepper)}

    def sides(presented, records, pepper):
        found = digest("nobody's key", pepper)
        for row in records:
            if presented.startswith(f"mtl_{row['id']}_"):
                found = row["digest"]
        return [found, digest(presented, pepper)]

    return record, sides


def _early(presented, stored, pepper, digest):
    if _id(presented) not in stored:
        return False
    return stored[_id(presented)], digest(presented, pepper)


def _strict(presented, stored, pepper, digest):
    return stored[presented.split("_")[1]], digest(presented, pepper)


def _empty(presented, stored, pepper, digest):
    return stored.get(_id(presented), ""), digest(presented, pepper)


def _any_row(presented, stored, pepper, digest):
    mine = digest(presented, pepper)
    return (mine if mine in stored.values() or not stored else "0" * 64), mine


def _welcome(presented, stored, pepper, digest):
    mine = digest(presented, pepper)
    return stored.get(_id(presented), mine), mine


def _as_stored(presented, stored, pepper, digest):
    row = stored.get(_id(presented), "0" * 64)
    return row, row if presented.endswith(row) else digest(presented, pepper)


# 05.2


def lifecycle(admit=None, rotation=None):
    def admits(record, now):
        return record["revoked"] is None and now < record["expires"]

    def rotate(record, new_id, now, overlap):
        if not admits(record, now):
            return None
        old = {**record, "expires": min(record["expires"], now + overlap)}
        life = record["expires"] - record["issued"]
        return old, {**record, "id": new_id, "issued": now, "expires": now + life}

    return lambda: (admit or admits, rotation or rotate)


def lifecycle_in_place():
    def admits(record, now):
        if record["revoked"] is not None:
            return False
        return bool(record["expires"] > now)

    def rotate(record, new_id, now, overlap):
        if admits(record, now):
            new = copy.deepcopy(record)
            new.update(id=new_id, issued=now, expires=now + (record["expires"] - record["issued"]))
            if now + overlap < record["expires"]:
                record["expires"] = now + overlap
            return [record, new]
        return None

    return admits, rotate


def admits_at_the_end(record, now):
    return record["revoked"] is None and now <= record["expires"]


def admits_by_the_clock(record, now):
    return now < record["expires"] and (record["revoked"] is None or now < record["revoked"])


def rotate_lengthens(record, new_id, now, overlap):
    good = record["revoked"] is None and now < record["expires"]
    life = record["expires"] - record["issued"]
    new = {**record, "id": new_id, "issued": now, "expires": now + life}
    return ({**record, "expires": now + overlap}, new) if good else None


def rotate_revives(record, new_id, now, overlap):
    life = record["expires"] - record["issued"]
    return (
        {**record, "expires": min(record["expires"], now + overlap)},
        {**record, "id": new_id, "issued": now, "expires": now + life, "revoked": None},
    )


def rotate_keeps_the_end(record, new_id, now, overlap):
    if record["revoked"] is not None or now >= record["expires"]:
        return None
    old = {**record, "expires": min(record["expires"], now + overlap)}
    return old, {**record, "id": new_id, "issued": now}


def rotate_revokes_at_once(record, new_id, now, overlap):
    if record["revoked"] is not None or now >= record["expires"]:
        return None
    life = record["expires"] - record["issued"]
    return {**record, "revoked": now}, {**record, "id": new_id, "issued": now, "expires": now + life}


# 05.3

ASK = ["POST /v1/predict", "GET /v1/usage"]
GOOD = {
    "roles": {
        "branch": {"endpoints": ASK, "output": "labels", "rows_a_day": 150},
        "analyst": {"endpoints": ASK, "output": "probabilities", "decimals": 2, "rows_a_day": 500},
        "model_team": {"endpoints": ASK, "output": "probabilities", "rows_a_day": 4000},
        "operator": {"endpoints": ["GET /metrics"]},
        "auditor": {"endpoints": ["GET /v1/audit", "GET /v1/keys"]},
        "key_admin": {
            "endpoints": ["GET /v1/keys", "POST /v1/keys", "POST /v1/keys/<id>/rotate", "DELETE /v1/keys/<id>"]
        },
    },
    "public": ["GET /health", "GET /v1/model"],
}


def policy(role=None, **changes):
    data = copy.deepcopy(GOOD)
    if role:
        data["roles"][role] = {**data["roles"].get(role, {}), **changes}
    else:
        data |= changes
    return lambda: data


def policy_with_exact_rows():
    data = copy.deepcopy(GOOD)
    for role, rows in (("branch", 120), ("analyst", 400), ("model_team", 3000)):
        data["roles"][role]["rows_a_day"] = rows
        data["roles"][role]["endpoints"] = ASK[::-1]
    return data


# 05.4


def price(runs, floor, rows_a_day):
    days = {}
    for role, limit in rows_a_day.items():
        hits = [run["budget"] for run in runs if run["role"] == role and run["agreement"] >= floor]
        days[role] = (math.ceil(min(hits) / limit) if limit else 1) if hits else None
    return days


def price_by_loop(runs, floor, rows_a_day):
    cheapest = {}
    for run in sorted(runs, key=lambda run: -run["budget"]):
        if run["agreement"] >= floor:
            cheapest[run["role"]] = run["budget"]
    return {
        role: None if role not in cheapest else 1 if limit is None else -(-cheapest[role] // limit)
        for role, limit in rows_a_day.items()
    }


def _price(choose, whole=math.ceil, never=None, strict=False):
    def price_wrongly(runs, floor, rows_a_day):
        days = {}
        for role, limit in rows_a_day.items():
            mine = [run for run in runs if run["role"] == role]
            hits = choose(mine, floor, strict)
            days[role] = (whole(hits / limit) if limit else 1) if hits else never
        return days

    return price_wrongly


def _luckiest(runs, floor, strict):
    return min(
        (r["budget"] for r in runs if (r["agreement"] > floor if strict else r["agreement"] >= floor)), default=0
    )


def _unluckiest(runs, floor, strict):
    good = [b for b in {r["budget"] for r in runs} if min(r["agreement"] for r in runs if r["budget"] == b) >= floor]
    return min(good, default=0)


# 05.5


def _trusted(lines, anchors):
    previous, digests = START, {}
    for place, line in enumerate(lines, 1):
        if (line["number"], line["previous"], line["digest"]) != (place, previous, line_digest(line)):
            return place
        previous = digests[place] = line["digest"]
    good = 0
    for number, digest in sorted(anchors):
        if number not in digests:
            return len(lines) + 1
        if digests[number] != digest:
            return good + 1
        good = number
    return None


def _unasked(lines, tickets, once=True):
    used, found = set(), []
    for line in lines:
        asked = what_was_issued(line)
        if asked is None:
            continue
        ticket = asked.pop("ticket")
        if tickets.get(ticket) != asked or (once and ticket in used):
            found.append(line["key"])
        used.add(ticket)
    return found


def investigate(lines, anchors, tickets):
    bad = _trusted(lines, anchors)
    return {"first_bad": bad, "unapproved": _unasked(lines[: bad - 1] if bad else lines, tickets)}


def investigate_with_the_reference(lines, anchors, tickets):
    broken = broken_links(lines)
    bad = broken[0] if broken else None
    known = [0]
    for number, digest in [] if bad else sorted(anchors):
        if number > len(lines):
            bad = len(lines) + 1
        elif lines[number - 1]["digest"] != digest:
            bad = known[-1] + 1
        if bad:
            break
        known.append(number)
    left = dict(tickets)
    unapproved = set()
    for line in lines[: len(lines) if bad is None else bad - 1]:
        asked = what_was_issued(line)
        if asked and left.pop(asked["ticket"], None) != {"account": asked["account"], "role": asked["role"]}:
            unapproved.add(line["key"])
    return {"first_bad": bad, "unapproved": sorted(unapproved)}


def investigate_without_anchors(lines, anchors, tickets):
    return investigate(lines, [], tickets)


def investigate_all_lines(lines, anchors, tickets):
    return {"first_bad": _trusted(lines, anchors), "unapproved": _unasked(lines, tickets)}


def investigate_tickets_twice(lines, anchors, tickets):
    bad = _trusted(lines, anchors)
    return {"first_bad": bad, "unapproved": _unasked(lines[: bad - 1] if bad else lines, tickets, once=False)}


def investigate_off_by_one(lines, anchors, tickets):
    found = investigate(lines, anchors, tickets)
    return {**found, "first_bad": found["first_bad"] and found["first_bad"] - 1}


def investigate_missing_tickets_only(lines, anchors, tickets):
    bad = _trusted(lines, anchors)
    issued = [(line, what_was_issued(line)) for line in (lines[: bad - 1] if bad else lines)]
    return {"first_bad": bad, "unapproved": [line["key"] for line, a in issued if a and a["ticket"] == "none"]}


def investigate_everybody(lines, anchors, tickets):
    return {"first_bad": _trusted(lines, anchors), "unapproved": [line["key"] for line in lines]}


# 05.6


def insider(api, pool, rows_a_day, rng):
    rows = pool[rng.permutation(len(pool))[:rows_a_day]]
    return fit_soft(rows, api.probabilities(rows))


def insider_near_the_boundary(api, pool, rows_a_day, rng):
    return steal_rounded(api, pool, budget=rows_a_day, rng=rng)


def insider_with_few_rows(api, pool, rows_a_day, rng):
    rows = pool[rng.permutation(len(pool))[:40]]
    return fit_surrogate(rows, api.predict(rows), kind="linear")


def insider_over_the_limit(api, pool, rows_a_day, rng):
    return fit_surrogate(pool, api.predict(pool), kind="linear")


def insider_asks_one_row(api, pool, rows_a_day, rng):
    rows = pool[[0] * rows_a_day]
    return fit_surrogate(rows, api.predict(rows), kind="linear")


def insider_returns_answers(api, pool, rows_a_day, rng):
    return api.labels(pool[:rows_a_day])


def insider_buys_nothing(api, pool, rows_a_day, rng):
    class Zero:
        def predict(self, rows):
            return [0] * len(rows)

    return Zero()


RIGHT = {
    "05.1": {"HMAC, default row": lock(), "two hashes, a loop": lock_in_two_steps},
    "05.2": {"new dictionaries": lifecycle(), "copies and updates": lifecycle_in_place},
    "05.3": {"some headroom": policy(), "exactly the peak": policy_with_exact_rows},
    "05.4": {"ceil of the smallest": price, "loop": price_by_loop},
    "05.5": {"own walk": investigate, "reference walk": investigate_with_the_reference},
    "05.6": {"maximum likelihood": insider, "near the boundary": insider_near_the_boundary},
}
WRONG = {
    "05.1": {
        "stores the key": (lock(lambda key, pepper: key), "holds the key itself"),
        "no pepper": (lock(lambda key, pepper: hashlib.sha256(key.encode()).hexdigest()), "depend on the pepper"),
        "pepper only": (lock(lambda key, pepper: _hmac("x", pepper)), "one digest"),
        "digests the id alone": (lock(lambda key, pepper: _hmac(key[:16], pepper)), "last character"),
        "cut digest": (lock(lambda key, pepper: _hmac(key, pepper)[:12]), "short digests"),
        "early answer": (lock(find=_early), "an early answer tells"),
        "crash on an unknown id": (lock(find=_strict), "sides crashes on"),
        "empty default": (lock(find=_empty), "0 and 64 characters"),
        "any row will do": (lock(find=_any_row), "opens the door"),
        "unknown ids welcome": (lock(find=_welcome), "opens the door"),
        "the digest is as good as the key": (lock(find=_as_stored), "the stored digest, presented as a secret opens"),
        "one function": (lambda: _hmac, "two functions"),
    },
    "05.2": {
        "open at the last second": (lifecycle(admits_at_the_end), "at the second it expires"),
        "revocation by the clock": (lifecycle(admits_by_the_clock), "after the clock was set back"),
        "always open": (lifecycle(lambda record, now: True), "admits"),
        "overlap lengthens a life": (lifecycle(None, rotate_lengthens), "an hour before its end"),
        "rotation revives": (lifecycle(None, rotate_revives), "new life"),
        "new key, old end": (lifecycle(None, rotate_keeps_the_end), "lives as long as the old one"),
        "no overlap": (lifecycle(None, rotate_revokes_at_once), "the old record has"),
        "never rotates": (lifecycle(None, lambda *_: None), "rotate returns 'None'"),
    },
    "05.3": {
        "nothing for anybody": (policy(roles={name: {} for name in GOOD["roles"]}), "Honest work fails"),
        "a wildcard": (policy("operator", endpoints=["GET *"]), "no wildcard"),
        "no usage": (policy("branch", endpoints=ASK[:1]), "calls GET /v1/usage"),
        "an average day": (policy("analyst", rows_a_day=300), "rows and hears 429"),
        "one decimal": (policy("analyst", decimals=1), "too few"),
        "labels for analysts": (policy("analyst", decimals=None, output="labels"), "compares probabilities"),
        "digits for branches": (policy("branch", output="probabilities"), "needs the label alone"),
        "no limit": (policy("model_team", rows_a_day=None), "no limit of rows"),
        "generous rows": (policy("branch", rows_a_day=200), "200 rows a day; its busiest day takes 120"),
        "administrators predict": (policy("key_admin", endpoints=GOOD["roles"]["key_admin"]["endpoints"] + ASK),
                                   "key_admin gets through"),
        "metrics in public": (policy(public=["GET /health", "GET /v1/model", "GET /metrics"]), "open to strangers"),
        "a superuser": (policy("root", endpoints=ASK), "Nobody's job needs the role root"),
        "a route that is not there": (policy("operator", endpoints=["GET /metrics", "GET /v1/logs"]), "no such route"),
        "a typing error": (policy("analyst", decimal=2), "no setting 'decimal'"),
    },
    "05.4": {
        "the unluckiest thief": (_price(_unluckiest), "of 4 tables"),
        "rounds down": (_price(_luckiest, whole=math.floor), "of 4 tables"),
        "never is zero": (_price(_luckiest, never=0), "of 4 tables"),
        "strictly above": (_price(_luckiest, strict=True), "of 4 tables"),
        "rows for days": (_price(_luckiest, whole=lambda x: x), "of 4 tables"),
        "no roles": (lambda runs, floor, rows_a_day: {}, "one entry for each role"),
    },
    "05.5": {
        "nothing": (lambda *_: {"first_bad": None, "unapproved": []}, "you miss"),
        "without anchors": (investigate_without_anchors, "a cut leaves no broken link"),
        "reads lines that do not count": (investigate_all_lines, "only trusted lines"),
        "a ticket twice": (investigate_tickets_twice, "you miss"),
        "off by one": (investigate_off_by_one, "you say first_bad is"),
        "no ticket only": (investigate_missing_tickets_only, "you miss"),
        "accuses everybody": (investigate_everybody, "you accuse"),
    },
    "05.6": {
        "few rows": (insider_with_few_rows, "the floor is 96%"),
        "over the limit": (insider_over_the_limit, "rows a day"),
        "the same row": (insider_asks_one_row, "the floor is 96%"),
        "answers, not a copy": (insider_returns_answers, "not a copy"),
        "buys nothing": (insider_buys_nothing, "no row under your key"),
    },
}  # fmt: skip
