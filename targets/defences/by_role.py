"""Answer each role with what its policy grants: how many digits, how many rows a day."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np

from targets.access.policy import Policy, Role
from targets.defences.base import Defence, Query, Refused
from targets.victims.base import Floats

DAY = 86_400
_LEAST = Role()  # what a role that the policy does not know sees


class ByRole(Defence):
    """Apply a policy to ``query.role``; mounted last, so that nothing adds digits after it.

    Rows are counted by account, not by key: who rotates a key gets no second budget. ``account_of`` maps a key id to
    its account; ``spent_since(account, time)`` says what the query log knows, so that a restart forgives nothing.
    Days begin at midnight UTC; a clock that is set back opens no new day.

    Stops: whoever holds a key of a lesser role from buying more detail, or more rows, than that role is worth.
    Does not stop: an insider whose role sees enough, nor several accounts that pool their rows.
    Costs the honest customer: digits and rows that their role was not given.
    """

    def __init__(
        self,
        policy: Policy,
        account_of: Callable[[str], str],
        spent_since: Callable[[str, float], int] = lambda account, time: 0,
    ):
        self._policy, self._account_of, self._spent_since = policy, account_of, spent_since
        self._lock = Lock()
        self._accounts: dict[str, str] = {}
        self._day = -1
        self._spent: dict[str, int] = {}

    def before(self, query: Query) -> None:
        """Take the rows off the account's day, or refuse them all."""
        limit = self._role(query).rows_a_day
        if limit is None:
            return
        asked = len(query.rows)
        with self._lock:
            spent = self._spent_today(query)
            if spent + asked <= limit:
                self._spent[self._account(query)] = spent + asked
                return
        left, wait = limit - spent, (self._day + 1) * DAY - query.time
        detail = f"your role, {query.role}, has {limit:,} rows a day; {left:,} are left and {asked:,} were asked"
        raise Refused(detail, retry_after=min(max(wait, 1.0), DAY))

    def after(self, query: Query, probabilities: Floats) -> Floats:
        """Round to the role's digits; one-hot rows for a role that sees labels only."""
        role = self._role(query)
        if role.output == "labels":
            return np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
        return probabilities if role.decimals is None else np.round(probabilities, role.decimals)

    def hides_from(self, query: Query) -> bool:
        """Whether this caller's reply goes without probabilities."""
        return self._role(query).output == "labels"

    def _role(self, query: Query) -> Role:
        return self._policy.roles.get(query.role, _LEAST)

    def _account(self, query: Query) -> str:
        if query.key not in self._accounts:
            self._accounts[query.key] = self._account_of(query.key)
        return self._accounts[query.key]

    def _spent_today(self, query: Query) -> int:
        day = int(query.time // DAY)
        if day > self._day:
            self._day, self._spent = day, {}
        account = self._account(query)
        if account not in self._spent:
            self._spent[account] = self._spent_since(account, self._day * DAY)
        return self._spent[account]

    def __repr__(self) -> str:
        return f"ByRole({', '.join(self._policy.roles)})"
