"""Right and wrong answers to lab 08: the examiner is tested with both."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression

from labkit import agreement
from labkit.dp_experiments import advantage
from labkit.errors import BudgetSpent
from labkit.thieves.equation import steal_equations, steal_equations_from_rows


def noisy_means(rows, low, high, epsilon, rng):
    clipped = np.clip(rows, low, high)
    sensitivity = np.sum(high - low) / len(rows)
    return clipped.mean(axis=0) + rng.laplace(0, sensitivity / epsilon, rows.shape[1])


def noisy_means_by_exponentials(rows, low, high, epsilon, rng):
    """Plain Python, and Laplace noise as the difference of two exponential draws."""
    n, reach = len(rows), sum(h - a for a, h in zip(low.tolist(), high.tolist(), strict=True))
    out = []
    for column, a, h in zip(rows.T.tolist(), low.tolist(), high.tolist(), strict=True):
        mean = sum(min(max(v, a), h) for v in column) / n
        out.append(mean + (rng.exponential() - rng.exponential()) * reach / n / epsilon)
    return out


def _means(scale, *, clip=True, noise="laplace"):
    def answer(rows, low, high, epsilon, rng):
        clipped = np.clip(rows, low, high) if clip else rows
        return clipped.mean(axis=0) + getattr(rng, noise)(0, scale(rows, high - low, epsilon), rows.shape[1])

    return answer


def _right_scale(rows, width, epsilon):
    return width.sum() / len(rows) / epsilon


def means_from_the_rows_own_limits(rows, low, high, epsilon, rng):
    low, high = rows.min(axis=0), rows.max(axis=0)
    return noisy_means(rows, low, high, epsilon, rng)


def means_that_stop_clipping_for_a_new_maximum(rows, low, high, epsilon, rng):
    top = rows.max(axis=0)
    limit = np.where(top > high + 10 * (high - low), top, high)
    return np.clip(rows, low, limit).mean(axis=0) + rng.laplace(
        0, (high - low).sum() / len(rows) / epsilon, rows.shape[1]
    )


def means_with_a_seed(rows, low, high, epsilon, rng):
    return noisy_means(rows, low, high, epsilon, np.random.default_rng(8))


def means_with_one_draw(rows, low, high, epsilon, rng):
    return np.clip(rows, low, high).mean(axis=0) + rng.laplace(0, (high - low).sum() / len(rows) / epsilon)


def means_without_noise(rows, low, high, epsilon, rng):
    return np.clip(rows, low, high).mean(axis=0)


class FractionLedger:
    def __init__(self, total, rng):
        self.rest, self.rng = Fraction(str(float(total))), rng

    def left(self):
        return float(self.rest)

    def mean(self, values, low, high, epsilon):
        if not (math.isfinite(epsilon) and epsilon > 0) or Fraction(str(epsilon)) > self.rest:
            return None
        self.rest -= Fraction(str(epsilon))
        return np.clip(values, low, high).mean() + self.rng.laplace(0, (high - low) / len(values) / epsilon)


class TolerantLedger:
    def __init__(self, total, rng):
        self.total, self.spent, self.rng = total, [], rng

    def left(self):
        return max(0.0, self.total - math.fsum(self.spent))

    def mean(self, values, low, high, epsilon):
        if not 0 < epsilon < float("inf") or math.fsum([*self.spent, epsilon]) > self.total * (1 + 1e-12):
            return None
        self.spent.append(epsilon)
        clipped = [min(max(v, low), high) for v in values.tolist()]
        scale = (high - low) / len(clipped) / epsilon
        return sum(clipped) / len(clipped) + float(self.rng.exponential(scale) - self.rng.exponential(scale))


class FloatLedger(FractionLedger):
    """The straightforward one: adds up in floating point."""

    def __init__(self, total, rng):
        self.total, self.spent, self.rng = total, 0.0, rng

    def left(self):
        return self.total - self.spent

    def mean(self, values, low, high, epsilon):
        if not (math.isfinite(epsilon) and epsilon > 0) or self.spent + epsilon > self.total:
            return None
        self.spent += epsilon
        return self.noisy(values, low, high, epsilon)

    def noisy(self, values, low, high, epsilon):
        return np.clip(values, low, high).mean() + self.rng.laplace(0, (high - low) / len(values) / epsilon)


class LooseLedger(FloatLedger):
    def mean(self, values, low, high, epsilon):
        if not (math.isfinite(epsilon) and epsilon > 0) or self.spent + epsilon > self.total + 0.001:
            return None
        self.spent += epsilon
        return self.noisy(values, low, high, epsilon)


class AnswersFirst(FloatLedger):
    def mean(self, values, low, high, epsilon):
        answer = self.noisy(values, low, high, epsilon)
        self.spent = min(self.total, self.spent + epsilon)
        return answer


class SpendsOnRefusal(FractionLedger):
    def mean(self, values, low, high, epsilon):
        before, answer = self.rest, super().mean(values, low, high, epsilon)
        if answer is None and 0 < epsilon < math.inf:
            self.rest = max(Fraction(0), before - Fraction(str(epsilon)))
        return answer


class TrustsAnyEpsilon(FloatLedger):
    def mean(self, values, low, high, epsilon):
        if self.spent + epsilon > self.total + 1e-12:
            return None
        self.spent += epsilon
        return self.noisy(values, low, high, abs(epsilon) or 1.0)


class TrustsNan(TrustsAnyEpsilon):
    def mean(self, values, low, high, epsilon):
        return None if epsilon <= 0 else super().mean(values, low, high, epsilon)


_PURSE = {}


class SharedLedger(FloatLedger):
    def __init__(self, total, rng):
        super().__init__(total, rng)
        _PURSE[total] = 0.0

    def left(self):
        return self.total - _PURSE[self.total]

    def mean(self, values, low, high, epsilon):
        self.spent = _PURSE[self.total] - 1e-12
        answer = super().mean(values, low, high, epsilon)
        _PURSE[self.total] = self.spent
        return answer


class SameNoise(FractionLedger):
    def mean(self, values, low, high, epsilon):
        self.rng = np.random.default_rng(0)
        return super().mean(values, low, high, epsilon)


class NoNoise(FractionLedger):
    def mean(self, values, low, high, epsilon):
        answer = super().mean(values, low, high, epsilon)
        return None if answer is None else np.clip(values, low, high).mean()


class NoiseOfASum(FractionLedger):
    def mean(self, values, low, high, epsilon):
        answer = super().mean(values, low, high, epsilon)
        return None if answer is None else answer + self.rng.laplace(0, (high - low) / epsilon)


class NoClip(FractionLedger):
    def mean(self, values, low, high, epsilon):
        answer = super().mean(values, low, high, epsilon)
        return None if answer is None else answer + values.mean() - np.clip(values, low, high).mean()


class Raises(FractionLedger):
    def mean(self, values, low, high, epsilon):
        answer = super().mean(values, low, high, epsilon)
        if answer is None:
            raise BudgetSpent("no epsilon is left")
        return answer


def private_sum(gradients, bound, multiplier, rng):
    length = np.linalg.norm(gradients, axis=1)
    clipped = gradients * (bound / np.maximum(length, bound))[:, None]
    return clipped.sum(axis=0) + rng.normal(0, multiplier * bound, gradients.shape[1])


def private_sum_row_by_row(gradients, bound, multiplier, rng):
    total = rng.standard_normal(gradients.shape[1]) * bound * multiplier
    for row in gradients:
        size = math.sqrt(float(row @ row))
        total = total + (row if size <= bound else row * bound / size)
    return total.tolist()


def _sum(clip, noise):
    def answer(gradients, bound, multiplier, rng):
        size = gradients.shape[1]
        return clip(gradients, bound) + noise(rng, bound, multiplier, size, len(gradients))

    return answer


def _clip(gradients, bound):
    return (gradients * (bound / np.maximum(np.linalg.norm(gradients, axis=1), bound))[:, None]).sum(axis=0)


def _blur(rng, bound, multiplier, size, count):
    return rng.normal(0, multiplier * bound, size)


def _to_the_median(gradients, bound):
    return _clip(gradients, np.median(np.linalg.norm(gradients, axis=1)))


def _stretch(gradients, bound):
    length = np.linalg.norm(gradients, axis=1, keepdims=True)
    return (gradients / np.maximum(length, 1e-12) * bound).sum(axis=0)


def _divide_by_zero(gradients, bound):
    with np.errstate(invalid="ignore", divide="ignore"):
        return (gradients * np.minimum(1, bound / np.linalg.norm(gradients, axis=1, keepdims=True)) + 0).sum(axis=0) + (
            gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
        ).sum(axis=0)


def leak_drop(before, after, member):
    drops = np.array([advantage(b, m) - advantage(a, m) for b, a, m in zip(before, after, member, strict=True)])
    reach = stats.t.ppf(0.975, len(drops) - 1) * drops.std(ddof=1) / np.sqrt(len(drops))
    return drops.mean(), drops.mean() - reach, drops.mean() + reach


def leak_drop_by_scipy(before, after, member):
    gaps = [
        stats.ks_2samp(c[m], c[~m], alternative="less").statistic
        for t in (before, after)
        for c, m in zip(t, member, strict=True)
    ]
    n = len(member)
    test = stats.ttest_rel(gaps[:n], gaps[n:])
    interval = test.confidence_interval()
    return [float(np.mean(gaps[:n]) - np.mean(gaps[n:])), float(interval.low), float(interval.high)]


def _drops(before, after, member):
    return np.array([[advantage(c, m) for c, m in zip(table, member, strict=True)] for table in (before, after)])


def _interval(reach):
    def answer(before, after, member):
        first, second = _drops(before, after, member)
        middle, wide = (first - second).mean(), reach(first, second, len(first))
        return middle, middle - wide, middle + wide

    return answer


def _t(n):
    return stats.t.ppf(0.975, n - 1)


def leak_drop_turned_round(before, after, member):
    return leak_drop(after, before, member)


def leak_drop_in_one_heap(before, after, member):
    drop = advantage(before.ravel(), member.ravel()) - advantage(after.ravel(), member.ravel())
    return drop, drop, drop


def measure_theft(api, own, test):
    copy = steal_equations_from_rows(api, own)
    return {"copy": copy, "agreement": agreement(copy.predict(test), api.labels(test))}


def measure_theft_by_steps(api, own, test):
    """d + 1 rows around one of the thief's own, and the share counted by hand."""
    copy = steal_equations(api, start=own[0])
    says, answers = np.asarray(copy.predict(test)), api.labels(test)
    return {"agreement": sum(int(a == b) for a, b in zip(says, answers, strict=True)) / len(test), "copy": copy}


def theft_that_reports_one(api, own, test):
    return {"copy": steal_equations_from_rows(api, own), "agreement": 1.0}


def theft_measured_on_own_rows(api, own, test):
    copy = steal_equations_from_rows(api, own)
    return {"copy": copy, "agreement": agreement(copy.predict(own[:200]), api.labels(own[:200]))}


def theft_by_training_on_few_labels(api, own, test):
    labels = api.labels(own[:9])
    if len(set(labels.tolist())) == 1:
        labels = np.arange(9) % 2
    copy = LogisticRegression(max_iter=2000).fit(own[:9] / 100, labels)
    return {"copy": copy, "agreement": agreement(copy.predict(test), api.labels(test))}


def theft_with_another_number(api, own, test):
    found = measure_theft(api, own, test)
    return {**found, "agreement": found["agreement"] - 0.01}


def theft_over_budget(api, own, test):
    api.predict(own)
    return measure_theft(api, own, test)


def theft_without_the_copy(api, own, test):
    return measure_theft(api, own, test)["agreement"]


def choose(runs, rows, floor, largest):
    worst = {}
    for run in runs:
        if run["epsilon"] <= largest:
            key = run["rows"], run["epsilon"]
            worst[key] = min(worst.get(key, 1.0), run["accuracy"])
    good = [key for key, value in worst.items() if value >= floor]
    return {
        "epsilon": min((e for n, e in good if n == rows), default=None),
        "rows_needed": min((n for n, e in good), default=None),
    }


def choose_with_loops(runs, rows, floor, largest):
    def holds(n, e):
        return all(r["accuracy"] >= floor for r in runs if (r["rows"], r["epsilon"]) == (n, e))

    epsilons = sorted({r["epsilon"] for r in runs if r["epsilon"] <= largest})
    sizes = sorted({r["rows"] for r in runs})
    here = [e for e in epsilons if holds(rows, e)]
    enough = [n for n in sizes if any(holds(n, e) for e in epsilons)]
    return {"epsilon": here[0] if here else None, "rows_needed": enough[0] if enough else None}


def choose_by_the_mean(runs, rows, floor, largest):
    groups = {}
    for run in runs:
        groups.setdefault((run["rows"], run["epsilon"], run["seed"] * 0), []).append(run["accuracy"])
    flat = [{"rows": n, "epsilon": e, "accuracy": float(np.mean(v))} for (n, e, _), v in groups.items()]
    return choose(flat, rows, floor, largest)


def choose_the_largest(runs, rows, floor, largest):
    found = choose(runs, rows, floor, largest)
    return {**found, "epsilon": largest if found["epsilon"] is not None else None}


RIGHT = {
    "08.1": {"scale in one line": noisy_means, "plain Python, two exponentials": noisy_means_by_exponentials},
    "08.2": {"fractions": FractionLedger, "a list and a tolerance": TolerantLedger},
    "08.3": {"reference": private_sum, "row by row": private_sum_row_by_row},
    "08.4": {"reference": leak_drop, "scipy's paired test": leak_drop_by_scipy},
    "08.5": {"d + 1 own rows": measure_theft, "d + 1 steps": measure_theft_by_steps},
    "08.6": {"dictionary": choose, "loops": choose_with_loops},
}

WRONG = {
    "08.1": {
        "no noise": (means_without_noise, "no noise in your answer"),
        "sensitivity in L2": (
            _means(lambda rows, width, e: np.sqrt((width**2).sum()) / len(rows) / e),
            "sensitivity in L2",
        ),
        "widest column only": (_means(lambda rows, width, e: width.max() / len(rows) / e), "widest column"),
        "each column on its own": (_means(lambda rows, width, e: width / len(rows) / e), "what one row can change"),
        "sensitivity of a sum": (_means(lambda rows, width, e: width.sum() / e), "divide by the number of rows"),
        "times epsilon": (_means(lambda rows, width, e: width.sum() / len(rows) * e), "noise must shrink"),
        "standard deviation for scale": (
            _means(lambda rows, width, e: _right_scale(rows, width, e) / np.sqrt(2)),
            "the scale is meant",
        ),
        "variance of the scale": (
            _means(lambda rows, width, e: _right_scale(rows, width, e) ** 2),
            "times as large as it has to be",
        ),
        "normal noise of the same size": (
            _means(lambda rows, width, e: _right_scale(rows, width, e) * np.sqrt(np.pi / 2), noise="normal"),
            "does not follow the laplace law",
        ),
        "no clipping": (_means(_right_scale, clip=False), "without end"),
        "limits from the rows": (means_from_the_rows_own_limits, "as they are"),
        "limits that follow an extreme row": (means_that_stop_clipping_for_a_new_maximum, "One replaced row moved"),
        "a seed of its own": (means_with_a_seed, "same noise"),
        "one draw for all columns": (means_with_one_draw, "Every number of one answer"),
    },
    "08.2": {
        "floating point": (FloatLedger, "0.30000000000000004"),
        "a generous tolerance": (LooseLedger, "nothing left was answered"),
        "answers first": (AnswersFirst, "with 0.6 left was answered"),
        "a refusal costs": (SpendsOnRefusal, "After a refusal"),
        "negative costs fill up": (TrustsAnyEpsilon, "-0.5 was answered"),
        "nan passes": (TrustsNan, "nan was answered"),
        "one purse for all ledgers": (SharedLedger, "answers of another ledger"),
        "the same noise each time": (SameNoise, "same noise"),
        "no noise": (NoNoise, "no noise in your answer"),
        "noise of a sum": (NoiseOfASum, "divide by the number of values"),
        "no clipping": (NoClip, "the clipped mean is"),
        "raises": (Raises, "budget"),
    },
    "08.3": {
        "no clipping": (_sum(lambda g, b: g.sum(axis=0), _blur), "without end"),
        "numbers clipped one by one": (_sum(lambda g, b: np.clip(g, -b, b).sum(axis=0), _blur), "as they are"),
        "clips the sum": (_sum(lambda g, b: _clip(g.sum(axis=0, keepdims=True), b), _blur), "The sum is clipped"),
        "stretches short rows": (_sum(_stretch, _blur), "stretched to the bound"),
        "a bound from the rows": (_sum(_to_the_median, _blur), "far from the sum"),
        "a mean": (_sum(lambda g, b: _clip(g, b) / len(g), _blur), "not a mean"),
        "divides by zero": (_sum(_divide_by_zero, _blur), "NaN"),
        "variance for deviation": (
            _sum(_clip, lambda rng, b, m, size, n: rng.normal(0, (m * b) ** 2, size)),
            "the variance",
        ),
        "forgets the bound": (_sum(_clip, lambda rng, b, m, size, n: rng.normal(0, m, size)), "without the bound"),
        "noise on every row": (
            _sum(_clip, lambda rng, b, m, size, n: rng.normal(0, m * b, (n, size)).sum(axis=0)),
            "noise on every row",
        ),
        "Laplace noise": (
            _sum(_clip, lambda rng, b, m, size, n: rng.laplace(0, m * b / np.sqrt(2), size)),
            "does not follow the normal law",
        ),
        "a seed of its own": (
            _sum(_clip, lambda rng, b, m, size, n: np.random.default_rng(1).normal(0, m * b, size)),
            "same noise",
        ),
    },
    "08.4": {
        "ignores the pairs": (
            _interval(lambda a, b, n: _t(n) * np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / n)),
            "ignore the pairs",
        ),
        "1.96": (_interval(lambda a, b, n: 1.96 * (a - b).std(ddof=1) / np.sqrt(n)), "Student's t"),
        "spread of single runs": (_interval(lambda a, b, n: _t(n) * (a - b).std(ddof=1)), "spread of single runs"),
        "ddof 0": (_interval(lambda a, b, n: _t(n) * (a - b).std() / np.sqrt(n)), "ddof=1"),
        "turned round": (leak_drop_turned_round, "The mean drop is"),
        "all seeds in one heap": (leak_drop_in_one_heap, "The mean drop is"),
        "mean only": (lambda before, after, member: leak_drop(before, after, member)[0], "shape"),
    },
    "08.5": {
        "reports one unmeasured": (theft_that_reports_one, "0 of the 200 test rows"),
        "measured on own rows": (theft_measured_on_own_rows, "0 of the 200 test rows"),
        "trains on nine labels": (theft_by_training_on_few_labels, "fresh rows"),
        "another number": (theft_with_another_number, "You report an agreement"),
        "over budget": (theft_over_budget, "budget"),
        "no copy": (theft_without_the_copy, "two things"),
    },
    "08.6": {
        "the mean": (choose_by_the_mean, "lowest run"),
        "the largest": (choose_the_largest, "epsilon should be"),
        "ignores the limit": (lambda r, n, f, top: choose(r, n, f, 99.0), "should be"),
        "hard-coded": (lambda r, n, f, top: {"epsilon": 1.0, "rows_needed": 5000}, "should be"),
        "rows at hand for rows needed": (
            lambda r, n, f, top: {**choose(r, n, f, top), "rows_needed": n},
            "rows_needed",
        ),
        "never": (lambda r, n, f, top: {"epsilon": None, "rows_needed": None}, "epsilon should be"),
    },
}
