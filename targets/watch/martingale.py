"""A bet against honesty, row by row: a conformal test martingale (Vovk, Nouretdinov and Gammerman 2003)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from targets.victims.base import Floats
from targets.watch.monitor import Monitor
from targets.watch.reference import TINY, Reference

# Stakes: the bet kappa * p ** (kappa - 1) grows when p-values are small; kappa = 1 keeps the money in the pocket.
# Stakes and jump were chosen on seeds 0 to 11 of tumour and 0 to 2 of the other victims.
STAKES = np.array([1.0, 0.3, 0.1])
JUMP = 0.05  # share of the capital that changes its stake at each row, so that a thief who starts late is caught too
PAST = 1000  # rows of a key's own past that a new row is compared with; older ones no longer cost time or memory
QUESTIONS = ("far from real rows", "values nobody has", "closer to its own past than to real rows", "near the boundary")


class Martingale(Monitor):
    """Capital of a gambler who bets, key by key, that this key's rows are not the vendor's usual ones.

    Four questions a row: is it farther from the training rows than held-out rows are, has it more values that nobody
    has, is it nearer to this key's own past (measured against its distance to the training rows: a thief who steps away
    from what he has asked stays near that, and leaves them), is the model less sure of it? Each gives a p-value, its
    rank among the held-out rows, and each p-value a bet; the capital is the mean over the questions. If a key's rows
    are exchangeable with the held-out rows, the capital is (nearly) a martingale from 1, so by Ville's inequality it
    *ever* reaches ``threshold`` with probability at most 1 / threshold: however many rows are looked at, the price is
    paid. "Nearly", because one set of held-out rows serves all rows of a key: it must be large beside the stream. An
    honest customer with rows of another kind (an analyst who varies one feature) breaks the condition, and is alarmed.
    An exact repeat of the key's own row is no new evidence and is skipped.
    """

    name = "martingale"

    def __init__(self, reference: Reference, threshold: float = 100.0, questions: tuple[str, ...] = QUESTIONS):
        super().__init__(threshold)
        self.reference, self.questions = reference, questions

    def start(self) -> _Capital:
        """A new key's state."""
        return _Capital(self)

    def p_values(self, rows: Floats, apart: Floats) -> tuple[Floats, Floats, Floats]:
        """For rows (n, d) and their distances (n,) from the training rows: p-values (n,) of distance, of new values,
        of doubt.
        """
        known = self.reference
        return (
            _rank(-known.far[::-1], -apart),
            _rank(-known.new[::-1], -known.how_new(rows)),
            _rank(known.margin, known.how_unsure(rows)),
        )


def _rank(ordinary: Floats, found: Floats) -> Floats:
    """Share of ``ordinary`` (sorted) at or below each of ``found``, the row itself counted: a conformal p-value."""
    return np.asarray((np.searchsorted(ordinary, found, side="right") + 1) / (len(ordinary) + 1))


class _Capital:
    """One key's gambler."""

    def __init__(self, monitor: Martingale):
        self._monitor = monitor
        self._past = np.empty((0, monitor.reference.near.shape[1]))  # a ring: row i stands at place i % PAST
        self._rows = 0
        self._seen: dict[bytes, None] = {}
        # From each ordinary row to this key's past, in multiples of its distance from the training rows.
        self._nearest = np.full(len(monitor.reference.rows), np.inf)
        self._purse = np.full((len(QUESTIONS), len(STAKES)), 1 / len(STAKES))
        self._asked = np.array([question in monitor.questions for question in QUESTIONS])

    def update(self, rows: Floats, time: float = 0.0) -> Floats:
        """The capital after each of ``rows`` (n, d), (n,)."""
        scaled = self._monitor.reference.scaled(rows)
        apart = self._monitor.reference.how_far(scaled)
        far, new, unsure = self._monitor.p_values(rows, apart)
        return np.array([self._bet(*row) for row in zip(scaled, far, new, unsure, apart, strict=True)])

    def _bet(self, row: Floats, far: float, new: float, unsure: float, apart: float) -> float:
        name = row.tobytes()
        if name not in self._seen:
            p = np.array([far, new, self._closeness(row, apart), unsure])
            purse = self._purse * STAKES * p[:, None] ** (STAKES - 1)
            self._purse = (1 - JUMP) * purse + JUMP * purse.mean(axis=1, keepdims=True)
            self._seen[name] = None
            if len(self._seen) > PAST:
                del self._seen[next(iter(self._seen))]
        return float(self._purse.sum(axis=1)[self._asked].mean())

    def _closeness(self, row: Floats, apart: float) -> float:
        """p-value: the share of ordinary rows that lie as near to this key's past, for their distance ``apart`` from
        the training rows, as ``row`` does.
        """
        p = 1.0
        if self._rows:
            own = cdist(row[None], self._past[: min(self._rows, PAST)]).min() / max(apart, TINY)
            p = (np.count_nonzero(self._nearest <= own) + 1) / (len(self._nearest) + 1)
        if self._rows == len(self._past) < PAST:
            self._past = np.resize(self._past, (min(PAST, max(16, 2 * self._rows)), len(row)))
        self._past[self._rows % PAST] = row
        self._rows += 1
        known = self._monitor.reference
        self._nearest = np.minimum(self._nearest, cdist(row[None], known.rows)[0] / known.apart)
        return float(p)

    def reason(self) -> str:
        """The question that earned most."""
        return QUESTIONS[int(np.where(self._asked, self._purse.sum(axis=1), -1).argmax())]
