"""Lab 05, guard the door: store and compare keys, give them lives, write a policy, price it, read the trail, bypass."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from typing import Any

import numpy as np

from grading import NotYet, World, exercise, expect_array
from grading.door_firm import POLICY_JOBS, Firm
from grading.door_lives import lives
from grading.door_trails import trails
from grading.exercise import manual
from grading.learner import Remote
from grading.world import ShuffledClasses
from labkit import agreement
from targets.access import Identity, KeyAuthority, Policy, Role
from targets.access.keys import make_key

FLOOR, ROWS_A_DAY = 0.96, 350


def _two_functions(pair: Any, names: str) -> tuple[Remote, Remote]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(one, Remote) for one in pair):
        raise NotYet("Your function does not return two functions.", f"End with `return {names}`.")
    return pair[0], pair[1]


@exercise(
    "05.1",
    title="Store what opens nothing",
    points=3,
    minutes=8,
    objectives=("3.1", "2.4", "3.8"),
    passed="A stolen table opens nothing, and every caller costs the door the same comparison.",
    hints=(
        "Two secrets meet in a digest: the key, which the caller brings, and the pepper, which only the door has. And "
        "what do you compare with when nobody has the presented id?",
        "Digest = HMAC-SHA-256 with the pepper as its key over the whole API key. In `sides`, look the id up with a "
        "default: a digest of the same length that nothing hashes to. Never return early.",
        "def digest(key, pepper):\n"
        '    return hmac.new(bytes.fromhex(pepper), key.encode(), "sha256").hexdigest()\n'
        'id = key.split("_")[1] if key.count("_") > 1 else ""\n'
        'stored = {one["id"]: one["digest"] for one in records}.get(id, "0" * 64)',
    ),
)
def stores_what_opens_nothing(learner: Remote, world: World) -> float:
    record, sides = _two_functions(learner(), "record, sides")
    rng = world.rng("peppers")
    pepper, other = rng.bytes(32).hex(), rng.bytes(32).hex()
    keys = [make_key()[1] for _ in range(4)]
    rows = [_record(record, key, pepper) for key in keys]
    _is_no_key(record, rows[0], keys[0], pepper, other)
    for key in keys:
        if not _opens(sides, key, rows, pepper, "the right key"):
            raise NotYet("The right key is turned away.", "For the right key, both sides must be the same digest.")
    tries = _bad_keys(keys, rows)
    for what, key in tries.items():
        if _opens(sides, key, rows, pepper, what):
            raise NotYet(
                f"{what} opens the door.", "Digest the whole presented key, and compare with its own id's row."
            )
    for what, arguments in {
        "the right key at a door with another pepper": (keys[0], rows, other),
        "any key at a door without rows": (keys[0], [], pepper),
    }.items():
        if _opens(sides, *arguments, what):
            raise NotYet(f"{what} opens the door.", "Both the row and the pepper must have a say in the comparison.")
    world.say(f"4 keys open, {len(tries) + 2} other callers do not; each of them cost one whole comparison")
    return 1.0


def _record(record: Remote, key: str, pepper: str) -> dict:
    row = record(key, pepper)
    if not isinstance(row, dict) or set(row) != {"id", "digest"} or not all(isinstance(v, str) for v in row.values()):
        raise NotYet("record does not return the two texts asked for.", 'Return {"id": …, "digest": …}, both text.')
    if row["id"] != key.split("_")[1]:
        raise NotYet(f"record names the row {row['id'][:20]!r}; the key's id is {key.split('_')[1]!r}.",
                     "The id is the part between the first two underscores.")  # fmt: skip
    return row


def _is_no_key(record: Remote, row: dict, key: str, pepper: str, other: str) -> None:
    secret = key.split("_", 2)[2]
    if secret in row["digest"] or secret[:12] in row["digest"]:
        raise NotYet("The row holds the key itself.", "Store a digest of it: whoever copies the table has every key.")
    again, elsewhere = _record(record, key, pepper), _record(record, key, other)
    if again != row:
        raise NotYet("The same key gives two digests.", "Without chance: the door must find the same digest again.")
    if elsewhere["digest"] == row["digest"] or row["digest"].lower() in _plain_hashes(key):
        raise NotYet("The digest does not depend on the pepper: who steals the table can test keys, and write rows.",
                     "Use hmac.new(bytes.fromhex(pepper), …).")  # fmt: skip
    changed = key[:-1] + ("A" if key[-1] != "A" else "E")
    if _record(record, changed, pepper)["digest"] == row["digest"]:
        raise NotYet("Two keys that differ in their last character have one digest.", "Digest the whole key.")
    if len(row["digest"]) < 40:
        raise NotYet(f"The digest has {len(row['digest'])} characters: short digests collide.", "Keep all of SHA-256.")


def _plain_hashes(key: str) -> set[str]:
    texts = (key, key.split("_", 2)[2])
    names = ("md5", "sha1", "sha256", "sha512")
    return {hashlib.new(name, text.encode()).hexdigest() for text in texts for name in names}


def _bad_keys(keys: list[str], rows: list[dict]) -> dict[str, str]:
    first, second = keys[0], keys[1]
    return {
        "a key with another last character": first[:-1] + ("A" if first[-1] != "A" else "E"),
        "a key with another first character of the secret": first[:17]
        + ("A" if first[17] != "A" else "B")
        + first[18:],
        "a key cut short by one": first[:-1],
        "a key with one character more": first + "A",
        "another account's secret under this id": first[:17] + second[17:],
        "a key whose id nobody has": make_key()[1],
        "an id without a secret": first[:17],
        "the stored digest, presented as a secret": first[:17] + rows[0]["digest"],
        "a word that is no key": "hunter2",
        "an empty key": "",
        "a key with a letter outside ASCII": first[:-1] + "é",
        "base64 of the key": base64.b64encode(first.encode()).decode(),
    }


def _opens(sides: Remote, key: str, rows: list[dict], pepper: str, what: str) -> bool:
    """Whether the door opens: the two sides are compared here, as the door does it. NotYet unless there are two."""
    try:
        pair = sides(key, rows, pepper)
    except NotYet as problem:
        if "raised" not in problem.message:
            raise
        raise NotYet(
            f"sides crashes on {what}: {problem.message}",
            "A caller that cannot be known still gets a whole comparison: with a digest that nothing has.",
            score=0.3,
        ) from None
    good = isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
    if not good:
        raise NotYet(f"On {what}, sides returns {str(pair)[:40]!r}, not two texts.",
                     "Return (stored, presented), whoever calls: an early answer tells a guesser which ids exist.",
                     score=0.3)  # fmt: skip
    stored, presented = (one.encode() for one in pair)
    if len(stored) != len(presented) or len(stored) < 40:
        raise NotYet(
            f"On {what}, the two sides have {len(stored)} and {len(presented)} characters: this comparison is over at "
            "once, and its time says so.",
            "Compare digests of one length, also for an id that nobody has.",
            score=0.3,
        )
    return hmac.compare_digest(stored, presented)


@exercise(
    "05.2",
    title="Rotate with an overlap",
    points=3,
    minutes=7,
    objectives=("3.1", "2.4"),
    passed="Customers never stand before a closed door, and no key lives longer than it should.",
    hints=(
        "Which has the last word: the end of the overlap, or the end the key had anyway? And what does a revoked key "
        "get when somebody asks to rotate it?",
        "admits: not revoked, and now before expires (not at it). rotate: None if the key is not admitted now; else a "
        "copy with the earlier of two ends, and a new record with the same account, role and length of life.",
        'old = {**record, "expires": min(record["expires"], now + overlap)}\n'
        'life = record["expires"] - record["issued"]\n'
        'new = {**record, "id": new_id, "issued": now, "expires": now + life}\n'
        "return old, new",
    ),
)
def rotates_with_an_overlap(learner: Remote, world: World) -> float:
    admits, rotate = _two_functions(learner(), "admits, rotate")
    cases = lives(world.rng("lives"))
    for case in cases:
        if problem := case.problem(admits, rotate):
            message, step = problem
            raise NotYet(message, step, score=0.3 if case.number > 6 else 0.0)
    world.say(f"{len(cases)} moments in the lives of private keys, each judged right")
    return 1.0


@exercise(
    "05.3",
    title="Write a policy of least privilege",
    points=4,
    minutes=10,
    objectives=("2.4", "2.5", "2.6"),
    passed="Everybody can work, and nobody can do more than that.",
    hints=(
        "Go through the jobs one by one. For each: which calls, how many digits, how many rows on its busiest day? "
        "Last year's policy gives several of them more.",
        "Whoever asks rows needs POST /v1/predict and GET /v1/usage, and nobody else does. The desk that keeps the "
        "keys lists, issues, rotates and revokes; the auditors read the trail and the list. No wildcard exists.",
        '"branch": {"endpoints": ["POST /v1/predict", "GET /v1/usage"], "output": "labels", "rows_a_day": 150},\n'
        '"auditor": {"endpoints": ["GET /v1/audit", "GET /v1/keys"]}, …\n'
        '"public": ["GET /health", "GET /v1/model"]',
    ),
)
def writes_a_policy_of_least_privilege(learner: Remote, world: World) -> float:
    data = learner()
    if not isinstance(data, dict):
        raise NotYet("Your function does not return a policy.", 'Return {"roles": {…}, "public": […]}.')
    try:
        policy = Policy.from_data(data)
    except ValueError as error:
        raise NotYet(
            f"The door cannot read your policy: {error}.", "Correct that place; the rest was not looked at."
        ) from None
    missing = [role for role in POLICY_JOBS if role not in policy.roles]
    if missing:
        raise NotYet(
            f"Your policy has no role {missing[0]}.", f"Write one role for each job: {', '.join(POLICY_JOBS)}."
        )
    if extra := sorted(set(policy.roles) - set(POLICY_JOBS)):
        raise NotYet(f"Nobody's job needs the role {extra[0]}.", "A role without a job is a door nobody watches.")
    firm = Firm(world, policy)
    try:
        refused, calls = firm.week_of_work()
        grants, knocks = firm.over_grants()
    finally:
        firm.close()
    world.say(f"honest week through the real door: {calls - len(refused)} of {calls} calls answered")
    world.say(f"grants that no job needs: {len(grants)}, found by {knocks} knocks and by reading digits and rows")
    if refused:
        more = f" {len(refused) - 1} more honest calls failed." if len(refused) > 1 else ""
        raise NotYet(f"{refused[0]}.{more}", "Grant what the job's description says, no less.")
    if grants:
        more = f" And {len(grants) - 1} more." if len(grants) > 1 else ""
        raise NotYet(f"{grants[0]}.{more}", "Take away what no job needs: least privilege holds both ways.",
                     score=0.5 if len(grants) <= 2 else 0.25)  # fmt: skip
    return 1.0


@exercise(
    "05.4",
    title="Price each role in days",
    points=2,
    minutes=6,
    objectives=("1.2", "2.4"),
    passed="You priced each role by its luckiest thief, which is the one that will come.",
    hints=(
        "In lab 01 the thief asked what is safe to promise, and took the lowest run. Which run matters to a defender?",
        "For each role, the smallest budget at which any run reaches the floor; then days = rows / rows a day, rounded "
        "up. None where no run reaches the floor; one day where there is no limit.",
        'hits = [r["budget"] for r in runs if r["role"] == role and r["agreement"] >= floor]\n'
        "days[role] = math.ceil(min(hits) / limit) if hits and limit else (1 if hits else None)",
    ),
)
def prices_each_role_in_days(learner: Remote, world: World) -> float:
    rng = world.rng("prices")
    cases = [_price_case(rng, floor) for floor in (0.95, 0.9, 0.95, 0.8)]
    right = 0
    for runs, floor, limits in cases:
        wanted = _days(runs, floor, limits)
        given = learner(runs, floor, limits)
        if not isinstance(given, dict) or set(given) != set(limits):
            raise NotYet("Your function does not return one entry for each role.", "Return {role: days or None, …}.")
        given = {
            role: None if v is None else float(expect_array(v, (), f"days of {role}")) for role, v in given.items()
        }
        wrong = [role for role in limits if given[role] != wanted[role]]
        right += not wrong
        for role in wrong[:1]:
            said, was = (("never" if d[role] is None else f"{d[role]:g} days") for d in (given, wanted))
            world.say(f"floor {floor:g}, {role}: you say {said}, the luckiest run says {was}")
    if right == len(cases):
        return 1.0
    raise NotYet(
        f"{right} of {len(cases)} tables priced right.",
        "The smallest budget of any run at or above the floor, in whole days rounded up; None if there is none.",
        score=0.5 if right == len(cases) - 1 else 0.0,
    )


def _price_case(rng: np.random.Generator, floor: float) -> tuple[list[dict], float, dict[str, int | None]]:
    """Noisy runs in no order; one role never arrives, one has no limit, one arrives at a budget of whole days."""
    limits: dict[str, int | None] = {"branch": 45, "analyst": 90, "model_team": None, "partner": 40}
    pace = {"branch": 14.0, "analyst": 9.0, "model_team": 4.0, "partner": 400.0}
    runs = []
    for role in limits:
        for budget in (50, 100, 200, 300, 400):
            for seed in range(4):
                level = 1 - pace[role] / budget**0.85 + rng.normal(0, 0.7 / budget**0.6)
                highest = floor - 0.01 if role == "partner" else 1.0
                run = {"role": role, "budget": budget, "seed": seed, "agreement": float(np.clip(level, 0, highest))}
                runs.append(run)
    if floor < 0.95:  # here the fourth role arrives too, once, at the floor to the last digit
        runs.append({"role": "partner", "budget": 300, "seed": 9, "agreement": floor})
    return [runs[i] for i in rng.permutation(len(runs))], floor, limits


def _days(runs: list[dict], floor: float, limits: dict[str, int | None]) -> dict[str, float | None]:
    days: dict[str, float | None] = {}
    for role, limit in limits.items():
        hits = [run["budget"] for run in runs if run["role"] == role and run["agreement"] >= floor]
        days[role] = None if not hits else 1.0 if limit is None else float(math.ceil(min(hits) / limit))
    return days


@exercise(
    "05.5",
    title="Find the insider in the trail",
    points=4,
    minutes=10,
    objectives=("4.4", "4.1", "2.4"),
    passed="You know which lines still count, and which keys nobody asked for.",
    hints=(
        "Two questions, in order. Up to where can the trail be trusted? And in that part: which key has no ticket that "
        "asked for exactly this account and role, and for this key alone?",
        "Walk the chain with line_digest; the first line whose number, link or digest does not fit is first_bad. If "
        "all fit, take the anchors in order: a missing line means a cut, at len(lines) + 1; another digest means the "
        "line after the last good anchor. Then collect the tickets already used in a set.",
        "for line in lines[: (first_bad or len(lines) + 1) - 1]:\n"
        "    asked = what_was_issued(line)\n"
        '    if asked and (tickets.get(asked["ticket"]) != {k: asked[k] for k in ("account", "role")}\n'
        '                  or asked["ticket"] in used):\n'
        '        unapproved.append(line["key"])\n'
        '    used.add(asked["ticket"]) if asked else None',
    ),
)
def finds_the_insider_in_the_trail(learner: Remote, world: World) -> float:
    cases = trails(world.rng("trails"))
    problems = []
    for case in cases:
        answer = learner(case.lines, case.anchors, case.tickets)
        if not isinstance(answer, dict) or set(answer) != {"first_bad", "unapproved"}:
            raise NotYet("Your function does not return the two keys asked for.",
                         'Return {"first_bad": number or None, "unapproved": [key ids]}.')  # fmt: skip
        if problem := case.problem(answer["first_bad"], answer["unapproved"]):
            problems.append(problem)
    world.say(f"{len(cases) - len(problems)} of {len(cases)} private trails read right")
    if problems:
        raise NotYet(*problems[0], score=0.5 if len(problems) == 1 else 0.0)
    return 1.0


class _OneAnalyst(KeyAuthority):
    """A real authority at whose door the learner's session stands for one analyst."""

    def __init__(self, clock: Any):
        ask = ("POST /v1/predict", "GET /v1/usage")
        roles = {"analyst": Role(ask, "probabilities", 2, ROWS_A_DAY), "referee": Role(ask, "probabilities")}
        super().__init__(policy=Policy(roles, public=("GET /v1/model",)), clock=clock)
        self.analyst = self.issue("insider", "analyst", actor="judge").record
        self.referee = self.issue("referee", "referee", actor="judge")

    def verify(self, key: str, *, source: str = "") -> Identity:
        if key == "learner":
            return Identity(self.analyst.id, self.analyst.account, self.analyst.role)
        return super().verify(key, source=source)


@exercise(
    "05.6",
    title="Steal with a valid key",
    points=3,
    minutes=6,
    objectives=("1.5", "2.4", "4.4"),
    passed="Authenticated, authorised, logged, within the day's rows: and the model is gone.",
    hints=(
        "Nothing at this door stops you: you have a key. What limits you is one day's rows and two decimals. Which of "
        "lab 02's tools was made for rounded answers?",
        "Ask different rows of the pool, as many as the day has, and fit with fit_soft(rows, probabilities): it takes "
        "the rounded probabilities as shares.",
        "rows = pool[rng.permutation(len(pool))[:rows_a_day]]\nreturn fit_soft(rows, api.probabilities(rows))",
    ),
)
def steals_with_a_valid_key(learner: Remote, world: World) -> float:
    shuffle = ShuffledClasses(world.rng("names").permutation(10))
    authority = _OneAnalyst(clock=lambda: 1_000_000.0)
    try:
        target = world.target("digits", model="linear", defences=(shuffle,), keys=authority, clock=lambda: 1_000_000.0)
        pool, test = target.victim.pool.X, target.victim.test.X
        model = learner(target.api(budget=None), pool, ROWS_A_DAY, world.rng_for_learner("theft"))
        target.close()
        if not isinstance(model, Remote):
            kind = "None" if model is None else "plain data"
            raise NotYet(f"Your function returned {kind}, not a copy.", "Return a fitted copy with a predict method.")
        if leaked := target.asked_any_of(test):
            raise NotYet(f"The query log shows {leaked} test rows.", "Ask rows of the pool; test rows measure.")
        if not target.rows_bought:
            raise NotYet("The query log shows no row under your key.", "Buy answers: api.probabilities(rows).")
        says = expect_array(model.predict(test), (len(test),), "the copy's prediction").astype(int)
        truth = np.asarray(target.predict(test, key=authority.referee.key).body["labels"])
    finally:
        authority.close()
    reached = agreement(says, truth)
    world.say(f"the insider's key bought {target.rows_bought} of {ROWS_A_DAY} rows in one day, all of them allowed")
    world.say(f"agreement with the victim on {len(test)} test rows: {reached:.3f}")
    if reached < FLOOR:
        raise NotYet(
            f"Your copy agrees on {reached:.1%} of test rows; the floor is {FLOOR:.0%}.",
            "Spend the whole day's rows, on different pool rows, and fit on the probabilities, not on labels.",
            score=0.3 if reached >= FLOOR - 0.05 else 0.0,
        )
    return 1.0


PARAGRAPH = manual(
    "05.7",
    title="Decide who may see digits",
    minutes=8,
    role="the owner of identity and access management",
    rubric=(
        (1, "Decides digits and rows a day for each job, from this notebook's prices in rows and days"),
        (1, "Names a victim on which coarser answers cost the thief nothing, and what is done there instead"),
        (1, "States the residual risk of the insider with a valid key, and who reads the trail how often"),
    ),
)
