"""The customer's view of a target: ask rows, get answers, watch the bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from labkit.budget import QueryBudget
from labkit.errors import LabelsOnly, QueryRefused
from labkit.loot import Loot
from labkit.transport import Reply, Transport

# A bar for a theft of a second or more; below it a bar only flickers.
PROGRESS_FROM_BATCHES = 8


@dataclass(frozen=True)
class Feature:
    """One input of the model as the vendor documents it: name, plausible range, unit ('' if none)."""

    name: str
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True)
class ModelCard:
    """What a customer may know of the model behind an API."""

    name: str
    title: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    output: str
    max_rows: int

    @property
    def low(self) -> np.ndarray:
        """Lower end of each feature's documented range, shape (d,)."""
        return np.array([f.low for f in self.features])

    @property
    def high(self) -> np.ndarray:
        """Upper end of each feature's documented range, shape (d,)."""
        return np.array([f.high for f in self.features])

    def __repr__(self) -> str:
        return (
            f"ModelCard({self.name}: {len(self.features)} features, {len(self.classes)} classes, answers {self.output})"
        )


@dataclass(frozen=True)
class Answers:
    """Answers to n rows: ``labels`` (n,) of class indices; ``probabilities`` (n, K), None if the target hides them."""

    labels: np.ndarray
    probabilities: np.ndarray | None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        kind = "labels only" if self.probabilities is None else f"{self.probabilities.shape[1]} probabilities a row"
        return f"Answers({len(self)} rows, {kind})"


class Api:
    """A customer's session with a target.

    ``transport`` has one method ``send`` (see labkit.transport); ``key`` is the API key; ``budget`` the most rows this
    session may buy (None: no limit). Rows are counted when they are answered. With ``loot`` (see labkit.loot) bought
    answers are kept on disk, and asking the same rows again after a kernel restart costs nothing.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        key: str = "thief",
        budget: int | None = None,
        loot: Loot | None = None,
        batch: int = 1000,
        progress: bool = True,
    ):
        self.transport = transport
        self.key = key
        self.budget = QueryBudget(budget)
        self.loot = loot
        self.batch = batch
        self.progress = progress
        self._card: ModelCard | None = None

    @property
    def spent(self) -> int:
        """Rows bought in this session."""
        return self.budget.spent

    @property
    def left(self) -> float:
        """Rows the budget still allows."""
        return self.budget.left

    def model(self) -> ModelCard:
        """The model's public card (asked once, free of charge)."""
        if self._card is None:
            raw = self._get("/v1/model")
            self._card = ModelCard(
                name=raw["name"],
                title=raw["title"],
                features=tuple(
                    Feature(**{k: f.get(k, "") for k in ("name", "low", "high", "unit")}) for f in raw["features"]
                ),
                classes=tuple(raw["classes"]),
                output=raw["output"],
                max_rows=int(raw["max_rows"]),
            )
        return self._card

    def usage(self) -> dict:
        """What the target's own log says of this key: requests, rows answered, rows refused."""
        return self._get("/v1/usage")

    def predict(self, rows: Any) -> Answers:
        """Buy answers for ``rows`` (n, d), in batches.

        Raises BudgetSpent before anything is sent if the rows do not fit the budget; QueryRefused if the target
        refuses; ValueError if the rows are not a table of numbers.
        """
        table = _as_table(rows)
        if self.loot is not None:
            return self.loot.complete(table, self._buy)
        return self._buy(table)

    def labels(self, rows: Any) -> np.ndarray:
        """Class index of each row, shape (n,). Costs n rows."""
        return self.predict(rows).labels

    def probabilities(self, rows: Any) -> np.ndarray:
        """Class probabilities, shape (n, K). Costs n rows. Raises LabelsOnly if the target hides them."""
        answers = self.predict(rows)
        if answers.probabilities is None:
            raise LabelsOnly("this target answers with labels only. Use api.labels(rows)")
        return answers.probabilities

    def _buy(self, table: np.ndarray) -> Answers:
        self.budget.check(len(table))
        size = min(self.batch, len(table))
        starts = range(0, len(table), size)
        quiet = not self.progress or len(starts) < PROGRESS_FROM_BATCHES
        parts = [
            self._ask(table[start : start + size])
            for start in tqdm(starts, disable=quiet, desc="queries", unit="batch", leave=False)
        ]
        soft = [p.probabilities for p in parts if p.probabilities is not None]
        return Answers(
            np.concatenate([p.labels for p in parts]), np.concatenate(soft) if len(soft) == len(parts) else None
        )

    def _ask(self, table: np.ndarray) -> Answers:
        reply = self.transport.send("POST", "/v1/predict", {"rows": table.tolist()}, self._headers())
        _raise_for_problem(reply)
        self.budget.spend(len(table))
        soft = reply.body["probabilities"]
        answers = Answers(
            np.asarray(reply.body["labels"], dtype=int), None if soft is None else np.asarray(soft, dtype=float)
        )
        if self.loot is not None:
            self.loot.keep(table, answers)
        return answers

    def _get(self, path: str) -> dict:
        reply = self.transport.send("GET", path, None, self._headers())
        _raise_for_problem(reply)
        return reply.body

    def _headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    def __repr__(self) -> str:
        # A real key is "mtl_<id>_<secret>": its id is for logs and screens, its secret for nobody.
        shown = self.key if len(self.key) <= 20 else f"{self.key[:16]}…"
        return f"Api(key={shown!r}, {self.budget})"


def _as_table(rows: Any) -> np.ndarray:
    try:
        table = np.asarray(rows, dtype=float)
    except (TypeError, ValueError):
        raise ValueError("rows must be a table of numbers, shape (rows, features)") from None
    if table.ndim != 2 or not len(table):
        raise ValueError(
            f"rows must be a table with at least one row, shape (rows, features); got shape {table.shape}. "
            "For one row write [row]"
        )
    return table


def _raise_for_problem(reply: Reply) -> None:
    if reply.status >= 400:
        problem = reply.body if isinstance(reply.body, dict) else {"title": str(reply.body)[:200]}
        after = reply.headers.get("retry-after")
        raise QueryRefused(
            reply.status, problem, float(after) if after and after.replace(".", "", 1).isdigit() else None
        )
