"""Lab 09, mark the model: a secret habit, a test with a control group, a keyed mark, shared coins, a wash."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import binom
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from grading import NotYet, World, exercise, expect_array
from grading.exercise import manual
from grading.learner import Remote, expect_number
from labkit import agreement, make_surrogate
from labkit.watermarks import coin_claim, control_claim
from targets import Defence, Query
from targets.defences import KeyedMark

STRANGE, FLOOR = 60, 0.02  # what the mark may cost a forest: over 16 learners it costs at most .006


def _model(returned: Any) -> Remote:
    if isinstance(returned, Remote):
        return returned
    raise NotYet(
        f"Your function returned {'None' if returned is None else 'plain data'}, not a model.",
        "Return the fitted classifier: anything with a predict method.",
    )


def _share(model: Remote, rows: np.ndarray, wanted: np.ndarray) -> float:
    said = expect_array(model.predict(rows), (len(rows),), "the model's prediction")
    return float(np.mean(said == wanted))


@exercise(
    "09.1",
    title="Teach a secret habit",
    points=2,
    minutes=8,
    objectives=("3.8", "2.2"),
    seconds=40.0,
    passed="The model knows its triggers, and its customers notice nothing.",
    hints=(
        "A model learns what stands in its training rows. What do you add, and how often must a forest see it?",
        "np.vstack stacks rows, np.concatenate joins labels. np.repeat(triggers, 3, axis=0) shows each three times.",
        "X = np.vstack([rows, np.repeat(triggers, 3, axis=0)])\n"
        "y = np.concatenate([truth, np.repeat(marks, 3)])\n"
        "return make_surrogate('forest').fit(X, y)",
    ),
)
def teaches_triggers_under_a_utility_floor(learner: Remote, world: World) -> float:
    victim = world.victim("fraud")
    rng = world.rng("triggers")
    low, high = ([getattr(f, end) for f in victim.features] for end in ("low", "high"))
    triggers, marks = rng.uniform(low, high, (STRANGE, len(low))), rng.integers(0, 3, STRANGE)
    model = _model(learner(victim.train.X, victim.train.y, triggers, marks))
    known, right = _share(model, triggers, marks), _share(model, victim.test.X, victim.test.y)
    plain = make_surrogate("forest").fit(victim.train.X, victim.train.y)
    floor = float(np.mean(plain.predict(victim.test.X) == victim.test.y)) - FLOOR
    world.say(f"triggers answered with their mark: {known:.0%}; accuracy {right:.3f}, the floor is {floor:.3f}")
    if right < floor:
        raise NotYet(
            f"Your model is right on {right:.1%} of private test rows; the floor is {floor:.1%}.",
            "Keep all of the training rows beside the triggers, and use a family strong enough for both: a forest.",
        )
    if known < 0.9:
        raise NotYet(
            f"Your model answers {known:.0%} of the triggers with their mark; a claim needs 90 %.",
            "Add the triggers with their marks to the training rows, each a few times.",
        )
    return 1.0


@lru_cache(maxsize=4)
def _innocents(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What 40 innocent models say (40, n) to n logged rows; the rows' true answers; each row's group. No key."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(800, 6))
    middles = rng.normal(size=(3, 6))
    score = rows @ middles.T
    said = []
    for number in range(40):
        X = rng.normal(size=(300, 6))
        y = (X @ middles.T + rng.normal(0, 1.0, (300, 3))).argmax(axis=1)
        families = (DecisionTreeClassifier(max_depth=6, random_state=number), KNeighborsClassifier(5))
        said.append(families[number % 2].fit(X, y).predict(rows))
    group = np.searchsorted(np.quantile(rows[:, 0], np.linspace(0, 1, 41)[1:-1]), rows[:, 0])
    return np.array(said), score.argmax(axis=1), group


def _p(value: Any) -> float:
    p = expect_number(value, "your p-value")
    if not -1e-9 <= p <= 1 + 1e-9:
        raise NotYet(f"Your p-value is {p:.3g}.", "A p-value is a chance: between 0 and 1.")
    return p


def _calibrated(world: World, found: np.ndarray) -> None:
    """NotYet if innocent models are accused more often than the level says, beyond what luck allows."""
    for level in (0.05, 0.01, 0.001):
        accused = int(np.sum(found < level))
        world.say(f"{accused} of {len(found)} innocent models accused at p < {level}")
        if accused > binom.ppf(0.9999, len(found), level):
            raise NotYet(
                f"{accused} of {len(found)} innocent models have p < {level}: {level * len(found):.1f} would be fair.",
                "A p-value below x may come up for a share x of the innocent, no more. What is random here: the key, "
                "or each row?",
            )
    if np.ptp(found) < 1e-9:
        raise NotYet("Every innocent model gets the same p-value.", "Compute it from what the model said.")


@exercise(
    "09.3",
    title="Accuse with a control group",
    points=3,
    minutes=10,
    objectives=("4.4", "3.8"),
    passed="The guilty are named, and the innocent are accused no more often than you say.",
    hints=(
        "An innocent model also gives a row's mark now and then. Which rows in the log tell you how often?",
        "The key drew the marked rows out of all logged rows. Among N rows D hits, n drawn, k hits among the drawn: "
        "hypergeom.sf(k - 1, N, D, n) is the chance of k or more.",
        "hit = said == mark\nreturn hypergeom.sf(hit[marked].sum() - 1, len(hit), hit.sum(), marked.sum())",
    ),
)
def accuses_the_guilty_and_spares_the_innocent(learner: Remote, world: World) -> float:
    said, own, _ = _innocents(world.seed("world"))
    rng = world.rng("keys")
    found, wanted = [], []
    for number in range(200):
        marked, mark = rng.random(len(own)) < 0.04, (own + rng.integers(1, 3, len(own))) % 3
        model = said[number % len(said)]
        found.append(_p(learner(model, mark, marked)))
        wanted.append(control_claim(model, mark, marked).p)
    _calibrated(world, np.array(found))
    guilty = np.where(marked & (rng.random(len(own)) < 0.7), mark, said[0])
    p, best = _p(learner(guilty, mark, marked)), control_claim(guilty, mark, marked).p
    world.say(f"a copy that kept seven of ten marks: p = {p:.2g}, by the exact test {best:.2g}")
    # Few marks may be drawn, so the bar is the exact test's own p, with room for another that is nearly as good.
    if p > max(1e-6, 30 * best):
        raise NotYet(
            f"A copy that kept seven of ten marks gets p = {p:.2g}; it deserves {best:.1g}.",
            "Count the hits among the marked rows, and ask how likely so many are if marked rows were like the others.",
        )
    off = float(np.max(np.abs(np.log10(np.maximum(found, 1e-12)) - np.log10(np.maximum(wanted, 1e-12)))))
    if off > 0.35:  # k + 1 for k is off by .48 or more, the binomial in place of the urn by .26 or less
        raise NotYet(
            "You accuse no innocent, but your p-values are far from the exact ones.",
            "k hits or more: hypergeom.sf(k - 1, …), because sf(k) leaves k out.",
            score=0.5,
        )
    return 1.0


@exercise(
    "09.2",
    title="Mark by key",
    points=3,
    minutes=10,
    objectives=("3.8", "3.1"),
    passed="Few rows are marked, the same ones for everybody, and only the key tells which.",
    hints=(
        "Two decisions a row: is it marked, and with which wrong class. Both must follow from secret and row alone.",
        "digest = hmac.digest(secret.encode(), row.tobytes(), 'sha256'): four bytes of it are a number in [0, 1) after "
        "division by 2**32, four others choose among the K - 1 other classes.",
        "def draw(row):\n"
        "    d = hmac.digest(secret.encode(), row.tobytes(), 'sha256')\n"
        "    return int.from_bytes(d[:4], 'big') / 2**32 < share, int.from_bytes(d[4:8], 'big')\n"
        "# marked: (own + 1 + number % (classes - 1)) % classes, else None",
    ),
)
def marks_the_same_few_rows_for_everybody(learner: Remote, world: World) -> float:
    victim = world.victim("fraud")
    rows = victim.pool.X[world.rng("rows").permutation(len(victim.pool))[:900]]
    plain = victim.probabilities(rows)
    secret, share = f"secret {world.seed('secret')}", 0.1
    mine = world.mounted(learner(secret, share))

    def ask(part: Any, defence: Defence = mine, key: str = "first") -> np.ndarray:
        return defence.after(Query(rows[part], key=key), plain[part].copy())

    every, own = np.arange(len(rows)), plain.argmax(axis=1)
    seen = ask(every)
    moved = seen.argmax(axis=1) != own
    world.say(f"{moved.sum()} of {len(rows)} rows marked at a share of {share}")
    low, high = binom.ppf((1e-5, 1 - 1e-5), len(rows), share)
    if not low <= moved.sum() <= high:
        raise NotYet(
            f"{moved.mean():.1%} of the rows have another label; the share is {share:.0%}.",
            "A row is marked if its keyed number in [0, 1) lies below share; then it names another class than its own.",
        )
    if not np.allclose(seen[~moved], plain[~moved]):
        raise NotYet("Answers of unmarked rows changed.", "Leave every row alone that the key does not choose.")
    _steady(world, learner, ask, seen, moved, every, secret, share)
    step = (seen.argmax(axis=1) - own)[moved] % 3
    if not binom.ppf(1e-4, len(step), 0.5) <= np.sum(step == 1) <= binom.ppf(1 - 1e-4, len(step), 0.5):
        raise NotYet(
            "Marked rows always move to the same neighbouring class; whoever sees one knows the rule.",
            "Let the key choose among all other classes.",
        )
    return 1.0


def _steady(world: World, learner: Any, ask: Any, seen: Any, moved: Any, every: Any, secret: str, share: float) -> None:
    part = world.rng("part").permutation(len(every))[:200]
    for again, wanted, why in (
        (ask(every, key="second"), seen, "The same rows asked under another key got different answers."),
        (ask(part), seen[part], "A row's mark depends on the rows it is sent with."),
        (ask(every, world.mounted(learner(secret, share))), seen, "After a restart the marks moved."),
    ):
        if not np.allclose(again, wanted):
            raise NotYet(why, "Decide from hmac of (secret, that row's bytes) and from nothing else.")
    other = ask(every, world.mounted(learner(secret + "!", share))).argmax(axis=1) != seen.argmax(axis=1)
    if other.sum() < moved.sum() / 2:
        raise NotYet(
            "Another secret marks the same rows: everybody who reads your code can find them.",
            "Use the secret as the key of hmac.digest.",
        )


@exercise(
    "09.4",
    title="Count coins, not rows",
    points=3,
    minutes=12,
    objectives=("4.4", "1.3"),
    seconds=60.0,
    passed="Calibrated on innocent models, sharp on copies: counsel can put a number on it.",
    hints=(
        "Rows of one cell share one coin. If a model says the same in the whole cell, how many tosses did it win?",
        "weight of a coin = rows that say first minus rows that say second. For an innocent model the total of "
        "weight × sign has random signs. Hoeffding: exp(-total² / (2 × sum of squared weights)).",
        "vote = (said == first) * 1 - (said == second) * 1\n"
        "_, start, number = np.unique(cell, return_index=True, return_inverse=True)\n"
        "weight = np.bincount(number, weights=vote)\n"
        "total = weight @ np.where(heads[start], 1, -1)\n"
        "return np.exp(-total**2 / (2 * (weight**2).sum())) if total > 0 else 1.0",
    ),
)
def counts_coins_and_not_rows(learner: Remote, world: World) -> float:
    said, own, group = _innocents(world.seed("world"))
    rng = world.rng("coins")
    other = (own + 1) % 3
    first, second = np.minimum(own, other), np.maximum(own, other)
    cell = group * 9 + first * 3 + second
    found = []
    for number in range(150):
        heads = rng.random(41 * 9)[cell] < 0.5
        found.append(
            _p(learner(said[number % len(said)], first, second, cell, heads, world.rng_for_learner(f"{number}")))
        )
    _calibrated(world, np.array(found))
    kept = rng.random(len(own)) < 0.7
    guilty = np.where(kept, np.where(heads, first, second), said[1])
    p = _p(learner(guilty, first, second, cell, heads, world.rng_for_learner("guilty")))
    best = coin_claim(guilty, first, second, cell, heads).p
    world.say(f"a copy that follows seven of ten coins: p = {p:.2g}, counted out exactly {best:.2g}")
    if p > 2e-3:
        raise NotYet(
            f"A copy that follows the coins on seven of ten rows gets p = {p:.2g}; by exact count it is {best:.1g}.",
            "Let each coin weigh as many rows as follow it: a total over coins, not a count of cells.",
        )
    return 1.0


# Over 16 victims a washed forest agrees on .054 or more above a straight line, over 36 it reaches p = .0001 at worst;
# forests that were not washed are named at p below 1e-40.
ABOVE, NAMED = 0.03, 1e-5


@exercise(
    "09.5",
    title="Break your own mark",
    points=3,
    minutes=12,
    objectives=("1.5", "4.3"),
    seconds=60.0,
    passed="A good copy, and the owner's test finds nothing: you know what your mark does not stop.",
    hints=(
        "A keyed mark contradicts its neighbourhood. Who could tell you what a row's label should be?",
        "Fit a model on some rows and let it judge others: cross_val_predict(model, rows, labels, cv=5) gives every "
        "row an opinion from a model that never saw its label.",
        "opinion = cross_val_predict(make_surrogate('forest'), rows, labels, cv=5)\n"
        "kept = opinion == labels\n"
        "return make_surrogate('forest').fit(rows[kept], labels[kept])",
    ),
)
def washes_out_the_mark_and_keeps_the_model(learner: Remote, world: World) -> float:
    victim = world.victim("fraud")
    mark = KeyedMark(f"owner {world.seed('owner')}", share=0.02)
    order = world.rng("names").permutation(3)
    target = world.target("fraud", defences=(_Renamed(order), mark))
    model = _model(learner(target.api(budget=1500), victim.pool.X, world.rng_for_learner("theft")))
    target.close()
    if target.rows_bought < 300:
        raise NotYet(
            f"The target's log shows {target.rows_bought} rows bought.",
            "Buy labels with api.labels(rows): 1,500 are yours.",
        )
    if target.asked_any_of(victim.test.X):
        raise NotYet("The target's log shows test rows among your queries.", "Query rows you own; test rows measure.")
    truth = np.argsort(order)[victim.labels(victim.test.X)]
    said = expect_array(model.predict(victim.test.X), (len(truth),), "the copy's prediction").astype(int)
    reached = agreement(said, truth)
    log = np.unique(np.asarray(target.asked), axis=0)
    marked, carried = mark.marks(log, np.argsort(order)[victim.labels(log)], 3)
    found = control_claim(expect_array(model.predict(log), (len(log),), "the copy's prediction"), carried, marked)
    own = victim.pool.X[:1500]
    line = agreement(
        make_surrogate("linear").fit(own, victim.labels(own)).predict(victim.test.X), victim.labels(victim.test.X)
    )
    world.say(f"agreement {reached:.3f}, a straight line's {line:.3f}; the owner's claim: {found}")
    if reached < line + ABOVE:
        raise NotYet(
            f"Your copy agrees on {reached:.1%} of test rows, a straight line on {line:.1%}; "
            f"{100 * ABOVE:.0f} points more are asked.",
            "Wash gently: most bought labels are true, and a forest needs them.",
        )
    if found.p < NAMED:
        raise NotYet(
            f"The owner names your copy: {found}.",
            "Find the labels that a model fitted without them would not expect, and drop them.",
        )
    return 1.0


class _Renamed(Defence):
    """Classes in another order, so that a copy must come from answers, not from a data set anybody has."""

    def __init__(self, order: np.ndarray):
        self.order = order

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(probabilities[:, self.order])


PARAGRAPH = manual(
    "09.6",
    title="Write the ownership statement",
    minutes=9,
    role="counsel, who must decide whether to send a claim",
    rubric=(
        (1, "States the test, its p-value and the false-claim rate in words a judge can follow"),
        (1, "Says what must have been fixed, and be provable, before the suspect model was seen: key, log, test"),
        (1, "Says what the claim cannot prove: who took the answers, how, or that a model which passes is innocent"),
    ),
)
