"""Right and wrong answers to lab 07: the examiner is tested with both."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
from scipy.special import expit, logit
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from labkit import Defence, agreement, fit_surrogate, make_surrogate
from labkit.api import Answers
from labkit.thieves.equation import steal_equations_from_rows
from labkit.thieves.lookalike import lookalikes, steal_lookalike, steal_unswapped


def share_out(values):
    cut = np.maximum(values, 1e-12)
    return cut / cut.sum(axis=1, keepdims=True)


def noisy_swapped(probabilities, sigma, rng):
    noisy = share_out(probabilities + rng.normal(0, sigma, probabilities.shape))
    every, top, now = np.arange(len(noisy)), probabilities.argmax(axis=1), noisy.argmax(axis=1)
    noisy[every, top], noisy[every, now] = noisy[every, now], noisy[every, top]
    return noisy


def noisy_redrawn(probabilities, sigma, rng):
    """Draws again where the label moved; after 200 draws lifts the old winner."""
    out = np.array(probabilities)
    for i, p in enumerate(probabilities):
        for _ in range(200):
            tried = np.clip(p + rng.laplace(0, sigma / np.sqrt(2), len(p)), 1e-9, None)
            if tried.argmax() == p.argmax():
                break
        else:
            tried[p.argmax()] = tried.max() + 1e-6
        out[i] = tried / tried.sum()
    return out.tolist()


def noisy_moves_labels(probabilities, sigma, rng):
    return share_out(probabilities + rng.normal(0, sigma, probabilities.shape))


def noisy_unsummed(probabilities, sigma, rng):
    noisy = np.maximum(probabilities + rng.normal(0, sigma, probabilities.shape), 0)
    noisy[np.arange(len(noisy)), probabilities.argmax(axis=1)] = noisy.max(axis=1)
    return noisy


def noisy_negative(probabilities, sigma, rng):
    noise = rng.normal(0, sigma, probabilities.shape)
    return probabilities + noise - noise.mean(axis=1, keepdims=True)


def noisy_one_vector(probabilities, sigma, rng):
    rng_once = np.random.default_rng(int(rng.integers(1000)))
    noisy = probabilities + rng_once.normal(0, sigma, probabilities.shape[1])
    return _repaired(noisy, probabilities)


def _repaired(noisy, probabilities):
    noisy = share_out(noisy)
    every, top, now = np.arange(len(noisy)), probabilities.argmax(axis=1), noisy.argmax(axis=1)
    noisy[every, top], noisy[every, now] = noisy[every, now], noisy[every, top]
    return noisy


def noisy_own_generator(probabilities, sigma, rng):
    return _repaired(probabilities + np.random.default_rng(0).normal(0, sigma, probabilities.shape), probabilities)


def noisy_fixed_strength(probabilities, sigma, rng):
    return _repaired(probabilities + rng.normal(0, 0.3, probabilities.shape), probabilities)


def bend(probabilities, beta, gamma):
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    bent = np.maximum(p - beta * (expit(gamma * logit(p)) - 0.5), 0)
    return bent / bent.sum(axis=1, keepdims=True)


def bend_by_hand(probabilities, beta, gamma):
    """Without scipy: sigmoid(gamma × logit(p)) is p^gamma / (p^gamma + (1 − p)^gamma)."""
    p = np.clip(np.asarray(probabilities), 1e-9, 1 - 1e-9)
    up, down = p**gamma, (1 - p) ** gamma
    bent = p - beta * (up / (up + down) - 0.5)
    return (bent / bent.sum(axis=1)[:, None]).tolist()


def bend_unshared(probabilities, beta, gamma):
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return np.maximum(p - beta * (expit(gamma * logit(p)) - 0.5), 0)


def bend_swapped(probabilities, beta, gamma):
    return bend(probabilities, gamma, beta)


def bend_without_half(probabilities, beta, gamma):
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return share_out(p - beta * expit(gamma * logit(p)))


def bend_added(probabilities, beta, gamma):
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return share_out(p + beta * (expit(gamma * logit(p)) - 0.5))


def bend_unclipped(probabilities, beta, gamma):
    with np.errstate(all="ignore"):
        odds = np.log(probabilities / (1 - probabilities))
        bent = probabilities - beta * (odds * gamma / (odds * gamma) - 0.5)
        return bent / bent.sum(axis=1, keepdims=True)


class Keyed(Defence):
    """Noise from (secret, row): the way of the hint."""

    def __init__(self, secret, sigma):
        self._secret, self.sigma = secret.encode(), sigma

    def rng(self, query, i):
        return np.random.default_rng(self.number(hmac.digest(self._secret, query.rows[i].tobytes(), "sha256")))

    @staticmethod
    def number(digest):
        return int.from_bytes(digest[:8], "big")

    def after(self, query, probabilities):
        rows = [noisy_swapped(p[None], self.sigma, self.rng(query, i)) for i, p in enumerate(probabilities)]
        return np.vstack(rows)


class KeyedBlake:
    """No base class, another hash, all draws of a row's noise from the hash itself."""

    def __init__(self, secret, sigma):
        self.secret, self.sigma = secret.encode()[:64], sigma

    def before(self, query):
        return None

    def after(self, query, probabilities):
        out = []
        for row, p in zip(query.rows, probabilities, strict=True):
            digest = hashlib.blake2b(row.tobytes(), key=self.secret, digest_size=4 * len(p)).digest()
            u = (np.frombuffer(digest, dtype=np.uint32) + 0.5) / 2**32
            noise = -self.sigma * np.sign(u - 0.5) * np.log(1 - 2 * abs(u - 0.5))
            out.append(_repaired((p + noise)[None], p[None])[0].tolist())
        return out


class Fresh(Keyed):
    def rng(self, query, i):
        return np.random.default_rng()


class Nothing(Defence):
    def __init__(self, secret, sigma):
        pass


class KeyedByPlace(Keyed):
    def rng(self, query, i):
        return np.random.default_rng(self.number(hmac.digest(self._secret, bytes([i]), "sha256")))


class KeyedByBatch(Keyed):
    def rng(self, query, i):
        return np.random.default_rng([i, self.number(hmac.digest(self._secret, query.rows.tobytes(), "sha256"))])


class KeyedByCustomer(Keyed):
    def rng(self, query, i):
        what = query.key.encode() + query.rows[i].tobytes()
        return np.random.default_rng(self.number(hmac.digest(self._secret, what, "sha256")))


class Unkeyed(Keyed):
    def rng(self, query, i):
        return np.random.default_rng(self.number(hashlib.sha256(query.rows[i].tobytes()).digest()))


class KeyedBySum(Keyed):
    def rng(self, query, i):
        total = f"{query.rows[i].sum():.6f}".encode()
        return np.random.default_rng(self.number(hmac.digest(self._secret, total, "sha256")))


class Remembers(Keyed):
    """Fresh noise, remembered: alike until a restart."""

    def __init__(self, secret, sigma):
        super().__init__(secret, sigma)
        self.memory = {}

    def after(self, query, probabilities):
        for row, p in zip(query.rows, probabilities, strict=True):
            self.memory.setdefault(row.tobytes(), noisy_swapped(p[None], self.sigma, np.random.default_rng())[0])
        return np.vstack([self.memory[row.tobytes()] for row in query.rows])


class KeyedMovesLabels(Keyed):
    def after(self, query, probabilities):
        return np.vstack(
            [noisy_moves_labels(p[None], self.sigma, self.rng(query, i)) for i, p in enumerate(probabilities)]
        )


def bought(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[: int(api.left)]]
    return rows, api.predict(rows)


def part(answers, start, stop):
    return Answers(answers.labels[start:stop], answers.probabilities[start:stop])


def adapt(api, pool, rng):
    rows, answers = bought(api, pool, rng)

    def score(soft, hidden):
        learned = Answers(answers.labels[~hidden], answers.probabilities[~hidden])
        copy = fit_surrogate(rows[~hidden], learned, kind="linear", soft=soft)
        return agreement(copy.predict(rows[hidden]), answers.labels[hidden])

    thirds = [np.arange(len(rows)) % 3 == k for k in range(3)]
    better = sum(score(True, third) - score(False, third) for third in thirds)
    return fit_surrogate(rows, answers, kind="linear", soft=better >= 0)


def adapt_by_folds(api, pool, rng):
    """Two folds, and a copy of its own making where labels win."""
    rows, answers = bought(api, pool, rng)
    won = {True: 0.0, False: 0.0}
    half = len(rows) // 2
    for learn, judge in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        for soft in won:
            copy = fit_surrogate(rows[learn], part(answers, learn.start, learn.stop), kind="linear", soft=soft)
            won[soft] += agreement(copy.predict(rows[judge]), answers.labels[judge])
    if won[True] > won[False]:
        return fit_surrogate(rows, answers, kind="linear")
    return make_surrogate("linear").fit(rows, answers.labels)


def adapt_soft_only(api, pool, rng):
    rows, answers = bought(api, pool, rng)
    return fit_surrogate(rows, answers, kind="linear")


def adapt_labels_only(api, pool, rng):
    rows, answers = bought(api, pool, rng)
    return fit_surrogate(rows, answers, kind="linear", soft=False)


def adapt_backwards(api, pool, rng):
    rows, answers = bought(api, pool, rng)
    cut = len(rows) // 3

    def score(soft):
        copy = fit_surrogate(rows[cut:], part(answers, cut, None), kind="linear", soft=soft)
        return agreement(copy.predict(rows[:cut]), answers.labels[:cut])

    return fit_surrogate(rows, answers, kind="linear", soft=score(True) < score(False))


def swap_back(api, own, rng):
    truth = api.labels(own)
    made = lookalikes(own, int(api.left), rng, stretch=2.0)
    labels = api.labels(made)
    told = fit_surrogate(made, Answers(labels, None), kind="linear")
    if agreement(told.predict(own), truth) < 0.5:
        labels = 1 - labels
    return fit_surrogate(np.vstack([own, made]), Answers(np.concatenate([truth, labels]), None), kind="linear")


class Turned:
    """Turns a finished copy round."""

    def __init__(self, copy):
        self.copy = copy

    def predict(self, rows):
        return 1 - np.asarray(self.copy.predict(rows))


def swap_back_the_copy(api, own, rng):
    """One purchase, another family, and a copy that is turned round instead of its labels."""
    made = lookalikes(own, int(api.left) - len(own), rng, stretch=2.5)
    answers = api.predict(np.vstack([made, own]))
    copy = make_pipeline(StandardScaler(), SVC(kernel="linear")).fit(made, answers.labels[: len(made)])
    return Turned(copy) if np.mean(copy.predict(own) == answers.labels[len(made) :]) < 0.5 else copy


def swap_never(api, own, rng):
    return steal_lookalike(api, own, budget=int(api.left), rng=rng, stretch=2.0).surrogate


def swap_always(api, own, rng):
    made = lookalikes(own, int(api.left), rng, stretch=2.0)
    return fit_surrogate(made, Answers(1 - api.labels(made), None), kind="linear")


def swap_own_rows_only(api, own, rng):
    """Public rows and their true labels, one look at the target."""
    X, y = load_breast_cancer(return_X_y=True)
    api.predict(own[:1])
    return make_surrogate("linear").fit(X, y)


def choose_first(points, limits):
    for point in points:
        meets = point["accuracy_lost"] <= limits["accuracy_lost"] and point["distortion"] <= limits["distortion"]
        if meets and max(point["thieves"].values()) <= limits["agreement"]:
            return point["name"]
    return None


def choose_gentlest(points, limits):
    fit = [
        (p["distortion"], p["name"])
        for p in points
        if p["accuracy_lost"] <= limits["accuracy_lost"]
        and p["distortion"] <= limits["distortion"]
        and all(share <= limits["agreement"] for share in p["thieves"].values())
    ]
    return min(fit)[1] if fit else None


def choose_by(thief, cost=("accuracy_lost", "distortion"), none=None):
    def choose(points, limits):
        for point in points:
            if all(point[c] <= limits[c] for c in cost) and thief(point["thieves"]) <= limits["agreement"]:
                return point["name"]
        return none

    return choose


RIGHT = {
    "07.1": {"swap": noisy_swapped, "draw again, Laplace, lists": noisy_redrawn},
    "07.2": {"scipy": bend, "powers, lists": bend_by_hand},
    "07.3": {"hmac": Keyed, "blake2, no base class": KeyedBlake},
    "07.4": {"each third held back": adapt, "two folds": adapt_by_folds},
    "07.5": {
        "labels swapped": swap_back,
        "copy turned round": swap_back_the_copy,
        "reference thief": lambda api, own, rng: steal_unswapped(api, own, budget=300, rng=rng).surrogate,
    },
    "07.6": {"first that fits": choose_first, "gentlest that fits": choose_gentlest},
}
WRONG = {
    "07.1": {
        "no noise": (lambda p, s, rng: p, "move by 0.000"),
        "labels move": (noisy_moves_labels, "changed their label"),
        "rows do not sum to 1": (noisy_unsummed, "do not sum to 1"),
        "negative answers": (noisy_negative, "negative"),
        "one vector for all rows": (noisy_one_vector, "same noise"),
        "a generator of its own": (noisy_own_generator, "Two different generators"),
        "sigma not used": (noisy_fixed_strength, "Eight times the sigma"),
        "the label and nothing else": (lambda p, s, rng: np.eye(p.shape[1])[p.argmax(axis=1)], "Eight times the sigma"),
        "one column short": (lambda p, s, rng: noisy_swapped(p, s, rng)[:, :-1], "shape"),
    },
    "07.2": {
        "does nothing": (lambda p, beta, gamma: p, "off by"),
        "does not sum to 1": (bend_unshared, "do not sum to 1"),
        "beta and gamma swapped": (bend_swapped, "off by"),
        "no half": (bend_without_half, "off by"),
        "adds": (bend_added, "off by"),
        "divides by zero": (bend_unclipped, "NaN"),
    },
    "07.3": {
        "no noise": (Nothing, "move by 0.000"),
        "fresh noise": (Fresh, "asked twice"),
        "keyed by place": (KeyedByPlace, "its place"),
        "keyed by batch": (KeyedByBatch, "sent with"),
        "keyed by customer": (KeyedByCustomer, "API key"),
        "no secret": (Unkeyed, "Another secret"),
        "hash of the sum": (KeyedBySum, "got the same noise"),
        "remembers until restart": (Remembers, "restart"),
        "labels move": (KeyedMovesLabels, "changed their label"),
        "returns an array": (lambda secret, sigma: np.zeros(3), "not a defence"),
    },
    "07.4": {
        "believes probabilities": (adapt_soft_only, "the floor is"),
        "believes labels": (adapt_labels_only, "a coin at the boundary"),
        "keeps the worse": (adapt_backwards, "the floor is"),
        "solves d + 1": (lambda api, pool, rng: steal_equations_from_rows(api, pool), "the floor is"),
        "ignores the budget": (lambda api, pool, rng: fit_surrogate(pool, api.predict(pool)), "over its query budget"),
        "returns labels": (lambda api, pool, rng: api.labels(pool[:50]), "not a copy"),
    },
    "07.5": {
        "believes every answer": (swap_never, "lies to strangers"),
        "always swaps": (swap_always, "the floor is"),
        "public labels": (swap_own_rows_only, "the floor is"),
        "ignores the budget": (lambda api, own, rng: api.labels(lookalikes(own, 301, rng)), "over its query budget"),
        "returns nothing": (lambda api, own, rng: None, "returned None"),
    },
    "07.6": {
        "no defence": (lambda points, limits: "none", "sets of limits"),
        "one answer for all": (lambda points, limits: "one answer for all", "sets of limits"),
        "label only, always": (lambda points, limits: "label only", "sets of limits"),
        "reads the d + 1 thief": (choose_by(lambda thieves: thieves["solves d + 1"]), "sets of limits"),
        "reads the mean thief": (choose_by(lambda thieves: sum(thieves.values()) / len(thieves)), "sets of limits"),
        "forgets the customer": (choose_by(lambda thieves: max(thieves.values()), cost=()), "sets of limits"),
        "never says none": (choose_by(lambda thieves: max(thieves.values()), none="label only"), "sets of limits"),
        "always says none": (lambda points, limits: None, "sets of limits"),
    },
}
