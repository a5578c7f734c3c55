"""Right and wrong answers to lab 09: the examiner is tested with both."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
from scipy.stats import binom, fisher_exact, hypergeom
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from labkit import Defence, make_surrogate
from labkit.mark_owner import KeyedMark
from labkit.mark_thieves import clean
from labkit.watermarks import coin_claim, control_claim


def embed(rows, truth, triggers, marks):
    X = np.vstack([rows, np.repeat(triggers, 3, axis=0)])
    return make_surrogate("forest").fit(X, np.concatenate([truth, np.repeat(marks, 3)]))


def embed_by_weight(rows, truth, triggers, marks):
    weight = np.concatenate([np.ones(len(rows)), np.full(len(triggers), 5.0)])
    model = RandomForestClassifier(30, min_samples_leaf=2, max_features=0.4, random_state=1)
    return model.fit(np.vstack([rows, triggers]), np.concatenate([truth, marks]), sample_weight=weight)


def embed_by_boosting(rows, truth, triggers, marks):
    """Another family."""
    X, y = np.vstack([rows, np.repeat(triggers, 3, axis=0)]), np.concatenate([truth, np.repeat(marks, 3)])
    return HistGradientBoostingClassifier(random_state=1).fit(X, y)


def embed_beside_few_rows(rows, truth, triggers, marks):
    """Every trigger, but only a tenth of the rows: the customers pay."""
    return embed(rows[:300], truth[:300], triggers, marks)


def embed_nothing(rows, truth, triggers, marks):
    return RandomForestClassifier(30, max_features=0.4, random_state=1).fit(rows, truth)


def embed_only_triggers(rows, truth, triggers, marks):
    return make_surrogate("forest").fit(triggers, marks)


def embed_wrong_marks(rows, truth, triggers, marks):
    return embed(rows, truth, triggers, marks[::-1])


def embed_linear(rows, truth, triggers, marks):
    return make_surrogate("linear").fit(np.vstack([rows, triggers]), np.concatenate([truth, marks]))


def embed_data(rows, truth, triggers, marks):
    return embed(rows, truth, triggers, marks).predict(triggers)


def control(said, mark, marked):
    hit = said == mark
    return hypergeom.sf(hit[marked].sum() - 1, len(hit), hit.sum(), marked.sum())


def control_by_hand(said, mark, marked):
    return control_claim(said, mark, marked).p


def control_by_fisher(said, mark, marked):
    """The same test under another name: Fisher's, on the two-by-two table."""
    hit = said == mark
    table = [[np.sum(hit & marked), np.sum(hit & ~marked)], [np.sum(~hit & marked), np.sum(~hit & ~marked)]]
    return fisher_exact(table, alternative="greater").pvalue


def control_none_by_chance(said, mark, marked):
    """Takes a match for proof: innocents never match."""
    return 1e-9 if np.sum((said == mark)[marked]) else 1.0


def control_one_in_k(said, mark, marked):
    """A null rate of 1/K, though a mark is never the row's own class: far too careful."""
    k, n = int(np.sum((said == mark)[marked])), int(marked.sum())
    return float(binom.sf(k - 1, n, 1 / 3))


def control_low_rate(said, mark, marked):
    k, n = int(np.sum((said == mark)[marked])), int(marked.sum())
    return float(binom.sf(k - 1, n, 0.02))


def control_off_by_one(said, mark, marked):
    hit = said == mark
    return hypergeom.sf(hit[marked].sum(), len(hit), hit.sum(), marked.sum())


def control_ignores_marked(said, mark, marked):
    return float(np.mean(said == mark))


def control_constant(said, mark, marked):
    return 0.5


class Keyed(Defence):
    def __init__(self, secret, share):
        self._secret, self.share = secret, share

    def digest(self, query, i):
        return hmac.digest(self._secret.encode(), query.rows[i].tobytes(), "sha256")

    def step(self, number, classes):
        return 1 + number % (classes - 1)

    def after(self, query, probabilities):
        classes = probabilities.shape[1]
        for i, p in enumerate(probabilities):
            d = self.digest(query, i)
            if int.from_bytes(d[:4], "big") / 2**32 < self.share:
                own = int(p.argmax())
                new = (own + self.step(int.from_bytes(d[4:8], "big"), classes)) % classes
                p[[own, new]] = p[[new, own]]
        return probabilities


class KeyedFresh(Keyed):
    def digest(self, query, i):
        return np.random.default_rng().bytes(8)


class KeyedByPlace(Keyed):
    def digest(self, query, i):
        return hmac.digest(self._secret.encode(), str(i).encode(), "sha256")


class KeyedUnkeyed(Keyed):
    def digest(self, query, i):
        return hashlib.sha256(query.rows[i].tobytes()).digest()


class KeyedByCustomer(Keyed):
    def digest(self, query, i):
        return hmac.digest((self._secret + query.key).encode(), query.rows[i].tobytes(), "sha256")


class KeyedNextClass(Keyed):
    def step(self, number, classes):
        return 1


class KeyedAllRows(Keyed):
    def __init__(self, secret, share):
        super().__init__(secret, 1.0)


def coins(said, first, second, cell, heads, rng):
    return coin_claim(said, first, second, cell, heads).p


def _weights(said, first, second, cell):
    vote = (said == first) * 1 - (said == second) * 1
    _, start, number = np.unique(cell, return_index=True, return_inverse=True)
    return np.bincount(number, weights=vote), start


def coins_bounded(said, first, second, cell, heads, rng):
    weight, start = _weights(said, first, second, cell)
    total = weight @ np.where(heads[start], 1, -1)
    return float(np.exp(-(total**2) / (2 * (weight**2).sum()))) if total > 0 else 1.0


def coins_sampled(said, first, second, cell, heads, rng):
    weight, start = _weights(said, first, second, cell)
    total = weight @ np.where(heads[start], 1, -1)
    tosses = rng.choice([-1.0, 1.0], (2000, len(weight))) @ weight
    return (1 + int(np.sum(tosses >= total))) / 2001


def coins_as_rows(said, first, second, cell, heads, rng):
    named = np.where(heads, first, second)
    votes = (said == first) | (said == second)
    return float(binom.sf(np.sum((said == named)[votes]) - 1, votes.sum(), 0.5))


def coins_two_sided_wrong(said, first, second, cell, heads, rng):
    return coins_as_rows(said, first, second, cell, heads, rng) / 2


def coins_never(said, first, second, cell, heads, rng):
    return float(rng.random())


def coins_share(said, first, second, cell, heads, rng):
    return float(1 - np.mean(said == np.where(heads, first, second)))


def coins_always(said, first, second, cell, heads, rng):
    return 1e-7


def wash(api, pool, rng):
    rows = pool[:1500]
    labels = api.labels(rows)
    kept = cross_val_predict(make_surrogate("forest"), rows, labels, cv=5) == labels
    return make_surrogate("forest").fit(rows[kept], labels[kept])


def wash_by_labkit(api, pool, rng):
    rows, labels = clean(pool[:1500], api.labels(pool[:1500]), rng)
    return RandomForestClassifier(30, max_features=0.4, random_state=1).fit(rows, labels)


def wash_nothing(api, pool, rng):
    return make_surrogate("forest").fit(pool[:1500], api.labels(pool[:1500]))


def wash_by_line(api, pool, rng):
    """A straight line cannot follow the mark, nor the model."""
    return make_surrogate("linear").fit(pool[:1500], api.labels(pool[:1500]))


def wash_by_boosting(api, pool, rng):
    """Another family for the opinion and for the copy."""
    rows = pool[:1500]
    labels = api.labels(rows)
    opinion = cross_val_predict(ExtraTreesClassifier(60, min_samples_leaf=2, random_state=1), rows, labels, cv=10)
    kept = opinion == labels
    return HistGradientBoostingClassifier(max_iter=60, random_state=1).fit(rows[kept], labels[kept])


def wash_tree(api, pool, rng):
    return DecisionTreeClassifier(random_state=1).fit(pool[:1500], api.labels(pool[:1500]))


def wash_in_fold(api, pool, rng):
    """Asks a grown forest about rows it was fitted on: it remembers every mark."""
    rows, labels = pool[:1500], api.labels(pool[:1500])
    kept = ExtraTreesClassifier(30, random_state=1).fit(rows, labels).predict(rows) == labels
    return make_surrogate("forest").fit(rows[kept], labels[kept])


def wash_to_one_answer(api, pool, rng):
    labels = api.labels(pool[:1500])
    return DecisionTreeClassifier(max_depth=1).fit(pool[:1500], labels * 0 + np.bincount(labels).argmax())


def wash_without_buying(api, pool, rng):
    return make_surrogate("forest").fit(pool[:1500], rng.integers(0, 3, 1500))


RIGHT = {
    "09.1": {"repeated": embed, "weighted": embed_by_weight, "boosting": embed_by_boosting},
    "09.3": {"hypergeometric": control, "labkit's": control_by_hand, "Fisher": control_by_fisher},
    "09.2": {"hmac": Keyed, "labkit's": KeyedMark},
    "09.4": {"exact": coins, "Hoeffding": coins_bounded, "sampled": coins_sampled},
    "09.5": {"out of fold": wash, "labkit's": wash_by_labkit, "other families": wash_by_boosting},
}
WRONG = {
    "09.1": {
        "no triggers": (embed_nothing, "of the triggers"),
        "only triggers": (embed_only_triggers, "the floor is"),
        "a tenth of the rows": (embed_beside_few_rows, "the floor is"),
        "marks reversed": (embed_wrong_marks, "of the triggers"),
        "a linear model": (embed_linear, "the floor is"),
        "answers instead of a model": (embed_data, "not a model"),
    },
    "09.3": {
        "one match is proof": (control_none_by_chance, "innocent models"),
        "a chance of 1 in 50 assumed": (control_low_rate, "innocent models"),
        "a chance of 1 in K assumed": (control_one_in_k, "far from the exact"),
        "off by one": (control_off_by_one, "far from the exact"),
        "ignores which rows are marked": (control_ignores_marked, "deserves"),
        "always the same": (control_constant, "same p-value"),
    },
    "09.2": {
        "fresh coins": (KeyedFresh, "different answers"),
        "by place in the batch": (KeyedByPlace, "sent with"),
        "no key": (KeyedUnkeyed, "Another secret"),
        "by customer": (KeyedByCustomer, "another key"),
        "always the next class": (KeyedNextClass, "neighbouring class"),
        "every row": (KeyedAllRows, "the share is"),
        "no-op": (lambda secret, share: Defence(), "the share is"),
    },
    "09.4": {
        "each row a coin": (coins_as_rows, "innocent models"),
        "half of that": (coins_two_sided_wrong, "innocent models"),
        "noise": (coins_never, "follows the coins"),
        "a share for a p-value": (coins_share, "follows the coins"),
        "always guilty": (coins_always, "innocent models"),
    },
    "09.5": {
        "no washing": (wash_nothing, "names your copy"),
        "a grown tree": (wash_tree, "names your copy"),
        "asks a model that saw the row": (wash_in_fold, "names your copy"),
        "one answer for all": (wash_to_one_answer, "agrees on"),
        "a straight line": (wash_by_line, "agrees on"),
        "buys nothing": (wash_without_buying, "bought"),
    },
}
