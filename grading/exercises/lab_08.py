"""Lab 08, train privately: calibrate noise, spend a budget, clip, measure leak and theft, decide on an epsilon.

Noise is judged by grading.noise: a right answer is turned away less than once in a million seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from grading import NotYet, World, exercise, expect_array, expect_number
from grading.exercise import manual
from grading.learner import Remote
from grading.noise import look_at_noise, nearest
from grading.world import ShuffledClasses
from labkit import agreement
from labkit.dp_experiments import advantage, interval
from labkit.privacy import clip_lengths

HUGE = 1e12  # an epsilon with which hardly any noise is left: shows what the noise is added to


def _far_from(given: np.ndarray, wanted: np.ndarray, unit: Any) -> bool:
    return bool((np.abs(given - wanted) > 1e-4 * np.asarray(unit)).any())


def _judge_noise(noises: list[np.ndarray], law: str, scales: list[float], causes: dict[str, float]) -> float:
    """Turn away noise that is repeated, shared, of a wrong scale or of a wrong law; return its ratio to the right."""
    if not any(noise.any() for noise in noises):
        raise NotYet(
            "There is no noise in your answer: one replaced row shows.",
            "Add noise drawn from the generator that you are given.",
        )
    for noise in noises:
        if len(noise) > 1 and np.ptp(noise) < 1e-9 * max(abs(noise).max(), 1e-300):
            raise NotYet(
                "Every number of one answer carries the same noise, so differences between them are exact.",
                "Draw one noise for each number: rng.laplace and rng.normal take a size.",
            )
    if len({np.round(n / s, 9).tobytes() for n, s in zip(noises, scales, strict=True)}) < len(noises):
        raise NotYet(
            "Two answers carry the same noise: whoever subtracts them has the exact difference.",
            "Draw from the generator that you are given; a seed of your own starts again at every call.",
        )
    for scale in dict.fromkeys(scales):
        mine = np.concatenate([n for n, s in zip(noises, scales, strict=True) if s == scale])
        seen = look_at_noise(mine, law, scale)
        if not seen.scale_fits:
            cause = nearest(seen.ratio, causes, within=max(0.06, 3 / np.sqrt(len(mine))))
            raise NotYet(
                f"The noise is {seen.ratio:.3g} times as large as it has to be ({len(mine):,} draws).",
                f"That is what {cause} would give." if cause else "Work out what one row can change, then divide by ε.",
            )
    whole = np.concatenate([n / s for n, s in zip(noises, scales, strict=True)])
    seen = look_at_noise(whole, law, 1.0)
    if not seen.shape_fits:
        raise NotYet(
            f"The noise has the right size and does not follow the {law} law ({len(whole):,} draws).",
            f"This guarantee is proved for {law} noise around 0.",
        )
    return seen.ratio


@exercise(
    "08.1",
    title="Calibrate noise to sensitivity",
    points=3,
    minutes=9,
    objectives=("3.8",),
    passed="Your noise is as large as one row's reach asks for, and no larger.",
    hints=(
        "Replace one row by the worst row there can be. How far does each mean move, and all of them together?",
        "Clip every value to the public limits first. One row then moves column j's mean by at most "
        "(high[j] - low[j]) / n. One release shows all columns, so the sensitivity is the sum over columns (L1). "
        "Laplace noise needs the scale sensitivity / epsilon.",
        "clipped = np.clip(rows, low, high)\n"
        "sensitivity = np.sum(high - low) / len(rows)\n"
        "return clipped.mean(axis=0) + rng.laplace(0, sensitivity / epsilon, rows.shape[1])",
    ),
)
def calibrates_noise_to_sensitivity(learner: Remote, world: World) -> float:
    rng, columns, count = world.rng("table"), 2000, 25
    low, width = rng.uniform(-50, 50, columns), rng.uniform(1, 20, columns) ** 2
    rows = low + width * rng.uniform(-0.3, 1.3, (count, columns))
    high = low + width

    def ask(table: np.ndarray, epsilon: float, label: str) -> np.ndarray:
        given = learner(table, low, high, epsilon, world.rng_for_learner(label))
        return expect_array(given, (columns,), "the released means")

    truth, reach = np.clip(rows, low, high).mean(axis=0), float(width.sum() / count)
    _means_are_clipped(ask(rows, HUGE, "exact"), rows, truth, width)
    other = rows.copy()
    other[0] = high + 1e6 * width
    moved = float(np.abs(ask(other, HUGE, "exact") - ask(rows, HUGE, "exact")).sum())
    if moved > reach * 1.001:
        raise NotYet(
            f"One replaced row moved your means by {moved:,.4g} together; within the limits it can do {reach:,.4g}.",
            "Clip to the limits you are given. Limits taken from the rows move with the rows.",
        )
    plan = [(0.4, f"a{i}") for i in range(4)] + [(2.0, f"b{i}") for i in range(4)]
    noises = [ask(rows, epsilon, label) - truth for epsilon, label in plan]
    l2, top = np.sqrt((width**2).sum()) / width.sum(), width.max() / width.sum()
    causes = {
        "a sensitivity in L2 (Euclidean)": float(l2),
        "the widest column's sensitivity alone": float(top),
        "forgetting to divide by the number of rows": float(count),
        "scale epsilon × sensitivity": 0.4**2,
        "noise of standard deviation sensitivity / epsilon; the scale is meant": float(1 / np.sqrt(2)),
        "half the range as the reach of a value": 0.5,
        "counting a replaced row twice": 2.0,
    }
    ratio = _judge_noise(noises, "laplace", [reach / epsilon for epsilon, _ in plan], causes)
    world.say(f"8 releases of {columns:,} means: the noise is {ratio:.2f} times the size that ε asks for")
    return 1.0


def _means_are_clipped(given: np.ndarray, rows: np.ndarray, truth: np.ndarray, width: np.ndarray) -> None:
    if not _far_from(given, truth, width):
        return
    if not _far_from(given, rows.mean(axis=0), width):
        raise NotYet(
            "Values outside the limits go into your means as they are, so one row can move them without end.",
            "Clip every value to low and high before you average: np.clip(rows, low, high).",
        )
    raise NotYet(
        "With ε = 10¹² hardly any noise is left, and your answer is still far from the clipped means.",
        "The noise must shrink as ε grows, and what it is added to is np.clip(rows, low, high).mean(axis=0).",
    )


def _ledger(learner: Remote, total: float, world: World, label: str = "ledger") -> Remote:
    given = learner(total, world.rng_for_learner(label))
    if not isinstance(given, Remote):
        raise NotYet("make_ledger does not return an object.", "Return an instance of a class with mean and left.")
    return given


def _left(ledger: Remote, wanted: float, after: str) -> None:
    left = expect_number(ledger.left(), "left()")
    if not abs(left - wanted) <= 1e-9 * max(1.0, wanted):
        raise NotYet(
            f"After {after} your ledger has {left:.6g} left; it should have {wanted:.6g}.",
            "Only an answer that is released costs, and it costs exactly its epsilon.",
        )


def _answered(ledger: Remote, values: np.ndarray, epsilon: float, what: str) -> float:
    given = ledger.mean(values, 0.0, 100.0, epsilon)
    if given is None:
        raise NotYet(
            f"{what} was refused, and the budget has room for it.",
            "Three times 0.1 is 0.30000000000000004 in floating point: count in fractions, or allow for 1e-12.",
        )
    return expect_number(given, "a released mean")


def _refused(ledger: Remote, values: np.ndarray, epsilon: float, what: str, next_step: str) -> None:
    given = ledger.mean(values, 0.0, 100.0, epsilon)
    if given is not None:
        raise NotYet(f"{what} was answered.", next_step)


@exercise(
    "08.2",
    title="Spend a budget, and refuse",
    points=3,
    minutes=10,
    objectives=("3.8", "1.3"),
    passed="The ledger releases what the budget pays for, to the last tenth, and nothing beyond.",
    hints=(
        "Three questions before every answer: is this a cost at all, is enough left, and what if it is refused?",
        "First turn away an epsilon that is not a finite number above 0 (nan passes every comparison). Compare with "
        "what is left, return None without touching anything if it is not enough, else subtract and add Laplace "
        "noise of scale (high - low) / n / epsilon. Fractions or a tolerance of 1e-12 keep three times 0.1 within 0.3.",
        "if not (np.isfinite(epsilon) and epsilon > 0) or self.spent + epsilon > self.total + 1e-12:\n"
        "    return None\n"
        "self.spent += epsilon\n"
        "clipped = np.clip(values, low, high)\n"
        "return clipped.mean() + self.rng.laplace(0, (high - low) / len(values) / epsilon)",
    ),
)
def spends_a_budget_and_refuses(learner: Remote, world: World) -> float:
    values = world.rng("values").uniform(-30, 130, 200)
    ledger, other = _ledger(learner, 1.0, world), _ledger(learner, 1.0, world, "other")
    _left(ledger, 1.0, "no answer")
    _answered(ledger, values, 0.4, "An answer for 0.4 of 1.0")
    _left(ledger, 0.6, "one answer for 0.4")
    early = "Compare with what is left before you compute anything, and return None if it is not enough."
    _refused(ledger, values, 0.7, "A question for 0.7 with 0.6 left", early)
    _left(ledger, 0.6, "a refusal")
    for bad in (-0.5, 0.0, float("nan"), float("inf")):
        step = "An epsilon must be a finite number above 0: a negative one fills the budget up, nan passes comparisons."
        _refused(ledger, values, bad, f"A question for ε = {bad:g}", step)
        _left(ledger, 0.6, f"a question for ε = {bad:g}")
    _answered(ledger, values, 0.6, "An answer for 0.6 with 0.6 left")
    _refused(ledger, values, 1e-6, "A question for 0.000001 with nothing left", early)
    _left(other, 1.0, "answers of another ledger")
    tenths, times = (int(n) for n in world.rng("plan").integers(2, 9, 2))
    for total, cost, count in ((0.3, 0.1, 3), (0.7, 0.1, 7), (round(tenths * times / 10, 1), tenths / 10, times)):
        ledger = _ledger(learner, total, world)
        for i in range(count):
            _answered(ledger, values, cost, f"Answer {i + 1} of {count} for {cost} out of {total}")
        _refused(ledger, values, 1e-6, f"A question for 0.000001 after all of {total} is spent", early)
    _ledger_noise(learner, world, values)
    world.say("three budgets are spent to the last tenth; 4 epsilons that are no cost are refused")
    return 1.0


def _ledger_noise(learner: Remote, world: World, values: np.ndarray) -> None:
    truth, reach, draws, epsilon = float(np.clip(values, 0, 100).mean()), 100.0 / len(values), 400, 0.5
    exact = _answered(_ledger(learner, 2 * HUGE, world), values, HUGE, "An answer for a huge ε")
    if abs(exact - truth) > 1e-3:
        raise NotYet(
            f"With ε = 10¹² your mean is {exact:.3f}; the clipped mean is {truth:.3f}.",
            "Clip to low and high, average, and let the noise shrink as epsilon grows.",
        )
    ledger = _ledger(learner, draws * epsilon + 1, world, "noise")
    noises = [np.array([_answered(ledger, values, epsilon, "An answer within budget") - truth]) for _ in range(draws)]
    causes = {
        "forgetting to divide by the number of values": float(len(values)),
        "scale epsilon × sensitivity": epsilon**2,
        "a scale without the range high - low": 0.01,
    }
    _judge_noise(noises, "laplace", [reach / epsilon] * draws, causes)


@exercise(
    "08.3",
    title="Clip, add up, blur",
    points=3,
    minutes=9,
    objectives=("3.8",),
    passed="No row pulls harder than the bound, and the blur fits the bound.",
    hints=(
        "A row's pull is the length of its gradient. Which rows must change, and which must stay as they are?",
        "Scale a row by bound / length if its length is above bound, else by 1. Add the rows up. Then add normal "
        "noise whose standard deviation is multiplier times bound, one draw for each of the d numbers.",
        "length = np.linalg.norm(gradients, axis=1)\n"
        "clipped = gradients * (bound / np.maximum(length, bound))[:, None]\n"
        "return clipped.sum(axis=0) + rng.normal(0, multiplier * bound, gradients.shape[1])",
    ),
)
def clips_to_public_bounds_and_blurs(learner: Remote, world: World) -> float:
    rng, columns, count = world.rng("gradients"), 2000, 30
    direction = rng.standard_normal((count, columns))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    gradients = direction * rng.uniform(0.1, 9, count)[:, None]
    gradients[3] = 0.0

    def ask(table: np.ndarray, bound: float, multiplier: float, label: str) -> np.ndarray:
        given = learner(table, bound, multiplier, world.rng_for_learner(label))
        return expect_array(given, (columns,), "the noisy sum")

    bound = 2.5
    _sum_is_clipped(ask(gradients, bound, 1e-9, "exact"), gradients, bound)
    # The pair: one row comes and it is enormous. A bound taken from the rows would follow it.
    more = np.vstack([gradients, 1e4 * direction[:1]])
    moved = float(np.linalg.norm(ask(more, bound, 1e-9, "exact") - ask(gradients, bound, 1e-9, "exact")))
    if moved > bound * 1.001:
        raise NotYet(
            f"One added row moved your sum by {moved:,.4g}, more than the bound of {bound}.",
            "Clip each row by the bound you are given; a bound computed from the rows moves with them.",
        )
    plan = [(bound, 0.8, f"a{i}") for i in range(4)] + [(0.6, 3.0, f"b{i}") for i in range(4)]
    noises = [ask(gradients, b, m, label) - clip_lengths(gradients, b).sum(axis=0) for b, m, label in plan]
    deviation = bound * 0.8
    causes = {
        "the variance in place of the standard deviation": deviation,
        "the root of the standard deviation": 1 / np.sqrt(deviation),
        "the multiplier without the bound": 1 / bound,
        "noise on every row before adding them up": float(np.sqrt(count)),
        "noise divided by the number of rows": 1 / count,
    }
    ratio = _judge_noise(noises, "normal", [b * m for b, m, _ in plan], causes)
    world.say(f"8 sums of {columns:,} numbers: the blur is {ratio:.2f} times multiplier × bound")
    return 1.0


def _sum_is_clipped(given: np.ndarray, gradients: np.ndarray, bound: float) -> None:
    length = np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), 1e-300)
    total = gradients.sum(axis=0)
    slips: dict[str, Callable[[], np.ndarray]] = {
        "Long rows go into your sum as they are, so one row can pull without end.": lambda: total,
        "Each number is clipped on its own; a row's length can still be far above the bound.": lambda: np.clip(
            gradients, -bound, bound
        ).sum(axis=0),
        "Short rows are stretched to the bound; only long ones may change.": lambda: (gradients / length * bound).sum(
            axis=0
        ),
        "The sum is clipped, not the rows: then one row can turn it round.": lambda: clip_lengths(
            total[None], bound
        ).sum(axis=0),
    }
    if not _far_from(given, clip_lengths(gradients, bound).sum(axis=0), 1.0):
        return
    for sentence, slip in slips.items():
        if not _far_from(given, slip(), 1.0):
            raise NotYet(sentence, "Multiply each row by bound / max(its length, bound), and then add the rows up.")
    raise NotYet(
        "With hardly any noise your answer is far from the sum of the clipped rows.",
        "It is a sum, not a mean: clip each row's length to bound, then gradients.sum(axis=0).",
    )


@exercise(
    "08.4",
    title="Measure the leak, before and after",
    points=2,
    minutes=8,
    objectives=("1.5", "3.8"),
    passed="You say how much the leak fell and how sure you are of it.",
    hints=(
        "The same seed drew the people for both models. What does that allow you to subtract, seed by seed?",
        "One drop in advantage for each seed. Their mean, plus and minus Student's t for S - 1 degrees of freedom at "
        "0.975, times their standard deviation (ddof=1) over the root of S.",
        "drops = np.array([advantage(b, m) - advantage(a, m) for b, a, m in zip(before, after, member)])\n"
        "reach = stats.t.ppf(0.975, len(drops) - 1) * drops.std(ddof=1) / np.sqrt(len(drops))\n"
        "return drops.mean(), drops.mean() - reach, drops.mean() + reach",
    ),
)
def measures_the_drop_with_its_interval(learner: Remote, world: World) -> float:
    for case in ("large", "small"):
        before, after, member = _confidences(world.rng(case), 0.9 if case == "large" else 0.25)
        given = expect_array(learner(before, after, member), (3,), "(mean, low, high)")
        first, second = (
            np.array([advantage(c, m) for c, m in zip(table, member, strict=True)]) for table in (before, after)
        )
        right = interval(first - second)
        if np.abs(given - [right.mean, right.low, right.high]).max() < 1e-9:
            continue
        if abs(given[0] - right.mean) > 1e-9:
            raise NotYet(
                f"The mean drop is {right.mean:.4f} in a private case; yours is {given[0]:.4f}.",
                "The drop is the advantage before minus the advantage after, for each seed, then averaged.",
            )
        raise NotYet(
            f"The mean drop is right; its interval is {right.low:.4f} to {right.high:.4f}, yours {given[1]:.4f} to "
            f"{given[2]:.4f}.",
            _interval_slip(given, first, second),
            score=0.5,
        )
    world.say(f"a private case: the leak fell by {right}, {right.seeds} seeds")
    return 1.0


def _confidences(rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True-class confidences (seeds, rows) of two models and who was a member; some seeds leak more in both."""
    seeds, rows = int(rng.integers(6, 10)), 300
    member = np.array([rng.permutation(np.arange(rows) % 3 == 0) for _ in range(seeds)])
    own = rng.uniform(0, 0.8, (seeds, 1))
    before, after = (
        1 / (1 + np.exp(-(rng.standard_normal((seeds, rows)) + (own + extra) * member))) for extra in (shift, 0.05)
    )
    return before, after, member


def _interval_slip(given: np.ndarray, first: np.ndarray, second: np.ndarray) -> str:
    drops, n = first - second, len(first)
    reach, t = (given[2] - given[1]) / 2, stats.t.ppf(0.975, n - 1)
    slips = {
        "You ignore the pairs: subtract seed by seed, the seeds' own ups and downs then cancel.": t
        * np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / n),
        "1.96 is for many runs; with few, Student's t is wider: stats.t.ppf(0.975, S - 1).": 1.96
        * drops.std(ddof=1)
        / np.sqrt(n),
        "That is the spread of single runs; the mean's is smaller by the root of S.": t * drops.std(ddof=1),
        "Divide by S - 1 in the standard deviation: ddof=1.": t * drops.std() / np.sqrt(n),
    }
    for sentence, wrong in slips.items():
        if abs(reach - wrong) < 1e-9:
            return sentence
    return "mean ± stats.t.ppf(0.975, S - 1) × std(ddof=1) / √S of the drops."


@exercise(
    "08.5",
    title="Steal the private model",
    points=2,
    minutes=7,
    objectives=("1.5", "4.2"),
    passed="The private model is copied as easily as any other, and you measured it on rows neither side trained on.",
    hints=(
        "The model is logistic, with or without noise in its weights. Which thief of lab 02 took d + 1 rows?",
        "steal_equations_from_rows(api, own) buys d + 1 ordinary rows. Then ask the API for the test rows' labels, "
        "once, and compare them with the copy's: that is agreement.",
        "copy = steal_equations_from_rows(api, own)\n"
        "return {'copy': copy, 'agreement': agreement(copy.predict(test), api.labels(test))}",
    ),
)
def steals_the_private_model(learner: Remote, world: World) -> float:
    swap = world.rng("order").permutation(2)
    target = world.target("readmission", model="private", defences=(ShuffledClasses(swap),))
    victim = target.victim
    test, fresh = victim.test.X[:200], victim.test.X[200:1200]
    budget = len(victim.features) + 1 + len(test)
    given = learner(target.api(budget=budget), victim.pool.X[:300], test)
    target.close()
    if not isinstance(given, dict) or not {"copy", "agreement"} <= set(given):
        raise NotYet("Your function does not return the two things.", 'Return {"copy": …, "agreement": …}.')
    if not isinstance(given["copy"], Remote):
        raise NotYet("The copy is not a model.", "Return the object with predict that the thief gave you.")
    asked = target.asked_any_of(test)
    if asked < len(test):
        raise NotYet(
            f"The target's log shows {asked} of the {len(test)} test rows: agreement was not measured on them.",
            "Ask for the victim's labels of all test rows, and compare the copy's labels with those.",
        )
    told = expect_number(given["agreement"], "the agreement")
    labels = expect_array(given["copy"].predict(np.vstack([test, fresh])), (len(test) + len(fresh),), "predict(rows)")
    measured = agreement(labels[: len(test)], target.labels(test))
    held = agreement(labels[len(test) :], target.labels(fresh[:1000]))
    world.say(f"{target.rows_bought} rows bought, {len(test)} of them to measure; agreement on fresh rows {held:.3f}")
    if abs(told - measured) > 1e-9:
        raise NotYet(
            f"You report an agreement of {told:.3f}; the copy you return has {measured:.3f} on the test rows.",
            "Agreement compares the copy's labels with the victim's, on the test rows and on no others.",
        )
    if held < 0.99:
        raise NotYet(
            f"Your copy agrees with the private model on {held:.3f} of fresh rows; d + 1 rows are enough for 0.99.",
            "Solve for the weights from d + 1 answers, as in lab 02: steal_equations_from_rows(api, own).",
            score=0.5 if held > 0.9 else 0.0,
        )
    return 1.0


@exercise(
    "08.6",
    title="Choose an epsilon for the rows you have",
    points=2,
    minutes=6,
    objectives=("1.2", "2.2"),
    passed="You choose by the worst run, within the limit, and say how many rows would do if these do not.",
    hints=(
        "Which number of a group of runs can a floor be promised on: its best, its mean or its worst?",
        "Group by (rows, epsilon), epsilon at most largest. A group is good if its lowest accuracy is at least floor. "
        "Answer one: the smallest good epsilon at exactly these rows. Answer two: the fewest rows with a good epsilon.",
        "worst = {}\n"
        "for run in runs:\n"
        "    if run['epsilon'] <= largest:\n"
        "        key = run['rows'], run['epsilon']\n"
        "        worst[key] = min(worst.get(key, 1.0), run['accuracy'])\n"
        "good = [key for key, value in worst.items() if value >= floor]\n"
        "return {'epsilon': min((e for n, e in good if n == rows), default=None), "
        "'rows_needed': min((n for n, e in good), default=None)}",
    ),
)
def chooses_by_the_worst_run(learner: Remote, world: World) -> float:
    rng = world.rng("tables")
    for number in range(5):
        runs, rows, floor, largest = _decision(rng, number)
        given = learner(runs, rows, floor, largest)
        if not isinstance(given, dict) or not {"epsilon", "rows_needed"} <= set(given):
            raise NotYet("Your function does not return both answers.", 'Return {"epsilon": …, "rows_needed": …}.')
        for key, wanted in _decided(runs, rows, floor, largest).items():
            if not _same(given[key], wanted):
                raise NotYet(
                    f"{key} should be {wanted} in a private table, not {given[key]} "
                    f"({rows:,} rows, floor {floor}, ε up to {largest:g}).",
                    "Promise on a group's lowest run, keep to epsilons up to the largest; None if nothing is good.",
                    score=0.5 if key == "rows_needed" else 0.0,
                )
    world.say("5 private tables: floors that hold in every seed, a limit on ε, and one that nothing meets")
    return 1.0


def _decision(rng: np.random.Generator, number: int) -> tuple[list[dict], int, float, float]:
    """A table of runs whose means are good before their worst runs are; the last two have no answer for these rows."""
    sizes, epsilons = (1000, 5000, 20_000, 100_000), (0.1, 0.5, 1.0, 3.0, 10.0)
    runs = []
    for i, size in enumerate(sizes):
        for j, epsilon in enumerate(epsilons):
            middle = 0.9 - 0.3 / (1 + i + j) + rng.uniform(-0.004, 0.004)
            accuracies = middle + np.array([0.02, 0.01, 0.0, -0.03]) * rng.uniform(0.8, 1.2)
            runs += [
                {"rows": size, "epsilon": epsilon, "seed": k, "accuracy": round(float(a), 4)}
                for k, a in enumerate(accuracies)
            ]
    floor = 0.95 if number == 4 else round(float(rng.uniform(0.78, 0.80)), 3)
    rows = 1000 if number == 3 else int(rng.choice(sizes[1:]))
    return [runs[i] for i in rng.permutation(len(runs))], rows, floor, 0.5 if number == 3 else 3.0


def _decided(runs: list[dict], rows: int, floor: float, largest: float) -> dict[str, Any]:
    groups: dict[tuple[int, float], list[float]] = {}
    for run in runs:
        groups.setdefault((run["rows"], run["epsilon"]), []).append(run["accuracy"])
    good = [key for key, values in groups.items() if min(values) >= floor and key[1] <= largest]
    return {
        "epsilon": min((e for n, e in good if n == rows), default=None),
        "rows_needed": min((n for n, _ in good), default=None),
    }


def _same(given: Any, wanted: Any) -> bool:
    if wanted is None or given is None or isinstance(given, bool) or not isinstance(given, (int, float)):
        return given is wanted
    return abs(given - wanted) <= 1e-9 * wanted


PARAGRAPH = manual(
    "08.7",
    title="Advise the data protection officer",
    minutes=10,
    role="the data protection officer of the clinic",
    rubric=(
        (1, "Recommends an epsilon, or none, for a stated number of rows, with its accuracy cost and spread"),
        (1, "Says what the guarantee covers and what it does not: rows, people with several rows, the model, queries"),
        (1, "Compares with regularisation: each model's measured leak with its interval, beside what guessing gets"),
    ),
)
