"""Lab 07, blur the answers: noise, a bent scale, a key, a thief who adapts, labels swapped back, a point chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, logit

from grading import NotYet, World, exercise, expect_array
from grading.exercise import manual
from grading.learner import Remote
from grading.tradeoff import bench_of
from grading.world import JudgeTarget, ShuffledClasses
from labkit import agreement, majority_share
from labkit.blurring import NOTHING, SOLVE, blur_outcomes
from labkit.tradeoff import Point, admissible, plane
from targets import Defence, Query
from targets.defences import BoundaryNoise, KeepTop, Misinformation, ReverseSigmoid


def _answers(world: World, count: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the learner's own digits victim and its probabilities, less sure than it is: every class has a share."""
    victim = world.victim("digits", model="linear")
    rows = victim.pool.X[world.rng("rows").permutation(len(victim.pool))[:count]]
    soft = victim.probabilities(rows) ** (1 / 3)
    return rows, soft / soft.sum(axis=1, keepdims=True)


def _must_be_probabilities(noisy: np.ndarray) -> None:
    if noisy.min() < -1e-9:
        raise NotYet(
            f"Some answers are negative, the lowest is {noisy.min():.3f}.", "Cut at 0, then divide by the sum."
        )
    worst = float(np.abs(noisy.sum(axis=1) - 1).max())
    if worst > 1e-6:
        raise NotYet(
            f"Some rows do not sum to 1; the worst is off by {worst:.3f}.",
            "Divide each row by its own sum, last of all.",
        )


def _must_keep_labels(noisy: np.ndarray, plain: np.ndarray) -> None:
    every, top = np.arange(len(plain)), plain.argmax(axis=1)
    lost = float(np.mean(noisy[every, top] < noisy.max(axis=1) - 1e-12))
    if lost:
        raise NotYet(
            f"{lost:.0%} of the rows changed their label.",
            "Where another class won, let its value and the old winner's trade places.",
        )


def _moved(noisy: np.ndarray, plain: np.ndarray) -> float:
    return float(np.abs(noisy - plain).sum(axis=1).mean())


def _must_be_noise(moved: float, sigma: float, plain: np.ndarray, seed: int) -> None:
    usual = _moved(KeepTop(sigma, seed=seed).after(Query(np.zeros((len(plain), 1))), plain.copy()), plain)
    if moved < 0.3 * usual:
        raise NotYet(
            f"At sigma = {sigma} your answers move by {moved:.3f} a row; such noise moves them by {usual:.3f}.",
            "Draw one number for every row and class: rng.normal(0, sigma, probabilities.shape).",
        )


@exercise(
    "07.1",
    title="Add noise, keep the label",
    points=2,
    minutes=7,
    objectives=("3.8", "2.2"),
    passed="Noise on every class, every row sums to 1, and no customer's label moved.",
    hints=(
        "Three steps: add noise, make probabilities of it again, and repair the rows whose winner changed.",
        "np.maximum cuts at 0; dividing by sum(axis=1, keepdims=True) brings the sum back. Compare argmax before and "
        "after, and swap two values in the rows that differ.",
        "noisy = np.maximum(probabilities + rng.normal(0, sigma, probabilities.shape), 1e-12)\n"
        "noisy /= noisy.sum(axis=1, keepdims=True)\n"
        "every, top, now = np.arange(len(noisy)), probabilities.argmax(axis=1), noisy.argmax(axis=1)\n"
        "noisy[every, top], noisy[every, now] = noisy[every, now], noisy[every, top]\n"
        "return noisy",
    ),
)
def adds_noise_and_keeps_the_label(learner: Remote, world: World) -> float:
    plain = _answers(world)[1]
    moved = {}
    for sigma in (0.05, 0.4):
        noisy = expect_array(learner(plain, sigma, world.rng_for_learner("noise")), plain.shape, "your answer")
        _must_be_probabilities(noisy)
        _must_keep_labels(noisy, plain)
        moved[sigma] = _moved(noisy, plain)
        _must_be_noise(moved[sigma], sigma, plain, world.seed("reference"))
    world.say(
        f"no label of {len(plain)} rows moved; mean change {moved[0.05]:.2f} at sigma 0.05, {moved[0.4]:.2f} at 0.4"
    )
    if moved[0.4] < 1.5 * moved[0.05]:
        raise NotYet("Eight times the sigma makes hardly more noise.", "Use `sigma` as the deviation of the noise.")
    same = np.repeat(plain[:1], 40, axis=0)
    noisy = expect_array(learner(same, 0.2, world.rng_for_learner("same")), same.shape, "your answer")
    if len(np.unique(noisy.round(9), axis=0)) < 35:
        raise NotYet(
            "Forty equal rows in one request got the same noise: one known answer gives it away for all.",
            "Draw noise of the full shape, probabilities.shape.",
        )
    again = expect_array(learner(same, 0.2, world.rng_for_learner("other")), same.shape, "your answer")
    if np.allclose(again, noisy):
        raise NotYet("Two different generators gave the same noise.", "Draw from the `rng` you are given.")
    return 1.0


@exercise(
    "07.2",
    title="Bend the scale",
    points=2,
    minutes=6,
    objectives=("3.8", "2.2"),
    passed="The scale is bent as in the paper, and sure answers look like unsure ones.",
    hints=(
        "Write the formula from the inside out: logit of p, times gamma, sigmoid of that, minus one half, times beta.",
        "scipy's expit is the sigmoid, logit its inverse. Subtract from the clipped probabilities, cut at 0, divide by "
        "the row's sum.",
        "bent = np.maximum(p - beta * (expit(gamma * logit(p)) - 0.5), 0)\n"
        "return bent / bent.sum(axis=1, keepdims=True)",
    ),
)
def bends_the_scale_as_the_paper_does(learner: Remote, world: World) -> float:
    plain = _answers(world)[1]
    plain[:3] = np.eye(10)[:3]  # some answers are 0 and 1 to the last digit
    rng = world.rng("strengths")
    for beta, gamma in ((0.4, 1.0), (0.9, 0.6), tuple(rng.uniform(0.5, 1.0, 2))):
        given = learner(plain, float(beta), float(gamma))
        bent = expect_array(given, plain.shape, "your answer")
        _must_be_probabilities(bent)
        sure = np.clip(plain, 1e-12, 1 - 1e-12)
        wanted = np.maximum(sure - beta * (expit(gamma * logit(sure)) - 0.5), 0)
        wanted /= wanted.sum(axis=1, keepdims=True)
        worst = float(np.abs(bent - wanted).max())
        if worst > 2e-3:
            raise NotYet(
                f"At beta = {beta:.2f}, gamma = {gamma:.2f} an answer is off by {worst:.3f}.",
                "Take beta × (sigmoid(gamma × logit(p)) − ½) off every p, cut at 0, divide by the row's sum.",
            )
    world.say(f"at beta = {beta:.2f}, gamma = {gamma:.2f} a customer sees a distortion of {_moved(bent, plain):.2f}")
    return 1.0


@exercise(
    "07.3",
    title="Same question, same answer",
    points=3,
    minutes=10,
    objectives=("3.8", "3.1"),
    kind="function",
    passed="However often, in whatever batch and under whatever key a row is asked: one answer.",
    hints=(
        "The noise must be a function of two things only: the secret and the row's numbers. What turns those into a "
        "number that nobody without the secret can guess?",
        "hmac.digest(secret.encode(), row.tobytes(), 'sha256') is such a number; its first eight bytes can seed a "
        "generator for that one row.",
        "seed = int.from_bytes(hmac.digest(self.secret.encode(), row.tobytes(), 'sha256')[:8], 'big')\n"
        "rng = np.random.default_rng(seed)  # one for this row; then the noise of 07.1 on p[i : i + 1]",
    ),
)
def answers_a_row_alike_whoever_asks(learner: Remote, world: World) -> float:
    rows, plain = _answers(world, 60)
    secret, sigma = f"secret {world.seed('secret')}", 0.3
    mine = world.mounted(learner(secret, sigma))

    def ask(part: np.ndarray, defence: Defence = mine, key: str = "first", time: float = 10.0) -> np.ndarray:
        return defence.after(Query(rows[part], key=key, time=time), plain[part].copy())

    every = np.arange(len(rows))
    noisy = ask(every)
    _must_be_probabilities(noisy)
    _must_keep_labels(noisy, plain)
    _must_be_noise(_moved(noisy, plain), sigma, plain, world.seed("reference"))
    _same(noisy, ask(every), "The same rows asked twice got different answers.")
    part = world.rng("part").permutation(len(rows))[:17]
    _same(noisy[part], ask(part), "A row's answer depends on the rows it is sent with, or on its place among them.")
    _same(
        noisy,
        ask(every, key="second", time=99.0),
        "A row's answer depends on the API key or the hour: two accounts see two noises.",
    )
    restarted = world.mounted(learner(secret, sigma))
    _same(noisy, ask(every, restarted), "After a restart with the same secret a row's answer changed.")
    other = ask(every, world.mounted(learner(secret + "!", sigma)))
    if np.mean(np.isclose(other, noisy).all(axis=1)) > 0.05:
        raise NotYet(
            "Another secret gives the same noise: whoever reads your code can take it off.",
            "Hash secret and row together.",
        )
    _unrelated(mine, rows, plain)
    target = world.target("tumour", defences=(mine,))
    first = target.victim.test.X[:1]
    reply = target.predict(np.repeat(first, 20, axis=0))
    different = len({tuple(p) for p in reply.body["probabilities"]})
    world.say(f"mounted in the real app: one row asked 20 times got {different} different answer(s)")
    return 1.0


def _same(first: np.ndarray, second: np.ndarray, message: str) -> None:
    if not np.allclose(first, second, atol=1e-12):
        raise NotYet(message, "Seed the noise of each row from (secret, that row's bytes) and from nothing else.")


def _unrelated(mine: Defence, rows: np.ndarray, plain: np.ndarray) -> None:
    """Different rows with equal probabilities must not share their noise, nor rows with the same numbers reordered."""
    equal = np.repeat(plain[:1], len(rows), axis=0)
    noisy = mine.after(Query(rows), equal.copy())
    swapped = mine.after(Query(rows[:, ::-1].copy()), equal.copy())
    if len(np.unique(noisy.round(9), axis=0)) < 0.9 * len(rows):
        raise NotYet("Different rows got the same noise.", "Hash each row by itself: row.tobytes().")
    if np.isclose(noisy, swapped).all(axis=1).mean() > 0.1:
        raise NotYet(
            "A row and the same numbers in another order got the same noise.",
            "Hash the row's bytes, not a sum of them.",
        )


FLOORS = {"noise that keeps the label": 0.86, "a bent scale": 0.84, "a coin at the boundary": 0.96}


@exercise(
    "07.4",
    title="Adapt to each defence",
    points=3,
    minutes=12,
    objectives=("1.5", "4.3"),
    seconds=40.0,
    passed="One thief, three defences, three copies: you believed what deserved it.",
    hints=(
        "You do not know the defence. But you can see how well a copy predicts answers it was not fitted on.",
        "Hold back each third of what you bought in turn. Fit one copy on probabilities, one on labels, to the rest; "
        "compare their predictions with the held-back labels.",
        "def score(soft, hidden):\n"
        "    copy = fit_surrogate(rows[~hidden], part(answers, ~hidden), kind='linear', soft=soft)\n"
        "    return agreement(copy.predict(rows[hidden]), answers.labels[hidden])\n"
        "thirds = [np.arange(len(rows)) % 3 == k for k in range(3)]\n"
        "better = sum(score(True, t) - score(False, t) for t in thirds)\n"
        "return fit_surrogate(rows, answers, kind='linear', soft=better >= 0)",
    ),
)
def adapts_to_each_defence(learner: Remote, world: World) -> float:
    made = {
        "noise that keeps the label": KeepTop(0.5, seed=world.seed("keep")),
        "a bent scale": ReverseSigmoid(beta=1.0, gamma=0.2),
        "a coin at the boundary": BoundaryNoise(zone=0.3, epsilon=0.1, seed=world.seed("coin")),
    }
    reached = {name: _steal(learner, world, name, defence) for name, defence in made.items()}
    short = [name for name, share in reached.items() if share < FLOORS[name]]
    if not short:
        return 1.0
    worst = short[0]
    raise NotYet(
        f"Against {worst} your copy agrees on {reached[worst]:.1%} of test rows; the floor is {FLOORS[worst]:.0%}.",
        "Fit both ways, to probabilities and to labels; keep what predicts held-back labels better, over every third.",
        score=0.3 * (len(FLOORS) - len(short)) / 2,
    )


def _steal(learner: Remote, world: World, name: str, defence: Defence) -> float:
    victim = world.victim("mail" if isinstance(defence, BoundaryNoise) else "digits", model="linear")
    order = world.rng(f"names/{name}").permutation(len(victim.classes))
    target = world.target(victim.name, model="linear", defences=(ShuffledClasses(order), defence))
    truth = np.argsort(order)[victim.labels(victim.test.X)]
    budget = 400 if victim.name == "mail" else 300
    copy = learner(target.api(budget=budget), victim.pool.X, world.rng_for_learner(f"theft/{name}"))
    return _reached(copy, target, victim.test.X, truth, world, name)


def _reached(copy: Any, target: JudgeTarget, test: np.ndarray, truth: np.ndarray, world: World, name: str) -> float:
    target.close()
    if not isinstance(copy, Remote):
        raise NotYet(
            f"Your function returned {'None' if copy is None else 'plain data'}, not a copy.",
            "Return the fitted classifier: anything with a predict method.",
        )
    if not target.rows_bought:
        raise NotYet("The target's log shows no query of yours.", "Buy answers with api.predict(rows).")
    if target.asked_any_of(test):
        raise NotYet("The target's log shows test rows among your queries.", "Query rows you own; test rows measure.")
    guessed = expect_array(copy.predict(test), (len(test),), "the copy's prediction").astype(int)
    share = agreement(guessed, truth)
    world.say(f"{name}: {target.rows_bought} rows bought, agreement {share:.3f}")
    return share


@exercise(
    "07.5",
    title="Swap the labels back",
    points=3,
    minutes=10,
    objectives=("1.5", "4.2"),
    passed="Lied to or not, your copy says what the victim says: of two classes, a lie names the truth.",
    hints=(
        "Your sixteen rows are real, so their answers are true. What does a copy of the invented rows' answers say "
        "about those sixteen?",
        "Fit a copy on the invented rows, predict your own rows, compare with their bought labels. Below one half, the "
        "labels were swapped: 1 - labels swaps them back.",
        "told = fit_surrogate(made, Answers(labels, None), kind='linear')\n"
        "if agreement(told.predict(own), truth) < 0.5:\n"
        "    labels = 1 - labels",
    ),
)
def undoes_a_swap_and_leaves_the_truth_alone(learner: Remote, world: World) -> float:
    first = world.rng("names").permutation(2)
    reached = {}
    for name, order, lies in (
        ("a target that lies to strangers", first, True),
        ("an honest target", first[::-1], False),
    ):
        shuffle = ShuffledClasses(order)
        known = world.victim("tumour")
        liar = (Misinformation(known.train.X, share=0.05),) if lies else ()
        target = world.target("tumour", defences=(shuffle, *liar))
        own = known.pool.X[world.rng(f"own/{name}").permutation(len(known.pool))[:16]]
        truth = np.argsort(order)[known.labels(known.test.X)]
        copy = learner(target.api(budget=300), own, world.rng_for_learner(f"theft/{name}"))
        reached[name] = _reached(copy, target, known.test.X, truth, world, name)
    short = [name for name, share in reached.items() if share < 0.85]
    if not short:
        return 1.0
    raise NotYet(
        f"Against {short[0]} your copy agrees on {reached[short[0]]:.1%} of test rows; the floor is 85 %.",
        "Swap only if a copy of the invented rows' answers contradicts the answers to your own rows.",
        score=0.4 if len(short) == 1 and min(reached.values()) < 0.5 else 0.0,
    )


SETTINGS = (
    NOTHING, "rounding:decimals=2", "rounding:decimals=1", "top_k:k=1", "label_only",
    "gaussian_noise:sigma=0.1,seed=1", "gaussian_noise:sigma=0.5,seed=1", "keep_top:sigma=0.2,seed=1",
    "keep_top:sigma=1.0,seed=1", "reverse_sigmoid:beta=0.3,gamma=0.4", "reverse_sigmoid:beta=1.0,gamma=0.4",
    "boundary_noise:zone=0.95,epsilon=0.1,seed=1",
)  # fmt: skip


@exercise(
    "07.6",
    title="Choose a point",
    points=2,
    minutes=8,
    objectives=("2.2", "2.3"),
    passed="Your points keep the customer's floor and the thief's ceiling, for the best of the thieves.",
    hints=(
        "The vendor has three limits. Which of the thieves decides whether the third one holds?",
        "The thief who counts is the best one: max(point['thieves'].values()). Return the first point that meets all "
        "three limits, or None.",
        "for point in points:\n"
        "    if (point['accuracy_lost'] <= limits['accuracy_lost'] and point['distortion'] <= limits['distortion']\n"
        "            and max(point['thieves'].values()) <= limits['agreement']):\n"
        "        return point['name']\n"
        "return None",
    ),
)
def chooses_a_point_within_the_limits(learner: Remote, world: World) -> float:
    points = _measured(world)
    cases = _cases(points)
    right = 0
    for number, limits in enumerate(cases):
        fit = {p.name for p in admissible(points, **limits)}
        listed = _tempting_first(points, fit, limits, world.rng(f"order/{number}"))
        given = learner([_as_data(point) for point in listed], limits)
        if given in fit or (given is None and not fit):
            right += 1
            continue
        world.say(_why_not(points, given, limits))
    if right == len(cases):
        world.say(f"{len(points)} points, just measured on your own tumour victim; {len(cases)} sets of limits")
        return 1.0
    raise NotYet(
        f"{right} of {len(cases)} sets of limits are met.",
        "All three limits count, and of the thieves the best; return None only if no point meets them.",
        score=0.5 if right == len(cases) - 1 else 0.0,
    )


def _measured(world: World) -> list[Point]:
    victim = world.victim("tumour")
    with bench_of(victim) as bench:
        points = plane(blur_outcomes(bench, SETTINGS, budget=100, seeds=[0]))
    share = majority_share(victim.labels(victim.test.X))
    accuracy = majority_share(victim.test.y)
    thieves = dict.fromkeys(points[0].thieves, share)
    lost = points[0].customer_accuracy - accuracy
    block = Point(
        victim.name, "one answer for all", accuracy, lost, 1 - share, 1.0, thieves, SOLVE, share, share, share
    )
    return [*points, block]


def _cases(points: list[Point]) -> list[dict[str, float]]:
    """Limits drawn from the measurement: some met by several points, some by none; never by no defence alone."""
    gentle = [p for p in points if p.accuracy_lost <= 0.01]
    agreements = sorted({p.agreement for p in gentle})
    ceiling = next((a for a in agreements if sum(p.agreement <= a for p in gentle) >= 3), agreements[-1])
    near = sorted(p.distortion for p in gentle if p.agreement <= ceiling)
    return [
        {"accuracy_lost": 0.01, "distortion": 2.0, "agreement": ceiling},
        {"accuracy_lost": 0.01, "distortion": near[0] + 1e-6, "agreement": ceiling},
        {"accuracy_lost": 0.005, "distortion": near[0] / 2, "agreement": agreements[0] - 0.02},
        {"accuracy_lost": 1.0, "distortion": 2.0, "agreement": agreements[0] - 0.01},
        {"accuracy_lost": 0.0, "distortion": 0.1, "agreement": agreements[-1] - 1e-6},
        {"accuracy_lost": 0.0, "distortion": 0.01, "agreement": 0.5},
    ]


def _tempting_first(
    points: list[Point], fit: set[str], limits: dict[str, float], rng: np.random.Generator
) -> list[Point]:
    """Shuffled, but what fits only for the clumsiest thief comes first: who reads that one picks it."""
    tempting = [p.name not in fit and min(p.thieves.values()) <= limits["agreement"] for p in points]
    return [points[i] for i in sorted(rng.permutation(len(points)), key=lambda i: not tempting[i])]


def _as_data(point: Point) -> dict[str, Any]:
    return {
        "name": point.name,
        "accuracy_lost": point.accuracy_lost,
        "distortion": point.distortion,
        "thieves": dict(point.thieves),
    }


def _why_not(points: list[Point], given: Any, limits: dict[str, float]) -> str:
    wanted = ", ".join(f"{name.replace('_', ' ')} at most {value:.3f}" for name, value in limits.items())
    chosen = next((p for p in points if p.name == given), None)
    if given is None:
        return f"{wanted}: you say nothing fits, but something does"
    if chosen is None:
        return f"{wanted}: {str(given)[:40]!r} is no point's name"
    facts = f"loses {chosen.accuracy_lost:.3f}, distorts {chosen.distortion:.3f}, best thief {chosen.agreement:.3f}"
    return f"{wanted}: {chosen.name} {facts}"


PARAGRAPH = manual(
    "07.7",
    title="Advise the product owner",
    minutes=9,
    role="the product owner of the API",
    rubric=(
        (
            1,
            "Names one setting, with the customer's cost and the best thief's agreement, from this notebook",
        ),
        (1, "Says what label-only answers buy and cost, beside it"),
        (1, "States the residual risk: which thief this setting does not stop, and which control outside it must"),
    ),
)
