"""Exact theft over many seeds, beside published figures: ``python -m benchmarks.theft [--seeds 20]``.

Every thief reaches its victim through the real app (WSGI, in process) and the labkit Api, which counts its rows. Writes
``labs/labkit/measured/theft.json`` and, from it, ``benchmarks/results/theft.md``. A thief may own the pool; test rows and uniform rows of the feature box only measure.
"""

# ruff: noqa: E501 (rows of Markdown tables)
from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import labkit
from grading.insides import raw_weights
from labkit.api import Api
from labkit.exact import duel_rows, largest_gap
from labkit.surrogates import fit_surrogate
from labkit.thieves.equation import steal_equations, steal_equations_from_rows
from labkit.thieves.hinges import NotStraight
from labkit.thieves.last_layer import hidden_dimension
from labkit.thieves.line_search import steal_line_search
from labkit.thieves.relu import steal_relu
from labkit.thieves.relu_rounded import steal_relu_rounded
from labkit.thieves.rounded import steal_rounded
from labkit.thieves.tree_paths import steal_tree
from labkit.transport import WsgiTransport
from targets import TargetConfig, Victim, create_app, load_victim
from targets.defences.label_only import LabelOnly
from targets.defences.rounding import Rounding

PAGE = Path(__file__).parent / "results" / "theft.md"
NUMBERS = Path(labkit.__file__).parent / "measured" / "theft.json"  # shipped with the lab that prints it
UNIFORM = 2000


@dataclass
class Runs:
    """What one line of the table gathers over seeds."""

    queries: list[int] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    uniform: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def line(self, name: str) -> list[str]:
        """The cells of the table."""

        def pair(values: list[float], form: str) -> str:
            return f"{np.median(values):{form}} ({min(values):{form}} to {max(values):{form}})" if values else "–"

        def share(values: list[float]) -> str:
            return f"{np.mean(values):.4f} (lowest {min(values):.4f})" if values else "–"

        return [
            name, str(len(self.queries)), pair([float(q) for q in self.queries], ",.0f"), share(self.test),
            share(self.uniform), pair(self.gap, ".0e"), f"{np.median(self.seconds):.2f}", "; ".join(dict.fromkeys(self.notes)),
        ]  # fmt: skip


Thief = Callable[[Api, Victim, np.random.Generator], Any]


def run(name: str, model: str, thief: Thief, seeds: range, defences: tuple = (), note: Any = None) -> Runs:
    """Let ``thief`` loose on ``seeds`` victims and compare each copy with its victim."""
    runs = Runs()
    for seed in seeds:
        victim = load_victim(name, seed=seed, model=model)
        app = create_app(TargetConfig(victim=name, model=model, seed=seed, defences=defences))
        api = Api(WsgiTransport(app), progress=False)
        begin = time.perf_counter()
        copy = thief(api, victim, np.random.default_rng(seed))
        runs.seconds.append(time.perf_counter() - begin)
        runs.queries.append(api.spent)
        if note:
            runs.notes.append(note(copy, victim))
        if hasattr(copy, "predict"):
            _compare(runs, copy, victim)
        app.extensions["query_log"].close()
    return runs


def _compare(runs: Runs, copy: Any, victim: Victim) -> None:
    low, high = np.array([(f.low, f.high) for f in victim.features]).T
    box = np.random.default_rng(12345).uniform(low, high, (UNIFORM, len(low)))
    runs.test.append(float(np.mean(copy.predict(victim.test.X) == victim.labels(victim.test.X))))
    runs.uniform.append(float(np.mean(copy.predict(box) == victim.labels(box))))
    own = copy.predict_proba(victim.test.X)
    if own.shape[1] == len(victim.classes):
        runs.gap.append(largest_gap(own, victim.probabilities(victim.test.X)))


def relu_or_training(api: Api, victim: Victim, rng: np.random.Generator) -> Any:
    """The network by hinges; where answers are rounded, a trained copy for 1,200 queries."""
    try:
        return steal_relu(api, rng=rng)
    except NotStraight:
        return _trained(api, victim)


def adapted_or_training(api: Api, victim: Victim, rng: np.random.Generator) -> Any:
    """The network by walks on which two classes stay in doubt; where no hinge is sure, a trained copy."""
    try:
        return steal_relu_rounded(api, rng=rng, pool=victim.pool.X)
    except NotStraight:
        return _trained(api, victim)


def _trained(api: Api, victim: Victim) -> Any:
    rows = duel_rows(victim.pool.X, 1200)
    return fit_surrogate(rows, api.predict(rows))


def parameter_error(copy: Any, victim: Victim) -> float:
    """Relative error of a linear copy's parameters, each weight times its feature's range."""
    weights, bias = raw_weights(victim)
    if weights.shape[1] == 1:
        weights, bias = np.hstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    width = np.array([f.high - f.low for f in victim.features])
    true = np.vstack([(weights - weights.mean(axis=1, keepdims=True)) * width[:, None], bias - bias.mean()])
    return float(np.linalg.norm(np.vstack([copy.weights * width[:, None], copy.bias]) - true) / np.linalg.norm(true))


def experiments(seeds: range) -> Iterator[tuple[str, list[str]]]:
    """Every line of the table, as (heading, cells)."""
    few = seeds[: max(1, len(seeds) // 4)]
    linear: list[tuple[str, str, Thief]] = [
        (
            "tumour, d + 1 crafted queries",
            "tumour",
            lambda a, v, r: steal_equations(a, start=np.median(v.pool.X, axis=0)),
        ),
        ("tumour, d + 1 pool rows", "tumour", lambda a, v, r: steal_equations_from_rows(a, v.pool.X)),
        ("digits, d + 1 crafted queries", "digits", lambda a, v, r: steal_equations(a)),
        ("digits, d + 1 pool rows", "digits", lambda a, v, r: steal_equations_from_rows(a, v.pool.X)),
    ]
    for title, name, thief in linear:
        errors: list[float] = []

        def note(copy: Any, victim: Victim, errors: list[float] = errors) -> str:
            errors.append(parameter_error(copy, victim))
            return ""

        cells = run(name, "linear", thief, seeds, note=note).line(title)
        yield "Equations", [*cells[:-1], f"parameters off by at most {max(errors):.0e}"]
    for name in ("tumour", "mail"):
        runs = run(name, "linear", lambda a, v, r: steal_line_search(a, v.pool.X, rng=r), seeds, (LabelOnly(),))
        perfect = sum(t == 1 for t in runs.test)
        width = len(load_victim(name).features)
        runs.notes = [f"{runs.queries[0] / width:.1f} queries a feature; test 1.0000 in {perfect} of {len(seeds)}"]
        yield "Labels only", runs.line(f"{name}, line search")
    for name, budgets, count in (("tumour", (31, 155, 310), seeds), ("digits", (65, 325, 1300), few)):
        for digits in (3, 2, 1):
            for budget in budgets:
                thief = partial(_steal_rounded, budget=budget)
                runs = run(name, "linear", thief, count, (Rounding(digits),))
                yield "Rounded answers, linear models", runs.line(f"{name}, {_decimals(digits)}, {budget:,} queries")
    yield from _trees(seeds, few)
    yield (
        "A network of one hidden layer (64-32-10)",
        run("digits", "network", lambda a, v, r: steal_relu(a, rng=r), seeds).line("digits network, all digits"),
    )
    for digits in (15, 10, 6, 3, 1):
        runs = run("digits", "network", relu_or_training, few, (Rounding(digits),))
        runs.notes = ["no hinge to be found on long lines; trained on 1,200 rows instead"]
        yield "A network of one hidden layer (64-32-10)", runs.line(f"digits network, {_decimals(digits)}")
    for digits, count in ((10, seeds), (9, seeds), (8, seeds), (7, few), (6, few)):
        runs = run(
            "digits", "network", adapted_or_training, count, (Rounding(digits),), note=lambda c, v: type(c).__name__
        )
        solved = runs.notes.count("ReluCopy")
        close = sum(gap <= 1e-2 for gap in runs.gap)
        runs.notes = [
            f"copied by hinges in {solved} of {len(count)}, else trained; largest gap at most 1e-2 in {close}"
        ]
        yield (
            "A network of one hidden layer (64-32-10)",
            runs.line(f"digits network, {_decimals(digits)}, adapted walks"),
        )
    widths = run(
        "digits", "narrow", lambda a, v, r: hidden_dimension(a, rng=r), seeds,
        note=lambda h, v: "right" if h == v.estimator[1].hidden_layer_sizes[0] else "wrong",
    )  # fmt: skip
    widths.notes = [f"width right in {widths.notes.count('right')} of {len(seeds)}"]
    yield "Last hidden layer", widths.line("digits narrow (4 to 8 units), rank of the answers")


def _steal_rounded(api: Any, victim: Any, rng: np.random.Generator, budget: int) -> Any:
    return steal_rounded(api, victim.pool.X, budget=budget, rng=rng)


def _steal_tree(api: Any, victim: Any, rng: np.random.Generator, owns_pool: bool) -> Any:
    return steal_tree(api, rng=rng, pool=victim.pool.X if owns_pool else None)


def _note(copy: Any, victim: Any, digits: int | None) -> str:
    return f"{_answers(victim, digits)}"


def _trees(seeds: range, few: range) -> Iterator[tuple[str, list[str]]]:
    cases = [
        ("credit", "pool owned", True, None, seeds), ("fraud", "pool owned", True, None, seeds),
        ("credit", "no data", False, None, few), ("fraud", "no data", False, None, few),
        ("credit", "pool owned, 2 decimals", True, 2, few), ("credit", "pool owned, 1 decimal", True, 1, few),
    ]  # fmt: skip
    for name, owns, pool, digits, count in cases:
        runs = run(
            name, "tree", partial(_steal_tree, owns_pool=pool), count,
            () if digits is None else (Rounding(digits),), note=partial(_note, digits=digits),
        )  # fmt: skip
        leaves = [load_victim(name, seed=s, model="tree").estimator.get_n_leaves() for s in count]
        perfect = sum(t == u == 1 for t, u in zip(runs.test, runs.uniform, strict=True))
        a_leaf = [q / n for q, n in zip(runs.queries, leaves, strict=True)]
        told = sorted(int(n) for n in runs.notes)
        runs.notes = [
            f"{np.median(a_leaf):.0f} queries a leaf (at most {max(a_leaf):.0f}); both 1.0000 in {perfect} of {len(count)}; "
            f"{min(leaves)} leaves, {told[0]} to {told[-1]} different answers"
        ]
        yield "Decision trees", runs.line(f"{name} tree, {owns}")


def _decimals(digits: int) -> str:
    return f"{digits} decimal{'s' if digits > 1 else ''}"


def _answers(victim: Victim, digits: int | None) -> int:
    tree = victim.estimator.tree_
    return len(np.unique(np.round(tree.value[tree.children_left < 0][:, 0], 15 if digits is None else digits), axis=0))


# (our heading, work, what it reports, how sure we are)
PUBLISHED = [
    ("Equations", "Tramèr et al. 2016", "binary logistic regression in d + 1 queries, no label wrong, total variation below 1e-9", "secondary review"),
    ("Equations", "Tramèr et al. 2016", "softmax, 530 unknowns: 265 queries 99.96 to 99.98 %, 530 queries 100 % (about one query an unknown)", "from memory, unchecked"),
    ("Decision trees", "Tramèr et al. 2016", "German credit tree, 26 leaves: 1,722 queries bottom-up, 1,150 top-down, 100 % (44 to 66 a leaf); steak survey, 193 leaves with 28 different answers: 92.45 %", "secondary review"),
    ("Labels only", "Tramèr et al. 2016", "50 to 100 times as many queries as with confidences", "secondary review"),
    ("Rounded answers, linear models", "Tramèr et al. 2016", "2 to 3 decimals hurt, 4 to 5 do not", "secondary review"),
    ("A network of one hidden layer (64-32-10)", "Tramèr et al. 2016", "network, 2,225 unknowns: up to 11,125 queries, total variation below 1e-7", "secondary review"),
    ("A network of one hidden layer (64-32-10)", "Jagielski et al. 2020", "first practical functionally equivalent copy of two-layer ReLU networks", "abstract"),
    ("A network of one hidden layer (64-32-10)", "Carlini, Jagielski, Mironov 2020", "ReLU network of 4,000 parameters, 2^18.5 queries, worst error 2^-40; one output a query, where our victim gives ten", "notes on the paper"),
    ("Last hidden layer", "Carlini et al. 2024", "last layer of two production models for under 20 dollars, hidden widths 1,024 and 2,048", "abstract"),
]  # fmt: skip
COLUMNS = (
    "theft",
    "seeds",
    "queries: median (range)",
    "agreement, test rows",
    "agreement, uniform rows",
    "largest gap on test rows",
    "seconds",
    "notes",
)


def main() -> None:
    """Run everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--first", type=int, default=20, help="first seed; settings were chosen on 0 to 19 (default 20)"
    )
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    tables: dict[str, list[list[str]]] = {}
    with threadpool_limits(1):
        for heading, cells in experiments(seeds):
            tables.setdefault(heading, []).append(cells)
            print(" | ".join(cells), flush=True)
    numbers = {
        "command": f"python -m benchmarks.theft --seeds {len(seeds)} --first {seeds[0]}",
        "date": str(date.today()),
        "machine": f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} shared cores, one thread",
        "seeds": f"{seeds[0]} to {seeds[-1]}",
        "columns": COLUMNS,
        "tables": tables,
        "published": PUBLISHED,
    }
    NUMBERS.parent.mkdir(exist_ok=True)
    NUMBERS.write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(report(json.loads(NUMBERS.read_text(encoding="utf-8"))), encoding="utf-8")


def report(numbers: dict[str, Any]) -> str:
    """The page, from the numbers that lab 02 prints too."""
    lines = [
        "# Exact theft, measured", "",
        f"Written by `{numbers['command']}` on {numbers['date']}; {numbers['machine']}.", "",
        f"Seeds {numbers['seeds']}; the thieves' settings were chosen on seeds 0 to 19. Seed s is victim s: another split "
        "and another fit. Largest gap: total variation between copy and victim on the worst "
        "test row. Rows that measure were never asked. Seconds include the app.",
    ]  # fmt: skip
    for heading, rows in numbers["tables"].items():
        lines += ["", f"## {heading}", "", *_markdown(numbers["columns"], rows)]
    lines += ["", "## Published figures, for scale", "", "Other models, data and services: not a race.", ""]
    lines += _markdown(("beside", "work", "what it reports", "how sure we are"), numbers["published"])
    return "\n".join(lines) + "\n"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]


if __name__ == "__main__":
    main()
