"""The queries of thieves, one stream each: ``stream(card, own, answer, rng, count) -> rows (count, d)``.

``card`` is the model's public card, ``own`` (n, d) the thief's real rows, ``answer(rows) -> probabilities`` asks the
target; a stream's rows are listed in the order in which they were asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from labkit.api import ModelCard

Answer = Callable[[np.ndarray], np.ndarray]
SEED_ROWS = 20  # real rows of a thief who owns few
REACH = 0.02  # step of the equation box, as a share of a feature's range


def uniform(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """No data: uniform points of the documented box."""
    return rng.uniform(card.low, card.high, (count, len(card.low)))


def gauss(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Knows each feature's mean and deviation, not how features hang together."""
    return rng.normal(own.mean(axis=0), own.std(axis=0), (count, own.shape[1]))


def equation_box(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Lab 02's solver: a real row, then one small step along each feature."""
    steps = np.vstack([np.zeros(len(card.low)), np.diag(REACH * (card.high - card.low))])
    boxes = -(-count // len(steps))
    return np.vstack([own[rng.integers(len(own))] + steps for _ in range(boxes)])[:count]


def line_search(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Labels only: halve the line between two rows of different label, 20 times, then take the next pair."""
    asked: list[np.ndarray] = []
    while len(asked) < count:
        first, second = own[rng.permutation(len(own))[:2]]
        asked += [first, second]
        low, high = answer(np.array([first, second])).argmax(axis=1)
        if low == high:
            continue
        for _ in range(20):
            middle = (first + second) / 2
            asked.append(middle)
            if answer(middle[None]).argmax() == low:
                first = middle
            else:
                second = middle
    return np.array(asked[:count])


def probes(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Lab 02's tree thief at work: one row, one feature after the other over its range."""
    row = own[rng.integers(len(own))]
    stream: list[np.ndarray] = []
    while len(stream) < count:
        for feature in rng.permutation(len(row)):
            for value in np.linspace(card.low[feature], card.high[feature], 8):
                changed = row.copy()
                changed[feature] = value
                stream.append(changed)
    return np.array(stream[:count])


def mixing(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Owns 20 real rows and asks mixtures of pairs of them."""
    few = own[rng.permutation(len(own))[:SEED_ROWS]]
    first, second = few[rng.integers(len(few), size=(2, count))]
    share = rng.uniform(0.2, 0.8, (count, 1))
    return share * first + (1 - share) * second


def jacobian(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Papernot and others 2017: 20 real rows, then steps from them along the slope of a copy fitted anew each round."""
    asked = own[rng.permutation(len(own))[:SEED_ROWS]]
    labels = answer(asked).argmax(axis=1)
    step = 0.1 * (card.high - card.low)
    while len(asked) < count:
        slopes = _slopes(asked, labels, card)
        batch = asked + step * np.sign(slopes[labels] + rng.normal(0, 1e-9, asked.shape))
        asked = np.vstack([asked, np.clip(batch, card.low, card.high)])
        labels = np.concatenate([labels, answer(asked[len(labels) :]).argmax(axis=1)])
    return asked[:count]


def boundary(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Active learning: 20 real rows, then of many lookalikes those of which its copy is least sure, ten at a time."""
    asked = own[rng.permutation(len(own))[:SEED_ROWS]]
    labels = answer(asked).argmax(axis=1)
    while len(asked) < count:
        batch = gauss(card, own, answer, rng, 300)
        if len(np.unique(labels)) > 1:
            sure = np.sort(_copy(asked, labels, card).predict_proba(batch / _width(card)), axis=1)
            batch = batch[np.argsort(sure[:, -1] - sure[:, -2])]
        asked = np.vstack([asked, batch[:10]])
        labels = np.concatenate([labels, answer(batch[:10]).argmax(axis=1)])
    return asked[:count]


def on_the_form(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Adapted to a monitor that knows which values occur: every invented value is one of its own rows' values."""
    columns = [rng.choice(column, count) for column in own.T]
    return np.column_stack(columns)


def under_cover(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Adapted to a monitor that adds up: one uniform row in ten, the others real."""
    stream = natural(card, own, answer, rng, count)
    mine = np.arange(9, len(stream), 10)
    stream[mine] = uniform(card, own, answer, rng, len(mine))
    return stream


def natural(card: ModelCard, own: np.ndarray, answer: Answer, rng: np.random.Generator, count: int) -> np.ndarray:
    """Owns real rows and asks them once each: what an honest customer does."""
    return own[rng.permutation(len(own))[:count]]


def _width(card: ModelCard) -> np.ndarray:
    return np.where(card.high > card.low, card.high - card.low, 1.0)


def _copy(rows: np.ndarray, labels: np.ndarray, card: ModelCard) -> Any:
    return LogisticRegression(max_iter=200).fit(rows / _width(card), labels)


def _slopes(rows: np.ndarray, labels: np.ndarray, card: ModelCard) -> np.ndarray:
    """How each class's score of a linear copy changes with each feature, (K, d)."""
    slopes = np.zeros((len(card.classes), rows.shape[1]))
    if len(np.unique(labels)) > 1:
        copy = _copy(rows, labels, card)
        two = len(copy.classes_) == 2
        slopes[copy.classes_] = np.vstack([-copy.coef_, copy.coef_]) if two else copy.coef_
    return slopes


SYNTHETIC = {
    "uniform": uniform,
    "gauss": gauss,
    "equation box": equation_box,
    "line search": line_search,
    "one-feature probes": probes,
    "mixing 20 rows": mixing,
    "Jacobian steps": jacobian,
    "active, near the boundary": boundary,
}
ADAPTED = {"values of the form": on_the_form, "one row in ten": under_cover, "real rows": natural}
