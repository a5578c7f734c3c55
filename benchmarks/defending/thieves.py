"""Many thieves against one target; the table prints the best, because a thief may try them all at home.

Those that fit a copy share one purchase: the first ``budget`` answers to rows of their own. Those that choose their
next row by the last answer, or ask a row again, buy for themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.defending.field import Ground, thief_rows
from labkit.api import Answers, Api
from labkit.errors import LabError
from labkit.surrogates import fit_surrogate
from labkit.thieves.equation import LinearCopy, solve_linear
from labkit.thieves.line_search import steal_line_search
from labkit.thieves.rounded import fit_soft, steal_rounded
from labkit.thieves.uncertainty import steal_uncertain
from targets import Victim

Fit = Callable[[np.ndarray, Answers], Any]
Steal = Callable[[Api, int, np.random.Generator], Any]
REPEATS = 4


def copies(ground: Ground, victim: Victim, api: Callable[[int], Api], seed: int) -> Iterator[tuple[str, int, Any]]:
    """Every copy that could be made, as (thief, budget, copy). ``api(budget)`` opens a session with that budget."""
    rng = np.random.default_rng([seed, 1])
    rows = thief_rows(victim, max(ground.budgets), rng)
    answers = completed(api(len(rows)).predict(rows))
    for budget in ground.budgets:
        few = Answers(answers.labels[:budget], _first(answers.probabilities, budget))
        for name, fit in fits(ground.kind, len(victim.classes)).items():
            yield from _attempt(name, budget, partial(fit, rows[:budget], few))
        for name, steal in choosers(ground, victim, rows).items():
            yield from _attempt(name, budget, partial(steal, api(budget), budget, rng))


def fits(kind: str, classes: int) -> dict[str, Fit]:
    """The ways to fit a copy of a victim of ``kind`` to rows and answers; a thief without probabilities has fewer."""
    if kind == "linear":
        found: dict[str, Fit] = {"equations": lambda X, a: solve_linear(X, _soft(a))}
        for ridge in (1e-7, 1e-4, 1e-2):
            found[f"likelihood, ridge {ridge:g}"] = partial(_from_probabilities, ridge=ridge)
            found[f"labels, ridge {ridge:g}"] = partial(_from_labels, classes=classes, ridge=ridge)
        return found
    if kind == "network":
        return {
            "network": lambda X, a: fit_surrogate(X, Answers(a.labels, _soft(a)), kind="network"),
            "network, labels": lambda X, a: fit_surrogate(X, a, kind="network", soft=False),
            "kernel machine, labels": _kernel,
        }
    return {
        "boosting, labels": lambda X, a: HistGradientBoostingClassifier(random_state=0).fit(X, a.labels),
        "forest, labels": lambda X, a: fit_surrogate(X, a, kind="forest", soft=False),
    }


def choosers(ground: Ground, victim: Victim, rows: np.ndarray) -> dict[str, Steal]:
    """The thieves that do not ask their rows once and in order."""
    pool = victim.pool.X
    best_fit = next(fit for name, fit in fits(ground.kind, len(victim.classes)).items() if name != "equations")
    found = {"each row four times": lambda api, budget, rng: best_fit(*_repeated(api, rows[: budget // REPEATS]))}
    if ground.kind == "linear":
        found["likelihood, near the boundary"] = lambda api, budget, rng: steal_rounded(
            api, pool, budget=budget, rng=rng
        )
        found["line search"] = lambda api, budget, rng: steal_line_search(
            api, pool, rng=rng, per_feature=budget / pool.shape[1]
        )
    elif ground.kind == "network":
        found["unsure rows"] = lambda api, budget, rng: (
            steal_uncertain(api, rows[: 2 * budget], budget=budget, rng=rng, soft=False).surrogate
        )
    return found


def _attempt(name: str, budget: int, steal: Callable[[], Any]) -> Iterator[tuple[str, int, Any]]:
    """The copy, or nothing where the answers do not allow this thief (no probabilities, too few rows, one class)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            yield name, budget, steal()
        except (ValueError, LabError):
            return


def completed(answers: Answers) -> Answers:
    """Share what is missing to 1 in a row among its classes that read 0: a cut tail is guessed, a hidden half known."""
    if answers.probabilities is None:
        return answers
    p = answers.probabilities.copy()
    missing, zeros = np.maximum(1 - p.sum(axis=1, keepdims=True), 0), p == 0
    p += np.where(zeros, missing / np.maximum(zeros.sum(axis=1, keepdims=True), 1), 0)
    return Answers(answers.labels, p)


def _repeated(api: Api, rows: np.ndarray) -> tuple[np.ndarray, Answers]:
    parts = [completed(api.predict(rows)) for _ in range(REPEATS)]
    if parts[0].probabilities is None:
        raise ValueError("labels only: repeats teach nothing that a vote would not")
    mean = np.mean([_soft(part) for part in parts], axis=0)
    return rows, Answers(mean.argmax(axis=1), mean)


def _soft(answers: Answers) -> np.ndarray:
    if answers.probabilities is None:
        raise ValueError("this target answers with labels only")
    return answers.probabilities


def _first(probabilities: np.ndarray | None, count: int) -> np.ndarray | None:
    return None if probabilities is None else probabilities[:count]


def _from_probabilities(X: np.ndarray, answers: Answers, ridge: float) -> LinearCopy:
    return fit_soft(X, _soft(answers), ridge=ridge)


def _from_labels(X: np.ndarray, answers: Answers, classes: int, ridge: float) -> LinearCopy:
    return fit_soft(X, np.eye(classes)[answers.labels], ridge=ridge)


def _kernel(X: np.ndarray, answers: Answers) -> Any:
    return make_pipeline(StandardScaler(), SVC(C=10)).fit(X, answers.labels)
