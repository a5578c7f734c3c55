"""Right and wrong answers to lab 10's exercises."""

import numpy as np
from scipy.spatial.distance import cdist

HOUR = 3600


def features(log):
    found = {}
    for key in {r["key"] for r in log}:
        mine = [r for r in log if r["key"] == key]
        rows = [tuple(row) for r in mine for row in r["rows"]]
        times = [(r["time"], len(r["rows"])) for r in mine]
        found[key] = {
            "rows": len(rows),
            "peak": max(sum(n for t, n in times if start <= t < start + HOUR) for start, _ in times),
            "repeated": 1 - len(set(rows)) / len(rows),
            "sources": len({r["source"] for r in mine}),
        }
    return found


def features_in_one_pass(log):
    """Windows that slide with two hands, repeats counted as they come."""
    found, state = {}, {}
    for r in sorted(log, key=lambda one: one["time"]):
        key, n = r["key"], len(r["rows"])
        window, seen, places = state.setdefault(key, ([], set(), set()))
        f = found.setdefault(key, {"rows": 0, "peak": 0, "again": 0})
        window[:] = [(t, m) for t, m in window if t > r["time"] - HOUR] + [(r["time"], n)]
        for row in r["rows"]:
            f["again"] += tuple(row) in seen
            seen.add(tuple(row))
        places.add(r["source"])
        f["rows"] += n
        f["peak"] = max(f["peak"], sum(m for _, m in window))
        f["repeated"], f["sources"] = f["again"] / f["rows"], len(places)
    return found


def changed(fact, rule):
    def answer(log):
        found = features(log)
        for key in found:
            found[key][fact] = rule([r for r in log if r["key"] == key], log)
        return found

    return answer


def by_the_clock(mine, log):
    hours = {}
    for r in mine:
        hours[r["time"] // HOUR] = hours.get(r["time"] // HOUR, 0) + len(r["rows"])
    return max(hours.values())


def repeated_anywhere(mine, log):
    first = [tuple(row) for r in log if r["key"] != mine[0]["key"] for row in r["rows"]]
    rows = [tuple(row) for r in mine for row in r["rows"]]
    return sum(row in first for row in rows) / len(rows)


RANK = {"low": 0, "medium": 1, "high": 2}


def deliver(alerts, cooldown, *, same=lambda a: (a["key"], a["detector"]), escalate=True, extend=False, edge=0.0):
    sent, chosen = {}, []
    for number, a in enumerate(alerts):
        last = sent.get(same(a))
        worse = last is not None and escalate and RANK[a["priority"]] > last[1]
        if last is None or a["time"] - last[0] >= cooldown + edge or worse:
            chosen.append(number)
            sent[same(a)] = (a["time"], RANK[a["priority"]])
        elif extend:
            sent[same(a)] = (a["time"], last[1])
    return chosen


def deliver_by_search(alerts, cooldown):
    """Looks back through what was chosen, nothing else is kept."""
    chosen = []
    for number, a in enumerate(alerts):
        before = [alerts[i] for i in chosen if all(alerts[i][f] == a[f] for f in ("key", "detector"))]
        quiet = not before or a["time"] >= before[-1]["time"] + cooldown
        if quiet or "lowmediumhigh".index(a["priority"]) > "lowmediumhigh".index(before[-1]["priority"]):
            chosen.append(number)
    return np.array(chosen)


def deliver_by_deadline(alerts, cooldown):
    """Keeps until when each matter is quiet, and at which level."""
    quiet_until, level, chosen = {}, {}, []
    for number, a in enumerate(alerts):
        matter = f"{a['key']}/{a['detector']}"
        if a["time"] < quiet_until.get(matter, a["time"]) and RANK[a["priority"]] <= level[matter]:
            continue
        quiet_until[matter], level[matter] = a["time"] + cooldown, RANK[a["priority"]]
        chosen.append(number)
    return chosen


def first(over):
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1, 0)


def bet(p, threshold, kappas=(0.1, 0.25, 0.5)):
    p = np.asarray(p)
    return first(np.mean([np.cumprod(k * p ** (k - 1), axis=1) for k in kappas], axis=0) >= threshold)


def bet_in_a_loop(p, threshold):
    """One stream after the other, logarithms, one kappa, stop at the alarm."""
    found = []
    for stream in np.asarray(p):
        capital, row = 0.0, 0
        for i, value in enumerate(stream):
            capital += np.log(0.35) - 0.65 * np.log(value)
            if capital >= np.log(threshold):
                row = i + 1
                break
        found.append(row)
    return found


def looks_ahead(p, threshold):
    p = np.asarray(p)
    capital = np.prod(0.35 * p**-0.65, axis=1)
    return np.where(capital >= threshold, 1, 0)


def _questions(known, ordinary):
    known, ordinary = np.asarray(known), np.asarray(ordinary)
    middle, scale = known.mean(axis=0), np.where(known.std(axis=0) > 0, known.std(axis=0), 1)
    near, usual = (known - middle) / scale, (ordinary - middle) / scale
    values = [set(column) for column in known.T]

    def far(rows):
        return np.sort(cdist((rows - middle) / scale, near), axis=1)[:, :3].mean(axis=1)

    def new(rows):
        return np.array([sum(v not in s for v, s in zip(row, values, strict=True)) for row in rows])

    def rank(score):
        calm = np.sort(-score(ordinary))
        return lambda rows: (np.searchsorted(calm, -score(rows), side="right") + 1) / (len(calm) + 1)

    def close(rows):
        rows = (rows - middle) / scale
        own, others = cdist(rows, rows), cdist(usual, rows)
        p = [1.0]
        for i in range(1, len(rows)):
            p.append((np.sum(others[:, :i].min(axis=1) <= own[i, :i].min()) + 1) / (len(others) + 1))
        return np.array(p)

    return {"far": rank(far), "new": rank(new), "close": close}


def detector(*names, combine="capitals"):
    def detect(known, ordinary, streams, threshold):
        questions = _questions(known, ordinary)
        found = []
        for rows in streams:
            rows = np.asarray(rows)
            p = [questions[name](rows) for name in names]
            if combine == "capitals":
                capital = np.mean([np.cumprod(k * q ** (k - 1)) for q in p for k in (0.1, 0.25, 0.5)], axis=0)
                over = capital >= threshold
            else:
                over = np.min(p, axis=0) < 1 / threshold
            found.append(int(over.argmax()) + 1 if over.any() else 0)
        return found

    return detect


def detect_with_jumps(known, ordinary, streams, threshold):
    """A gambler who shifts a little money between stakes after each row, as the vendor's own monitor does."""
    questions, stakes = _questions(known, ordinary), np.array([1, 0.5, 0.25, 0.1])
    found = np.zeros(len(streams))
    for number, rows in enumerate(streams):
        p = np.array([question(np.asarray(rows)) for question in questions.values()])
        purse = np.full((len(p), 4), 0.25)
        for i in range(len(rows)):
            purse = purse * stakes * p[:, i, None] ** (stakes - 1)
            purse = 0.98 * purse + 0.02 * purse.mean(axis=1, keepdims=True)
            if purse.sum() / len(p) >= threshold:
                found[number] = i + 1
                break
    return found


def trained_on_the_streams(known, ordinary, streams, threshold):
    """Outliers among the streams themselves, at a share guessed."""
    spread = np.array([np.asarray(rows).std(axis=0).mean() for rows in streams])
    return (spread > np.quantile(spread, 0.8)).astype(int)


def verdict(case):
    if case["alarmed"] >= 0.9:
        return "stop" if case["honest_alarmed"] <= 0.01 else "ask"
    return "together" if case["together"] >= 0.9 else "limit"


def verdict_by_table(case):
    seen, twin, together = case["alarmed"] >= 0.9, case["honest_alarmed"] > 0.01, case["together"] >= 0.9
    return {(True, False): "stop", (True, True): "ask"}.get((seen, twin), "together" if together else "limit")


RIGHT = {
    "10.1": {"key by key": features, "one pass": features_in_one_pass},
    "10.2": {"memory of the last": deliver, "search back": deliver_by_search, "deadlines": deliver_by_deadline},
    "10.3": {"three stakes": bet, "a loop of logarithms": bet_in_a_loop},
    "10.4": {"three questions": detector("far", "new", "close"), "stakes that jump": detect_with_jumps},
    "10.5": {"nested": verdict, "a table": verdict_by_table},
}
WRONG = {
    "10.1": {
        "requests for rows": (changed("rows", lambda mine, log: len(mine)), "3 of 4 facts"),
        "hours of the clock": (changed("peak", by_the_clock), "3 of 4 facts"),
        "repeats of others": (changed("repeated", repeated_anywhere), "3 of 4 facts"),
        "counts sources by request": (changed("sources", lambda mine, log: len(mine)), "3 of 4 facts"),
        "one key only": (lambda log: {log[0]["key"]: features(log)[log[0]["key"]]}, "one dictionary for each key"),
        "hard-coded": (
            lambda log: {r["key"]: {"rows": 20, "peak": 9, "repeated": 0.3, "sources": 2} for r in log},
            "0 of 4 facts",
        ),
    },
    "10.2": {
        "all of them": (lambda alerts, cooldown: list(range(len(alerts))), "nothing new"),
        "none": (lambda alerts, cooldown: [], "were lost"),
        "one a key": (lambda a, c: deliver(a, c, same=lambda one: one["key"]), "were lost"),
        "no break-in": (lambda a, c: deliver(a, c, escalate=False), "were lost"),
        "held-back alerts prolong the quiet": (lambda a, c: deliver(a, c, extend=True), "were lost"),
        "off by a moment": (lambda a, c: deliver(a, c, edge=1e-6), "were lost"),
        "cool-down of a minute": (lambda a, c: deliver(a, 60), "nothing new"),
        "high only": (
            lambda a, c: [i for i in deliver(a, c) if a[i]["priority"] == "high"],
            "were lost",
        ),
    },
    "10.3": {
        "each row alone": (lambda p, t: first(np.asarray(p) < 1 / t), "looks"),
        "never": (lambda p, t: np.zeros(len(p)), "85 % is asked"),
        "everybody": (lambda p, t: np.ones(len(p)), "you accuse 100.0%"),
        "product of 1/p": (lambda p, t: first(np.cumprod(1 / np.asarray(p), axis=1) >= t), "you accuse"),
        "a share of the looks": (
            lambda p, t: first(np.asarray(p) < 1 / t / np.asarray(p).shape[1]),
            "85 % is asked",
        ),
        "looks ahead": (looks_ahead, "looked ahead"),
        "capital of 10": (lambda p, t: bet(p, t / 10), "you accuse"),
        "kappa of a hundredth": (lambda p, t: bet(p, t, kappas=(0.01,)), "85 % is asked"),
    },
    "10.4": {
        "distance alone": (detector("far"), "90 % is asked"),
        "closeness alone": (detector("close"), "90 % is asked"),
        "each row alone": (detector("far", "new", "close", combine="rows"), "customers are accused"),
        "nobody": (lambda known, ordinary, streams, threshold: [0] * len(streams), "90 % is asked"),
        "everybody": (lambda known, ordinary, streams, threshold: [1] * len(streams), "customers are accused"),
        "trained on the streams": (trained_on_the_streams, "customers are accused"),
        "beyond the end": (lambda k, o, streams, t: [len(rows) + 1 for rows in streams], "does not have"),
    },
    "10.5": {
        "always stop": (lambda case: "stop", "6 of 24"),
        "forgets the twin": (
            lambda case: "stop" if case["alarmed"] >= 0.9 else verdict(case),
            "18 of 24",
        ),
        "forgets the keys together": (
            lambda case: "limit" if verdict(case) == "together" else verdict(case),
            "18 of 24",
        ),
        "twin first": (
            lambda case: "ask" if case["honest_alarmed"] > 0.01 else verdict(case),
            "got the response",
        ),
        "another word": (lambda case: "block", "is not a verdict"),
    },
}
