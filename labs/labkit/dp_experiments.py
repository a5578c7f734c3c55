"""Lab 08's experiments: what epsilon costs at each size of table, and what a model's confidences give away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student
from tqdm.auto import tqdm

from labkit.dp_data import draw_people
from labkit.dp_logistic import train_plain, train_private
from labkit.dp_sgd import train_noisy_gradients
from labkit.launch import Rows
from labkit.membership import Candidates, measure_leak, own_forest, true_confidence
from labkit.metrics import accuracy

TEST_SEED = 10_000  # people nobody trains on
PLAIN = "no privacy"


@dataclass(frozen=True)
class Run:
    """One trained model: ``rows`` it saw, ``epsilon`` (None: no privacy), ``seed``, ``accuracy`` on other people."""

    rows: int
    epsilon: float | None
    seed: int
    accuracy: float


@dataclass(frozen=True)
class Interval:
    """Mean of a measure over ``seeds`` runs with its 95 % confidence interval (Student's t)."""

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def interval(values: Iterable[float]) -> Interval:
    """Mean and 95 % confidence interval of ``values``, at least two of them, each from a seed of its own."""
    numbers = np.asarray(list(values), dtype=float)
    if len(numbers) < 2:
        raise ValueError("an interval needs at least two runs")
    reach = student.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers))
    return Interval(float(numbers.mean()), float(numbers.mean() - reach), float(numbers.mean() + reach), len(numbers))


def accuracy_runs(sizes: Sequence[int], epsilons: Sequence[float], seeds: Iterable[int]) -> list[Run]:
    """Train on ``sizes`` people with each epsilon, and without privacy; each seed draws people and noise anew."""
    test, runs = draw_people(20_000, TEST_SEED), []
    for rows, seed in tqdm([(n, s) for n in sizes for s in seeds], desc="trainings", leave=False):
        people, rng = draw_people(rows, seed), np.random.default_rng([seed, rows])
        runs.append(Run(rows, None, seed, accuracy(train_plain(people).predict(test.X), test.truth)))
        for epsilon in epsilons:
            model = train_private(people, epsilon=epsilon, rng=rng)
            runs.append(Run(rows, epsilon, seed, accuracy(model.predict(test.X), test.truth)))
    return runs


def mean_accuracy(runs: Iterable[Run], rows: int, epsilon: float | None) -> float:
    """Mean accuracy over the seeds of the runs with ``rows`` rows at ``epsilon``."""
    return float(np.mean([run.accuracy for run in runs if (run.rows, run.epsilon) == (rows, epsilon)]))


def compare_trainings(sizes: Sequence[int], *, epsilon: float, delta: float, seeds: Sequence[int]) -> list[dict]:
    """Accuracy of three ways to train on the same people: without privacy, noisy output, noisy gradients."""
    ways: dict[str, Callable[[Rows, int], Any]] = {
        PLAIN: lambda people, seed: train_plain(people),
        f"noise on the output, ε = {epsilon:g}": lambda people, seed: train_private(
            people, epsilon=epsilon, rng=np.random.default_rng(seed)
        ),
        f"noise on gradients, ε = {epsilon:g}, δ = {delta:g}": lambda people, seed: train_noisy_gradients(
            people, epsilon=epsilon, delta=delta, rng=np.random.default_rng(seed)
        ),
    }
    test, rows = draw_people(20_000, TEST_SEED), []
    for name, train in ways.items():
        line: dict[str, Any] = {"training": name}
        for size in sizes:
            models = [train(draw_people(size, seed), seed) for seed in seeds]
            values = [accuracy(model.predict(test.X), test.truth) for model in models]
            line[f"{size:,} rows"] = f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
        rows.append(line)
    return rows


def forest_trainer(kind: str) -> Callable[[Rows, int], Any]:
    """Trains lab 04's forest of ``kind``, "overfit" or "regularised"."""
    return lambda people, seed: own_forest(kind, seed).fit(people.X, people.truth)


def private_trainer(epsilon: float) -> Callable[[Rows, int], Any]:
    """Trains the private logistic model at ``epsilon``."""
    return lambda people, seed: train_private(people, epsilon=epsilon, rng=np.random.default_rng([seed, 77]))


TRAINERS: dict[str, Callable[[Rows, int], Any]] = {
    "overfit forest": forest_trainer("overfit"),
    "regularised forest": forest_trainer("regularised"),
    "logistic": lambda people, seed: train_plain(people),
    "logistic, ε = 1": private_trainer(1.0),
}


def attack_own_model(name: str, seed: int, *, rows: int = 1000) -> Candidates:
    """Train ``TRAINERS[name]`` on ``rows`` people; as many others are the non-members."""
    people, test = draw_people(2 * rows, seed), draw_people(4000, TEST_SEED)
    member = np.arange(2 * rows) < rows
    model = TRAINERS[name](Rows(people.X[member], people.truth[member]), seed)
    confidence = true_confidence(model.predict_proba(people.X), people.truth)
    return Candidates(name, seed, confidence, member, accuracy(model.predict(test.X), test.truth))


def advantage(confidence: Any, member: Any) -> float:
    """Lab 04's measure: the largest TPR minus FPR over all thresholds of ``confidence`` (n,), ``member`` (n,) bool."""
    return measure_leak(Candidates("", 0, np.asarray(confidence), np.asarray(member, dtype=bool), 0.0)).advantage


def leak_intervals(attacks: Sequence[Candidates]) -> list[dict]:
    """Advantage, AUC and accuracy with intervals over seeds, a row a model; the last row is what guessing measures."""
    rows = []
    for name in dict.fromkeys(one.model for one in attacks):
        leaks = [measure_leak(one) for one in attacks if one.model == name]
        parts = {key: str(interval([getattr(leak, key) for leak in leaks])) for key in ("advantage", "auc", "accuracy")}
        rows.append({"model": name, **parts, "seeds": len(leaks)})
    floor = guessing_floor(attacks)
    return [
        *rows,
        {"model": "shuffled members", "advantage": str(floor), "auc": "", "accuracy": "", "seeds": floor.seeds},
    ]


def guessing_floor(attacks: Sequence[Candidates]) -> Interval:
    """Advantage measured when membership is shuffled: above 0, because the best threshold is picked afterwards."""
    first = [one for one in attacks if one.model == attacks[0].model]
    return interval(advantage(one.confidence, np.random.default_rng(one.seed).permutation(one.member)) for one in first)
