"""Right and wrong answers to lab 11's exercises."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from labkit.access import what_was_issued
from labkit.evidence import START, content_digest, line_digest, seal
from labkit.slow_theft import connected

# 11.1


def papers(case):
    """Accounts of keys, payments of accounts, kinds of tickets of accounts."""
    issued = {line["key"]: what_was_issued(line) for line in case["trail"] if what_was_issued(line)}
    payments = {t["account"]: t["payment"] for t in case["tickets"] if t["payment"]}
    kinds = {}
    for ticket in case["tickets"]:
        kinds.setdefault(ticket["account"], set()).add(ticket["kind"])
    return {key: one["account"] for key, one in issued.items()}, payments, kinds


def triage(case, *, explained=True, by=("account", "payment", "address"), few=3, detectors=("martingale",)):
    account, payment, kinds = papers(case)
    keys = sorted({line["key"] for line in case["log"]})
    sources = {key: {line["source"] for line in case["log"] if line["key"] == key} for key in keys}
    users = Counter(s for s, _ in {(line["source"], account[line["key"]]) for line in case["log"]})
    ties = {
        "account": lambda a, b: account[a] == account[b],
        "payment": lambda a, b: payment[account[a]] == payment[account[b]],
        "address": lambda a, b: any(users[s] <= few for s in sources[a] & sources[b]),
        "network": lambda a, b: {s.rpartition(".")[0] for s in sources[a]} & {s.rpartition(".")[0] for s in sources[b]},
    }
    pairs = [(a, b) for a in keys for b in keys if a < b and any(ties[name](a, b) for name in by)]
    cluster = connected(keys, pairs)
    bad = [
        cluster[a["key"]]
        for a in case["alerts"]
        if a["detector"] in detectors and not (explained and "contract" in kinds[account[a["key"]]])
    ]
    return [key for key in keys if cluster[key] in bad]


def triage_by_walking(case):
    """From key to key, without clusters."""
    account, payment, kinds = papers(case)
    users, seen = {}, {}
    for line in case["log"]:
        users.setdefault(line["source"], set()).add(account[line["key"]])
        seen.setdefault(line["key"], set()).add(line["source"])
    todo = [
        a["key"]
        for a in case["alerts"]
        if a["detector"] != "spike" and not kinds[account[a["key"]]] & {"contract", "migration"}
    ]
    found = set()
    while todo:
        key = todo.pop()
        if key in found:
            continue
        found.add(key)
        for other in seen:
            shared = [s for s in seen[key] & seen[other] if len(users[s]) <= 3]
            if shared or account[other] == account[key] or payment[account[other]] == payment[account[key]]:
                todo.append(other)
    return sorted(found)


def busiest(case):
    rows = Counter()
    for line in case["log"]:
        rows[line["key"]] += line["rows"]
    return [key for key, _ in rows.most_common(8)]


# 11.2


def scope(case, keys, *, verdicts=("answered",), owner=True, all_accounts=False):
    account, _, kinds = papers(case)
    roles = {line["key"]: what_was_issued(line)["role"] for line in case["trail"] if what_was_issued(line)}
    stolen = {key for key in keys if "disputed bill" in kinds[account[key]]} if owner else set()
    theirs = {line["source"] for line in case["log"] if line["key"] in set(keys) - stolen}
    mine = [
        line
        for line in case["log"]
        if line["key"] in keys
        and line["verdict"] in verdicts
        and (line["key"] not in stolen or line["source"] in theirs)
    ]
    return {
        "lines": [line["line"] for line in mine],
        "rows": sum(line["rows"] for line in mine),
        "digits": sum(line["rows"] for line in mine if roles[line["key"]] != "teller"),
        "accounts": sorted({account[key] for key in keys if all_accounts or key not in stolen}),
    }


def scope_one_by_one(case, keys):
    account, _, kinds = papers(case)
    stolen = next(key for key in keys if "disputed bill" in kinds[account[key]])
    teller = {line["key"] for line in case["trail"] if line["detail"].startswith("teller for ")}
    places = set()
    for line in case["log"]:
        if line["key"] in keys and line["key"] != stolen:
            places.add(line["source"])
    found = {"lines": [], "rows": 0, "digits": 0, "accounts": {account[key] for key in keys} - {account[stolen]}}
    for line in case["log"]:
        if line["verdict"] != "answered" or line["key"] not in keys:
            continue
        if line["key"] == stolen and line["source"] not in places:
            continue
        found["lines"].append(line["line"])
        found["rows"] += line["rows"]
        found["digits"] += 0 if line["key"] in teller else line["rows"]
    return {**found, "accounts": list(found["accounts"])}


def changed(name, rule):
    def answer(case, keys):
        found = scope(case, keys)
        return {**found, name: rule(case, keys, found)}

    return answer


# 11.3


def timeline(case, keys, *, fast=True, offset=True, in_order=True, tickets="theirs", ends=True):
    account, _, _ = papers(case)
    accounts = {account[key] for key in keys}
    ahead = case["clocks"]["trail"] if fast else 0.0
    events = [(line["time"] - ahead, line["event"], line["key"]) for line in case["trail"] if line["key"] in keys]
    events += [(a["time"], a["detector"], a["key"]) for a in case["alerts"] if a["key"] in keys]
    for ticket in case["tickets"]:
        text = ticket["time"] if offset else ticket["time"][:19] + "+00:00"
        if ticket["account"] in accounts or tickets == "all":
            events.append((datetime.fromisoformat(text).timestamp(), ticket["kind"], ticket["account"]))
    for key in keys:
        times = [line["time"] for line in case["log"] if line["key"] == key]
        events += [(times[0], "first query", key), (times[-1], "last query", key)] if ends else []
    events = sorted(events) if in_order else events
    return [{"time": time, "what": what, "about": about} for time, what, about in events]


def timeline_by_dictionaries(case, keys):
    events = []

    def note(time, what, about):
        events.append({"time": float(time), "what": what, "about": about})

    first, last = {}, {}
    for line in case["log"]:
        first.setdefault(line["key"], line["time"])
        last[line["key"]] = line["time"]
    accounts = set()
    for line in case["trail"]:
        if line["key"] in keys:
            note(line["time"] - case["clocks"]["trail"], line["event"], line["key"])
            asked = what_was_issued(line)
            accounts |= {asked["account"]} if asked else set()
    for key in keys:
        note(first[key], "first query", key)
        note(last[key], "last query", key)
    for alert in case["alerts"]:
        if alert["key"] in keys:
            note(alert["time"], alert["detector"], alert["key"])
    for ticket in case["tickets"]:
        if ticket["account"] in accounts:
            when = datetime.fromisoformat(ticket["time"]).astimezone(UTC)
            note((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds(), ticket["kind"], ticket["account"])
    return sorted(events, key=lambda event: event["time"])


# 11.4


def explained(event):
    return event["detector"] == "spike" or event["contract"] == "what-if" or event["confirmed"]


def playbook(event):
    if event["kind"] == "confirmed":
        return "watch"
    if event["kind"] == "unanswered":
        return "revoke"
    if event["kind"] == "new address":
        return "step up" if event["linked"] else None
    return None if explained(event) else "step up"


def playbook_with_honeypot(event):
    """Lies only to keys whose owner did not answer; a shared exit is no proof."""
    match event["kind"]:
        case "confirmed":
            return "watch"
        case "unanswered":
            return "honeypot"
        case "new address" if event["linked"]:
            return "step up"
        case "alert" if not explained(event):
            return "step up"
    return None


def instead(kind, action):
    return lambda event: action if event["kind"] == kind else playbook(event)


def on_alert(action):
    return lambda event: action if event["kind"] == "alert" else None


# 11.5


def examine(lines, items, anchor, custody, *, skip=()):
    sealed = {line["name"]: line["sha256"] for line in lines}
    broken, previous = None, START
    for place, line in enumerate(lines, start=1):
        whole = line["digest"] == line_digest(line)
        if broken is None and not (line["number"] == place and line["previous"] == previous and whole):
            broken = place
        previous = line["digest"]
    gap = None
    for number, step in enumerate(custody, start=1):
        before = custody[number - 2] if number > 1 else step | {"to": step["from"]}
        fits = step["from"] == before["to"] and step["time"] >= before["time"] and step["head"] == anchor[1]
        gap = number if gap is None and not fits else gap
    found = {
        "altered": sorted(n for n in sealed if n in items and content_digest(items[n]) != sealed[n]),
        "missing": sorted(set(sealed) - set(items)),
        "added": sorted(set(items) - set(sealed)),
        "broken": broken,
        "anchored": [len(lines), lines[-1]["digest"]] == list(anchor),
        "gap": gap,
    }
    return {**found, **dict(skip)}


def examine_by_sealing_again(lines, items, anchor, custody):
    """Seals the box anew where nothing is missing, and compares digests through a set of pairs."""
    again = {line["name"]: line["sha256"] for line in seal(items)}
    old = {line["name"]: line["sha256"] for line in lines}
    good = [
        n
        for n, (a, b) in enumerate(pairwise([{"digest": START}, *lines]), start=1)
        if b["previous"] == a["digest"] and b["digest"] == line_digest(b) and b["number"] == n
    ]
    hands = [
        n
        for n, step in enumerate(custody, start=1)
        if step["head"] != anchor[1]
        or (n > 1 and (custody[n - 2]["to"] != step["from"] or custody[n - 2]["time"] > step["time"]))
    ]
    return {
        "altered": [name for name in again if name in old and again[name] != old[name]],
        "missing": [name for name in old if name not in again],
        "added": [name for name in again if name not in old],
        "broken": next((n for n in range(1, len(lines) + 1) if n not in good), None),
        "anchored": len(lines) == anchor[0] and lines[-1]["digest"] == anchor[1],
        "gap": hands[0] if hands else None,
    }


def without(name, value):
    return lambda *box: examine(*box, skip=((name, value),))


def trusts_digests(lines, items, anchor, custody):
    found = examine(lines, items, anchor, custody)
    links = [n for n, (a, b) in enumerate(pairwise(lines), start=2) if b["previous"] != a["digest"]]
    return {**found, "broken": links[0] if links else None}


# 11.6

AT_ONCE = "without undue delay"


def clocks(facts, *, since=None, hours=72, weekends=True, zone=True, processor=False, always=False, risk=True):
    start = facts[since] if since else facts["told_by_processor"] or facts["confirmed"]
    aware, known = datetime.fromisoformat(start), datetime.fromisoformat(facts["confirmed"])
    if not zone:
        aware, known = aware.replace(tzinfo=UTC), known.replace(tzinfo=UTC)
    controller = facts["role"] == "controller"
    personal = facts["personal_data"] or always
    eu = personal and facts["eu_people"] > 0

    def end(moment, wait):
        while not weekends and (moment + timedelta(hours=wait)).weekday() > 4:
            wait += 24
        return (moment + timedelta(hours=wait)).astimezone(UTC).isoformat()

    serious = facts["risk"] != "unlikely" or not risk
    california = controller and personal and facts["californians"] > 0 and not facts["unreadable"]
    return {
        "authority": end(aware, hours) if (controller or processor) and eu and serious else None,
        "people": AT_ONCE if controller and eu and facts["risk"] == "high" and not facts["unreadable"] else None,
        "controller": AT_ONCE if not controller and eu else None,
        "california": end(aware, 720) if california else None,
        "customers": end(known, facts["contract_hours"]) if facts["contract_hours"] is not None else None,
    }


def clocks_in_seconds(facts):
    """By seconds since 1970, and one duty after the other."""
    duties = dict.fromkeys(("authority", "people", "controller", "california", "customers"))
    known = datetime.fromisoformat(facts["confirmed"]).timestamp()
    told = facts["told_by_processor"]
    aware = datetime.fromisoformat(told).timestamp() if told else known

    def text(seconds):
        return datetime.fromtimestamp(seconds, UTC).isoformat()

    if facts["contract_hours"] is not None:
        duties["customers"] = text(known + 3600 * facts["contract_hours"])
    if not facts["personal_data"]:
        return duties
    if facts["role"] == "processor":
        duties["controller"] = AT_ONCE if facts["eu_people"] else None
        return duties
    if facts["eu_people"] and facts["risk"] in ("some", "high"):
        duties["authority"] = text(aware + 72 * 3600)
        if facts["risk"] == "high" and not facts["unreadable"]:
            duties["people"] = AT_ONCE
    if facts["californians"] and not facts["unreadable"]:
        duties["california"] = text(aware + 30 * 86_400)
    return duties


RIGHT = {
    "11.1": {"clusters": triage, "from key to key": triage_by_walking},
    "11.2": {"the lab's own": scope, "one line after the other": scope_one_by_one},
    "11.3": {"the lab's own": timeline, "by dictionaries": timeline_by_dictionaries},
    "11.4": {"step up, then revoke": playbook, "step up, then honeypot": playbook_with_honeypot},
    "11.5": {"the lab's own": examine, "by sealing again": examine_by_sealing_again},
    "11.6": {"the lab's own": clocks, "in seconds": clocks_in_seconds},
}

WRONG = {
    "11.1": {
        "nobody": (lambda case: [], "Recall is 0.00"),
        "everybody": (lambda case: sorted({line["key"] for line in case["log"]}), "customers are accused"),
        "the busiest": (busiest, "Recall"),
        "the alarmed": (lambda case: triage(case, by=()), "keys of the crew stay open"),
        "alerts taken at their word": (
            lambda case: triage(case, explained=False, detectors=("martingale", "spike")),
            "Which alerts does a ticket explain",
        ),
        "a shared exit is proof": (lambda case: triage(case, few=99), "what does an address prove"),
        "addresses alone": (lambda case: triage(case, by=("address",)), "same account, same payment"),
        "accounts, not keys": (lambda case: sorted({t["account"] for t in case["tickets"]}), "is no key of the log"),
        "written down": (lambda case: ["0123456789ab"], "is no key of the log"),
    },
    "11.2": {
        "nothing": (
            lambda case, keys: {"lines": [], "rows": 0, "digits": 0, "accounts": []},
            "not what the crew holds",
        ),
        "refused ones, too": (
            lambda case, keys: scope(case, keys, verdicts=("answered", "refused", "invalid")),
            "Answered requests only",
        ),
        "the owner's work, too": (lambda case, keys: scope(case, keys, owner=False), "Answered requests only"),
        "the robbed customer accused": (
            lambda case, keys: scope(case, keys, all_accounts=True),
            "robbed customer is not one",
        ),
        "lines for rows": (changed("rows", lambda case, keys, found: len(found["lines"])), "Add up the rows"),
        "digits for everybody": (changed("digits", lambda case, keys, found: found["rows"]), "all but teller"),
        "a number alone": (lambda case, keys: 1745, "not a dictionary"),
    },
    "11.3": {
        "the fast clock left fast": (lambda case, keys: timeline(case, keys, fast=False), "another time than UTC"),
        "the offset cut off": (lambda case, keys: timeline(case, keys, offset=False), "another time than UTC"),
        "not sorted": (lambda case, keys: timeline(case, keys, in_order=False), "not in order of time"),
        "newest first": (lambda case, keys: timeline(case, keys)[::-1], "not in order of time"),
        "everybody's tickets": (lambda case, keys: timeline(case, keys, tickets="all"), "do not belong there"),
        "no queries": (lambda case, keys: timeline(case, keys, ends=False), "events are missing"),
        "nothing": (lambda case, keys: [], "events are missing"),
    },
    "11.4": {
        "do nothing": (lambda event: None, "answered truthfully to the crew"),
        "revoke everybody": (lambda event: "revoke", "still shut out"),
        "step up everybody": (
            lambda event: {"confirmed": "watch", "new address": "step up"}.get(event["kind"]),
            "of honest requests were refused",
        ),
        "revoke on every alert": (on_alert("revoke"), "still shut out"),
        "honeypot on every alert": (on_alert("honeypot"), "answered with decoys"),
        "throttle on every alert": (on_alert("throttle"), "of honest requests were refused"),
        "no links": (instead("new address", None), "look at 'linked'"),
        "never lets in again": (instead("confirmed", None), "let in again"),
        "an action of its own": (on_alert("call the police"), "Return None, or one of"),
    },
    "11.5": {
        "all is well": (
            lambda *box: {
                "altered": [],
                "missing": [],
                "added": [],
                "broken": None,
                "anchored": True,
                "gap": None,
            },
            "are wrong in some",
        ),
        "the chain is enough": (without("anchored", True), "anchor's number and digest"),
        "items unread": (without("altered", []), "content_digest"),
        "hands unread": (without("gap", None), "handover"),
        "links only": (trusts_digests, "own digest does not fit"),
        "a verdict for the court": (lambda *box: "tampered", "not a dictionary"),
    },
    "11.6": {
        "no clock": (
            lambda facts: dict.fromkeys(("authority", "people", "controller", "california", "customers")),
            "is wrong for",
        ),
        "from suspicion": (lambda facts: clocks(facts, since="suspected"), "is wrong for"),
        "weekends off": (lambda facts: clocks(facts, weekends=False), "is wrong for"),
        "offsets ignored": (lambda facts: clocks(facts, zone=False), "is wrong for"),
        "a processor has 72 hours": (lambda facts: clocks(facts, processor=True), "'authority' is wrong"),
        "every theft is a breach": (lambda facts: clocks(facts, always=True), "is wrong for"),
        "risk unread": (lambda facts: clocks(facts, risk=False), "'authority' is wrong"),
        "three working days": (lambda facts: clocks(facts, hours=96), "'authority' is wrong"),
        "when the processor knew does not count": (lambda facts: clocks(facts, since="confirmed"), "is wrong for"),
    },
}
