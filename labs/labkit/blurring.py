"""Blurred answers measured from both sides: what the customer loses, and what the best of several thieves still gets.

One undefended target with the device "menu" serves every setting: the key ``thief@keep_top:sigma=0.2`` meets that
defence, in the real app, over the same wire as everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.api import Answers, Api
from labkit.launch import Rows, Target
from labkit.metrics import accuracy, agreement
from labkit.outcomes import Outcome
from labkit.surrogates import fit_surrogate
from labkit.thieves.equation import steal_equations_from_rows
from labkit.thieves.lookalike import steal_lookalike
from labkit.thieves.ordinary import ordinary_rows

# What the thieves do with one and the same purchase of pool rows, or with one of their own.
SOFT, HARD, LOOKALIKE, SOLVE = "fits probabilities", "fits labels", "invents lookalikes", "solves d + 1"
ORDINARY = "asks ordinary rows"  # sent where strangers are lied to
NOTHING = "none"
OWN_ROWS = 40


@dataclass(frozen=True)
class BlurOutcome(Outcome):
    """An ``Outcome`` with the defence as text (``setting``), and what an honest customer sees of it on test rows.

    ``labels_changed`` is the share of rows with another label than undefended; ``distortion`` the mean over rows of
    the sum of absolute changes of the probabilities (0 to 2; labels count as one-hot).
    """

    setting: str = NOTHING
    labels_changed: float = 0.0
    distortion: float = 0.0


@dataclass(frozen=True)
class Bench:
    """One victim on the bench: sessions by key, the rows each side owns, and the undefended answers to compare with."""

    victim: str
    session: Callable[[str], Api]
    pool: np.ndarray
    test: Rows
    undefended: Answers
    linear: bool

    @classmethod
    def of(cls, target: Target) -> Bench:
        """The bench of a running target that was launched with ``defences=["menu"]``."""
        pool, test = target.data("pool").X, target.data("test")
        card = target.model()
        linear = (target.spec.model or _DEFAULTS[card.name]) == "linear"
        return cls(card.name, target.api, pool, test, target.api("referee").predict(test.X), linear)

    def api(self, name: str, setting: str) -> Api:
        """A session of ``name`` that meets the defence ``setting`` ("none": no defence)."""
        return self.session(name if setting == NOTHING else f"{name}@{setting}")


class Memory:
    """Copies fitted on labels, by what they were fitted on: many defences leave every label as it was."""

    def __init__(self) -> None:
        self._copies: dict[tuple, Any] = {}

    def fit_labels(self, rows: np.ndarray, answers: Answers, kind: str, seed: int) -> Any:
        """``fit_surrogate`` on labels alone, once for the same rows, labels, kind and seed."""
        what = (rows.tobytes(), answers.labels.tobytes(), kind, seed)
        if what not in self._copies:
            self._copies[what] = fit_surrogate(rows, answers, kind=kind, seed=seed, soft=False)
        return self._copies[what]


_DEFAULTS = {"digits": "network", "tumour": "linear", "fraud": "forest", "credit": "tree", "mail": "linear"}


def blur_outcomes(
    bench: Bench,
    settings: Iterable[str],
    *,
    budget: int,
    seeds: Iterable[int],
    kind: str = "linear",
    lies: bool = False,
) -> list[BlurOutcome]:
    """Every thief against every setting and seed; ``kind`` is the copies' family. See ``one_setting``.

    ``lies``: the bench's own defence lies to strangers; in ``settings`` misinformation is known by its name.
    """
    seeds, known = tuple(seeds), Memory()
    runs = [one_setting(bench, one, budget=budget, seeds=seeds, kind=kind, known=known, lies=lies) for one in settings]
    return [outcome for run in runs for outcome in run]


def one_setting(
    bench: Bench,
    setting: str,
    *,
    budget: int,
    seeds: Sequence[int],
    kind: str = "linear",
    known: Memory | None = None,
    lies: bool = False,
) -> list[BlurOutcome]:
    """One ``BlurOutcome`` a thief and seed. A linear victim meets four thieves, others the two that fit; where
    strangers are lied to comes one more, who asks its most ordinary rows.
    """
    lies = lies or setting.startswith("misinformation")
    seen = bench.api("customer", setting).predict(bench.test.X)
    seen_accuracy = accuracy(seen.labels, bench.test.truth)
    changed, bent = 1 - agreement(seen.labels, bench.undefended.labels), distortion(seen, bench.undefended)
    found = []
    for seed in seeds:
        for thief, copy, queries in thefts(bench, setting, budget=budget, seed=seed, kind=kind, known=known, lies=lies):
            labels = np.zeros(len(bench.test), dtype=int) if copy is None else copy.predict(bench.test.X)
            found.append(
                BlurOutcome(
                    bench.victim,
                    thief,
                    budget,
                    seed,
                    agreement(labels, bench.undefended.labels),
                    accuracy(labels, bench.test.truth),
                    queries,
                    () if setting == NOTHING else (setting,),
                    seen_accuracy,
                    setting=setting,
                    labels_changed=changed,
                    distortion=bent,
                )
            )
    return found


def thefts(
    bench: Bench,
    setting: str,
    *,
    budget: int,
    seed: int,
    kind: str,
    known: Memory | None = None,
    fitting_only: bool = False,
    lies: bool = False,
) -> list[tuple[str, Any, int]]:
    """(thief, copy, rows bought) of every thief. A copy of None: the thief came home with nothing."""
    rng = np.random.default_rng(seed)
    rows = bench.pool[rng.permutation(len(bench.pool))[:budget]]
    buyer = bench.api("buyer", setting)
    answers = buyer.predict(rows)
    found = [(HARD, (known or Memory()).fit_labels(rows, answers, kind, seed), len(rows))]
    if answers.probabilities is None:
        return found
    found.append((SOFT, fit_surrogate(rows, answers, kind=kind, seed=seed), len(rows)))
    if bench.linear and not fitting_only:
        own = bench.pool[rng.permutation(len(bench.pool))[:OWN_ROWS]]
        inventor = bench.api("inventor", setting)
        found.append((LOOKALIKE, steal_lookalike(inventor, own, budget=budget, rng=rng).surrogate, budget))
        found.append((SOLVE, *_solve(bench.api("solver", setting), bench.pool)))
    if lies:
        ordinary = rng.permutation(ordinary_rows(bench.pool))[:budget]
        found.append((ORDINARY, _fit(bench.api("insider", setting), bench.pool[ordinary], kind, seed), len(ordinary)))
    return found


def _fit(api: Api, rows: np.ndarray, kind: str, seed: int) -> Any:
    return fit_surrogate(rows, api.predict(rows), kind=kind, seed=seed)


def _solve(api: Api, pool: np.ndarray) -> tuple[Any, int]:
    try:
        return steal_equations_from_rows(api, pool), api.spent
    except ValueError:  # every answer was 0 or 1: nothing to solve
        return None, api.spent


def distortion(seen: Answers, undefended: Answers) -> float:
    """Mean over rows of the sum of absolute changes of the probabilities; answers without any count as one-hot."""
    width = max(int(undefended.labels.max()), int(seen.labels.max())) + 1
    if undefended.probabilities is not None:
        width = undefended.probabilities.shape[1]
    tables = [a.probabilities if a.probabilities is not None else np.eye(width)[a.labels] for a in (seen, undefended)]
    return float(np.abs(tables[0] - tables[1]).sum(axis=1).mean())
