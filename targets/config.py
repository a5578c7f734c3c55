"""What a target is made of, in one frozen value."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from targets.access import KeyAuthority
from targets.defences.base import Defence
from targets.defences.door import Door
from targets.sources import Network, networks


@dataclass(frozen=True, kw_only=True)
class TargetConfig:
    """Configuration of one target; equal configurations give targets that answer alike.

    ``victim``, ``model``, ``seed``: see ``load_victim``. ``defences``: in pipeline order. ``keys``: who may ask; None
    for anybody, a set of API keys, or a KeyAuthority with roles (a Door among ``defences`` becomes one). ``max_rows``:
    rows a request. ``log_url``: SQLAlchemy URL of the query log, by default in memory. ``store_rows``: keep the
    queried rows in the log too (a monitor needs them; so does a privacy notice).
    ``proxies``: addresses or networks of the reverse proxies in front; X-Forwarded-For counts from them only.
    ``alerts``: where alerts go, webhooks on this machine or ``*.ndjson`` files (see targets.watch.delivery).
    ``data_room``: serve the lab-only rows. ``clock``: seconds since 1970, replaceable in tests and simulations.
    """

    victim: str = "digits"
    model: str | None = None
    seed: int = 0
    defences: tuple[Defence, ...] = ()
    keys: frozenset[str] | KeyAuthority | None = None
    proxies: tuple[str, ...] = ()
    max_rows: int = 1000
    log_url: str = "sqlite://"
    store_rows: bool = False
    data_room: bool = True
    alerts: tuple[str, ...] = ()
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "defences", tuple(self.defences))
        object.__setattr__(self, "proxies", tuple(self.proxies))
        object.__setattr__(self, "alerts", tuple(self.alerts))
        self.proxy_networks  # noqa: B018 (a wrong address is named now, not at the first request)
        self._open_door()
        if self.keys is not None and not isinstance(self.keys, KeyAuthority):
            object.__setattr__(self, "keys", frozenset(self.keys))
        if isinstance(self.max_rows, bool) or not isinstance(self.max_rows, int) or self.max_rows < 1:
            raise ValueError(f"max_rows is a whole number from 1 up, not {self.max_rows!r}")

    def _open_door(self) -> None:
        doors = [defence for defence in self.defences if isinstance(defence, Door)]
        if len(doors) + (self.keys is not None) > 1:
            raise ValueError("a target has one door: give keys, or one Door among the defences")
        if doors:
            object.__setattr__(self, "defences", tuple(d for d in self.defences if d not in doors))
            object.__setattr__(self, "keys", doors[0].open(self.clock))

    @cached_property
    def proxy_networks(self) -> tuple[Network, ...]:
        """``proxies`` as networks. Raises ValueError naming what is none."""
        return networks(self.proxies)
