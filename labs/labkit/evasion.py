"""Using a stolen filter: spend a few edits on a spam mail where the copy says they count, then post it to the real one.

The pattern is that of CVE-2019-20634 (MITRE ATLAS AML.CS0008) and, for the words, of Lowd and Meek (2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.api import Answers, Api
from labkit.launch import Target
from labkit.surrogates import fit_surrogate
from labkit.thieves import steal_natural
from labkit.thieves.equation import LinearCopy, steal_equations
from labkit.thieves.line_search import steal_line_search

# The links stay: they are what the mail is sent for. The style a spammer can tidy up.
FIXED = ("links", "link_length", "link_dots")
STYLE = ("link_digits", "raw_addresses", "shorteners", "exclamations", "capitals")
WANTED, SPAM = 0, 1
OWN_FILTER, GOOD_WORDS, RANDOM_WORDS = "own filter, no theft", "good words, no copy", "random words"
EXACT, LINE_SEARCH, COPY = "exact copy", "line search", "stolen copy"


@dataclass(frozen=True, eq=False)
class MailRules:
    """What a spammer controls. ``words``: columns where one more word may be added, once a word. ``style``: columns
    that may be set to 0. Every other column, and every word already in the mail, stays. ``high`` is the top of each.
    """

    words: np.ndarray
    style: np.ndarray
    high: np.ndarray

    def __repr__(self) -> str:
        return f"MailRules({len(self.words)} words may be added, {len(self.style)} style features may be set to 0)"


def mail_rules(card: Any) -> MailRules:
    """The rules for the filter behind ``card``, or anything with ``features``. Raises ValueError for other models."""
    names = [feature.name for feature in card.features]
    if not {*FIXED, *STYLE} <= set(names):
        raise ValueError(f"{card.name} is not the mail filter; launch('mail') starts it")
    high = np.array([feature.high for feature in card.features])
    words = np.flatnonzero([name not in FIXED + STYLE for name in names])
    return MailRules(words, np.array([names.index(name) for name in STYLE]), high)


def describe_mail(card: Any, mail: np.ndarray, rules: MailRules) -> list[dict]:
    """What stands in ``mail`` (d,), a row a feature that is not 0, with what a spammer may do about it."""
    may = {True: "set it to 0", False: "nothing: it stays"}
    return [
        {"in the mail": feature.name, "count": int(value), "a spammer may": may[column in rules.style]}
        for column, (feature, value) in enumerate(zip(card.features, mail, strict=True))
        if value
    ]


def broken_rule(mails: Any, edited: Any, rules: MailRules, max_edits: int) -> str | None:
    """The first rule that ``edited`` (n, d) breaks against ``mails`` (n, d), as a sentence; None if it breaks none."""
    before, after = np.asarray(mails, dtype=float), np.asarray(edited, dtype=float)
    if before.shape != after.shape:
        return f"{len(before)} mails went in as a table {before.shape}, the edited table is {after.shape}"
    step = after - before
    frozen = np.setdiff1d(np.arange(before.shape[1]), np.concatenate([rules.words, rules.style]))
    if (step[:, frozen] != 0).any():
        return "the links were changed (number, length or dots), but they are what the mail is sent for"
    if (step[:, rules.words] < 0).any():
        return "a word of the message was taken out, but the message must stay"
    if not np.isin(step[:, rules.words], (0, 1)).all():
        return "a word was added more than once, or in parts; each word may be added once"
    if (after[:, rules.words] > rules.high[rules.words]).any():
        return "a word count is above the filter's documented limit"
    if ((step[:, rules.style] != 0) & (after[:, rules.style] != 0)).any():
        return "a style feature was changed to something other than 0"
    most = int((step != 0).sum(axis=1).max()) if len(before) else 0
    return f"one mail has {most} edits, {max_edits} are allowed" if most > max_edits else None


def spam_weights(copy: Any) -> np.ndarray:
    """How much one more unit of each feature adds to a linear copy's log-odds of spam, (d,).

    ``copy`` is what ``fit_surrogate(kind="linear")`` or an exact thief returns. Raises ValueError for other copies.
    """
    if isinstance(copy, LinearCopy):
        return np.asarray(copy.weights[:, SPAM] - copy.weights[:, WANTED])
    last = copy[-1] if hasattr(copy, "steps") else copy
    if not hasattr(last, "coef_"):
        raise ValueError(
            f"{type(last).__name__} has no coefficients; steal with kind='linear', and more than one label"
        )
    return np.asarray(last.coef_[0] / copy[0].scale_)


def spend_edits(weights: np.ndarray, mails: Any, rules: MailRules, max_edits: int) -> np.ndarray:
    """``mails`` (n, d) with at most ``max_edits`` edits each, those that lower the copy's log-odds of spam most."""
    edited = np.array(mails, dtype=float)
    gain = np.zeros_like(edited)
    room = edited[:, rules.words] < rules.high[rules.words]
    gain[:, rules.words] = np.where(room, -weights[rules.words], 0)
    gain[:, rules.style] = weights[rules.style] * edited[:, rules.style]
    for mail, worth in zip(edited, gain, strict=True):
        for column in np.argsort(-worth)[:max_edits]:
            if worth[column] > 0:
                mail[column] = mail[column] + 1 if column in rules.words else 0
    return edited


def add_words(words: np.ndarray, mails: Any, rules: MailRules, max_edits: int, rng: np.random.Generator) -> np.ndarray:
    """``mails`` with ``max_edits`` different ``words`` (columns) added to each by chance: what needs no copy."""
    edited = np.array(mails, dtype=float)
    for mail in edited:
        open_words = words[mail[words] < rules.high[words]]
        mail[rng.permutation(open_words)[:max_edits]] += 1
    return edited


def good_words(mails: Any, spam: Any, rules: MailRules) -> np.ndarray:
    """Columns of the words that are commoner in wanted mail than in spam, by the sender's own labelled mail."""
    X, is_spam = np.asarray(mails, dtype=float), np.asarray(spam, dtype=bool)
    return rules.words[X[~is_spam][:, rules.words].mean(axis=0) > X[is_spam][:, rules.words].mean(axis=0)]


@dataclass(frozen=True)
class Attempt:
    """One campaign. ``pass_rate``: share of the edited spam that the real filter lets through. ``transfer``: the same
    among those the copy lets through (None without a copy). ``queries`` bought before, none of them a mail of it.
    """

    thief: str
    budget: int
    seed: int
    pass_rate: float
    transfer: float | None
    queries: int


def caught_spam(target: Target, count: int, seed: int = 0) -> np.ndarray:
    """``count`` spam mails of the test part that the real filter stops, (count, d): the mail to get through."""
    test, referee = target.data("test"), target.api("referee")
    stopped = test.X[(test.truth == SPAM) & (referee.labels(test.X) == SPAM)]
    return stopped[np.random.default_rng(seed).permutation(len(stopped))[:count]]


class EvasionTest:
    """A campaign of ``mails`` against ``target`` with ``max_edits`` a mail: call it with (thief, budget, seed).

    Thieves: COPY buys ``budget`` pool rows and asks the copy; EXACT (d + 1 rows) and LINE_SEARCH (12 d labels) are
    lab 02's; OWN_FILTER trains on ``budget`` true labels and buys nothing; GOOD_WORDS and RANDOM_WORDS need no model.
    """

    def __init__(self, target: Target, mails: np.ndarray, max_edits: int):
        self.target, self.mails, self.max_edits = target, mails, max_edits
        self.rules, self.pool = mail_rules(target.model()), target.data("pool")

    def __call__(self, thief: str, budget: int, seed: int) -> Attempt:
        rng = np.random.default_rng(seed)
        api = self.target.api(f"{thief} {budget} seed {seed}", budget=budget)
        copy, edited = self._craft(thief, api, budget, rng)
        passed = self.target.api("referee").labels(edited) == WANTED
        sure = None if copy is None else copy.predict(edited) == WANTED
        transfer = float(passed[sure].mean()) if sure is not None and sure.any() else None
        return Attempt(thief, budget, seed, float(passed.mean()), transfer, api.spent)

    def _craft(self, thief: str, api: Api, budget: int, rng: np.random.Generator) -> tuple[Any, np.ndarray]:
        if thief in (GOOD_WORDS, RANDOM_WORDS):
            own = good_words(self.pool.X, self.pool.truth == SPAM, self.rules)
            words = own if thief == GOOD_WORDS else self.rules.words
            return None, add_words(words, self.mails, self.rules, self.max_edits, rng)
        if thief == EXACT:
            copy = steal_equations(api, start=np.zeros(len(self.rules.high)))
        elif thief == LINE_SEARCH:
            copy = steal_line_search(api, self.pool.X, rng=rng)
        elif thief == COPY:
            copy = steal_natural(api, self.pool.X, budget=budget, rng=rng, kind="linear").surrogate
        else:
            chosen = rng.permutation(len(self.pool))[:budget]
            copy = fit_surrogate(self.pool.X[chosen], Answers(self.pool.truth[chosen], None), kind="linear")
        return copy, spend_edits(spam_weights(copy), self.mails, self.rules, self.max_edits)


def compare_filters(cases: Sequence[tuple[str, Target, str, int]], *, max_edits: int, seeds: int = 5) -> list[dict]:
    """A row for each (name, target, thief, budget): pass rates over ``seeds`` runs, beside good words."""
    rows = []
    for name, target, thief, budget in cases:
        test = EvasionTest(target, caught_spam(target, 100), max_edits)
        tries = [test(thief, budget, seed) for seed in range(seeds)]
        passed = [one.pass_rate for one in tries]
        rows.append(
            {
                "filter": name,
                "thief": thief,
                "rows bought": max(one.queries for one in tries),
                "copy passes": float(np.mean(passed)),
                "lowest": min(passed),
                "highest": max(passed),
                "transfer rate": float(np.mean([one.transfer for one in tries if one.transfer is not None])),
                "good words pass": float(np.mean([test(GOOD_WORDS, 0, seed).pass_rate for seed in range(seeds)])),
            }
        )
    return rows
