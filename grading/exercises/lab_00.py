"""Lab 00, start here: rules of engagement, a first query, agreement by hand, two measures, a confusion table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from grading import NotYet, World, exercise, expect_number
from grading.exercise import manual
from grading.learner import Remote
from grading.world import JudgeTarget, ShuffledClasses

EXACT = 1e-6
DECISIONS = ("allowed", "ask first", "not allowed")
# Family of cards: the right decision, and the reason a learner who misses it should read.
FAMILIES = {
    "a target that launch() started": ("allowed", "it is yours to attack, whatever else the card says"),
    "the owner agreed: in writing, this test, today": ("allowed", "this is what permission looks like"),
    "the owner agreed, but a piece is missing": ("ask first", "spoken, out of scope or out of date is not yet a yes"),
    "your employer's model, no word from its owner": (
        "ask first",
        "working there is no permission; its owner can give one",
    ),
    "a stranger's model, somebody else agreed": ("not allowed", "nobody can give away what is not theirs"),
    "a stranger's model, nobody agreed": ("not allowed", "few queries and good intentions do not change that"),
}


def _card(target: str, agreed_by: str, terms: tuple[bool, ...], queries: int) -> dict:
    facts = dict(zip(("in_writing", "covers_this_test", "covers_today"), terms, strict=True))
    return {"target": target, "agreed_by": agreed_by, **facts, "queries": queries}


def _cards(rng: np.random.Generator) -> list[tuple[str, dict]]:
    """(family, card) for every combination of facts; order and number of queries are private."""
    every = [tuple(bool(n >> k & 1) for k in range(3)) for n in range(8)]
    full = (True, True, True)
    allows, complete, partial, employer, other, nobody = FAMILIES
    kinds: list[tuple[str, str, str, tuple[bool, ...]]] = [
        *[(allows, "course", who, terms) for who in ("owner", "somebody else", "nobody") for terms in every],
        *[(complete, target, "owner", full) for target in ("employer", "stranger")],
        *[(partial, target, "owner", t) for target in ("employer", "stranger") for t in every if t != full],
        *[(employer, "employer", who, terms) for who in ("somebody else", "nobody") for terms in every],
        *[(other, "stranger", "somebody else", terms) for terms in every],
        *[(nobody, "stranger", "nobody", terms) for terms in every],
    ]
    cards = [
        (family, _card(target, agreed_by, terms, int(rng.choice([1, 20, 50_000]))))
        for family, target, agreed_by, terms in kinds
    ]
    return [cards[i] for i in rng.permutation(len(cards))]


@exercise(
    "00.1",
    title="Sign the rules of engagement",
    points=3,
    minutes=5,
    objectives=("1.1", "1.3"),
    passed="You keep the rules, on every card and in any order. Consider them signed.",
    hints=(
        "Read the rules from the top, stop at the first that fits. Which fact on the card do the rules never mention?",
        "Test card['target'] == 'course' first; then who agreed; then whether all three conditions of the yes hold.",
        "if card['target'] == 'course':\n"
        "    return 'allowed'\n"
        "if card['agreed_by'] == 'owner':\n"
        "    complete = card['in_writing'] and ... and ...\n"
        "    return 'allowed' if complete else ...\n"
        "return 'ask first' if card['target'] == ... else ...",
    ),
)
def keeps_the_rules_of_engagement(learner: Remote, world: World) -> float:
    missed: dict[str, str] = {}
    for family, card in _cards(world.rng("cards")):
        if (said := _decision(learner(card))) != FAMILIES[family][0]:
            missed.setdefault(family, said)
    for family, said in missed.items():
        right, reason = FAMILIES[family]
        world.say(f"{family}: you say {said!r}, the rules say {right!r}: {reason}")
    kept = len(FAMILIES) - len(missed)
    if not missed:
        world.say(f"all {kept} kinds of card decided by the rules, whatever the number of queries")
        return 1.0
    raise NotYet(
        f"{kept} of {len(FAMILIES)} kinds of card decided by the rules.",
        "Read the reasons below, then the rules once more, from the top.",
        score={5: 0.5, 4: 0.25}.get(kept, 0.0),
    )


def _decision(said: Any) -> str:
    if not isinstance(said, str) or said.strip().lower() not in DECISIONS:
        shown = repr(said)[:40] if isinstance(said, (str, int, float, type(None))) else "something else"
        raise NotYet(
            f"Your function decides {shown}, which is none of the three decisions.",
            "Return the text 'allowed', 'ask first' or 'not allowed' on every way through.",
        )
    return said.strip().lower()


@exercise(
    "00.2",
    title="Ask your first question",
    points=2,
    minutes=5,
    objectives=("1.5",),
    passed="One row asked, one row counted by the target, and its answer read by name.",
    hints=(
        "The target wants numbers in its own order; the applicant is a dictionary. Where is that order documented?",
        "[applicant[f.name] for f in api.model().features] is the row; api.labels([row])[0] is the class's number.",
        "card = api.model()\n"
        "row = [applicant[feature.name] for feature in card.features]\n"
        "label = api.labels([row])[0]\n"
        "return card.classes[...]",
    ),
)
def asks_one_row_and_reads_the_answer(learner: Remote, world: World) -> float:
    rng = world.rng("applicants")
    target = world.target("credit", defences=(ShuffledClasses(rng.permutation([1, 2, 0])),))
    card, rows = target.victim, _one_row_a_class(target, rng)
    api = target.api(budget=20 * len(rows))
    answers = target.labels(rows)
    for row, label in zip(rows, answers, strict=True):
        values = {f.name: float(v) for f, v in zip(card.features, row, strict=True)}
        shuffled = {name: values[name] for name in rng.permutation(list(values)).tolist()}
        before = target.rows_bought
        said = learner(api, shuffled)
        _asked_exactly(target.asked[before:], row)
        _names_the_class(said, card.classes, card.classes[label])
    world.say(f"the target's log counts {target.rows_bought} rows for {len(rows)} applicants")
    target.close()
    return 1.0


def _one_row_a_class(target: JudgeTarget, rng: np.random.Generator) -> np.ndarray:
    """Four applicants in private order, every decision among them."""
    rows = target.victim.pool.X[rng.permutation(len(target.victim.pool.X))[:300]]
    _, first = np.unique(target.labels(rows), return_index=True)
    rest = [i for i in range(len(rows)) if i not in first]
    return rows[rng.permutation([*first, rest[0]])]


def _asked_exactly(asked: list[list[float]], row: np.ndarray) -> None:
    if not asked:
        raise NotYet("The target's log shows no query of yours.", "Buy the answer with api.predict([row]).")
    if len(asked) > 1:
        raise NotYet(
            f"The target's log counts {len(asked)} rows for one applicant; one is enough.",
            "Call api.predict (or api.labels) once and keep its answer in a variable.",
            score=0.5 if all(np.array_equal(a, row) for a in asked) else 0.0,
        )
    if not np.array_equal(np.asarray(asked[0], dtype=float), row):
        raise NotYet(
            "The row that the target received is not this applicant.",
            "Put the values in the order of api.model().features; a dictionary's own order means nothing.",
        )


def _names_the_class(said: Any, classes: tuple[str, ...], wanted: str) -> None:
    if not isinstance(said, str):
        raise NotYet(
            "Your function does not return the decision's name.",
            f"Turn the class's number into a name: api.model().classes holds {', '.join(classes)}.",
            score=0.25,
        )
    if said != wanted:
        raise NotYet(
            f"The target answered {wanted!r}, you report {said[:40]!r}.", "Return the name of the bought label."
        )


@exercise(
    "00.3",
    title="Count agreement by hand",
    points=2,
    minutes=5,
    objectives=("1.5", "2.3"),
    passed="Right on lists, arrays and names, on one row, and silent where there is nothing to compare.",
    hints=(
        "How many places hold the same answer, out of how many? And what should not be divided?",
        "Compare the lengths first. Then walk both lists together with zip and count equal pairs.",
        "if len(copy) != len(victim) or len(copy) == 0:\n"
        "    return None\n"
        "same = sum(a == b for a, b in zip(copy, victim))\n"
        "return same / ...",
    ),
)
def counts_agreement_by_hand(learner: Remote, world: World) -> float:
    for name, copy, victim in _comparable(world.rng("answers")):
        wanted = float(np.mean([a == b for a, b in zip(copy, victim, strict=True)]))
        given = expect_number(learner(copy, victim), f"your agreement ({name})")
        if abs(given - wanted) > EXACT:
            raise NotYet(f"{name}: you say {given:.4g}, counted one by one it is {wanted:.4g}.", _slip(given, wanted))
    world.say("lists, arrays, names and single rows counted right")
    for name, copy, victim in _incomparable(world.rng("odd")):
        try:
            given = learner(copy, victim)
        except NotYet as reason:
            raise NotYet(f"{name}: {reason.message}", "Return None before you compare or divide.", score=0.5) from None
        if given is not None:
            raise NotYet(
                f"{name}: your function answers all the same, as if that could be compared.",
                "Return None if the lengths differ, or if there are no rows: a share of nothing is not 0 and not 1.",
                score=0.5,
            )
    return 1.0


def _comparable(rng: np.random.Generator) -> list[tuple[str, Any, Any]]:
    victim = rng.integers(0, 3, 97)
    copy = np.where(rng.random(97) < 0.3, rng.integers(0, 3, 97), victim)
    names = np.array(["approve", "refer", "decline"])
    return [
        ("97 rows, arrays", copy, victim),
        ("97 rows, lists", copy.tolist(), victim.tolist()),
        ("97 names", names[copy].tolist(), names[victim].tolist()),
        ("a list and an array", copy[:40].tolist(), victim[:40]),
        ("one row, the same answer", [2], [2]),
        ("one row, another answer", [0], [2]),
        ("no answer the same", victim.tolist(), ((victim + 1) % 3).tolist()),
        ("every answer the same", victim, victim),
    ]


def _incomparable(rng: np.random.Generator) -> list[tuple[str, Any, Any]]:
    some = rng.integers(0, 3, 12)
    return [
        ("12 answers beside 9", some, some[:9]),
        ("9 answers beside 12, lists", some[:9].tolist(), some.tolist()),
        ("1 answer beside 12", some[:1], some),
        ("no rows at all", [], []),
    ]


def _slip(given: float, wanted: float) -> str:
    if abs(given - 100 * wanted) < 0.5 and wanted:
        return "Return a share between 0 and 1, not a percentage."
    if abs(given - (1 - wanted)) < EXACT:
        return "You count the rows that differ; count those that agree."
    return "Equal places divided by all places, not rounded."


@exercise(
    "00.4",
    title="Tell agreement from accuracy",
    points=2,
    minutes=5,
    objectives=("1.5", "2.3"),
    passed="Two measures kept apart, and the stolen mistakes counted.",
    hints=(
        "Each measure compares the copy with somebody. With whom? A stolen mistake needs all three lists.",
        "np.mean(a == b) is a share, np.sum(condition) a count; & joins two conditions, each in brackets.",
        "accuracy: np.mean(copy == truth)\n"
        "agreement: np.mean(copy == ...)\n"
        "stolen mistakes: np.sum((victim != truth) & (copy == ...))",
    ),
)
def tells_agreement_from_accuracy(learner: Remote, world: World) -> float:
    wrong: dict[str, str] = {}
    for copy, victim, truth in _three_lists(world.rng("lists")):
        right = {
            "accuracy": np.mean(copy == truth),
            "agreement": np.mean(copy == victim),
            "stolen_mistakes": np.sum((victim != truth) & (copy == victim)),
        }
        _compare(learner(copy, victim, truth), right, wrong)
    return _all_or_part(
        wrong,
        3,
        world,
        "Beside truth it is accuracy, beside victim agreement; a stolen mistake repeats a wrong answer of the victim.",
    )


def _three_lists(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Copies of a victim that errs, one of a victim that never does; rows where both err differently are among them."""
    cases = []
    for size, error in ((80, 0.3), (203, 0.2), (50, 0.0)):
        truth = rng.integers(0, 4, size)
        victim = np.where(rng.random(size) < error, (truth + 1) % 4, truth)
        copy = np.where(rng.random(size) < 0.25, rng.integers(0, 4, size), victim)
        if error:
            copy[:3], victim[:3], truth[:3] = (2, 3, 1), (1, 2, 1), (0, 1, 0)
        cases.append((copy, victim, truth))
    return cases


def _compare(given: Any, right: Mapping[str, float], wrong: dict[str, str]) -> None:
    """Add to ``wrong`` each key of ``right`` that ``given`` has otherwise, with the numbers."""
    if not isinstance(given, dict):
        raise NotYet(
            "Your function does not return a dictionary.",
            "Return {" + ", ".join(f'"{key}": …' for key in right) + "}.",
        )
    for key, wanted in right.items():
        if key not in given:
            known = ", ".join(map(str, given)) or "nothing"
            raise NotYet(
                f"Your dictionary has no {key!r}; it holds {known[:80]}.", "Spell the keys as in the docstring."
            )
        said = expect_number(given[key], f"your {key}")
        if abs(said - wanted) > EXACT:
            wrong.setdefault(key, f"{key}: you say {said:.4g}, it is {float(wanted):.4g}")


def _all_or_part(wrong: dict[str, str], total: int, world: World, advice: str) -> float:
    for fact in wrong.values():
        world.say(fact)
    if not wrong:
        return 1.0
    raise NotYet(
        f"{total - len(wrong)} of {total} numbers are right on every case.",
        advice,
        score=0.5 if len(wrong) == 1 else 0.0,
    )


@exercise(
    "00.5",
    title="Unmask a lazy copy",
    points=2,
    minutes=6,
    objectives=("2.3", "4.1"),
    passed="You read what the copy learned, what laziness would have earned, and where the copy fails.",
    hints=(
        "A row of the table holds everything that the victim answered with one class. What does a row's sum tell?",
        "table.sum(axis=1) counts the victim's answers, np.diag(table) those the copy repeats. Divide for each class.",
        "asked = table.sum(axis=1)\n"
        "same = np.diag(table)\n"
        "agreement: same.sum() / table.sum()\n"
        "baseline: asked.max() / ...\n"
        "weakest: int(np.argmin(same / ...))",
    ),
)
def unmasks_a_lazy_copy(learner: Remote, world: World) -> float:
    wrong: dict[str, str] = {}
    rng = world.rng("tables")
    lazy = np.array([[941, 0], [59, 0]])
    for table in (lazy, _table(rng, 3), _table(rng, 4), _table(rng, 5)):
        asked, same = table.sum(axis=1), np.diag(table)
        right = {
            "agreement": same.sum() / table.sum(),
            "baseline": asked.max() / table.sum(),
            "weakest": int(np.argmin(same / asked)),
        }
        _compare(learner(table), right, wrong)
    return _all_or_part(
        wrong, 3, world, "Rows are the victim's answers: sum along a row, and take shares of that sum, not counts."
    )


def _table(rng: np.random.Generator, classes: int) -> np.ndarray:
    """Counts on which reading columns for rows, or counts for shares, shows."""
    while True:
        table = rng.integers(1, 60, (classes, classes)) + np.diag(rng.integers(20, 400, classes))
        same, asked, given = np.diag(table), table.sum(axis=1), table.sum(axis=0)
        shares = np.sort(same / asked)
        if (
            shares[1] - shares[0] > 0.03
            and asked.max() != given.max()
            and len({np.argmin(same / asked), np.argmin(same / given), np.argmin(same)}) == 3
            and np.argmin(asked) != np.argmin(same / asked)
        ):
            return table


PARAGRAPH = manual(
    "00.6",
    title="Write the rule your employer needs",
    minutes=5,
    role="the manager who authorises tests",
    rubric=(
        (1, "Names who may authorise (the model's owner, by role) and the form: in writing, before the first query"),
        (1, "Bounds the test: which target, which dates, how many queries, what happens to the answers and to a copy"),
        (
            1,
            "Says when to stop and whom to call, and what is never tested (others' services without their owner's yes)",
        ),
    ),
)
