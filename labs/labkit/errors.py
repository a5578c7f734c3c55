"""Errors a learner may meet. Each names the thing, the value and the next step; notebooks show no traceback."""

from __future__ import annotations


class LabError(Exception):
    """Base of every error that labkit raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        # IPython calls this in place of its own traceback: the sentence is the help, the stack is not.
        return [f"{type(self).__name__}: {self}"]


class BudgetSpent(LabError):
    """The next batch would cost more rows than the query budget has left."""


class QueryRefused(LabError):
    """The target answered with an error (RFC 9457 problem details).

    ``status`` is the HTTP status, ``problem`` the parsed document, ``retry_after`` seconds or None.
    """

    def __init__(self, status: int, problem: dict, retry_after: float | None = None):
        self.status = status
        self.problem = problem
        self.retry_after = retry_after
        detail = problem.get("detail") or problem.get("title") or "no reason given"
        step = problem.get("next_step")
        super().__init__(f"the target answered {status}: {detail}" + (f" Next step: {step}" if step else ""))


class LabelsOnly(LabError):
    """Probabilities were asked of a target that answers with labels only."""


class TargetGone(LabError):
    """The target does not answer: it was stopped, or never started."""


class BadAnswer(LabError):
    """Something that cannot travel as data: use numbers, text, lists, dictionaries or NumPy arrays."""
