"""Right and wrong answers to lab 00: the examiner is tested with both."""

from __future__ import annotations

import itertools

import numpy as np
from sklearn.metrics import accuracy_score

import labkit


def decide_top_down(card):
    if card["target"] == "course":
        return "allowed"
    if card["agreed_by"] == "owner":
        complete = card["in_writing"] and card["covers_this_test"] and card["covers_today"]
        return "allowed" if complete else "ask first"
    return "ask first" if card["target"] == "employer" else "not allowed"


def decide_by_match(card):
    terms = all(card[term] for term in ("in_writing", "covers_this_test", "covers_today"))
    match (card["target"], card["agreed_by"], terms):
        case ("course", _, _) | (_, "owner", True):
            return " Allowed "
        case ("stranger", "somebody else" | "nobody", _):
            return "NOT ALLOWED"
    return "Ask First"


def decide_small_is_fine(card):
    return "allowed" if card["queries"] <= 20 else decide_top_down(card)


def decide_any_signature(card):
    """Takes a complete paper for a yes, whoever signed it."""
    if card["in_writing"] and card["covers_this_test"] and card["covers_today"]:
        return "allowed"
    return decide_top_down(card)


def decide_ignores_dates(card):
    return decide_top_down({**card, "covers_today": True})


def decide_ignores_scope(card):
    return decide_top_down({**card, "covers_this_test": True})


def decide_spoken_is_enough(card):
    return decide_top_down({**card, "in_writing": True})


def decide_asks_strangers(card):
    said = decide_top_down(card)
    return "ask first" if said == "not allowed" else said


def decide_trusts_colleagues(card):
    """Forbids strangers' models unless somebody, anybody, said yes."""
    if card["target"] == "stranger" and card["agreed_by"] == "somebody else":
        return "ask first"
    return decide_top_down(card)


def decide_employer_is_home(card):
    return "allowed" if card["target"] == "employer" else decide_top_down(card)


def decide_only_here(card):
    return "allowed" if card["target"] == "course" else "not allowed"


def decide_from_a_list():
    """Remembers an order of decisions: the cards come in another."""
    said = itertools.cycle(["allowed", "allowed", "ask first", "ask first", "not allowed", "not allowed"])
    return lambda card: next(said)


def query_by_label(api, applicant):
    card = api.model()
    return card.classes[api.labels([[applicant[f.name] for f in card.features]])[0]]


def query_by_probability(api, applicant):
    card = api.model()
    row = np.array([applicant[feature.name] for feature in card.features])
    return str(np.array(card.classes)[api.probabilities(row.reshape(1, -1)).argmax(axis=1)][0])


def query_in_own_order(api, applicant):
    return api.model().classes[api.labels([list(applicant.values())])[0]]


def query_sorted(api, applicant):
    return api.model().classes[api.labels([[applicant[name] for name in sorted(applicant)]])[0]]


def query_twice(api, applicant):
    query_by_label(api, applicant)
    return query_by_label(api, applicant)


def query_returns_number(api, applicant):
    card = api.model()
    return int(api.labels([[applicant[f.name] for f in card.features]])[0])


def query_one_off(api, applicant):
    card = api.model()
    label = api.labels([[applicant[f.name] for f in card.features]])[0]
    return card.classes[label - 1]


def query_always_approves(api, applicant):
    query_by_label(api, applicant)
    return "approve"


def query_old_names(api, applicant):
    """Remembers the classes of the notebook's own target."""
    said = query_by_label(api, applicant)
    return {"approve": "refer", "refer": "decline", "decline": "approve"}[said]


def query_nothing(api, applicant):
    return "approve"


def query_rounded(api, applicant):
    card = api.model()
    row = [round(applicant[f.name] / 10) * 10 for f in card.features]
    return card.classes[api.labels([row])[0]]


def query_forgets_a_field(api, applicant):
    card = api.model()
    return card.classes[api.labels([[applicant[f.name] for f in card.features[:-1]]])[0]]


def query_without_brackets(api, applicant):
    card = api.model()
    return card.classes[api.labels([applicant[f.name] for f in card.features])[0]]


def count_by_zip(copy, victim):
    if len(copy) != len(victim) or len(copy) == 0:
        return None
    return sum(a == b for a, b in zip(copy, victim, strict=True)) / len(copy)


def count_by_array(copy, victim):
    copy, victim = np.asarray(copy), np.asarray(victim)
    if copy.shape != victim.shape or copy.size == 0:
        return None
    return (copy == victim).mean()


def count_by_index(copy, victim):
    same, n = 0, len(victim)
    if n != len(copy) or not n:
        return None
    for i in range(n):
        if copy[i] == victim[i]:
            same += 1
    return same / n


def count_without_care(copy, victim):
    return sum(a == b for a, b in zip(copy, victim)) / len(copy)  # noqa: B905 (the mistake itself)


def count_zero_for_nothing(copy, victim):
    return count_by_zip(copy, victim) or 0.0


def count_truncated(copy, victim):
    n = min(len(copy), len(victim))
    return count_by_zip(copy[:n], victim[:n])


def count_lists_as_arrays(copy, victim):
    """``==`` between lists compares the lists, not their places."""
    return np.mean(copy == victim)


def count_rounded(copy, victim):
    share = count_by_zip(copy, victim)
    return None if share is None else round(share, 2)


def count_percent(copy, victim):
    share = count_by_zip(copy, victim)
    return None if share is None else 100 * share


def count_difference(copy, victim):
    share = count_by_zip(copy, victim)
    return None if share is None else 1 - share


def count_one_too_few(copy, victim):
    if len(copy) != len(victim) or len(copy) < 2:
        return None
    return sum(a == b for a, b in zip(copy, victim, strict=True)) / (len(copy) - 1)


def count_distribution(copy, victim):
    """Compares how often each answer is given, not where."""
    if len(copy) != len(victim) or len(copy) == 0:
        return None
    copy, victim = list(copy), list(victim)
    return sum(min(copy.count(v), victim.count(v)) for v in set(victim)) / len(victim)


def measures(copy, victim, truth):
    return {
        "accuracy": np.mean(copy == truth),
        "agreement": np.mean(copy == victim),
        "stolen_mistakes": np.sum((victim != truth) & (copy == victim)),
    }


def measures_by_loop(copy, victim, truth):
    out = {"accuracy": 0, "agreement": 0, "stolen_mistakes": 0, "rows": len(truth)}
    for c, v, t in zip(copy.tolist(), victim.tolist(), truth.tolist(), strict=True):
        out["accuracy"] += (c == t) / len(truth)
        out["agreement"] += (c == v) / len(truth)
        out["stolen_mistakes"] += int(v != t and c == v)
    return out


def read_by_rows(table):
    asked, same = table.sum(axis=1), np.diag(table)
    return {
        "agreement": same.sum() / table.sum(),
        "baseline": asked.max() / table.sum(),
        "weakest": int(np.argmin(same / asked)),
    }


def read_by_loop(table):
    rows = [[int(n) for n in line] for line in table]
    total = sum(map(sum, rows))
    shares = {k: line[k] / sum(line) for k, line in enumerate(rows)}
    return {
        "agreement": sum(line[k] for k, line in enumerate(rows)) / total,
        "baseline": max(map(sum, rows)) / total,
        "weakest": min(shares, key=shares.get),
    }


def _instead(answer, **other):
    """``answer`` with some of its numbers replaced by functions of the same arguments."""
    return lambda *args: {**answer(*args), **{key: make(*args) for key, make in other.items()}}


RIGHT = {
    "00.1": {"top down": decide_top_down, "match, loose spelling": decide_by_match},
    "00.2": {"labels": query_by_label, "largest probability": query_by_probability},
    "00.3": {"zip": count_by_zip, "arrays": count_by_array, "index": count_by_index},
    "00.4": {"arrays": measures, "a loop, one number more": measures_by_loop},
    "00.5": {"row sums": read_by_rows, "a loop": read_by_loop},
}
WRONG = {
    "00.1": {
        "allows everything": (lambda card: "allowed", "2 of 6"),
        "forbids everything": (lambda card: "not allowed", "2 of 6"),
        "always asks": (lambda card: "ask first", "2 of 6"),
        "small is fine": (decide_small_is_fine, "2 of 6"),
        "any signature": (decide_any_signature, "3 of 6"),
        "ignores the dates": (decide_ignores_dates, "5 of 6"),
        "ignores the scope": (decide_ignores_scope, "5 of 6"),
        "spoken is enough": (decide_spoken_is_enough, "5 of 6"),
        "asks strangers first": (decide_asks_strangers, "4 of 6"),
        "trusts a colleague's yes": (decide_trusts_colleagues, "5 of 6"),
        "an employer's model is home": (decide_employer_is_home, "4 of 6"),
        "only the course, ever": (decide_only_here, "3 of 6"),
        "remembers an order": (decide_from_a_list(), "of 6"),
        "returns a truth value": (lambda card: decide_top_down(card) == "allowed", "none of the three"),
        "another word": (lambda card: "yes", "none of the three"),
    },
    "00.2": {
        "the dictionary's order": (query_in_own_order, "not this applicant"),
        "sorted by name": (query_sorted, "not this applicant"),
        "buys twice": (query_twice, "2 rows for one applicant"),
        "returns the number": (query_returns_number, "name"),
        "off by one": (query_one_off, "The target answered"),
        "always approve": (query_always_approves, "The target answered"),
        "remembered names": (query_old_names, "The target answered"),
        "never asks": (query_nothing, "no query"),
        "rounds the values": (query_rounded, "not this applicant"),
        "forgets a field": (query_forgets_a_field, "missing"),
        "no double brackets": (query_without_brackets, "For one row write [row]"),
    },
    "00.3": {
        "no care for odd input": (count_without_care, "could be compared"),
        "cuts to the shorter": (count_truncated, "could be compared"),
        "0 for nothing": (count_zero_for_nothing, "could be compared"),
        "the library's": (labkit.agreement, "ValueError"),
        "scikit-learn's": (accuracy_score, "ValueError"),
        "compares whole lists": (count_lists_as_arrays, "97 rows, lists"),
        "rounds": (count_rounded, "not rounded"),
        "a percentage": (count_percent, "percentage"),
        "counts what differs": (count_difference, "count those that agree"),
        "divides by n - 1": (count_one_too_few, "97 rows"),
        "compares histograms": (count_distribution, "97 rows"),
        "always None": (lambda copy, victim: None, "None"),
    },
    "00.4": {
        "swapped": (
            _instead(
                measures,
                accuracy=lambda c, v, t: np.mean(c == v),
                agreement=lambda c, v, t: np.mean(c == t),
            ),
            "1 of 3",
        ),
        "the victim's accuracy": (_instead(measures, accuracy=lambda c, v, t: np.mean(v == t)), "2 of 3"),
        "both wrong, differently": (
            _instead(measures, stolen_mistakes=lambda c, v, t: np.sum((v != t) & (c != t))),
            "2 of 3",
        ),
        "all of the victim's mistakes": (_instead(measures, stolen_mistakes=lambda c, v, t: np.sum(v != t)), "2 of 3"),
        "a share of mistakes": (
            _instead(measures, stolen_mistakes=lambda c, v, t: np.mean((v != t) & (c == v))),
            "2 of 3",
        ),
        "agreement minus accuracy": (
            _instead(measures, stolen_mistakes=lambda c, v, t: round(len(t) * (np.mean(c == v) - np.mean(c == t)))),
            "2 of 3",
        ),
        "percentages": (lambda c, v, t: {k: 100 * x for k, x in measures(c, v, t).items()}, "0 of 3"),
        "a tuple": (lambda c, v, t: tuple(measures(c, v, t).values()), "dictionary"),
        "another key": (lambda c, v, t: {"accuracy": 1, "fidelity": 1, "stolen_mistakes": 0}, "agreement"),
    },
    "00.5": {
        "columns for rows": (lambda table: read_by_rows(table.T), "1 of 3"),
        "one over the classes": (_instead(read_by_rows, baseline=lambda table: 1 / len(table)), "2 of 3"),
        "the largest cell": (_instead(read_by_rows, baseline=lambda table: table.max() / table.sum()), "2 of 3"),
        "class 0": (_instead(read_by_rows, baseline=lambda table: table[0].sum() / table.sum()), "2 of 3"),
        "the rarest class": (_instead(read_by_rows, weakest=lambda table: int(table.sum(axis=1).argmin())), "2 of 3"),
        "the smallest count": (_instead(read_by_rows, weakest=lambda table: int(np.diag(table).argmin())), "2 of 3"),
        "the strongest class": (
            _instead(read_by_rows, weakest=lambda table: int((np.diag(table) / table.sum(axis=1)).argmax())),
            "2 of 3",
        ),
        "the share, not the class": (
            _instead(read_by_rows, weakest=lambda table: float((np.diag(table) / table.sum(axis=1)).min())),
            "2 of 3",
        ),
        "counted from one": (
            _instead(read_by_rows, weakest=lambda table: read_by_rows(table)["weakest"] + 1),
            "2 of 3",
        ),
        "mean of the shares": (
            _instead(read_by_rows, agreement=lambda table: float((np.diag(table) / table.sum(axis=1)).mean())),
            "2 of 3",
        ),
        "the diagonal's sum": (_instead(read_by_rows, agreement=lambda table: int(np.diag(table).sum())), "2 of 3"),
    },
}
