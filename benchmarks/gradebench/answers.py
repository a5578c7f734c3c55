"""Right answers to labs 00 and 01, written differently from the solutions: source text by the answer cell's id."""

from __future__ import annotations

OTHERWISE = {
    "00-1-decide": """
def decide(card):
    terms = all(card[term] for term in ("in_writing", "covers_this_test", "covers_today"))
    match (card["target"], card["agreed_by"], terms):
        case ("course", _, _) | (_, "owner", True):
            return "allowed"
        case ("stranger", "somebody else" | "nobody", _):
            return "not allowed"
    return "ask first"
""",
    "00-2-first": """
def first_query(api, applicant):
    names = [f.name for f in api.model().features]
    bought = api.predict([[applicant[name] for name in names]])
    return api.model().classes[int(bought.probabilities[0].argmax())]
""",
    "00-3-count": """
import numpy as np


def agreement_by_hand(copy, victim):
    mine, theirs = np.asarray(copy), np.asarray(victim)
    if mine.shape != theirs.shape or not mine.size:
        return None
    return float((mine == theirs).mean())
""",
    "00-4-measures": """
def two_measures(copy, victim, truth):
    right = same = stolen = 0
    for c, v, t in zip(copy, victim, truth):
        right += c == t
        same += c == v
        stolen += c == v and v != t
    return {"accuracy": right / len(copy), "agreement": same / len(copy), "stolen_mistakes": int(stolen)}
""",
    "00-5-unmask": """
def read_table(table):
    rows = [(sum(row), row[k]) for k, row in enumerate(table.tolist())]
    total = sum(asked for asked, _ in rows)
    shares = [same / asked for asked, same in rows]
    return {
        "agreement": sum(same for _, same in rows) / total,
        "baseline": max(asked for asked, _ in rows) / total,
        "weakest": shares.index(min(shares)),
    }
""",
    "01-1-split": """
from collections import defaultdict


def split_without_leak(rows, test_share, rng):
    twins = defaultdict(list)
    for position, row in enumerate(np.asarray(rows)):
        twins[row.tobytes()].append(position)
    groups = list(twins.values())
    order = rng.permutation(len(groups))
    cut = round(test_share * len(groups))
    test = sorted(position for g in order[:cut] for position in groups[g])
    pool = sorted(position for g in order[cut:] for position in groups[g])
    return rows[pool], rows[test]
""",
    "01-2-steal": """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def steal(api, pool, rng):
    chosen = rng.choice(len(pool), size=int(api.left), replace=False)
    copy = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return copy.fit(pool[chosen], api.labels(pool[chosen]))
""",
    "01-3-choose": """
def choose(copy_probabilities, count):
    best = -np.partition(-copy_probabilities, 1, axis=1)[:, :2]
    return np.argsort(np.abs(best[:, 0] - best[:, 1]), kind="stable")[:count]
""",
    "01-4-labels": """
class Nearest:
    def __init__(self, rows, labels):
        self.rows, self.labels = rows, labels

    def predict(self, questions):
        gaps = ((questions[:, None, :] - self.rows[None]) ** 2).sum(axis=2)
        return self.labels[gaps.argmin(axis=1)].tolist()


def steal_labels(api, pool, rng):
    rows = pool[rng.permutation(len(pool))[: int(api.left)]]
    return Nearest(rows, api.labels(rows))
""",
    "01-5-read": """
def cheapest_budget(runs, floor):
    lowest = {}
    for run in runs:
        lowest[run["budget"]] = min(run["agreement"], lowest.get(run["budget"], 1.0))
    return min((budget for budget, worst in lowest.items() if worst >= floor), default=None)
""",
}
# What honest learners add and change besides: guesses, a look at their own answer, a look at the lab's data, a figure.
GUESSES = {"00-a": "0.9", "00-b": '"agreement"', "01-a": "0.8", "01-b": '"natural"', "01-c": "0.05"}
_TEST = {"00": "agreement_by_hand([1, 2, 3], [1, 2, 4])", "01": "choose(np.eye(4), 2)"}
_FIGURE = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2, 3])\nplt.show()"
OWN_CELL = {
    "tests": {lab: f"print({test})" for lab, test in _TEST.items()},
    "magic": {lab: f"%time {test}" for lab, test in _TEST.items()},
    "data": dict.fromkeys(_TEST, "print(len(pool), pool.X.mean().round(3))"),
    "figure": dict.fromkeys(_TEST, _FIGURE),
}
