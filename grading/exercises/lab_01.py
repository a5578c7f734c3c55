"""Lab 01, steal by query: split, steal within a budget, steal from labels, ask well, read the curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from grading import NotYet, World, exercise, expect_array, expect_number
from grading.exercise import manual
from grading.learner import Remote
from grading.world import ShuffledClasses
from labkit import agreement, fingerprints, make_surrogate
from targets.defences.label_only import LabelOnly

FLOOR, BUDGET = 0.85, 120
LABEL_FLOOR, LABEL_BUDGET = 0.80, 120


def _rows_with_twins(world: World) -> np.ndarray:
    """Digits rows, a third of them standing in the table twice or three times, shuffled."""
    rng = world.rng("rows")
    rows = world.victim("digits").pool.X[rng.permutation(400)[:150]]
    twins = rows[rng.integers(0, 150, 70)]
    return rng.permutation(np.vstack([rows, twins]))


def _two_tables(parts: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise NotYet("Your function does not return two tables.", "End with `return pool, test`.")
    pool, test = (_table(part, rows.shape[1], name) for part, name in zip(parts, ("pool", "test part"), strict=True))
    return pool, test


def _table(part: Any, width: int, name: str) -> np.ndarray:
    # An empty list has no columns; it is a table without rows all the same.
    empty = isinstance(part, list) and not part
    return np.empty((0, width)) if empty else expect_array(part, (None, width), f"the {name}")


@exercise(
    "01.1",
    title="Split without a leak",
    points=2,
    minutes=8,
    objectives=("1.5", "4.2"),
    passed="No row stands on both sides, not even as a twin, and no row got lost.",
    hints=(
        "Two rows with the same numbers are one row to a model. What decides a row's side must depend on its numbers, "
        "not on its position.",
        "Find the different rows first (np.unique with axis=0 and return_inverse=True), shuffle those, and let every "
        "twin follow its original.",
        "different, which = np.unique(rows, axis=0, return_inverse=True)\n"
        "order = rng.permutation(len(different))\n"
        "to_test = np.isin(which, order[: round(test_share * len(different))])\n"
        "return rows[~to_test], rows[to_test]",
    ),
)
def splits_without_leak(learner: Remote, world: World) -> float:
    rows = _rows_with_twins(world)
    share = 0.4
    pool, test = _two_tables(learner(rows, share, world.rng_for_learner("split")), rows)
    if len(pool) + len(test) != len(rows):
        raise NotYet(
            f"{len(rows)} rows went in, {len(pool) + len(test)} came out.",
            "Keep every row, twins too, on exactly one side.",
        )
    if fingerprints(pool) | fingerprints(test) != fingerprints(rows):
        raise NotYet("Some rows came out with other numbers.", "Move rows, do not change them.")
    both = fingerprints(pool) & fingerprints(test)
    if both:
        raise NotYet(
            f"{len(both)} rows stand on both sides: a copy tested on them looks better than it is.",
            "Send twins to the same side: decide by content, not by position.",
        )
    if not 0.25 <= len(test) / len(rows) <= 0.55:
        raise NotYet(
            f"The test part holds {len(test) / len(rows):.0%} of the rows; {share:.0%} was asked.",
            "Take about `test_share` of the different rows.",
        )
    first_half = fingerprints(rows[: len(rows) // 2])
    if not 0.2 < np.mean([p in first_half for p in fingerprints(test)]) < 0.8:
        raise NotYet(
            "The test part comes from one end of the table: if rows are sorted by day or by class, it is biased.",
            "Shuffle the different rows with `rng` before you cut.",
        )
    again = _two_tables(learner(rows, share, world.rng_for_learner("another split")), rows)[1]
    if fingerprints(again) == fingerprints(test):
        raise NotYet(
            "Two different generators gave the same split, so chance has no part in it.",
            "Shuffle the different rows with `rng` before you cut.",
        )
    world.say(f"{len(rows)} rows in, {len(pool)} to the pool, {len(test)} to the test, 0 on both sides")
    return 1.0


def _steal(learner: Remote, world: World, *, name: str, budget: int, labels_only: bool = False) -> float:
    """Let the learner steal, put the victim out of reach, and measure the copy on rows that were never asked."""
    # Secret names for the classes: a model trained on true labels of data that anybody has agrees with nothing here.
    shuffle = ShuffledClasses(world.rng("names").permutation(10))
    target = world.target(name, defences=(shuffle, LabelOnly()) if labels_only else (shuffle,))
    victim = target.victim
    model = learner(target.api(budget=budget), victim.pool.X, world.rng_for_learner("theft"))
    target.close()
    if not isinstance(model, Remote):
        raise NotYet(
            f"Your function returned {'None' if model is None else 'plain data'}, not a copy.",
            "Return the fitted classifier: anything with a predict method.",
        )
    leaked = target.asked_any_of(victim.test.X)
    if leaked:
        raise NotYet(
            f"The target's log shows {leaked} test rows among your queries.",
            "Query rows of the pool; test rows measure.",
        )
    world.say(f"the target's log counts {target.rows_bought:,} rows bought of {budget:,}")
    if not target.rows_bought:
        raise NotYet("The target's log shows no query of yours.", "Buy answers with api.predict(rows).")
    copied = expect_array(model.predict(victim.test.X), (len(victim.test.X),), "the copy's prediction")
    reached = agreement(copied.astype(int), target.labels(victim.test.X))
    world.say(f"agreement with the victim on {len(copied)} test rows: {reached:.3f}")
    return reached


def _against_floor(reached: float, floor: float, advice: str) -> float:
    if reached >= floor:
        return 1.0
    raise NotYet(
        f"Your copy agrees with the victim on {reached:.1%} of test rows; the floor is {floor:.0%}.",
        advice,
        score=0.5 if reached >= floor - 0.1 else 0.0,
    )


@exercise(
    "01.2",
    title="Steal within a budget",
    points=3,
    minutes=10,
    objectives=("1.5",),
    passed="A working copy, paid for within the budget, measured on rows nobody trained on.",
    hints=(
        "Three steps: choose rows the thief owns, buy their answers, fit a model of your own on them.",
        "Choose with rng.permutation(len(pool))[:int(api.left)], buy with api.predict, then call fit_surrogate.",
        "rows = pool[rng.permutation(len(pool))[: int(api.left)]]\n"
        "answers = api.predict(rows)\n"
        "return fit_surrogate(rows, answers)",
    ),
)
def steals_within_the_budget(learner: Remote, world: World) -> float:
    reached = _steal(learner, world, name="digits", budget=BUDGET)
    return _against_floor(reached, FLOOR, "Spend the whole budget, on different rows, and use the probabilities.")


@exercise(
    "01.3",
    title="Ask better questions",
    points=3,
    minutes=12,
    objectives=("1.5", "4.3"),
    passed="Your questions teach a copy more than the same number of random ones.",
    hints=(
        "A row on which the copy is sure teaches it little. Which rows is it least sure of?",
        "The margin is the gap between a row's two largest probabilities. Sort by margin and take the smallest.",
        "top = np.sort(copy_probabilities, axis=1)\n"
        "margin = top[:, -1] - top[:, -2]\n"
        "return np.argsort(margin)[:count]",
    ),
)
def asks_better_than_random(learner: Remote, world: World) -> float:
    victim = world.victim("digits", model="linear")
    truth, wanted = victim.labels(victim.pool.X), victim.labels(victim.test.X)

    def reached(rows: np.ndarray) -> float:
        return agreement(_copy(victim.pool.X[rows], truth[rows]).predict(victim.test.X), wanted)

    mine, random = [], []
    for run in range(RUNS):
        order = world.rng(f"first/{run}").permutation(len(truth))
        mine.append(reached(_chosen(learner, victim.pool.X, truth, order)))
        random.append(reached(order[: FIRST + ROUNDS * EACH]))
    gain = float(np.mean(mine) - np.mean(random))
    world.say(f"your questions: agreement {np.mean(mine):.3f} on average over {RUNS} runs")
    world.say(f"random questions, same number: {np.mean(random):.3f}; gain {gain:+.3f}")
    if gain >= 0.01:
        return 1.0
    raise NotYet(
        f"Your questions gain {gain:+.3f} over random ones; at least +0.010 is asked.",
        "Choose rows with a small gap between the copy's two likeliest classes.",
        score=0.3 if gain > 0.004 else 0.0,
    )


# A single round of 60 gains nothing on every tenth victim, whatever one chooses. Six of 20 gain more, on linear victims
# as much on each of them; on networks one learner in eight had a victim without room above the bar.
RUNS, FIRST, ROUNDS, EACH = 12, 60, 6, 20


def _copy(rows: np.ndarray, labels: np.ndarray) -> Any:
    return make_surrogate("linear").fit(rows, labels)


def _chosen(learner: Remote, pool: np.ndarray, truth: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The FIRST rows of ``order`` and ROUNDS times EACH that the learner chooses among the rest."""
    asked, rest = order[:FIRST], order[FIRST:]
    for _ in range(ROUNDS):
        copy = _copy(pool[asked], truth[asked])
        picked = _picked(learner(copy.predict_proba(pool[rest]), EACH), len(rest))
        asked, rest = np.concatenate([asked, rest[picked]]), np.delete(rest, picked)
    return asked


def _picked(answer: Any, rows: int) -> np.ndarray:
    picked = expect_array(answer, (EACH,), "your choice").astype(int)
    if len(set(picked.tolist())) < EACH:
        raise NotYet("Your choice names a row twice.", "Return the positions of `count` different rows.")
    if picked.min() < 0 or picked.max() >= rows:
        raise NotYet(f"Your choice names a row outside 0 to {rows - 1}.", "Return row positions, from 0.")
    return picked


@exercise(
    "01.4",
    title="Steal from labels alone",
    points=2,
    minutes=8,
    objectives=("1.5", "4.2"),
    passed="Hiding the confidences did not keep the model.",
    hints=(
        "The target answers with labels only: answers.probabilities is None. What is left to fit on?",
        "api.labels(rows) buys labels; a classifier of scikit-learn fits on (rows, labels). Scale the rows first.",
        "rows = pool[rng.permutation(len(pool))[: int(api.left)]]\n"
        'model = make_surrogate("linear")\n'
        "return model.fit(rows, api.labels(rows))",
    ),
)
def steals_from_labels(learner: Remote, world: World) -> float:
    reached = _steal(learner, world, name="digits", budget=LABEL_BUDGET, labels_only=True)
    return _against_floor(reached, LABEL_FLOOR, "Buy labels for different pool rows, then fit a scaled model on them.")


@exercise(
    "01.5",
    title="Read the curve",
    points=2,
    minutes=6,
    objectives=("1.2", "2.3"),
    passed="You read the budget off the curve, with the spread and not with the luckiest run.",
    hints=(
        "One lucky seed is not a result. Which number of a budget's runs would you promise a risk owner?",
        "Group the runs by budget, take the lowest agreement of each group, and return the smallest budget whose "
        "lowest run reaches the floor; None if there is none.",
        "good = [b for b in sorted({r['budget'] for r in runs})\n"
        "        if min(r['agreement'] for r in runs if r['budget'] == b) >= floor]\n"
        "return good[0] if good else None",
    ),
)
def reads_the_budget_off_the_curve(learner: Remote, world: World) -> float:
    rng = world.rng("curves")
    right = 0
    cases = [(_noisy_curve(rng), 0.9), (_noisy_curve(rng), 0.8), (_dipping_curve(), 0.9), (_noisy_curve(rng), 0.999)]
    for runs, floor in cases:
        wanted = _cheapest(runs, floor)
        given = learner(runs, floor)
        if given is not None:
            given = expect_number(given, "your budget")
        if given == wanted:
            right += 1
        else:
            said, was = ("no budget" if v is None else f"{v:g}" for v in (given, wanted))
            world.say(f"floor {floor:g}: you say {said}, the lowest runs say {was}")
    if right == len(cases):
        return 1.0
    raise NotYet(
        f"{right} of {len(cases)} curves read right.",
        "A budget is enough if its lowest run reaches the floor; return None if no budget is.",
        score=0.5 if right == len(cases) - 1 else 0.0,
    )


def _noisy_curve(rng: np.random.Generator) -> list[dict]:
    """Runs in no order: the mean passes a floor earlier than the lowest run does."""
    runs = [
        {"budget": b, "seed": s, "agreement": float(np.clip(1 - 6 / b**0.9 + rng.normal(0, 0.9 / b**0.7), 0, 0.998))}
        for b in (25, 50, 100, 200, 400)
        for s in range(5)
    ]
    return [runs[i] for i in rng.permutation(len(runs))]


def _dipping_curve() -> list[dict]:
    """At 100 every run passes, at 200 one falls below: the smallest good budget is still 100."""
    table = {50: (0.86, 0.93, 0.95), 100: (0.90, 0.94, 0.96), 200: (0.89, 0.96, 0.97), 400: (0.95, 0.97, 0.98)}
    return [{"budget": b, "seed": s, "agreement": a} for b, v in table.items() for s, a in enumerate(v)]


def _cheapest(runs: list[dict], floor: float) -> float | None:
    budgets = sorted({r["budget"] for r in runs})
    good = [b for b in budgets if min(r["agreement"] for r in runs if r["budget"] == b) >= floor]
    return float(good[0]) if good else None


PARAGRAPH = manual(
    "01.6",
    title="Tell the risk owner",
    minutes=8,
    role="the owner of the model's risk",
    rubric=(
        (1, "States the budget and the agreement it buys, with the spread, from this notebook's own curves"),
        (1, "Says what the measure is (agreement on test rows) and is not (accuracy, or proof for other models)"),
        (1, "Recommends one decision and names the residual risk that stays after it"),
    ),
)
