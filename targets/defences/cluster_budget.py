"""One budget for all accounts that share something."""

from __future__ import annotations

from collections.abc import Mapping

from targets.defences.base import Query
from targets.defences.limiting import WindowLimit, duration, identity


class ClusterBudget(WindowLimit):
    """At most ``rows`` rows in each window of ``seconds`` seconds for all accounts of one cluster together.

    A cluster is what accounts share that costs money to change: ``clusters`` maps API keys to one (a payer, a contract,
    the result of an investigation); a key it does not name is clustered ``by`` its network, source or key.

    Stops: n accounts in one network or behind one payment from getting n budgets.
    Does not stop: a thief who rents addresses in n networks and pays with n cards; the limit now costs that much.
    Costs the honest customer: those who share with many, such as a university or a carrier behind one address.
    """

    def __init__(
        self,
        rows: int = 5000,
        seconds: int = 86_400,
        by: str = "network",
        clusters: Mapping[str, str] | None = None,
        store: str = "memory://",
    ):
        super().__init__(rows, seconds, by, store)
        if clusters is not None and not isinstance(clusters, Mapping):
            raise ValueError(f"clusters maps API keys to the name of their cluster, not {type(clusters).__name__}")
        self._clusters = dict(clusters or {})

    def _who(self, query: Query) -> str:
        if query.key in self._clusters:
            return f"cluster {self._clusters[query.key]}"
        return f"{self.by} {identity(query, self.by)}"

    def _promise(self) -> str:
        return f"{self.rows:,} rows a {duration(self.seconds)} for all accounts like yours together"
