"""What lab 09 runs between its exercises: one purchase, many copies, the owner's claim against each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from labkit.api import Api
from labkit.defending import Query
from labkit.launch import Rows, Target
from labkit.mark_owner import KeyedMark, MarginMark
from labkit.mark_thieves import FAMILIES, ask_twice, clean, fit_family, relabel, smooth
from labkit.metrics import agreement
from labkit.plots import COLOURS, MARKERS, Figure, Table, axes, show
from labkit.watermarks import Claim, coin_claim, control_claim


class Firm:
    """The vendor's own view of one target: its undefended answers, and what each mark makes of them."""

    def __init__(self, target: Target):
        self.api: Api = target.api("owner")
        pool, self.test = target.data("pool"), target.data("test")
        self.pool: Rows = pool
        self.own = self.api.probabilities(pool.X)
        self.own_test = self.api.probabilities(self.test.X)

    def sold(self, mark: Any) -> np.ndarray:
        """Labels (n,) that a thief buys for the pool rows when ``mark`` is mounted."""
        return mark.after(Query(self.pool.X), self.own.copy()).argmax(axis=1)

    def buy(self, mark: Any, rows: np.ndarray) -> np.ndarray:
        """Labels (n,) that a thief buys for any ``rows`` (n, d) when ``mark`` is mounted."""
        return mark.after(Query(rows), self.api.probabilities(rows)).argmax(axis=1)

    def cost(self, mark: Any) -> dict[str, float]:
        """What a customer loses on test rows: points of accuracy, and the share of labels that change."""
        seen = mark.after(Query(self.test.X), self.own_test.copy()).argmax(axis=1)
        plain = self.own_test.argmax(axis=1)
        lost = float(np.mean(plain == self.test.truth) - np.mean(seen == self.test.truth))
        return {"accuracy lost, points": 100 * lost, "labels changed, %": 100 * float(np.mean(seen != plain))}

    def claim(self, mark: Any, model: Any) -> Claim:
        """The owner's claim against ``model`` on the pool rows, which the suspected key bought."""
        if isinstance(mark, KeyedMark):
            marked, carried = mark.marks(self.pool.X, self.own.argmax(axis=1), self.own.shape[1])
            return control_claim(model.predict(self.pool.X), carried, marked)
        coins = mark.coins(self.pool.X, self.own)
        c, rows = coins.only(coins.doubtful), self.pool.X[coins.doubtful]
        return coin_claim(model.predict(rows), c.first, c.second, c.cell, c.heads)

    def agreement(self, model: Any) -> float:
        """Agreement of ``model`` with the undefended model on test rows."""
        return agreement(model.predict(self.test.X), self.own_test.argmax(axis=1))


# Each takes (firm, mark, rng) and returns the rows and labels to fit.
WASHES = {
    "none": lambda firm, mark, rng: (firm.pool.X, firm.sold(mark)),
    "drop what a held-out forest doubts": lambda firm, mark, rng: clean(firm.pool.X, firm.sold(mark), rng),
    "ask twice with a jitter, keep what agrees": lambda firm, mark, rng: ask_twice(
        lambda rows: firm.buy(mark, rows), firm.pool.X, rng
    ),
    "believe a held-out forest instead": lambda firm, mark, rng: relabel(firm.pool.X, firm.sold(mark), rng),
    "vote of 15 neighbours": lambda firm, mark, rng: smooth(firm.pool.X, firm.sold(mark)),
}


def survival(firm: Firm, marks: dict[str, Any], families: Iterable[str] = FAMILIES) -> list[dict[str, Any]]:
    """One row a family: p of each mark's claim against a copy fitted to what that mark sold, and agreement."""
    found = []
    for family in families:
        row: dict[str, Any] = {"copy": family}
        for name, mark in marks.items():
            model = fit_family(family, firm.pool.X, firm.sold(mark))
            row[name] = firm.claim(mark, model).p
            row["agreement"] = firm.agreement(model)
        found.append(row)
    return found


def washing(firm: Firm, marks: dict[str, Any], family: str = "forest", seed: int = 0) -> list[dict[str, Any]]:
    """One row a wash: p of each mark's claim afterwards, and what the wash costs in agreement."""
    found = []
    for wash, by in WASHES.items():
        row: dict[str, Any] = {"wash": wash}
        for name, mark in marks.items():
            rows, labels = by(firm, mark, np.random.default_rng(seed))
            model = fit_family(family, rows, labels)
            row[name] = firm.claim(mark, model).p
            row[f"agreement, {name}"] = firm.agreement(model)
        found.append(row)
    return found


def innocent_claims(firm: Firm, models: int = 40, keys: int = 10, zone: float = 0.1) -> dict[str, np.ndarray]:
    """p-values of both claims against ``models`` innocent models, each under ``keys`` keys of its own.

    An innocent model is trained on true classes of half of the pool, never on an answer of the firm.
    """
    rng = np.random.default_rng(7)
    names = [name for name in FAMILIES if name != "boosting"]
    found: dict[str, list[float]] = {"keyed mark": [], "margin mark": []}
    for number in range(models):
        rows = rng.permutation(len(firm.pool))[: len(firm.pool) // 2]
        model = fit_family(names[number % len(names)], firm.pool.X[rows], firm.pool.truth[rows], seed=number)
        model = _Said(firm.pool.X, model.predict(firm.pool.X))
        for key in range(keys):
            secret = f"innocent {number} under key {key}"
            found["keyed mark"].append(firm.claim(KeyedMark(secret, 0.02), model).p)
            found["margin mark"].append(firm.claim(MarginMark(secret, firm.pool.X, zone), model).p)
    return {name: np.array(ps) for name, ps in found.items()}


class _Said:
    """A model that was asked once: keys change, its answers do not."""

    def __init__(self, rows: np.ndarray, said: np.ndarray):
        self._said = {row.tobytes(): label for row, label in zip(rows, said, strict=True)}

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.array([self._said[row.tobytes()] for row in rows])


LOWEST = 0.002


def plot_false_claims(claims: dict[str, np.ndarray], *, title: str, alt: str, caption: str = "") -> Figure:
    """Share of innocent models accused, against the level at which one accuses; the diagonal is what was promised."""
    levels = np.array([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
    figure, ax = axes(title, "accuse when p is below", "share of innocent models accused")
    ax.plot(levels, levels, color="#555555", linestyle=":", label="promised: at most this")
    table = [{"accuse below": float(level)} for level in levels]
    for i, (name, ps) in enumerate(claims.items()):
        share = [float(np.mean(ps < level)) for level in levels]
        ax.plot(levels, np.maximum(share, LOWEST), color=COLOURS[i], marker=MARKERS[i], label=name)
        for row, value in zip(table, share, strict=True):
            row[name] = value
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(LOWEST, 1)  # none at all is drawn on the lower edge
    ticks = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    return show(figure, alt=alt, table=table, caption=caption)


def scientific(rows: Iterable[dict[str, Any]], caption: str = "") -> Table:
    """A table whose p-values can be read: 3e-12, not 0.000. Columns with 'mark' or 'trigger' in the name hold p."""
    shown = [
        {k: f"{v:.0e}" if isinstance(v, float) and "mark" in k and "agreement" not in k else v for k, v in row.items()}
        for row in rows
    ]
    return Table(shown, caption)


def measured_marks(victim: str = "fraud") -> Table:
    """The course's own benchmark for ``victim``: the weakest p over its seeds, a line a family, a column a mark."""
    numbers = json.loads((Path(__file__).parent / "measured" / "watermarks.json").read_text(encoding="utf-8"))
    lines = [x for run in numbers["runs"] if (run["what"], run["victim"]) == ("survival", victim) for x in run["found"]]
    columns = {"keyed": "keyed mark", "margin": "margin mark"}
    rows = []
    for family in FAMILIES:
        row: dict[str, Any] = {"copy": family}
        for kind, name in columns.items():
            ps = [x["p"] for x in lines if (x["mark"], x["attack"], x["family"]) == (kind, "none", family)]
            row[name] = max(ps)
        rows.append(row)
    seeds = sorted({run["seed"] for run in numbers["runs"] if run["what"] == "survival" and run["victim"] == victim})
    return scientific(
        rows,
        f"{victim}, a thief with {numbers['budget']:,} rows; the weakest p over victims of seeds {seeds}; "
        "undecided neighbourhoods weigh more.",
    )
