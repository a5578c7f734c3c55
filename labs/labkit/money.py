"""What a theft costs and what it is worth, in numbers a risk owner can argue with.

Single loss expectancy (SLE) = asset value × exposure + response; annual loss expectancy (ALE) = SLE × annual rate of
occurrence (ARO). All amounts in one currency. The default numbers are invented, and say so in the notebook.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class TheftCase:
    """One model at risk. Amounts in one currency; ``exposure`` is a share of the asset's value, 0 to 1."""

    rows: float = 400
    price_per_row: float = 0.01
    thief_setup: float = 300.0
    cost_to_train: float = 40_000.0
    asset_value: float = 250_000.0
    exposure: float = 0.4
    response: float = 20_000.0
    thefts_per_year: float = 0.25

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} must be a number of 0 or more, got {value!r}")
        if self.exposure > 1:
            raise ValueError(f"exposure is a share of the asset's value, 0 to 1, got {self.exposure!r}")


# What a reasonable person could still believe of each input; invented like the case itself.
BELIEVABLE = {
    "thefts_per_year": (0.05, 1.0),
    "exposure": (0.1, 0.8),
    "asset_value": (150_000.0, 400_000.0),
    "response": (5_000.0, 60_000.0),
    "price_per_row": (0.01, 0.5),
}


def cost_to_steal(case: TheftCase) -> float:
    """What the thief pays: accounts and hours once, then every row."""
    return case.thief_setup + case.rows * case.price_per_row


def break_even_rows(case: TheftCase) -> float:
    """Rows at which stealing costs as much as training; below, theft pays. ``inf`` where rows are free, never < 0."""
    left = case.cost_to_train - case.thief_setup
    if left <= 0:
        return 0.0
    return left / case.price_per_row if case.price_per_row else float("inf")


def single_loss(case: TheftCase) -> float:
    """Single loss expectancy: the share of the asset's value that one theft destroys, and the response to it."""
    return case.asset_value * case.exposure + case.response


def annual_loss(case: TheftCase) -> float:
    """Annual loss expectancy: single loss × thefts a year."""
    return single_loss(case) * case.thefts_per_year


def worth_of_control(case: TheftCase, *, thefts_after: float, yearly_cost: float) -> float:
    """What a control that leaves ``thefts_after`` thefts a year is worth a year, after paying for it."""
    return annual_loss(case) - annual_loss(replace(case, thefts_per_year=thefts_after)) - yearly_cost


def sensitivity(case: TheftCase, ranges: dict[str, tuple[float, float]]) -> list[dict]:
    """Annual loss with one input at a time moved to its (low, high), widest swing first: a tornado plot's rows."""
    rows = []
    for name, (low, high) in ranges.items():
        at_low, at_high = (annual_loss(replace(case, **{name: value})) for value in (low, high))
        rows.append({"input": name, "low": low, "high": high, "loss at low": at_low, "loss at high": at_high})
    return sorted(rows, key=lambda row: -abs(row["loss at high"] - row["loss at low"]))


def summary(case: TheftCase) -> list[dict]:
    """The case's results as rows of a table."""
    rows = break_even_rows(case)
    return [
        {"what": "cost to steal", "amount": f"{cost_to_steal(case):,.0f}"},
        {"what": "cost to train honestly", "amount": f"{case.cost_to_train:,.0f}"},
        {"what": "break-even rows", "amount": "none: rows are free" if rows == float("inf") else f"{rows:,.0f}"},
        {"what": "single loss expectancy", "amount": f"{single_loss(case):,.0f}"},
        {"what": "annual loss expectancy", "amount": f"{annual_loss(case):,.0f}"},
    ]
