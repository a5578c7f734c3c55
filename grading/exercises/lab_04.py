"""Lab 04, use the loot: evade a filter with its copy, count the loss, infer membership, name the duties."""

from __future__ import annotations

from typing import Any

import numpy as np

from grading import NotYet, World, exercise, expect_array, expect_number
from grading.exercise import manual
from grading.learner import Remote
from labkit import Rows
from labkit.evasion import SPAM, WANTED, MailRules, add_words, broken_rule, good_words, mail_rules, spend_edits
from labkit.membership import Candidates, measure_leak, own_forest, train_on_half, true_confidence
from targets import Victim

BUDGET, MAX_EDITS, MAILS = 400, 5, 60
OF_WHITE_BOX, OVER_NO_COPY = 0.75, 0.10


def _caught(victim: Victim, rules: MailRules, rng: np.random.Generator) -> np.ndarray:
    """Spam of the test part that the filter stops, and whose words no pool row holds by chance."""
    test = victim.test
    stopped = test.X[(test.y == SPAM) & (victim.labels(test.X) == SPAM)]
    pool = victim.pool.X[:, rules.words]
    chosen = [mail for mail in rng.permutation(stopped) if not (pool >= mail[rules.words]).all(axis=1).any()]
    return np.array(chosen[:MAILS])


def _built_from(mails: np.ndarray, asked: np.ndarray, rules: MailRules) -> int:
    """How many of the rows ``asked`` hold every word of one of ``mails``: the campaign tried out on the real filter."""
    words = rules.words
    return sum(bool((row[words] >= mails[:, words]).all(axis=1).any()) for row in asked)


def _pass_rate(victim: Victim, mails: np.ndarray) -> float:
    return float(np.mean(victim.labels(mails) == WANTED))


@exercise(
    "04.1",
    title="Pass the filter with its copy",
    points=4,
    minutes=15,
    objectives=("1.5", "4.2"),
    passed="The mails pass a filter that never saw one of them before they were sent.",
    hints=(
        "The copy says what each word is worth. For one mail, which five changes lower its log-odds of spam most?",
        "Adding word j gains -weights[j]; setting a style feature to 0 gains weights[j] times its value in this mail. "
        "Sort each mail's gains, take the best max_edits that are positive, and mind the upper limit of a word.",
        "gain = np.zeros_like(edited)\n"
        "gain[:, rules.words] = np.where(edited[:, rules.words] < rules.high[rules.words], -weights[rules.words], 0)\n"
        "gain[:, rules.style] = weights[rules.style] * edited[:, rules.style]\n"
        "for mail, worth in zip(edited, gain):\n"
        "    for j in np.argsort(-worth)[:max_edits]:\n"
        "        if worth[j] > 0:\n"
        "            mail[j] = mail[j] + 1 if j in rules.words else 0",
    ),
)
def passes_the_filter_with_the_copy_alone(learner: Remote, world: World) -> float:
    target = world.target("mail")
    victim, rng = target.victim, world.rng("mails")
    api = target.api(budget=BUDGET)
    rules = mail_rules(victim)
    mails = _caught(victim, rules, rng)
    answer = learner(api, victim.pool.X, mails, MAX_EDITS, world.rng_for_learner("theft"))
    target.close()
    edited = expect_array(answer, mails.shape, "the table of edited mails")
    _against_the_rules(target.asked, mails, edited, rules)
    white = _pass_rate(victim, spend_edits(_weights(victim), mails, rules, MAX_EDITS))
    known = good_words(victim.pool.X, victim.pool.y == SPAM, rules)
    plain = _pass_rate(victim, add_words(known, mails, rules, MAX_EDITS, rng))
    mine = _pass_rate(victim, edited)
    world.say(f"the target's log counts {target.rows_bought:,} rows bought of {BUDGET}, none of them a mail to be sent")
    world.say(f"your mails pass: {mine:.0%}; good words, no copy: {plain:.0%}; with the real weights: {white:.0%}")
    if mine >= max(OF_WHITE_BOX * white, plain + OVER_NO_COPY):
        return 1.0
    raise NotYet(
        f"{mine:.0%} of your mails pass; words picked without a copy pass {plain:.0%}, the real weights {white:.0%}.",
        f"Reach {OF_WHITE_BOX:.0%} of what the real weights reach: spend the whole budget on different pool rows, "
        "then all edits where the copy's weights say they count.",
        score=0.4 if mine >= plain + OVER_NO_COPY else 0.0,
    )


def _weights(victim: Victim) -> np.ndarray:
    return np.asarray(victim.estimator[-1].coef_[0] / victim.estimator[0].scale_)


def _against_the_rules(asked: list, mails: np.ndarray, edited: np.ndarray, rules: MailRules) -> None:
    tried = _built_from(mails, np.asarray(asked).reshape(-1, mails.shape[1]), rules)
    if tried:
        raise NotYet(
            f"The target's log shows {tried} rows built from the mails to be sent.",
            "Try the mails on your copy only: a real filter's log would give the campaign away.",
        )
    broken = broken_rule(mails, edited, rules, MAX_EDITS)
    if broken:
        raise NotYet(
            f"A spammer cannot send that: {broken}.", "Work on a copy of the table and check with broken_rule."
        )
    if (mails == edited).all():
        raise NotYet("No mail was changed.", "Work on edited = mails.copy() and return edited.")


MONEY = {
    "cost_to_steal": "setup once, plus rows × price_per_row",
    "break_even_rows": "(cost_to_train − setup) / price_per_row, 0 if that is negative, None if rows are free",
    "single_loss": "asset_value × exposure + response",
    "annual_loss": "single_loss × thefts a year, where one theft in N years is 1/N a year",
    "best_control": "the control with the largest (annual loss saved − yearly cost), None if none is above 0",
}


def _case(rng: np.random.Generator, **fixed: Any) -> dict:
    base = float(rng.integers(3, 13))
    case: dict[str, Any] = {
        "rows": int(rng.integers(100, 5000)),
        "price_per_row": round(float(rng.uniform(0.001, 0.2)), 4),
        "setup": float(rng.integers(50, 2000)),
        "cost_to_train": float(rng.integers(5_000, 90_000)),
        "asset_value": float(rng.integers(100_000, 900_000)),
        "exposure": round(float(rng.uniform(0.1, 0.9)), 2),
        "response": float(rng.integers(5_000, 60_000)),
        "years_between_thefts": base,
        "controls": [
            # The last looks best by what it prevents, and costs more than that.
            {"name": "quota", "years_between_thefts": base * 2, "yearly_cost": float(rng.integers(500, 2_500))},
            {"name": "monitoring", "years_between_thefts": base * 3, "yearly_cost": float(rng.integers(1_000, 9_000))},
            {
                "name": "fortress",
                "years_between_thefts": base * 20,
                "yearly_cost": float(rng.integers(300_000, 400_000)),
            },
        ],
    }
    case["controls"] = [case["controls"][i] for i in rng.permutation(3)]
    return {**case, **fixed}


def _answers(case: dict) -> dict:
    left = case["cost_to_train"] - case["setup"]
    single = case["asset_value"] * case["exposure"] + case["response"]
    annual = single / case["years_between_thefts"]
    net = {c["name"]: annual - single / c["years_between_thefts"] - c["yearly_cost"] for c in case["controls"]}
    best = max(net, key=lambda name: net[name], default=None)
    free = case["price_per_row"] == 0
    return {
        "cost_to_steal": case["setup"] + case["rows"] * case["price_per_row"],
        "break_even_rows": 0.0 if left <= 0 else None if free else left / case["price_per_row"],
        "single_loss": single,
        "annual_loss": annual,
        "best_control": best if best is not None and net[best] > 0 else None,
    }


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) or wanted is None:
        # An infinite number of rows says the same as "no number".
        return bool(given == wanted or (wanted is None and given == float("inf")))
    try:
        return abs(float(given) - wanted) <= 1e-6 * max(1.0, abs(wanted))
    except (TypeError, ValueError):
        return False


@exercise(
    "04.2",
    title="Count the loss",
    points=3,
    minutes=10,
    objectives=("1.2",),
    passed="Your model prices the theft, the loss and the control, in the corner cases too.",
    hints=(
        "Five numbers, each one line. Which of them divides by something that may be 0?",
        "One theft in N years is 1/N thefts a year. A control's worth is the annual loss it takes away minus its "
        "yearly cost; doing nothing is worth 0.",
        "single = case['asset_value'] * case['exposure'] + case['response']\n"
        "annual = single / case['years_between_thefts']\n"
        "after = {c['name']: single / c['years_between_thefts'] for c in case['controls']}\n"
        "worth = {c['name']: annual - after[c['name']] - c['yearly_cost'] for c in case['controls']}\n"
        "best = max(worth, key=worth.get, default=None)",
    ),
)
def counts_the_loss(learner: Remote, world: World) -> float:
    rng = world.rng("cases")
    dear = [{"name": "fortress", "years_between_thefts": 400.0, "yearly_cost": 900_000.0}]
    cases = [_case(rng) for _ in range(4)]
    cases += [_case(rng, price_per_row=0.0), _case(rng, cost_to_train=40.0), _case(rng, controls=dear)]
    wrong: dict[str, int] = {}
    for case in cases:
        given = learner(case)
        if not isinstance(given, dict):
            raise NotYet("Your function does not return a dictionary.", f"Return one with the keys {', '.join(MONEY)}.")
        missing = [key for key in MONEY if key not in given]
        if missing:
            raise NotYet(f"Your dictionary lacks {missing[0]!r}.", f"Return the keys {', '.join(MONEY)}.")
        for key, wanted in _answers(case).items():
            if not _same(given[key], wanted):
                wrong[key] = wrong.get(key, 0) + 1
    right = len(MONEY) - len(wrong)
    world.say(f"{right} of {len(MONEY)} results right in all {len(cases)} cases")
    if not wrong:
        return 1.0
    key = next(key for key in MONEY if key in wrong)
    raise NotYet(
        f"{key} is wrong in {wrong[key]} of {len(cases)} private cases.",
        f"{key} = {MONEY[key]}.",
        score=0.5 if right == 4 else 0.25 if right == 3 else 0.0,
    )


def _trained(world: World, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (n, K), truth (n,) and membership (n,) of a private forest."""
    victim, seed = world.victim("fraud"), world.seed(f"forest/{kind}")
    member = np.zeros(len(victim.pool), dtype=bool)
    member[np.random.default_rng(seed).permutation(len(member))[: len(member) // 3]] = True
    forest = own_forest(kind, seed % 1000).fit(victim.pool.X[member], victim.pool.y[member])
    return forest.predict_proba(victim.pool.X), victim.pool.y, member


@exercise(
    "04.3",
    title="Measure what confidence gives away",
    points=2,
    minutes=8,
    objectives=("1.5", "3.8"),
    passed="You measure the leak as the literature does, on an overfit and on a regular model.",
    hints=(
        "A member is a row the model was trained on. On which number does a model show that it has seen a row: its "
        "largest probability, or the one it gives to the row's true class?",
        "Take the true class's probability of each row. For every threshold among them, the share of members at or "
        "above it minus the share of others at or above it; the largest is the advantage.",
        "score = probabilities[np.arange(len(truth)), truth]\n"
        "return max((score[member] >= t).mean() - (score[~member] >= t).mean() for t in np.unique(score))",
    ),
)
def measures_membership_advantage(learner: Remote, world: World) -> float:
    gaps = []
    for kind in ("overfit", "regularised"):
        probabilities, truth, member = _trained(world, kind)
        scores = true_confidence(probabilities, truth)
        wanted = measure_leak(Candidates(kind, 0, scores, member, 0.0)).advantage
        given = expect_number(learner(probabilities, truth, member), "your advantage")
        world.say(f"{kind} forest: you say {given:.3f}, the advantage is {wanted:.3f}")
        gaps.append(abs(given - wanted))
    if max(gaps) <= 0.012:
        return 1.0
    raise NotYet(
        f"{sum(gap <= 0.012 for gap in gaps)} of 2 models measured right; the larger gap is {max(gaps):.3f}.",
        "Advantage = the largest (true positive rate − false positive rate) over all thresholds on the confidence in "
        "the row's true class; both rates are shares of their own group.",
        score=0.3 if min(gaps) <= 0.012 else 0.0,
    )


def _candidate_list(world: World, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Confidences and membership of a shadow model, and of a target whose candidates are few members among many."""
    victim, rng = world.victim("fraud"), world.rng(f"candidates/{number}")
    data, order = victim.train, rng.permutation(len(victim.train))
    own = Rows(data.X[order[:1000]], data.y[order[:1000]])
    shadow = train_on_half(own, own, "overfit", int(rng.integers(1000)))
    inside, outside = order[1000:1500], order[2250:]
    forest = own_forest("overfit", int(rng.integers(1000))).fit(data.X[inside], data.y[inside])
    asked = np.concatenate([inside[:90], outside])
    member = np.arange(len(asked)) < 90
    mix = rng.permutation(len(asked))
    scores = true_confidence(forest.predict_proba(data.X[asked]), data.y[asked])
    return shadow.confidence, shadow.member, scores[mix], member[mix]


def _accused(answer: Any, n: int) -> np.ndarray:
    given = expect_array(answer, (n,), "your list of accusations")
    if not np.isin(given, (0, 1)).all():
        raise NotYet("Your accusations are not all yes or no.", "Return one True or False a candidate: a comparison.")
    return given.astype(bool)


@exercise(
    "04.4",
    title="Accuse without peeking",
    points=3,
    minutes=10,
    objectives=("1.5", "2.3"),
    passed="Your threshold came from your own model alone; the facts say how well its promise held elsewhere.",
    hints=(
        "You do not know which candidates are members, nor how many. Where do you have both confidences and the truth?",
        "Only your own shadow model's non-members can tell you how often a threshold accuses wrongly. Which threshold "
        "do at most max_false of them reach?",
        "threshold = np.quantile(shadow_confidence[~shadow_member], 1 - max_false)\nreturn confidence > threshold",
    ),
)
def accuses_without_peeking(learner: Remote, world: World) -> float:
    results = []
    for number, max_false in enumerate((0.05, 0.15)):
        shadow, shadow_member, scores, member = _candidate_list(world, number)
        accused = _accused(learner(shadow, shadow_member, scores, max_false), len(scores))
        part = np.argsort(-scores)[: len(scores) // 3]
        alone = _accused(learner(shadow, shadow_member, scores[part], max_false), len(part))
        if (accused[part] != alone).any():
            raise NotYet(
                "Your verdict on a candidate changes with the other candidates on the list.",
                "Fix the threshold from the shadow model before you look at any candidate.",
            )
        limit = np.quantile(shadow[~shadow_member], 1 - max_false)
        false, found = float(accused[~member].mean()), float(accused[member].mean())
        fair, possible = float((scores[~member] > limit).mean()), float((scores[member] > limit).mean())
        results.append((max_false, false, found, fair, possible))
        world.say(
            f"{max_false:.0%} allowed: {false:.1%} of {int((~member).sum())} outsiders accused, "
            f"{found:.1%} of {int(member.sum())} members found"
        )
    return _judge_accusations(results)


def _judge_accusations(results: list[tuple[float, float, float, float, float]]) -> float:
    # A shadow's promise holds on average, not for every pair of forests: what counts is the threshold it gives.
    for allowed, false, found, fair, possible in results:
        if false > max(allowed, fair) + 0.04:
            raise NotYet(
                f"{false:.1%} of the outsiders are accused; a threshold set for {allowed:.0%} accuses {fair:.1%} here.",
                "Take the threshold that only max_false of the shadow model's non-members exceed.",
            )
        if found < 0.75 * possible:
            raise NotYet(
                f"{found:.1%} of the members are found; a threshold from the shadow model finds {possible:.1%}.",
                "Use the whole allowance: the lowest threshold that only max_false of the shadow's non-members exceed.",
            )
    return 1.0


DUTIES = ("personal_data", "authority_hours", "tell_people", "california_hours", "ccpa_claim")


def _incident(number: int, rng: np.random.Generator, **fixed: Any) -> dict:
    record = {
        "id": f"case-{number:02d}",
        "taken": bool(rng.random() < 0.85),
        "trained_on_people": bool(rng.random() < 0.85),
        "extraction_likely": bool(rng.random() < 0.8),
        "eu_people": int(rng.integers(0, 3) * rng.integers(1, 5000)),
        "californians": int(rng.integers(0, 2) * rng.integers(1, 5000)),
        "risk": str(rng.choice(["unlikely", "some", "high"])),
        "encrypted": bool(rng.random() < 0.3),
        "reasonable_security": bool(rng.random() < 0.5),
        # Different hours, so that the order is decided.
        "hours_known": number * 4 + 2,
    }
    return {**record, **fixed}


def _incidents(rng: np.random.Generator) -> list[dict]:
    """Sixteen records in private order; the first eight make sure that each rule decides at least one."""
    sure: dict[str, Any] = {
        "taken": True,
        "trained_on_people": True,
        "extraction_likely": True,
        "eu_people": 90,
        "californians": 40,
    }
    sure |= {"risk": "high", "encrypted": False, "reasonable_security": False}
    corners: list[dict[str, Any]] = [
        {}, {"encrypted": True}, {"extraction_likely": False}, {"taken": False}, {"trained_on_people": False},
        {"risk": "unlikely"}, {"risk": "some", "californians": 0}, {"eu_people": 0}, {"hours_known": 90},
        {"reasonable_security": True},
    ]  # fmt: skip
    records = [_incident(i, rng, **{**sure, **corner}) for i, corner in enumerate(corners)]
    records += [_incident(i, rng) for i in range(len(corners), 16)]
    return [records[i] for i in rng.permutation(len(records))]


def _duties(one: dict) -> dict:
    personal = one["taken"] and one["trained_on_people"] and one["extraction_likely"]
    gdpr = personal and one["eu_people"] > 0
    california = personal and one["californians"] > 0 and not one["encrypted"]
    return {
        "id": one["id"],
        "personal_data": personal,
        "authority_hours": 72 - one["hours_known"] if gdpr and one["risk"] != "unlikely" else None,
        "tell_people": gdpr and one["risk"] == "high" and not one["encrypted"],
        "california_hours": 720 - one["hours_known"] if california else None,
        "ccpa_claim": california and not one["reasonable_security"],
    }


def _clock(duty: dict) -> float:
    return min((duty[k] for k in ("authority_hours", "california_hours") if duty[k] is not None), default=float("inf"))


@exercise(
    "04.5",
    title="Sort incidents by duty and deadline",
    points=3,
    minutes=12,
    objectives=("1.3", "1.2", "4.4"),
    passed="Every duty is named, and the shortest clock stands on top.",
    hints=(
        "Start with one question for each record: did personal data leave with the model? Everything else hangs on it.",
        "personal_data needs taken, trained_on_people and extraction_likely. The authority's 72 hours fall away "
        "only if the risk is unlikely; people are told if it is high and the copy readable; California asks "
        "for readable data.",
        "personal = one['taken'] and one['trained_on_people'] and one['extraction_likely']\n"
        "gdpr = personal and one['eu_people'] > 0\n"
        "california = personal and one['californians'] > 0 and not one['encrypted']\n"
        "# then one dictionary each, and sorted(..., key=the smaller clock, none last)",
    ),
)
def sorts_incidents_by_duty_and_deadline(learner: Remote, world: World) -> float:
    records = _incidents(world.rng("incidents"))
    wanted = {one["id"]: _duties(one) for one in records}
    given = learner(records)
    if not isinstance(given, (list, tuple)) or not all(isinstance(g, dict) and "id" in g for g in given):
        raise NotYet("Your function does not return a list of dictionaries with an id.", "Return one a record.")
    ids = [str(one["id"]) for one in given]
    if sorted(ids) != sorted(wanted):
        raise NotYet(
            f"{len(records)} incidents went in, {len(set(ids) & set(wanted))} of them came out once and named.",
            "Return exactly one dictionary for each record, also for those without a duty.",
        )
    wrong = [key for key in DUTIES for one in given if not _same_duty(one.get(key), wanted[str(one["id"])][key])]
    if wrong:
        raise NotYet(
            f"{wrong[0]} is wrong for {wrong.count(wrong[0])} of {len(records)} incidents.",
            f"Read the rule for {wrong[0]} again: which fields decide it, and when is it None or False?",
            score=0.5 if len(set(wrong)) == 1 else 0.0,
        )
    clocks = [_clock(wanted[id]) for id in ids]
    world.say(f"{len(records)} incidents, {sum(c < float('inf') for c in clocks)} with a clock running")
    if clocks != sorted(clocks):
        raise NotYet(
            "Every duty is right, but the order is not by the shortest clock.",
            "Sort by the smaller of authority_hours and california_hours; incidents without a clock come last.",
            score=0.5,
        )
    return 1.0


def _same_duty(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool):
        return isinstance(given, bool) and given == wanted
    if wanted is None or given is None:
        return given is wanted
    return isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given - wanted) < 0.01


PARAGRAPH = manual(
    "04.6",
    title="Advise the risk committee",
    minutes=10,
    role="the risk committee, with counsel in the room",
    rubric=(
        (1, "States the pass rate a copy buys, with budget, spread and the no-copy baseline, from this notebook"),
        (1, "Names the loss with its most sensitive input, and says which inputs are assumptions"),
        (1, "Says when the theft would be a personal-data breach, and how strong the membership evidence is"),
    ),
)
