"""The learner's own defence as a defence of the judge's: its hooks run on the learner's side, data in, data out."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from grading.exercise import NotYet
from grading.learner import RefusedThere, Remote, Tagged, expect_array
from targets import Defence, Query, Refused


class LearnerDefence(Defence):
    """Calls ``remote``'s hooks by name. Refuses exactly when the learner's object raised labkit.Refused.

    Called directly, a hook that fails raises NotYet; inside a target the app turns that into a 503, so the first one is
    kept in ``failure`` and raised again by the JudgeTarget.
    """

    def __init__(self, remote: Remote):
        if not isinstance(remote, Remote):
            raise NotYet(
                f"Your function returned {type(remote).__name__}, not a defence.",
                "Return an object with the hooks before and after; inherit from Defence for those you do not need.",
            )
        self._remote = remote
        self.mounted_as = remote.kind
        self.hides_probabilities = bool(_attribute(remote, "hides_probabilities", False))
        self.failure: NotYet | None = None

    def before(self, query: Query) -> None:
        """Ask the learner's ``before``; raises targets.Refused, or NotYet when it fails."""
        try:
            self._remote.before(_tagged(query))
        except RefusedThere as refused:
            raise Refused(refused.said, refused.retry_after) from None
        except NotYet as reason:
            self.failure = self.failure or reason
            raise

    def after(self, query: Query, probabilities: np.ndarray) -> np.ndarray:
        """What the learner's ``after`` makes of (n, K) probabilities; NotYet when it is not such an array."""
        try:
            returned = self._remote.after(_tagged(query), probabilities)
            return expect_array(returned, probabilities.shape, "what your after() returns")
        except NotYet as reason:
            self.failure = self.failure or reason
            raise


def _tagged(query: Query) -> Tagged:
    return Tagged("__query__", {field.name: getattr(query, field.name) for field in fields(query)})


def _attribute(remote: Remote, name: str, default: object) -> object:
    try:
        return getattr(remote, name)()
    except NotYet:
        return default
