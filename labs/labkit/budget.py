"""A query budget: rows bought so far, rows left, and a clear stop."""

from __future__ import annotations

from labkit.errors import BudgetSpent


class QueryBudget:
    """Counts rows, not requests, and raises BudgetSpent before a batch that would exceed ``limit``.

    ``limit`` is a number of rows, or None for no limit (spending is still counted).
    """

    def __init__(self, limit: int | None = None):
        if limit is not None and (isinstance(limit, bool) or int(limit) != limit or limit < 0):
            raise ValueError(f"budget must be a whole number of rows, 0 or more, or None; got {limit!r}")
        self.limit = None if limit is None else int(limit)
        self.spent = 0

    @property
    def left(self) -> float:
        """Rows that may still be bought (``inf`` without a limit)."""
        return float("inf") if self.limit is None else self.limit - self.spent

    def check(self, rows: int) -> None:
        """Raise BudgetSpent if ``rows`` more do not fit."""
        if rows > self.left:
            raise BudgetSpent(
                f"this call asks for {rows:,} rows, but {int(self.left):,} of the {self.limit:,}-row budget are left. "
                f"Nothing was sent. Ask for fewer rows, or choose better ones"
            )

    def spend(self, rows: int) -> None:
        """Count ``rows`` as bought."""
        self.spent += rows

    def __repr__(self) -> str:
        return f"QueryBudget({self.spent:,} of {'no limit' if self.limit is None else f'{self.limit:,}'} rows spent)"
