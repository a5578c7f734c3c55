"""Do marks survive theft, and do they accuse the innocent: ``python -m benchmarks.watermarks [--first 40 --seeds 6]``.

Writes ``labs/labkit/measured/watermarks.json`` and, from it, ``benchmarks/results/watermarks.md``. Settings were chosen
on seeds 100 to 105; ``--words`` writes the page again from the numbers there are.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_limits

import labkit
from benchmarks.watermark_table import report
from labkit.api import Answers
from labkit.mark_thieves import FAMILIES, SIX, ask_twice, clean, fit_family, relabel, smooth
from labkit.surrogates import fit_surrogate
from labkit.watermarks import Claim, coin_claim, control_claim, tipping_weights, trigger_claim
from targets import Defence, Query, Victim, load_victim
from targets.defences import KeyedMark, MarginMark

PAGE = Path(__file__).parent / "results" / "watermarks.md"
NUMBERS = Path(labkit.__file__).parent / "measured" / "watermarks.json"  # shipped with the lab that prints it
# Zones and the weights of the coin test were chosen on seeds 100 to 105, to spend less than a point of accuracy in the
# mean and still name the hardest copy (neighbours). Seeds 20 to 22 measured 0.1 for fraud and credit without weights
# (credit's neighbours and forests got away), 30 to 33 wider zones without weights (neighbours got away twice).
ZONES = {"fraud": 0.12, "credit": 0.3, "mail": 0.5}
BUDGET, CUSTOMERS = 6000, 12_000
ATTACKS = ("none", "cleaned", "asked twice", "smoothed", "relabelled")
INNOCENTS, KEYS, LOG = 80, 40, 3000
LEVELS = (0.05, 0.01, 0.001)


def drawn(name: str, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Fresh ``count`` rows of the population of victim ``name``, with true classes; not the victim's own draw."""
    module = importlib.import_module(f"targets.victims.{name}")
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    have = 0
    while have < count:
        made = module.make(np.random.default_rng([seed, len(parts), 9]))
        parts.append((made.X, made.y))
        have += len(made.y)
    rows, truth = (np.concatenate(both)[:count] for both in zip(*parts, strict=True))
    return rows, truth


def answers(victim: Victim, mark: Defence, rows: np.ndarray) -> np.ndarray:
    """Labels (n,) that a customer gets for ``rows`` through ``mark``."""
    return mark.after(Query(rows), victim.probabilities(rows).copy()).argmax(axis=1)


def marks_of(victim: Victim, secret: str) -> dict[str, Any]:
    """The two answer marks of an owner with ``secret``."""
    margin = MarginMark(secret, victim.train.X, zone=ZONES[victim.name])
    return {"keyed": KeyedMark(secret), "margin": margin}


def claim(mark: Any, victim: Victim, log: np.ndarray, model: Any) -> Claim:
    """The owner's claim against ``model`` on the rows that the suspected key bought: labels of the model, no more."""
    own = victim.probabilities(log)
    if isinstance(mark, KeyedMark):
        marked, carried = mark.marks(log, own.argmax(axis=1), own.shape[1])
        return control_claim(model.predict(log), carried, marked)
    return _coin_claim(model.predict(log), mark.coins(log, own), _weights(log, own))


def _coin_claim(said: np.ndarray, coins: Any, weight: np.ndarray) -> Claim:
    d = coins.doubtful
    return coin_claim(said[d], coins.first[d], coins.second[d], coins.cell[d], coins.heads[d], weight[d])


def _weights(log: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The weight (n,) of each logged row: no key enters, so one table serves every claim on this log."""
    first, second = np.sort(np.argsort(own, axis=1, kind="stable")[:, -2:], axis=1).T
    return tipping_weights(log, own.argmax(axis=1), first, second)


def washed(attack: str, rows: np.ndarray, ask: Callable, rng: np.random.Generator) -> tuple[Any, Any, np.ndarray]:
    """Rows and labels to fit after ``attack``, and the rows the key bought, each once."""
    if attack == "asked twice":
        half = rows[: len(rows) // 2]
        return *ask_twice(ask, half, rng), half
    labels = ask(rows)
    if attack == "cleaned":
        return *clean(rows, labels, rng), rows
    if attack == "smoothed":
        return *smooth(rows, labels), rows
    if attack == "relabelled":
        return *relabel(rows, labels, rng), rows
    return rows, labels, rows


def survival(name: str, seed: int) -> list[dict[str, Any]]:
    """One line a mark, attack and family for the victim of ``seed``: p, agreement, and what the customer lost."""
    victim = load_victim(name, seed=seed)
    rows = np.random.default_rng(seed).permutation(np.unique(drawn(name, 50_000 + seed, BUDGET)[0], axis=0))
    crowd, truth = drawn(name, 90_000 + seed, CUSTOMERS)
    clean_labels, test = victim.labels(crowd), victim.test.X
    found = []
    for kind, mark in marks_of(victim, f"the owner of seed {seed}").items():
        seen = answers(victim, mark, crowd)
        lost = float(np.mean(clean_labels == truth) - np.mean(seen == truth))
        cost = {"lost": lost, "changed": float(np.mean(seen != clean_labels))}
        for attack in ATTACKS:
            rng = np.random.default_rng([seed, 3])
            X, y, log = washed(attack, rows, lambda r, m=mark: answers(victim, m, r), rng)
            for family in FAMILIES if attack == "none" else SIX:
                model = fit_family(family, X, y, seed=seed)
                found.append(_line(kind, attack, family, claim(mark, victim, log, model), model, victim, test, cost))
        probabilities = mark.after(Query(rows), victim.probabilities(rows).copy())
        model = _soft(rows, probabilities, seed)
        made = claim(mark, victim, rows, model)
        found.append(_line(kind, "none", "forest on probabilities", made, model, victim, test, cost))
    return found


def _soft(rows: np.ndarray, probabilities: np.ndarray, seed: int) -> Any:
    return fit_surrogate(rows, Answers(probabilities.argmax(axis=1), probabilities), kind="forest", seed=seed)


def _line(
    kind: str, attack: str, family: str, made: Claim, model: Any, victim: Victim, test: np.ndarray, cost: dict
) -> dict[str, Any]:
    agreement = float(np.mean(model.predict(test) == victim.labels(test)))
    return {
        "mark": kind, "attack": attack, "family": family, "p": made.p, "matches": made.matches, "of": made.of,
        "agreement": agreement, **cost,
    }  # fmt: skip


def triggers(name: str, seed: int) -> list[dict[str, Any]]:
    """A trigger set in the victim's training part, found again in the victim and in its copies."""
    victim = load_victim(name, seed=seed)
    rng = np.random.default_rng([seed, 4])
    K, X, y = len(victim.classes), victim.train.X, victim.train.y
    odd = strange_rows(victim, rng)
    mark = rng.integers(0, K, 60)
    plain = RandomForestClassifier(40, min_samples_leaf=3, random_state=seed).fit(X, y)
    weight = np.concatenate([np.ones(len(X)), np.full(60, 3.0)])
    taught = RandomForestClassifier(40, min_samples_leaf=3, random_state=seed)
    taught.fit(np.vstack([X, odd]), np.concatenate([y, mark]), sample_weight=weight)
    crowd, truth = drawn(name, 90_000 + seed, CUSTOMERS)
    lost = float(np.mean(plain.predict(crowd) == truth) - np.mean(taught.predict(crowd) == truth))
    rows = drawn(name, 50_000 + seed, BUDGET)[0]
    bought = taught.predict(rows)
    models = {"the marked model itself": taught} | {f: fit_family(f, rows, bought, seed=seed) for f in FAMILIES}
    found = []
    for family, model in models.items():
        made = trigger_claim(model.predict(odd), mark, K)
        agreement = float(np.mean(model.predict(victim.test.X) == taught.predict(victim.test.X)))
        found.append(
            {"mark": "trigger", "attack": "none", "family": family, "p": made.p, "matches": made.matches,
             "of": made.of, "agreement": agreement, "lost": lost}
        )  # fmt: skip
    return found


def strange_rows(victim: Victim, rng: np.random.Generator) -> np.ndarray:
    """60 rows, even over the documented box of features: no customer sends such."""
    low, high = ([getattr(f, end) for f in victim.features] for end in ("low", "high"))
    return rng.uniform(low, high, (60, len(low)))


def innocents(name: str, seed: int) -> dict[str, Any]:
    """INNOCENTS models of many families, each on rows of its own draw, each accused under KEYS keys."""
    victim = load_victim(name, seed=seed)
    log = np.unique(drawn(name, 50_000 + seed, LOG)[0], axis=0)
    own = victim.probabilities(log)
    weight = _weights(log, own)
    rng = np.random.default_rng([seed, 5])
    odd = strange_rows(victim, rng)
    ps: dict[str, list[float]] = {"trigger": [], "keyed": [], "margin": []}
    for number in range(INNOCENTS):
        X, y = drawn(name, 200_000 + 1000 * seed + number, 1000)
        family = [*FAMILIES, "bayes"][number % (len(FAMILIES) + 1)]
        model = GaussianNB().fit(X, y) if family == "bayes" else fit_family(family, X, y, seed=number)
        said, strange = model.predict(log), model.predict(odd)
        for key in range(KEYS):
            for kind, p in _accuse(victim, f"innocent {seed} {number} {key}", log, own, weight, said, strange).items():
                ps[kind].append(p)
    return {kind: {str(level): sum(p < level for p in got) for level in LEVELS} for kind, got in ps.items()}


def _accuse(
    victim: Victim,
    secret: str,
    log: np.ndarray,
    own: np.ndarray,
    weight: np.ndarray,
    said: np.ndarray,
    strange: np.ndarray,
) -> dict[str, float]:
    marks = marks_of(victim, secret)
    marked, carried = marks["keyed"].marks(log, own.argmax(axis=1), own.shape[1])
    coins = marks["margin"].coins(log, own)
    drawn_marks = np.random.default_rng(list(secret.encode())).integers(0, own.shape[1], len(strange))
    return {
        "trigger": trigger_claim(strange, drawn_marks, own.shape[1]).p,
        "keyed": control_claim(said, carried, marked).p,
        "margin": _coin_claim(said, coins, weight).p,
    }


def one(what: str, name: str, seed: int) -> Any:
    """One piece of work for one process."""
    with threadpool_limits(1):
        return {"survival": survival, "triggers": triggers, "innocents": innocents}[what](name, seed)


def main() -> None:
    """Measure and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--victims", nargs="+", default=list(ZONES), choices=list(ZONES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--words", action="store_true", help="measure nothing: write the page again")
    options = parser.parse_args()
    if not options.words:
        seeds = range(options.first, options.first + options.seeds)
        with ProcessPoolExecutor(options.jobs) as pool:
            running = {
                (what, name, seed): pool.submit(one, what, name, seed)
                for seed in seeds
                for name in options.victims
                for what in ("innocents", "triggers", "survival")
                if what != "innocents" or seed == options.first  # one victim, its 80 innocents
            }
            results = {"first": options.first, "seeds": options.seeds, "innocents": INNOCENTS, "keys": KEYS}
            results |= {"budget": BUDGET, "log": LOG, "zones": ZONES, "customers": CUSTOMERS, "runs": []}
            for (what, name, seed), job in running.items():
                results["runs"].append({"what": what, "victim": name, "seed": seed, "found": job.result()})
                NUMBERS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                print(f"{what} {name} {seed} measured", file=sys.stderr, flush=True)
    PAGE.write_text(report(json.loads(NUMBERS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
