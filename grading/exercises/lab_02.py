"""Lab 02, steal exactly: equations, ordinary rows, a tree's leaf, a network's hinges, a hidden width."""

from __future__ import annotations

from typing import Any

import numpy as np

from grading import NotYet, World, exercise, expect_array, expect_number
from grading.exercise import manual
from grading.insides import leaf_box, raw_weights, true_hinges
from grading.learner import Remote
from grading.world import ShuffledClasses
from labkit import agreement, fingerprints
from targets import Victim

EXACT, ROUGH = 1e-6, 1e-2
FLOOR = 0.995
LEAF_BUDGET, LEAVES, LEAF_TOLERANCE = 400, 3, 1e-3
HINGE_BUDGET, HINGE_TOLERANCE, APART = 4000, 1e-4, 2e-3
WIDTH_BUDGET = 60


def _needs_queries(bought: int) -> None:
    if not bought:
        raise NotYet("The target's log shows no query of yours.", "Buy answers with api.probabilities(rows).")


def _parts(value: Any, what: str, step: str) -> tuple[Any, Any]:
    if isinstance(value, Remote) or not isinstance(value, (list, tuple)) or len(value) != 2:
        raise NotYet(f"Your function does not return {what}.", step)
    return value[0], value[1]


@exercise(
    "02.1",
    title="Solve the tumour model",
    points=2,
    minutes=8,
    objectives=("1.5", "3.7"),
    passed="Every weight of the vendor's model, to float precision, for d + 1 queries.",
    hints=(
        "One answer gives one equation: the logarithm of p1 / p0 is x @ w + b. How many unknowns are there?",
        "Ask `start`, and `start` with one step along each feature. The change of log(p1 / p0) over the step is a "
        "weight; what is left at `start` is the bias.",
        "rows = np.vstack([start, start + np.diag(steps)])\n"
        "p = api.probabilities(rows)\n"
        "z = np.log(p[:, 1] / p[:, 0])\n"
        "w = (z[1:] - z[0]) / steps\n"
        "return w, z[0] - start @ w",
    ),
)
def solves_the_binary_model(learner: Remote, world: World) -> float:
    target = world.target("tumour", model="linear")
    victim = target.victim
    width = np.array([f.high - f.low for f in victim.features], dtype=float)
    given = learner(target.api(budget=len(width) + 1), np.median(victim.pool.X, axis=0), 0.02 * width)
    target.close()
    first, second = _parts(given, "a weight for each feature and a bias", "End with `return w, b`.")
    w, b = expect_array(first, (len(width),), "w"), expect_number(second, "b")
    _needs_queries(target.rows_bought)
    true_w, true_b = raw_weights(victim)
    wanted, found = np.append(true_w[:, 0] * width, true_b), np.append(w * width, b)
    error = float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    world.say(f"{target.rows_bought} queries for {len(wanted)} parameters; relative error {error:.1e}")
    if error <= EXACT:
        return 1.0
    if np.linalg.norm(found + wanted) <= ROUGH * np.linalg.norm(wanted):
        raise NotYet(
            "Every sign is turned around: you have the weights of class 0.",
            "Use log(p1 / p0), not log(p0 / p1).",
            score=0.5,
        )
    raise NotYet(
        f"Your parameters are off by {error:.1e} of their size; {EXACT:.0e} is asked.",
        "Is z = log(p1 / p0)? Is each change divided by that feature's own step, and the bias z(start) - start @ w?",
        score=0.5 if error <= ROUGH else 0.0,
    )


@exercise(
    "02.2",
    title="Solve it from ordinary rows",
    points=3,
    minutes=10,
    objectives=("1.5", "4.1"),
    passed="650 weights for 65 queries, and not one of them looked odd.",
    hints=(
        "A row of the pool is as good an equation as a crafted one. Ten classes give ten columns of the same system.",
        "log p, less its mean in each row, is x @ W + b up to nothing that matters. Put a column of ones beside the "
        "rows and let np.linalg.lstsq solve for all classes at once.",
        "rows = pool[rng.permutation(len(pool))[: int(api.left)]]\n"
        "z = np.log(api.probabilities(rows))\n"
        "z = z - z.mean(axis=1, keepdims=True)\n"
        "solution = np.linalg.lstsq(np.column_stack([rows, np.ones(len(rows))]), z)[0]\n"
        "return solution[:-1], solution[-1]",
    ),
)
def solves_softmax_from_ordinary_rows(learner: Remote, world: World) -> float:
    names = ShuffledClasses(world.rng("names").permutation(10))
    target = world.target("digits", model="linear", defences=(names,))
    victim = target.victim
    pool, test = victim.pool.X, victim.test.X
    given = learner(target.api(budget=pool.shape[1] + 1), pool, world.rng_for_learner("rows"))
    target.close()
    first, second = _parts(given, "weights and biases", "End with `return W, b`.")
    weights, bias = expect_array(first, (64, 10), "W"), expect_array(second, (10,), "b")
    _needs_queries(target.rows_bought)
    odd = len(fingerprints(target.asked) - fingerprints(pool))
    world.say(f"{target.rows_bought} queries, {odd} of them not rows of the pool")
    if odd:
        raise NotYet(
            f"{odd} of your queries are not rows of the pool: a detector of odd queries may see them.",
            "Ask unchanged rows of `pool`.",
            score=0.3,
        )
    reached = agreement((test @ weights + bias).argmax(axis=1), target.labels(test))
    world.say(f"agreement with the victim on {len(test)} test rows: {reached:.4f}")
    if reached >= FLOOR:
        return 1.0
    raise NotYet(
        f"Your copy agrees on {reached:.1%} of test rows; the floor is {FLOOR:.1%}.",
        "Solve for logarithms of probabilities, not for probabilities, and do not forget the column of ones.",
        score=0.5 if reached >= 0.9 else 0.0,
    )


def _rows_of_lonely_leaves(victim: Victim, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows inside the box of leaves that no other leaf answers like, far enough from every side."""
    rows = rng.permutation(victim.pool.X)
    tree = victim.estimator.tree_
    answers, count = np.unique(tree.value[tree.children_left < 0][:, 0], axis=0, return_counts=True)
    alone = {answers[i].tobytes() for i in np.flatnonzero(count == 1)}
    picked: dict[bytes, np.ndarray] = {}
    for row, answer in zip(rows, victim.probabilities(rows), strict=True):
        if answer.tobytes() in alone and len(picked) < LEAVES:
            low, high = leaf_box(victim, row)
            picked.setdefault(answer.tobytes(), np.clip(row, low + (high - low) / 10, high - (high - low) / 10))
    return list(picked.values())


@exercise(
    "02.3",
    title="Find a tree's leaf",
    points=3,
    minutes=12,
    objectives=("1.5", "4.2"),
    passed="You read a leaf's whole path off its confidences, without ever seeing the tree.",
    hints=(
        "While the answer stays the same to the last digit, you are in the same leaf. Move along one feature only.",
        "First ask the end of the range. If its answer is the same, the leaf reaches the end. If not, halve the way "
        "between the row and the end until the gap is below 1e-4 of the feature's range.",
        "while abs(outside - inside) > 1e-4 * (high[i] - low[i]):\n"
        "    middle = (inside + outside) / 2\n"
        "    if same(i, middle):\n"
        "        inside = middle\n"
        "    else:\n"
        "        outside = middle\n"
        "return (inside + outside) / 2",
    ),
)
def finds_the_leaf_around_a_row(learner: Remote, world: World) -> float:
    victim = world.victim("credit", model="tree")
    low = np.array([f.low for f in victim.features], dtype=float)
    high = np.array([f.high for f in victim.features], dtype=float)
    right, used = 0.0, []
    for row in _rows_of_lonely_leaves(victim, world.rng("rows")):
        target = world.target("credit", model="tree")
        found = learner(target.api(budget=LEAF_BUDGET), row, low, high)
        used.append(target.rows_bought)
        first, second = _parts(found, "two ends for each feature", "End with `return leaf_low, leaf_high`.")
        mine = np.array([expect_array(first, (len(low),), "leaf_low"), expect_array(second, (len(low),), "leaf_high")])
        off = np.abs(mine - np.array(leaf_box(victim, row))) / (high - low)
        right += float((off <= LEAF_TOLERANCE).mean())
    _needs_queries(sum(used))
    share = right / len(used)
    world.say(f"{share:.0%} of the sides of {len(used)} leaves found, {max(used)} queries for the dearest")
    if share == 1:
        return 1.0
    raise NotYet(
        f"{share:.0%} of the leaves' sides are within {LEAF_TOLERANCE:g} of the feature's range.",
        "Start every search at the row itself, search in both directions, and compare whole answers, not labels.",
        score=0.4 if share >= 0.9 else 0.0,
    )


def _line_with_hinges(victim: Victim, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A line between two points around the box whose hinges stand clearly apart."""
    while True:
        start, end = (8 + 12 * rng.uniform(-1, 1, 64) for _ in range(2))
        at = true_hinges(victim, start, end)
        if 4 <= len(at) <= 20 and np.diff([0, *at, 1]).min() > 4 * APART and _visible(victim, start, end):
            return start, end, at


def _visible(victim: Victim, start: np.ndarray, end: np.ndarray) -> bool:
    rows = start + np.linspace(0, 1, 50)[:, None] * (end - start)
    return bool(victim.probabilities(rows).min() > 1e-120)


@exercise(
    "02.4",
    title="Find a network's hinges",
    points=3,
    minutes=12,
    objectives=("1.5", "4.2"),
    passed="You found where hidden units switch on, from the outside: the network's weights are next.",
    hints=(
        "Between two hinges the scores are straight: the value in the middle is the mean of the values at the ends.",
        "Ask three places of a piece: at a quarter, in the middle, at three quarters. If all lie on the straight line "
        "between the ends, drop the piece; if it is shorter than tol, note its middle; otherwise halve it.",
        "quarters = a + (b - a) * np.array([0.25, 0.5, 0.75])\n"
        "expected = ends[0] + np.outer([0.25, 0.5, 0.75], ends[1] - ends[0])\n"
        "return np.abs(values(quarters) - expected).max() < 1e-9",
    ),
)
def finds_the_hinges_on_a_line(learner: Remote, world: World) -> float:
    target = world.target("digits", model="network")
    start, end, wanted = _line_with_hinges(target.victim, world.rng("line"))
    given = learner(target.api(budget=HINGE_BUDGET), start, end, HINGE_TOLERANCE)
    if isinstance(given, (list, tuple)) and not given:
        given = np.zeros(0)
    found = np.sort(expect_array(given, (None,), "the list of hinges"))
    _needs_queries(target.rows_bought)
    hit = [bool(len(found)) and float(np.abs(found - t).min()) <= 2 * HINGE_TOLERANCE for t in wanted]
    extra = [t for t in found if np.abs(wanted - t).min() > 2 * HINGE_TOLERANCE]
    world.say(f"{sum(hit)} of {len(wanted)} hinges found, {len(extra)} places where there is none")
    world.say(f"{target.rows_bought:,} queries of {HINGE_BUDGET:,}")
    doubled = len(found) - len(extra) - sum(hit)
    if all(hit) and not extra and doubled <= 0:
        return 1.0
    if all(hit) and not extra:
        raise NotYet(
            f"{doubled} hinges are named twice.", "Two neighbouring pieces share a hinge: keep one of them.", score=0.5
        )
    raise NotYet(
        f"You found {sum(hit)} of {len(wanted)} hinges and named {len(extra)} places without one.",
        "Work on scores (logarithms of probabilities), and look at several places before you call a piece straight.",
        score=0.4 if np.mean(hit) >= 0.5 and not extra else 0.0,
    )


@exercise(
    "02.5",
    title="Recover a hidden width",
    points=2,
    minutes=8,
    objectives=("1.5", "4.3"),
    passed="One number of the vendor's architecture, from a handful of answers.",
    hints=(
        "The scores of all answers are one matrix, and its rank cannot be larger than the last hidden layer is wide.",
        "Ask random rows, take log-probabilities, subtract each row's mean and then each column's mean, and count the "
        "singular values that are not zero.",
        "z = np.log(api.probabilities(rng.uniform(low, high, (50, len(low)))))\n"
        "z = z - z.mean(axis=1, keepdims=True)\n"
        "z = z - z.mean(axis=0)\n"
        "s = np.linalg.svd(z, compute_uv=False)\n"
        "return int((s > 1e-9 * s[0]).sum())",
    ),
)
def recovers_the_hidden_width(learner: Remote, world: World) -> float:
    right = 0
    for model in ("narrow", "network"):
        target = world.target("digits", model=model)
        features = target.victim.features
        low, high = (np.array([getattr(f, end) for f in features], dtype=float) for end in ("low", "high"))
        given = learner(target.api(budget=WIDTH_BUDGET), low, high, world.rng_for_learner(model))
        width = expect_number(given, "the width")
        _needs_queries(target.rows_bought)
        wanted = min(target.victim.estimator[1].hidden_layer_sizes[-1], 9)
        right += width == wanted
        seen = "right" if width == wanted else "not what the layer has"
        world.say(f"the {model} model: you say {width:g}, which is {seen} ({target.rows_bought} queries)")
    if right == 2:
        return 1.0
    raise NotYet(
        f"{right} of 2 models right (ten classes show widths up to 9, wider layers look like 9).",
        "Subtract both means before the singular values, and count those above 1e-9 of the largest.",
        score=0.3 * right,
    )


PARAGRAPH = manual(
    "02.6",
    title="Tell the product owner",
    minutes=8,
    role="the product owner who decides how many decimals the API returns",
    rubric=(
        (1, "Names a number of decimals and says, with numbers from this notebook, which theft it stops"),
        (1, "Names a theft it does not stop (the small binary model, retraining) and what that takes in queries"),
        (1, "Says what the honest customer loses, and which further control carries the rest of the risk"),
    ),
)
