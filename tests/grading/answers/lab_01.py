"""Right and wrong answers to lab 01: the examiner is tested with both."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labkit import fit_surrogate, make_surrogate
from labkit.thieves import steal_natural, steal_uncertain


def split_by_content(rows, test_share, rng):
    different, which = np.unique(rows, axis=0, return_inverse=True)
    order = rng.permutation(len(different))
    to_test = np.isin(which, order[: round(test_share * len(different))])
    return rows[~to_test], rows[to_test]


def split_by_group(rows, test_share, rng):
    groups = [row.tobytes() for row in np.asarray(rows)]
    names = {g: i for i, g in enumerate(dict.fromkeys(groups))}
    cut = GroupShuffleSplit(n_splits=1, test_size=test_share, random_state=int(rng.integers(1000)))
    pool, test = next(cut.split(rows, groups=[names[g] for g in groups]))
    return rows[pool].tolist(), rows[test].tolist()


def split_by_position(rows, test_share, rng):
    order = rng.permutation(len(rows))
    cut = round(test_share * len(rows))
    return rows[order[cut:]], rows[order[:cut]]


def split_drops_twins(rows, test_share, rng):
    different = rng.permutation(np.unique(rows, axis=0))
    cut = round(test_share * len(different))
    return different[cut:], different[:cut]


def split_sorted(rows, test_share, rng):
    different, which = np.unique(rows, axis=0, return_inverse=True)
    to_test = which < round(test_share * len(different))
    return rows[~to_test], rows[to_test]


def split_head(rows, test_share, rng):
    """Twins together, but the test part is the head of the table."""
    seen = {row.tobytes() for row in rows[: round(test_share * len(rows) * 0.6)]}
    to_test = np.array([row.tobytes() in seen for row in rows])
    return rows[~to_test], rows[to_test]


def split_everything_to_pool(rows, test_share, rng):
    return rows, rows[:0]


def steal_plain(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[: int(api.left)]]
    return fit_surrogate(rows, api.predict(rows), kind="network")


def steal_with_reference_thief(api, pool, rng):
    return steal_uncertain(api, pool, budget=int(api.left), rng=rng, kind="linear").surrogate


def steal_one_by_one(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[:120]]
    labels = [int(api.predict([row]).labels[0]) for row in rows]
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(rows, labels)


class Handmade:
    """A copy that is no scikit-learn class: nearest bought row."""

    def __init__(self, rows, labels):
        self.rows, self.labels = rows, labels

    def predict(self, questions):
        gaps = ((questions[:, None, :] - self.rows[None]) ** 2).sum(axis=2)
        return self.labels[gaps.argmin(axis=1)].tolist()


def steal_by_nearest_row(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[: int(api.left)]]
    return Handmade(rows, api.labels(rows))


def steal_nothing(api, pool, rng):
    return None


def steal_over_budget(api, pool, rng):
    return fit_surrogate(pool, api.predict(pool))


def steal_from_public_labels(api, pool, rng):
    """Trains on scikit-learn's own digits and asks one row for the look of it."""
    digits = load_digits()
    api.predict(pool[:1])
    return RandomForestClassifier(random_state=0).fit(digits.data, digits.target)


def steal_without_asking(api, pool, rng):
    digits = load_digits()
    return RandomForestClassifier(random_state=0).fit(digits.data, digits.target)


def steal_test_rows(api, pool, rng):
    """Asks rows from outside the pool: among scikit-learn's digits are the test rows."""
    rows = load_digits().data[: int(api.left)]
    return fit_surrogate(rows, api.predict(rows))


def steal_too_few(api, pool, rng):
    return fit_surrogate(pool[:12], api.predict(pool[:12]))


def steal_constant(api, pool, rng):
    label = int(api.labels(pool[:1])[0])
    return Handmade(pool[:1], np.array([label]))


def steal_numbers(api, pool, rng):
    return api.labels(pool[:100])


def steal_from_probabilities(api, pool, rng):
    rows = pool[: int(api.left)]
    return make_surrogate("linear").fit(rows, api.probabilities(rows).argmax(axis=1))


def steal_hides_overspending(api, pool, rng):
    """Puts the client's own counter back, to buy twice: the judge counts for itself."""
    rows = pool[:110]
    first = api.predict(rows)
    api.budget.spent = 0
    api.predict(pool[110:220])
    return fit_surrogate(rows, first)


def choose_by_margin(copy_probabilities, count):
    top = np.sort(copy_probabilities, axis=1)
    return np.argsort(top[:, -1] - top[:, -2])[:count]


def choose_by_entropy(copy_probabilities, count):
    p = np.clip(copy_probabilities, 1e-12, 1)
    return sorted(range(len(p)), key=lambda i: float((p[i] * np.log(p[i])).sum()))[:count]


def choose_least_confident(copy_probabilities, count):
    return np.asarray(copy_probabilities).max(axis=1).argsort()[:count].tolist()


def choose_by_the_ratio_of_two(copy_probabilities, count):
    """The runner-up's share of the winner, largest first; written without argsort over a margin."""
    two = np.partition(copy_probabilities, -2, axis=1)[:, -2:]
    ratio = two[:, 0] / np.maximum(two[:, 1], 1e-12)
    return np.flatnonzero(ratio >= np.sort(ratio)[-count])[:count]


def choose_at_random(copy_probabilities, count):
    return np.random.default_rng(0).permutation(len(copy_probabilities))[:count]


def choose_widest_margin(copy_probabilities, count):
    """The right gap, sorted the wrong way round."""
    top = np.sort(copy_probabilities, axis=1)
    return np.argsort(top[:, -2] - top[:, -1])[:count]


def choose_first(copy_probabilities, count):
    return np.arange(count)


def choose_surest(copy_probabilities, count):
    return np.argsort(-copy_probabilities.max(axis=1))[:count]


def choose_one_row(copy_probabilities, count):
    return np.full(count, int(copy_probabilities.max(axis=1).argmin()))


def choose_one_too_few(copy_probabilities, count):
    return choose_by_margin(copy_probabilities, count - 1)


def choose_from_one(copy_probabilities, count):
    return choose_by_margin(copy_probabilities, count) + len(copy_probabilities)


def read_lowest(runs, floor):
    for budget in sorted({run["budget"] for run in runs}):
        if min(run["agreement"] for run in runs if run["budget"] == budget) >= floor:
            return budget
    return None


def read_by_table(runs, floor):
    lowest = {}
    for run in runs:
        lowest[run["budget"]] = min(run["agreement"], lowest.get(run["budget"], 1.0))
    good = [budget for budget, worst in lowest.items() if worst >= floor]
    return min(good, default=None)


def read_mean(runs, floor):
    for budget in sorted({run["budget"] for run in runs}):
        if np.mean([run["agreement"] for run in runs if run["budget"] == budget]) >= floor:
            return budget
    return None


def read_luckiest(runs, floor):
    return min((run["budget"] for run in runs if run["agreement"] >= floor), default=None)


def read_last_failure(runs, floor):
    """Asks that every larger budget pass too: stricter than the question."""
    bad = [run["budget"] for run in runs if run["agreement"] < floor]
    good = [run["budget"] for run in runs if run["budget"] > max(bad, default=0)]
    return min(good, default=None)


def read_fixed(runs, floor):
    return 200


def read_never_none(runs, floor):
    return read_lowest(runs, floor) or 400


RIGHT = {
    "01.1": {"by content": split_by_content, "GroupShuffleSplit, lists": split_by_group},
    "01.2": {
        "plain": steal_plain,
        "reference thief": steal_with_reference_thief,
        "row by row, hard labels": steal_one_by_one,
    },
    "01.3": {
        "margin": choose_by_margin,
        "entropy, a list": choose_by_entropy,
        "least confident": choose_least_confident,
        "ratio of two": choose_by_the_ratio_of_two,
    },
    "01.4": {
        "scikit-learn": lambda api, pool, rng: make_surrogate("linear").fit(pool[:120], api.labels(pool[:120])),
        "natural thief": lambda api, pool, rng: steal_natural(api, pool, budget=120, rng=rng).surrogate,
        "nearest row, no library": steal_by_nearest_row,
    },
    "01.5": {"lowest": read_lowest, "table of minima": read_by_table},
}
WRONG = {
    "01.1": {
        "splits by position": (split_by_position, "stand on both sides"),
        "drops twins": (split_drops_twins, "rows went in"),
        "cuts a sorted table": (split_sorted, "same split"),
        "takes the head": (split_head, "one end"),
        "everything to the pool": (split_everything_to_pool, "test part"),
        "returns one table": (lambda rows, test_share, rng: rows, "two tables"),
        "changes rows": (lambda r, s, rng: tuple(x * 2 for x in split_by_content(r, s, rng)), "other numbers"),
    },
    "01.2": {
        "returns nothing": (steal_nothing, "returned None"),
        "ignores the budget": (steal_over_budget, "over its query budget"),
        "public labels, one query": (steal_from_public_labels, "agrees with the victim"),
        "never asks": (steal_without_asking, "no query"),
        "asks test rows": (steal_test_rows, "test rows among your queries"),
        "twelve rows": (steal_too_few, "the floor is"),
        "one answer for all": (steal_constant, "the floor is"),
        "returns numbers": (steal_numbers, "not a copy"),
        "resets its own counter": (steal_hides_overspending, "budget"),
    },
    "01.3": {
        "first rows": (choose_first, "gain"),
        "surest rows": (choose_surest, "gain"),
        "at random": (choose_at_random, "gain"),
        "the wrong end of the margin": (choose_widest_margin, "gain"),
        "one row again and again": (choose_one_row, "twice"),
        "off by one": (choose_one_too_few, "shape"),
        "positions out of range": (choose_from_one, "outside"),
    },
    "01.4": {
        "returns nothing": (steal_nothing, "returned None"),
        "ignores the budget": (steal_over_budget, "over its query budget"),
        "wants probabilities": (steal_from_probabilities, "labels only"),
        "public labels, one query": (steal_from_public_labels, "agrees with the victim"),
        "asks test rows": (steal_test_rows, "test rows among your queries"),
        "one answer for all": (steal_constant, "the floor is"),
    },
    "01.5": {
        "reads the mean": (read_mean, "curves read right"),
        "reads the luckiest run": (read_luckiest, "curves read right"),
        "asks for more than was asked": (read_last_failure, "curves read right"),
        "hard-coded": (read_fixed, "curves read right"),
        "never says none": (read_never_none, "curves read right"),
    },
}
