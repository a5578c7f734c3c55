"""Decision trees by path finding: the box behind every answer, from the answers' confidences."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.api import Api
from labkit.errors import BudgetSpent
from labkit.thieves.boxes import TreeCopy, Unknown
from labkit.thieves.thresholds import search_threshold

FINE = 1e-7  # a threshold is found to this share of its feature's range


def steal_tree(
    api: Api, *, rng: np.random.Generator, pool: Any = None, probes: int = 14, audit: int = 2000
) -> TreeCopy:
    """A decision tree, leaf by leaf, until the whole feature box is covered or the budget is spent.

    Each leaf answers with its own confidences, so that its box ends where the answer changes (path finding, Tramèr et
    al. 2016). Saved here: what lies in a box already found is not asked, thresholds found before are tried first, and
    what is left unknown is kept exactly, so that no leaf is looked for twice. Rows of ``pool`` are looked up first.
    ``probes`` random places inside each box are asked too: where two leaves answer alike, a box may hold a third.
    Last, ``audit`` rows (of the pool, then with values of two pool rows mixed) check the copy; a fault adds a box.
    """
    pool = None if pool is None else np.asarray(pool, dtype=float)
    walk = _Walk(api, rng, probes, pool)
    try:
        for row in [] if pool is None else rng.permutation(pool):
            if walk.unknown.holds(row):
                walk.find_leaf(row)
        while walk.unknown:
            walk.find_leaf(walk.unknown.middle_of_largest())
        walk.audit(_rows_to_check(pool, walk.low, walk.high, audit, rng))
    except BudgetSpent:
        pass  # what was found until here is the copy
    if not walk.answers:
        raise BudgetSpent(f"a budget of {api.spent + api.left:,.0f} rows is too small for one leaf")
    return walk.copy()


def _rows_to_check(
    pool: np.ndarray | None, low: np.ndarray, high: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """``count`` rows like those that matter: the pool, then pool rows with a third of another's values; else any."""
    if pool is None:
        return rng.uniform(low, high, (count // 8, len(low)))
    first, second = pool[rng.integers(0, len(pool), (2, count))]
    return np.vstack([pool, np.where(rng.random(first.shape) < 1 / 3, second, first)])[:count]


class _Walk:
    """What is known so far: boxes and their answers, thresholds of each feature, and what is left."""

    def __init__(self, api: Api, rng: np.random.Generator, probes: int, pool: np.ndarray | None):
        card = api.model()
        self.api, self.rng, self.probes, self.pool = api, rng, probes, pool
        self.classes = len(card.classes)
        self.low, self.high = card.low.astype(float), card.high.astype(float)
        self.lows: list[np.ndarray] = []
        self.highs: list[np.ndarray] = []
        self.answers: list[np.ndarray] = []
        self.thresholds: list[list[float]] = [[] for _ in card.low]
        self.unknown = Unknown(self.low, self.high)
        self.trusting = True

    def copy(self) -> TreeCopy:
        """The tree as far as it is known."""
        answers = np.array(self.answers)
        labels = answers[:, -1].astype(int)
        probabilities = answers[:, :-1] if answers.shape[1] > 1 else np.eye(self.classes)[labels]
        return TreeCopy(np.array(self.lows), np.array(self.highs), probabilities, labels)

    def audit(self, rows: np.ndarray) -> None:
        """Buy answers for ``rows`` and look again, trusting no box, where the copy is wrong."""
        self.trusting = False
        answers = self.ask(rows)
        wrong = (np.array(self.answers)[self.copy().box_of(rows)] != answers).any(axis=1)
        for row, answer in zip(rows[wrong], answers[wrong], strict=True):
            if not self._right(row, answer):  # an earlier repair may have done it
                self.find_leaf(row)
            if not self._right(row, answer):
                self._put_inside(int(self.copy().box_of(row[None])[0]))

    def _right(self, row: np.ndarray, answer: np.ndarray) -> bool:
        return bool((self.answers[self.copy().box_of(row[None])[0]] == answer).all())

    def _put_inside(self, holder: int) -> None:
        """Clip the newest box to the box ``holder``, so that as the smaller one it wins there."""
        self.lows[-1] = np.maximum(self.lows[-1], self.lows[holder])
        self.highs[-1] = np.minimum(self.highs[-1], self.highs[holder])

    def ask(self, rows: np.ndarray) -> np.ndarray:
        """Answers (n, K + 1), the last column the label; rows in a box already found cost nothing."""
        if not self.answers or not self.trusting:
            return self._buy(rows)
        inside = np.all((rows[:, None] > np.array(self.lows)) & (rows[:, None] <= np.array(self.highs)), axis=2)
        result = np.array(self.answers)[inside.argmax(axis=1)]
        unknown = ~inside.max(axis=1)
        if unknown.any():
            result[unknown] = self._buy(rows[unknown])
        return result

    def _buy(self, rows: np.ndarray) -> np.ndarray:
        # The label tells leaves apart that rounding makes alike, and says which of two equal probabilities leads.
        answers = self.api.predict(rows)
        if answers.probabilities is None:
            return answers.labels[:, None].astype(float)
        return np.column_stack([answers.probabilities, answers.labels])

    def find_leaf(self, seed: np.ndarray) -> None:
        """Find the box around ``seed``, and note it."""
        answer = self.ask(seed[None])[0]
        low, high = self._box_through(seed, answer)
        self._cut_until_pure(seed, answer, low, high)
        self.lows.append(low)
        self.highs.append(high)
        self.answers.append(answer)
        self.unknown.remove(low, high, 2 * FINE)

    def _box_through(self, seed: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far the answer stays the same along each feature, in both directions."""
        d = len(seed)
        ends = np.repeat(seed[None], 2 * d, axis=0)
        ends[np.arange(d), np.arange(d)] = self.low + 1e-9 * (self.high - self.low)
        ends[np.arange(d) + d, np.arange(d)] = self.high
        changed = (self.ask(ends) != answer).any(axis=1)
        sides = np.concatenate([self.low, self.high])
        found = np.flatnonzero(changed).tolist()
        sides[found] = self._boundaries([(seed, ends[k], k % d) for k in found], answer)
        return sides[:d], sides[d:]

    def _cut_until_pure(self, seed: np.ndarray, answer: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """Shrink the box, in place, until ``probes`` random places in it all give ``answer``."""
        while True:
            places = self._places(low, high)
            odd = (self.ask(places) != answer).any(axis=1)
            if not odd.any():
                return
            i, near, far = self._step_that_changes(seed, places[odd.argmax()], answer)
            cut = self._boundaries([(near, far, i)], answer)[0]
            (high if far[i] > near[i] else low)[i] = cut

    def _places(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """``probes`` places in a box: half of them anywhere, half where rows may be, near the lower or upper ends."""
        share = self.rng.random((self.probes, len(low)))
        near_end = share[::2] ** 6
        share[::2] = np.where(self.rng.random((len(near_end), 1)) < 0.7, near_end, 1 - near_end)
        places = low + share * (high - low)
        if self.pool is not None:
            for i, column in enumerate(self.pool.T):
                fitting = column[(column > low[i]) & (column <= high[i])]
                if len(fitting):
                    places[::2, i] = self.rng.choice(fitting, len(places[::2]))
        return np.maximum(places, np.nextafter(low, high))

    def _step_that_changes(self, seed: np.ndarray, place: np.ndarray, answer: np.ndarray) -> tuple:
        """On the way from ``seed`` to ``place``, one feature at a time: the feature whose step changes the answer."""
        order = self.rng.permutation(len(seed))
        path = np.array([np.where(np.isin(np.arange(len(seed)), order[:k]), place, seed) for k in range(len(seed) + 1)])
        same, other = 0, len(seed)
        while other - same > 1:
            middle = (same + other) // 2
            if (self.ask(path[middle : middle + 1]) == answer).all():
                same = middle
            else:
                other = middle
        return order[same], path[same], path[other]

    def _boundaries(self, ways: list[tuple[np.ndarray, np.ndarray, int]], answer: np.ndarray) -> list[float]:
        """For each (near, far, i), rows that differ in feature ``i`` alone, the threshold between them.

        ``near`` gives ``answer``, ``far`` does not. All searches ask together, one request a round.
        """
        slack = FINE * (self.high - self.low)
        searches = [search_threshold(n[i], f[i], list(self.thresholds[i]), slack[i]) for n, f, i in ways]
        found: dict[int, float] = {}
        asking = {k: next(search) for k, search in enumerate(searches)}
        while asking:
            rows = np.array([ways[k][0] for k in asking])
            rows[np.arange(len(rows)), [ways[k][2] for k in asking]] = list(asking.values())
            same = (self.ask(rows) == answer).all(axis=1)
            for k, reply in zip(list(asking), same, strict=True):
                try:
                    asking[k] = searches[k].send(bool(reply))
                except StopIteration as end:
                    found[k] = end.value
                    del asking[k]
        for k, (_, _, i) in enumerate(ways):
            if all(abs(found[k] - known) > slack[i] for known in self.thresholds[i]):
                self.thresholds[i].append(found[k])
        return [found[k] for k in range(len(ways))]
