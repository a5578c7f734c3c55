"""Lab 10, watch the queries: features of a key, alerts once, a bet that pays for its looks, a detector, verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from grading import NotYet, World, exercise
from grading.exercise import manual
from grading.learner import Remote, expect_array
from labkit import customers, query_thieves
from labkit.api import ModelCard
from targets.watch.reference import held_out_rows

HOUR = 3600.0
FACTS = ("rows", "peak", "repeated", "sources")


@exercise(
    "10.1",
    title="Describe a key",
    points=2,
    minutes=8,
    objectives=("4.1", "2.3"),
    passed="Four facts a key, counted in rows, over any hour and for each key by itself.",
    hints=(
        "Collect each key's requests first, in order of time. A request holds several rows, and all have its time.",
        "For the peak, start an hour at each request and add up the rows until it ends. For repeats, keep a set of "
        "tuple(row) and look before you add.",
        "peak = max(sum(n for t, n in times if start <= t < start + 3600) for start, _ in times)\n"
        "repeated = 1 - len({tuple(row) for row in rows}) / len(rows)",
    ),
)
def describes_each_key(learner: Remote, world: World) -> float:
    log = _log(world.rng("log"))
    given = learner([{**r, "rows": r["rows"].tolist()} for r in log])
    wanted = {key: _facts([r for r in log if r["key"] == key]) for key in {r["key"] for r in log}}
    if not isinstance(given, dict) or set(given) != set(wanted) or not all(isinstance(g, dict) for g in given.values()):
        raise NotYet(
            "Your answer does not hold one dictionary for each key.", "Return {key: {'rows': …, 'peak': …, …}}."
        )
    right = 0
    for fact in FACTS:
        told = {key: given[key].get(fact) for key in wanted}
        wrong = [key for key in wanted if not _close(told[key], wanted[key][fact])]
        right += not wrong
        if wrong:
            key = sorted(wrong)[0]
            world.say(f"{fact} of {key}: you say {str(told[key])[:30]}, the log says {wanted[key][fact]:g}")
    if right == len(FACTS):
        world.say(f"{len(wanted)} keys, {len(log)} requests: every fact right")
        return 1.0
    raise NotYet(
        f"{right} of {len(FACTS)} facts are right for every key.",
        "Count rows, not requests; start an hour at every request; compare a row with its own key's rows only.",
        score=right / (2 * len(FACTS)),
    )


def _log(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Requests of a few keys in order of time; bursts across the full hour, repeats within keys and between them."""
    requests = []
    common = rng.integers(0, 9, (6, 3)).astype(float)
    for number in range(6):
        key, sources = f"key-{rng.integers(1000)}-{number}", rng.integers(1, 5)
        for _ in range(int(rng.integers(5, 12))):
            rows = rng.integers(0, 30, (int(rng.integers(1, 6)), 3)).astype(float)
            rows[0] = common[rng.integers(6)]
            time = float(rng.integers(0, 6)) * HOUR + rng.choice([0.0, HOUR - 400]) + float(rng.uniform(0, 350))
            requests.append({"key": key, "time": time, "source": f"192.0.2.{rng.integers(sources)}", "rows": rows})
    return sorted(requests, key=lambda request: request["time"])


def _facts(requests: list[dict[str, Any]]) -> dict[str, float]:
    rows = np.vstack([r["rows"] for r in requests])
    times = np.array([r["time"] for r in requests])
    sizes = np.array([len(r["rows"]) for r in requests])
    return {
        "rows": len(rows),
        "peak": max(int(sizes[(times >= t) & (times < t + HOUR)].sum()) for t in times),
        "repeated": 1 - len(np.unique(rows, axis=0)) / len(rows),
        "sources": len({r["source"] for r in requests}),
    }


def _close(told: Any, wanted: float) -> bool:
    return isinstance(told, (int, float)) and not isinstance(told, bool) and abs(told - wanted) < 1e-6


PRIORITIES = ("low", "medium", "high")


@exercise(
    "10.2",
    title="Alert once",
    points=2,
    minutes=8,
    objectives=("4.1", "4.3"),
    passed="Each matter wakes somebody once, and a worse turn of it wakes them again.",
    hints=(
        "Which alerts are the same matter? And what must you remember of the last one that went out?",
        "Keep, for each (key, detector), the time and priority of the last *delivered* alert. A held-back alert "
        "changes nothing in that memory.",
        "last = sent.get((a['key'], a['detector']))\n"
        "if last is None or a['time'] - last[0] >= cooldown or rank[a['priority']] > last[1]:\n"
        "    sent[a['key'], a['detector']] = (a['time'], rank[a['priority']])\n"
        "    chosen.append(number)",
    ),
)
def wakes_somebody_once(learner: Remote, world: World) -> float:
    rng = world.rng("alerts")
    cooldown = float(rng.integers(200, 900))
    alerts = _alerts(rng, cooldown)
    given = learner(alerts, cooldown)
    if not isinstance(given, (list, tuple, np.ndarray)):
        raise NotYet("Your answer is not a list.", "Return the numbers (0, 1, …) of the alerts to deliver.")
    numbers = [int(n) for n in expect_array(given, (None,), "your list")]
    wanted = _delivered(alerts, cooldown)
    world.say(f"{len(alerts)} alerts raised, {len(set(numbers))} delivered by you, {len(wanted)} by the rule")
    missed, noisy = sorted(set(wanted) - set(numbers)), sorted(set(numbers) - set(wanted))
    if not missed and not noisy and len(numbers) == len(wanted):
        return 1.0
    if missed:
        alert = alerts[missed[0]]
        why = f"alert {missed[0]} ({alert['priority']}, {alert['key']}, {alert['detector']}) was held back"
        raise NotYet(
            f"{len(missed)} alerts were lost; {why}.",
            "Another key, another detector, a higher priority, or a cool-down that is over: any of these is news.",
        )
    raise NotYet(
        f"{len(noisy) or 'Some'} alerts were delivered that say nothing new.",
        "Compare with the last *delivered* alert of the same key and detector; higher priority alone breaks in.",
        score=0.25,
    )


def _alerts(rng: np.random.Generator, cooldown: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "time": float(round(time)),  # whole seconds: sums and differences of them are exact, however written
            "key": f"key-{rng.integers(3)}",
            "detector": str(rng.choice(["spike", "martingale"])),
            "priority": PRIORITIES[rng.choice(3, p=[0.5, 0.35, 0.15])],
        }
        for time in np.sort(rng.uniform(0, 8 * cooldown, 70))
    ]
    last = {**found[-1], "key": "key-edge", "priority": "low"}
    return [*found, *({**last, "time": last["time"] + wait} for wait in (0.0, cooldown, 1.5 * cooldown))]


def _delivered(alerts: list[dict[str, Any]], cooldown: float) -> list[int]:
    sent: dict[tuple[str, str], tuple[float, int]] = {}
    chosen = []
    for number, alert in enumerate(alerts):
        matter, rank = (alert["key"], alert["detector"]), PRIORITIES.index(alert["priority"])
        if matter not in sent or alert["time"] - sent[matter][0] >= cooldown or rank > sent[matter][1]:
            sent[matter] = (alert["time"], rank)
            chosen.append(number)
    return chosen


@exercise(
    "10.3",
    title="Bet, and pay for every look",
    points=3,
    minutes=12,
    objectives=("4.1", "2.3"),
    passed="However long you look, at most one honest key in the number promised is accused, and the thieves are not "
    "missed.",
    hints=(
        "Start with a capital of 1 a stream. At each row the capital is multiplied by a bet that is large when p is "
        "small and that is 1 on average when p is uniform.",
        "kappa * p ** (kappa - 1) is such a bet for any kappa between 0 and 1. np.cumprod along a row gives the "
        "capital; a mean over several kappas is a capital, too.",
        "capital = np.mean([np.cumprod(k * p ** (k - 1), axis=1) for k in (0.1, 0.25, 0.5)], axis=0)\n"
        "over = capital >= threshold\n"
        "return np.where(over.any(axis=1), over.argmax(axis=1) + 1, 0)",
    ),
)
def pays_for_every_look(learner: Remote, world: World) -> float:
    rng = world.rng("p-values")
    streams, length = 2000, 150
    for threshold in (20.0, 100.0):
        alarms = _alarms(learner(_conformal(rng.random((streams, length))), threshold), streams, length)
        share = float(np.mean(alarms > 0))
        world.say(f"threshold {threshold:g}: {share:.2%} of {streams:,} honest streams accused in {length} rows")
        if share > 1 / threshold + 3 * np.sqrt(1 / threshold / streams):
            raise NotYet(
                f"At threshold {threshold:g} you accuse {share:.1%} of honest streams; "
                f"the promise is {1 / threshold:.0%}.",
                f"{length} rows are {length} looks. Multiply bets that are 1 on average; do not judge each row alone.",
            )
    guilty = _conformal(rng.random((300, 60)) ** (1 / 0.3))
    alarms = _alarms(learner(guilty, 100.0), 300, 60)
    caught = float(np.mean(alarms > 0))
    world.say(f"{caught:.0%} of 300 thieves' streams alarmed within 60 rows at threshold 100")
    if caught < 0.85:
        raise NotYet(
            f"{caught:.0%} of thieves are alarmed within 60 rows; 85 % is asked.",
            "Small p-values must multiply the capital: try kappa = 0.1, 0.25 and 0.5, and average the capitals.",
            score=0.4 if caught > 0.3 else 0.0,
        )
    _must_not_look_ahead(learner, guilty, alarms)
    return 1.0


def _conformal(p: np.ndarray, count: int = 500) -> np.ndarray:
    """p-values as a rank among ``count`` held-out rows gives them: never below 1 / (count + 1)."""
    return (np.floor(p * (count + 1)) + 1) / (count + 1)


def _alarms(given: Any, streams: int, length: int | None) -> np.ndarray:
    alarms = expect_array(given, (streams,), "your answer")
    if (alarms != np.floor(alarms)).any() or (alarms < 0).any() or (length is not None and (alarms > length).any()):
        raise NotYet(
            "Your answer holds numbers that are no row numbers.",
            "One whole number a stream: 1 for its first row, 0 for never.",
        )
    return alarms.astype(int)


def _must_not_look_ahead(learner: Remote, p: np.ndarray, alarms: np.ndarray) -> None:
    early = int(np.median(alarms[alarms > 0]))
    changed = p.copy()
    changed[:, early:] = 1.0
    again = _alarms(learner(changed, 100.0), len(p), p.shape[1])
    before = (alarms > 0) & (alarms <= early)
    if not np.array_equal(again[before], alarms[before]):
        raise NotYet(
            "An alarm moved when rows after it were changed: it looked ahead.",
            "The capital after row i may depend on the first i p-values only.",
            score=0.5,
        )


CUSTOMERS, PER_KIND, MOST_ALARMED, SOON = 60, 2, 2, 35


@exercise(
    "10.4",
    title="Build the detector",
    points=4,
    minutes=18,
    objectives=("4.1", "4.2", "4.3"),
    seconds=30.0,
    passed="On traffic nobody had seen, the invented queries are found in time and the customers are left in peace.",
    hints=(
        "Far from known rows and new values are given. What else gives a thief away who steps around one real row?",
        "Compare each row's distance to the stream's earlier rows with the distances of the `ordinary` rows to the "
        "same earlier rows. A small rank is a small p-value. Then bet on each question, and average the capitals.",
        "def close(rows):\n"
        "    own, others = cdist(rows, rows), cdist(ordinary_scaled, rows)\n"
        "    return np.array([1.0] + [\n"
        "        (np.sum(others[:, :i].min(axis=1) <= own[i, :i].min()) + 1) / (len(others) + 1)\n"
        "        for i in range(1, len(rows))])",
    ),
)
def finds_thieves_and_leaves_customers_in_peace(learner: Remote, world: World) -> float:
    known, ordinary, streams, kinds = _traffic(world)
    alarms = _alarms(learner(known, ordinary, streams, 100.0), len(streams), None)
    sizes = np.array([len(rows) for rows in streams])
    if (alarms > sizes).any():
        raise NotYet("You alarm at a row that a stream does not have.", "Row numbers start at 1 in each stream.")
    honest = np.array([kind == "" for kind in kinds])
    accused = int(np.sum(alarms[honest] > 0))
    caught = (alarms > 0) & (alarms <= SOON)
    share = float(np.mean(caught[~honest]))
    world.say(f"{accused} of {CUSTOMERS} honest customers accused; {share:.0%} of thieves found within {SOON} rows")
    missed = sorted({kind for kind, found in zip(kinds, caught, strict=True) if kind and not found})
    if accused > MOST_ALARMED:
        raise NotYet(
            f"{accused} of {CUSTOMERS} honest customers are accused; at most {MOST_ALARMED} may be.",
            "Rank every score among the `ordinary` rows, bet on the p-values, and alarm at `threshold` alone.",
        )
    if share < 0.9:
        raise NotYet(
            f"{share:.0%} of thieves are found within {SOON} rows; 90 % is asked. Missed: {', '.join(missed)}.",
            "Ask more than one question a row, and average the capitals, not the p-values.",
            score=0.5 if share >= 0.6 else 0.25 if share >= 0.3 else 0.0,
        )
    return 1.0


def _traffic(world: World) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[str]]:
    """Known rows, held-out rows, streams in private order, and each stream's kind ("" for honest)."""
    victim, rng = world.victim("credit"), world.rng("traffic")
    card = ModelCard(victim.name, victim.title, victim.features, victim.classes, "probabilities", 1000)  # type: ignore[arg-type]
    ordinary = held_out_rows(victim)
    own = victim.pool.X[len(ordinary) :]
    pairs = [("", customers.plain(victim.test.X, rng, int(rng.integers(30, 60)))) for _ in range(CUSTOMERS)]
    for kind, stream in query_thieves.SYNTHETIC.items():
        for _ in range(PER_KIND):
            pairs.append((kind, stream(card, own, victim.probabilities, rng, 45)))
    order = rng.permutation(len(pairs))
    return victim.train.X, ordinary, [pairs[i][1] for i in order], [pairs[i][0] for i in order]


VERDICTS = ("stop", "ask", "together", "limit")


@exercise(
    "10.5",
    title="Give the verdict",
    points=2,
    minutes=7,
    objectives=("4.2", "4.1"),
    passed="Each measured row of the table gets the response that helps, and no customer is stopped for being careful.",
    hints=(
        "Ask in this order: does the monitor see this thief? Would it see an honest customer who behaves alike?",
        "Both shares count. A monitor that sees both cannot tell them apart, so a person asks. One that sees neither "
        "leaves two ways: watch keys together, or limit.",
        "if case['alarmed'] >= 0.9:\n"
        "    return 'stop' if case['honest_alarmed'] <= 0.01 else 'ask'\n"
        "return 'together' if case['together'] >= 0.9 else 'limit'",
    ),
)
def gives_the_response_that_helps(learner: Remote, world: World) -> float:
    rng = world.rng("cases")
    cases = [_case(verdict, rng) for verdict in VERDICTS for _ in range(6)]
    right, wrong = 0, ""
    for i in rng.permutation(len(cases)):
        case, wanted = cases[i]
        given = learner(case)
        if not isinstance(given, str) or given not in VERDICTS:
            raise NotYet(
                f"{str(given)[:40]!r} is not a verdict.", f"Return one of {', '.join(map(repr, VERDICTS))}, as text."
            )
        right += given == wanted
        if given != wanted:
            wrong = f"{case}: you say {given!r}"
    if right == len(cases):
        world.say(f"{right} measured cases, every response right")
        return 1.0
    world.say(wrong)
    raise NotYet(
        f"{right} of {len(cases)} cases got the response that helps.",
        "Seen or not? If seen: would an honest twin be seen, too? If not: do the keys together give it away?",
        score=0.5 if right >= 0.8 * len(cases) else 0.0,
    )


def _case(verdict: str, rng: np.random.Generator) -> tuple[dict[str, float], str]:
    def share(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 3)

    seen = verdict in ("stop", "ask")
    case = {
        "alarmed": share(0.9, 1) if seen else share(0, 0.89),
        "honest_alarmed": share(0.012, 1) if verdict == "ask" else share(0, 0.01),
        "together": share(0.9, 1) if verdict == "together" or (seen and rng.random() < 0.5) else share(0, 0.89),
    }
    if not seen and rng.random() < 0.4:
        case["honest_alarmed"] = share(0, 1)
    return case, verdict


manual(
    "10.6",
    title="Set the alarm policy",
    minutes=8,
    role="the lead of the security operations centre",
    rubric=(
        (1, "Names a detector and threshold, with its false alarms and rows leaked from this notebook."),
        (1, "Names at least two thieves the detector does not see, and a control that is not a detector for each."),
        (1, "Says what happens to an alarmed customer, and gives a way back for the honest analyst."),
    ),
)
