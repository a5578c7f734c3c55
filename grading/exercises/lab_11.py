"""Lab 11, respond to theft: whose keys, what left, in which order; a playbook before a live crew; evidence; clocks."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from grading import NotYet, World, exercise
from grading.exercise import manual
from grading.learner import Remote, expect_array
from labkit import evidence
from labkit.access import what_was_issued
from labkit.api import ModelCard
from labkit.defending import call_hook, describe
from labkit.incident import Incident, write_incident
from labkit.playbook import ACTIONS, Containment, Ending, replay
from labkit.playbook_scenes import make_scene
from targets.defences.mounted import Mounted
from targets.watch.guard import Guard
from targets.watch.martingale import Martingale
from targets.watch.reference import Reference, held_out_rows
from targets.watch.rules import Spike

INCIDENTS, FLOOR = 3, 0.8


@exercise(
    "11.1",
    title="Find the crew's keys",
    points=3,
    minutes=9,
    objectives=("4.4", "4.1", "4.3"),
    passed="From one alert you found the crew's other keys, and left the neighbours alone.",
    hints=(
        "Which alert cannot be explained? A spike counts rows, and a what-if contract explains odd rows. From the key "
        "that is left, look for others that share something with it: an account, a payment, an address.",
        "Make pairs of keys with the same account, the same payment (sign-up tickets), or an address that few accounts "
        "use; then let connected(keys, pairs) name the clusters, and return every key in a cluster with a bad alert.",
        "places = Counter(source for source, account in {(line['source'], account_of[line['key']]) for line in log})\n"
        "tied = [(a, b) for a in keys for b in keys if account_of[a] == account_of[b] or ...]\n"
        "cluster = connected(keys, tied)\n"
        "return [key for key in keys if cluster[key] in {cluster[bad] for bad in alarmed}]",
    ),
)
def finds_the_crews_keys_and_no_others(learner: Remote, world: World) -> float:
    scores = []
    for number in range(INCIDENTS):
        incident = _incident(world, f"triage {number}")
        given = _texts(learner(incident.case), "your answer")
        known = {line["key"] for line in incident.log}
        if strange := set(given) - known:
            raise NotYet(
                f"{sorted(strange)[0][:30]!r} is no key of the log.", "Return key ids, as the log writes them."
            )
        right = len(set(given) & incident.crew_keys)
        precision, recall = right / max(1, len(set(given))), right / len(incident.crew_keys)
        world.say(
            f"incident {number + 1}: {len(set(given))} keys named, {right} of the crew's {len(incident.crew_keys)} "
            f"among them (precision {precision:.2f}, recall {recall:.2f})"
        )
        scores.append((precision, recall))
    precision, recall = (min(values) for values in zip(*scores, strict=True))
    if precision >= FLOOR and recall >= FLOOR:
        return 1.0
    if recall < FLOOR:
        raise NotYet(
            f"Recall is {recall:.2f} in the worst incident; {FLOOR:g} is asked: keys of the crew stay open.",
            "Go on from each key you found: same account, same payment, same address (unless many accounts share it).",
            score=0.25 if precision >= FLOOR and recall >= 0.4 else 0.0,
        )
    raise NotYet(
        f"Precision is {precision:.2f} in the worst incident; {FLOOR:g} is asked: customers are accused.",
        "Which alerts does a ticket explain? And what does an address prove that many accounts share?",
        score=0.25 if precision >= 0.4 else 0.0,
    )


def _incident(world: World, label: str) -> Incident:
    """A private incident in which the honest analyst was alarmed, too."""
    victim, rng = world.victim("credit"), world.rng(label)
    while True:
        found = write_incident(_card(world), victim.pool.X, victim.test.X, seed=int(rng.integers(2**31)))
        if len({alert["key"] for alert in found.alerts if alert["detector"] == "martingale"}) > 1:
            return found


def _card(world: World) -> ModelCard:
    victim = world.victim("credit")
    return ModelCard(victim.name, victim.title, victim.features, victim.classes, "probabilities", 1000)  # type: ignore[arg-type]


def _texts(given: Any, what: str) -> list[str]:
    if not isinstance(given, (list, tuple, np.ndarray)):
        raise NotYet(f"{what} is {_shown(given)}, not a list.", "Return a list; sorted(...) makes one of a set.")
    if not all(isinstance(one, str) for one in given):
        raise NotYet(f"{what} holds something that is not text.", "Return names as text, as the papers write them.")
    return list(given)


def _shown(value: Any) -> str:
    return f"a {value.kind}" if isinstance(value, Remote) else repr(value)[:40]


@exercise(
    "11.2",
    title="Count what left",
    points=2,
    minutes=6,
    objectives=("4.4", "1.2"),
    passed="What left is counted to the row, and the robbed customer's own work is not in it.",
    hints=(
        "Only answered requests gave something away. And one of the keys has an honest owner: whose bill is disputed?",
        "Of the stolen key count only requests from addresses that another key of the crew used. Its role, in the "
        "trail, says whether an answer had digits: a teller's has none.",
        "stolen = {key for key in keys if account_of[key] in disputed}\n"
        "theirs = {line['source'] for line in log if line['key'] in set(keys) - stolen}\n"
        "mine = [line for line in log if line['key'] in keys and line['verdict'] == 'answered'\n"
        "        and (line['key'] not in stolen or line['source'] in theirs)]",
    ),
)
def counts_what_left(learner: Remote, world: World) -> float:
    wrong: Counter[str] = Counter()
    for number in range(2):
        incident = _incident(world, f"scope {number}")
        given = _mapping(learner(incident.case, sorted(incident.crew_keys)), ("lines", "rows", "digits", "accounts"))
        wanted = _scope(incident)
        lines = sorted(expect_array(given["lines"], (None,), '"lines"').astype(int).tolist())
        named = sorted(_texts(given["accounts"], '"accounts"'))
        facts = {"lines": lines, "rows": given["rows"], "digits": given["digits"], "accounts": named}
        wrong.update(name for name, value in facts.items() if not _equal(value, wanted[name]))
        world.say(
            f"incident {number + 1}: you count {len(lines)} lines and {str(given['rows'])[:12]} rows, "
            f"the crew holds {len(wanted['lines'])} and {wanted['rows']:,}"
        )
    if not wrong:
        return 1.0
    name = next(iter(wrong))
    steps = {
        "lines": "Answered requests only; of the stolen key those from the crew's addresses only.",
        "rows": "Add up the rows of exactly the lines you return.",
        "digits": "Rows answered to roles that see probabilities: all but teller.",
        "accounts": "Accounts that the crew runs. The robbed customer is not one of them.",
    }
    raise NotYet(
        f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not what the crew holds.",
        steps[name],
        score=0.5 if len(wrong) == 1 else 0.0,
    )


def _scope(incident: Incident) -> dict[str, Any]:
    roles = {line["key"]: what_was_issued(line) for line in incident.trail if what_was_issued(line)}
    mine = [incident.log[number - 1] for number in incident.crew_lines]
    return {
        "lines": list(incident.crew_lines),
        "rows": sum(line["rows"] for line in mine),
        "digits": sum(line["rows"] for line in mine if (roles[line["key"]] or {})["role"] != "teller"),
        "accounts": sorted(incident.crew_accounts),
    }


def _mapping(given: Any, names: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise NotYet(f"Your answer is {_shown(given)}, not a dictionary.", f"Return one with {', '.join(names)}.")
    if missing := [name for name in names if name not in given]:
        raise NotYet(f"Your answer has no {missing[0]!r}.", f"Return a dictionary with {', '.join(names)}.")
    return given


def _equal(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or wanted is None:
        return given is wanted
    if isinstance(given, (bool, Remote)):
        return False
    return bool(given == wanted)


@exercise(
    "11.3",
    title="Put it in order",
    points=2,
    minutes=7,
    objectives=("4.4", "4.1"),
    passed="Four sources, three kinds of time, one order.",
    hints=(
        "Bring every time to seconds UTC before you sort. Which clock is fast, and which text carries its own offset?",
        "The trail's time minus clocks['trail'] is UTC. datetime.fromisoformat(text).timestamp() reads a ticket's, "
        "offset included. Log and alerts are in UTC already.",
        "events = [{'time': line['time'] - fast, 'what': line['event'], 'about': line['key']}\n"
        "          for line in case['trail'] if line['key'] in keys]\n"
        "# the same for alerts and tickets, two for each key from the log; then\n"
        "return sorted(events, key=lambda event: event['time'])",
    ),
)
def puts_it_in_order(learner: Remote, world: World) -> float:
    incident = _incident(world, "timeline")
    given = learner(incident.case, sorted(incident.crew_keys))
    wanted = _timeline(incident)
    events = _events(given)
    told, known = (Counter((one["what"], one["about"]) for one in side) for side in (events, wanted))
    if told != known:
        missing, extra = known - told, told - known
        what = f"missing: {next(iter(missing))}" if missing else f"too many: {next(iter(extra))}"
        raise NotYet(
            f"{sum(missing.values())} events are missing and {sum(extra.values())} do not belong there; {what}.",
            "Trail and alerts by key, tickets by account, and the first and last log line of every key.",
        )
    world.say(f"{len(wanted)} events, all there")
    late = [
        one for one, own in zip(_by_name(events), _by_name(wanted), strict=True) if abs(one["time"] - own["time"]) > 1
    ]
    if late:
        kinds = Counter(one["what"] for one in late)
        raise NotYet(
            f"{len(late)} events have another time than UTC; the first kind is {next(iter(kinds))!r}.",
            "The trail's clock is fast: subtract. A ticket's text carries its offset: keep it when you read it.",
            score=0.25,
        )
    times = [one["time"] for one in events]
    share = np.mean([b >= a for i, a in enumerate(times) for b in times[i + 1 :]])
    world.say(f"{share:.0%} of all pairs of events are in the right order")
    if share < 1:
        raise NotYet("Every time is right, but the list is not in order of time.", "Sort by time.", score=0.5)
    return 1.0


def _events(given: Any) -> list[dict[str, Any]]:
    names = ("time", "what", "about")
    if not isinstance(given, (list, tuple)):
        raise NotYet(f"Your answer is {_shown(given)}, not a list.", "Return a list of dictionaries.")
    for one in given:
        _mapping(one, names)
        if not isinstance(one["time"], (int, float)) or isinstance(one["time"], bool):
            raise NotYet(f"A time is {_shown(one['time'])}, not a number.", "Seconds since 1970, UTC.")
    return [{**one, "what": str(one["what"]), "about": str(one["about"])} for one in given]


def _by_name(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(events, key=lambda one: (one["what"], one["about"], one["time"]))


def _timeline(incident: Incident) -> list[dict[str, Any]]:
    keys = incident.crew_keys
    accounts = {what["account"] for line in incident.trail if line["key"] in keys and (what := what_was_issued(line))}
    found = [(line["time"] - incident.trail_fast, line["event"], line["key"]) for line in incident.trail]
    found += [(alert["time"], alert["detector"], alert["key"]) for alert in incident.alerts]
    found = [one for one in found if one[2] in keys]
    for ticket in incident.tickets:
        if ticket["account"] in accounts:
            found.append((datetime.fromisoformat(ticket["time"]).timestamp(), ticket["kind"], ticket["account"]))
    for key in keys:
        mine = [line["time"] for line in incident.log if line["key"] == key]
        found += [(min(mine), "first query", key), (max(mine), "last query", key)]
    return [{"time": time, "what": what, "about": about} for time, what, about in sorted(found)]


MOST_LEAKED, MOST_REFUSED = 130, 0.05


@exercise(
    "11.4",
    title="Write the playbook",
    points=4,
    minutes=13,
    objectives=("3.6", "4.4", "2.6"),
    passed="The crew was stopped while it adapted, and the customers hardly noticed.",
    hints=(
        "Ask at each event: what do we know, and which action could we take back if we are wrong? A spike or a what-if "
        "contract explains itself; a call to the number in the contract tells a customer from a thief.",
        "Step up on an alert that nothing explains, and on a new address of a key that is linked to a contained one. "
        "Let in who confirmed; end, or lie to, who did not answer.",
        "if event['kind'] == 'confirmed': return 'watch'\n"
        "if event['kind'] == 'unanswered': return 'revoke'\n"
        "if event['kind'] == 'new address': return 'step up' if event['linked'] else None\n"
        "# alerts: None for a spike, a what-if contract or a confirmed key, else 'step up'",
    ),
)
def contains_the_crew_and_spares_the_customers(learner: Remote, world: World) -> float:
    reference = Reference.of(world.victim("credit"))
    endings = [_play(learner, world, reference, f"scene {number}", tests=number == 1) for number in range(2)]
    for number, ending in enumerate(endings, start=1):
        world.say(
            f"day {number}: {ending.leaked()} rows leaked; of {ending.honest} honest asks {ending.refused_share:.1%} "
            f"refused, {ending.lied_to} answered with decoys; {len(ending.locked_out)} customers shut out at the end"
        )
    leaked = max(ending.leaked() for ending in endings)
    harmed = _harm(endings)
    if harmed:
        raise NotYet(*harmed, score=0.25 if leaked <= MOST_LEAKED and not any(e.lied_to for e in endings) else 0.0)
    if leaked > MOST_LEAKED:
        raise NotYet(
            f"{leaked} rows were answered truthfully to the crew; at most {MOST_LEAKED} may be.",
            "An alert comes for the first key only. The next ones are linked to it: look at 'linked' at a new address.",
            score=0.25 if leaked <= 250 else 0.0,
        )
    return 1.0


def _harm(endings: Sequence[Ending]) -> tuple[str, str] | None:
    """What customers suffered beyond the floors, and the next step."""
    if lied := sum(ending.lied_to for ending in endings):
        return (
            f"{lied} honest requests were answered with decoys; none may be.",
            "A lie cannot be taken back: keep the honeypot for keys whose owner did not answer the call.",
        )
    if shut := sum(len(ending.locked_out) for ending in endings):
        return (
            f"{shut} honest customers are still shut out at the end of the day.",
            "Who has confirmed is let in again ('watch'), and a what-if contract explains odd rows.",
        )
    share = max(ending.refused_share for ending in endings)
    if share > MOST_REFUSED:
        return (
            f"{share:.1%} of honest requests were refused; at most {MOST_REFUSED:.0%} may be.",
            "Act on reasons: an alert that nothing explains, a link to a contained key. Most new addresses have none.",
        )
    return None


def _play(learner: Remote, world: World, reference: Reference, label: str, *, tests: bool) -> Ending:
    """One day in the real app: monitors in front, containment behind, time as the scene has it."""
    victim = world.victim("credit")
    own = victim.pool.X[len(held_out_rows(victim)) :]
    scene = make_scene(_card(world), own, victim.test.X, seed=world.seed(label), tests=tests)
    contain = Containment(victim.train.X, world.seed(f"{label} plane"))
    raised: list[dict[str, Any]] = []
    guard = Guard([Martingale(reference), Spike()], stop=False, deliver=lambda a: raised.append(dict(vars(a))))
    hooks = Mounted(partial(call_hook, contain), **describe(contain))
    target = world.target("credit", defences=(guard, hooks), clock=lambda: contain.now)

    def send(key: str, source: str, rows: np.ndarray) -> tuple[int, Any, Any]:
        reply = target.predict(rows, key=key, source=source)
        if reply.status != 200:
            return reply.status, None, None
        return 200, np.array(reply.body["labels"]), np.array(reply.body["probabilities"])

    def new_alerts() -> list[dict[str, Any]]:
        fresh = raised[:]
        raised.clear()
        return fresh

    return replay(partial(_decide, learner), scene, contain, send, new_alerts)


def _decide(learner: Remote, event: dict[str, Any]) -> str | None:
    action = learner(event)
    if action is not None and (not isinstance(action, str) or action not in ACTIONS):
        raise NotYet(
            f"Your playbook answered {_shown(action)} to {event['kind']!r}.",
            f"Return None, or one of {', '.join(map(repr, ACTIONS))}.",
        )
    return action


CHECKED = ("altered", "missing", "added", "broken", "anchored", "gap")


@exercise(
    "11.5",
    title="Examine the evidence",
    points=3,
    minutes=8,
    objectives=("4.4", "3.8", "1.3"),
    passed="Every item that was touched is named, and a chain made anew did not deceive you.",
    hints=(
        "Three questions, one after the other: does each item still have the digest that was sealed? Does each line of "
        "the seal hold, and hang on the line before? Is its last line the one that somebody else noted?",
        "content_digest(items[name]) against line['sha256']; line_digest(line) against line['digest'], number and "
        "previous against the line before; (len(lines), last digest) against the anchor. Hands: who gives must be who "
        "received before.",
        "sealed = {line['name']: line['sha256'] for line in lines}\n"
        "altered = sorted(n for n in sealed if n in items and content_digest(items[n]) != sealed[n])\n"
        "missing, added = sorted(set(sealed) - set(items)), sorted(set(items) - set(sealed))",
    ),
)
def finds_what_was_touched(learner: Remote, world: World) -> float:
    rng = world.rng("evidence")
    wrong: Counter[str] = Counter()
    cases = [(kind, *_evidence(kind, rng)) for kind in rng.permutation(KINDS)]
    for kind, lines, items, anchor, custody in cases:
        given = _mapping(learner(lines, items, anchor, custody), CHECKED)
        wanted = _examined(lines, items, anchor, custody)
        for name in CHECKED:
            value = sorted(_texts(given[name], f'"{name}"')) if isinstance(wanted[name], list) else given[name]
            if not _equal(value, wanted[name]):
                wrong[name] += 1
                world.say(f"{kind}: {name} is {_shown(value)}, should be {wanted[name]!r}"[:160])
    if not wrong:
        world.say(f"{len(cases)} boxes of evidence examined, each verdict right")
        return 1.0
    name = wrong.most_common(1)[0][0]
    steps = {
        "altered": "Compare content_digest(items[name]) with the sha256 of its line, for items that are there.",
        "missing": "Sealed, but no longer in the box.",
        "added": "In the box, but never sealed.",
        "broken": "The first line whose number, previous or own digest does not fit; None if all do.",
        "anchored": "True if the anchor's number and digest are those of the last line.",
        "gap": "The first handover, counted from 1, whose giver did not receive it before, or whose head is not the "
        "anchor's digest, or whose time runs backwards.",
    }
    raise NotYet(
        f"{', '.join(sorted(wrong))} {'is' if len(wrong) == 1 else 'are'} wrong in some of {len(cases)} boxes.",
        steps[name],
        score=0.5 if len(wrong) == 1 else 0.0,
    )


KINDS = (
    "sound", "altered", "altered, line edited", "altered, line made anew", "altered, chain made anew", "missing",
    "added", "line cut out", "last line cut off", "hand missing", "other head", "clock backwards",
)  # fmt: skip


def _evidence(kind: str, rng: np.random.Generator) -> tuple[list[dict], dict[str, Any], list[Any], list[dict]]:
    """A box of evidence with what happened to it: lines, items, anchor (number, digest), handovers."""
    names = [f"queries, day {day}" for day in range(1, int(rng.integers(4, 8)))] + ["alerts", "tickets", "trail"]
    items = {name: [{"row": int(r), "key": rng.bytes(3).hex()} for r in rng.integers(0, 99, 3)] for name in names}
    lines = evidence.seal(items)
    anchor = [len(lines), lines[-1]["digest"]]
    people = ["analyst", "shift lead", "forensics", "counsel", "court clerk"][: int(rng.integers(3, 6))]
    custody = evidence.handovers(people, anchor[1], 1_795_000_000.0)
    at = int(rng.integers(1, len(lines) - 1))
    items, lines, custody = copy.deepcopy(items), copy.deepcopy(lines), copy.deepcopy(custody)
    if kind.startswith("altered"):
        items[lines[at]["name"]][0]["key"] = "000000"
        if kind == "altered, chain made anew":
            lines = evidence.seal(items)
        elif kind != "altered":
            lines[at]["sha256"] = evidence.content_digest(items[lines[at]["name"]])
        if kind == "altered, line made anew":
            lines[at]["digest"] = evidence.line_digest(lines[at])
    elif kind == "missing":
        del items[lines[at]["name"]]
    elif kind == "added":
        items["queries, day 99"] = []
    elif kind == "line cut out":
        del lines[at]
    elif kind == "last line cut off":
        del lines[-1]
    elif kind == "hand missing":
        custody[1]["from"] = "an unknown hand"
    elif kind == "other head":
        custody[-1]["head"] = "0" * 64
    elif kind == "clock backwards":
        custody[-1]["time"] = custody[0]["time"] - 60
    return lines, items, anchor, custody


def _examined(lines: list[dict], items: dict[str, Any], anchor: list[Any], custody: list[dict]) -> dict[str, Any]:
    sealed = {line["name"]: line["sha256"] for line in lines}
    broken, previous = None, evidence.START
    for place, line in enumerate(lines, start=1):
        if (line["number"], line["previous"], line["digest"]) != (place, previous, evidence.line_digest(line)):
            broken = place
            break
        previous = line["digest"]
    bad = [
        n
        for n, (before, after) in enumerate(pairwise(custody), start=2)
        if after["from"] != before["to"] or after["time"] < before["time"] or after["head"] != anchor[1]
    ]
    gap = 1 if custody[0]["head"] != anchor[1] else min(bad, default=None)
    return {
        "altered": sorted(n for n in sealed if n in items and evidence.content_digest(items[n]) != sealed[n]),
        "missing": sorted(set(sealed) - set(items)),
        "added": sorted(set(items) - set(sealed)),
        "broken": broken,
        "anchored": [len(lines), lines[-1]["digest"]] == list(anchor),
        "gap": gap,
    }


DUTIES = ("authority", "people", "controller", "california", "customers")
AT_ONCE = "without undue delay"


@exercise(
    "11.6",
    title="Start the clocks",
    points=2,
    minutes=6,
    objectives=("1.3", "1.2", "4.4"),
    passed="Every clock that runs is named with its end in UTC, and none runs that should not.",
    hints=(
        "Two questions decide most: did personal data leave, and are we controller or processor? Then: from which "
        "moment, suspicion or knowledge?",
        "datetime.fromisoformat keeps the offset; add timedelta(hours=72), then .astimezone(UTC).isoformat(). "
        "Weekends count. A controller whose processor told it counts from that.",
        "aware = datetime.fromisoformat(facts['told_by_processor'] or facts['confirmed'])\n"
        "controller = facts['role'] == 'controller'\n"
        "eu = facts['personal_data'] and facts['eu_people'] > 0\n"
        "authority = aware + timedelta(hours=72) if controller and eu and facts['risk'] != 'unlikely' else None",
    ),
)
def starts_the_clocks_that_run(learner: Remote, world: World) -> float:
    rng = world.rng("clocks")
    wrong: Counter[str] = Counter()
    cases = [_facts(rng) for _ in range(60)]
    for facts in cases:
        given = _mapping(learner(facts), DUTIES)
        wanted = _deadlines(facts)
        for duty in DUTIES:
            if not _same_moment(given[duty], wanted[duty]):
                if not wrong[duty]:
                    world.say(f"{duty}: you say {_shown(given[duty])}, the rule {wanted[duty]!r}, for {facts}"[:420])
                wrong[duty] += 1
    if not wrong:
        world.say(f"{len(cases)} incidents, {len(DUTIES)} duties each")
        return 1.0
    duty, often = wrong.most_common(1)[0]
    raise NotYet(
        f"{duty!r} is wrong for {often} of {len(cases)} incidents" + (", and others, too." if len(wrong) > 1 else "."),
        f"Read the line for {duty} in the table again: who has the duty, from which moment, and when not at all?",
        score=0.5 if len(wrong) == 1 else 0.0,
    )


def _facts(rng: np.random.Generator) -> dict[str, Any]:
    zones = [timezone(timedelta(hours=float(hours))) for hours in (0, 1, 2, -5, 5.5, -8)]
    start = datetime(2026, 10, 20, tzinfo=UTC) + timedelta(minutes=int(rng.integers(0, 40 * 1440)))

    def text(hours: float) -> str:
        return (start + timedelta(hours=hours)).astimezone(zones[rng.integers(len(zones))]).isoformat()

    controller = bool(rng.random() < 0.65)
    confirmed = float(rng.uniform(5, 60))
    told = text(confirmed - float(rng.uniform(1, 4))) if controller and rng.random() < 0.3 else None
    return {
        "role": "controller" if controller else "processor",
        "suspected": text(0),
        "confirmed": text(confirmed),
        "told_by_processor": told,
        "personal_data": bool(rng.random() < 0.75),
        "risk": str(rng.choice(["unlikely", "some", "high"])),
        "unreadable": bool(rng.random() < 0.3),
        "eu_people": int(rng.choice([0, 40, 2000])),
        "californians": int(rng.choice([0, 3, 900])),
        "contract_hours": [None, 24, 48][int(rng.integers(3))],
    }


def _deadlines(facts: dict[str, Any]) -> dict[str, str | None]:
    aware = datetime.fromisoformat(facts["told_by_processor"] or facts["confirmed"])
    controller, personal = facts["role"] == "controller", facts["personal_data"]
    eu = personal and facts["eu_people"] > 0

    def after(hours: float, since: datetime = aware) -> str:
        return (since + timedelta(hours=hours)).astimezone(UTC).isoformat()

    hours = facts["contract_hours"]
    return {
        "authority": after(72) if controller and eu and facts["risk"] != "unlikely" else None,
        "people": AT_ONCE if controller and eu and facts["risk"] == "high" and not facts["unreadable"] else None,
        "controller": AT_ONCE if not controller and eu else None,
        "california": after(720)
        if controller and personal and facts["californians"] and not facts["unreadable"]
        else None,
        "customers": after(hours, datetime.fromisoformat(facts["confirmed"])) if hours is not None else None,
    }


def _same_moment(given: Any, wanted: str | None) -> bool:
    if wanted is None or wanted == AT_ONCE or not isinstance(given, str):
        return given == wanted and isinstance(given, (str, type(None)))
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        return False
    if moment.tzinfo is None:
        return False
    return abs((moment - datetime.fromisoformat(wanted)).total_seconds()) < 1


manual(
    "11.7",
    title="Report the incident",
    minutes=9,
    role="the chief information security officer, with counsel copied",
    rubric=(
        (
            1,
            "Scope with this notebook's numbers: keys, rows, a copy's agreement as a range; facts apart from guesses.",
        ),
        (1, "The course of events in order, with the moment of awareness and why it is that one."),
        (1, "Which clocks run, until when in UTC, which do not, and what counsel has to decide."),
        (1, "What was done and what it cost customers, what stays open, and how far the evidence carries."),
    ),
)
