"""The alert desk of a target: its outbox beside the query log, its courier, and who raises alerts connected to both."""

from __future__ import annotations

from typing import Any

from targets.config import TargetConfig
from targets.defences.base import Query
from targets.defences.switch import Switch
from targets.watch.delivery import Channel, Courier, open_channel
from targets.watch.outbox import Outbox
from targets.watch.refusals import Refusals


class Desk:
    """``outbox`` and ``courier`` of one target. Raises ValueError when there is a channel and nobody to raise alerts.

    Whatever in the pipeline has an attribute ``tell`` (see Sentry) tells the outbox; switches report refusals.
    """

    def __init__(self, config: TargetConfig):
        self.switches = [defence for defence in config.defences if isinstance(defence, Switch)]
        self.sentries = [inner for inner in map(_inner, config.defences) if hasattr(inner, "tell")]
        if config.alerts and not self.sentries:
            raise ValueError("alerts have somewhere to go and nobody raises any: add a defence such as sentry")
        self.outbox = Outbox(config.log_url, clock=config.clock)
        self.courier = Courier(self.outbox, map(open_channel, config.alerts))
        for sentry in self.sentries:
            sentry.tell = self.outbox.raise_alert
        self._refusals = Refusals()
        for switch in self.switches:
            switch.on_refusal = self._refused
        if config.alerts:
            self.courier.start()

    def add(self, channel: Channel) -> None:
        """Deliver to one more channel while the target runs."""
        self.courier.add(channel)
        self.courier.start()

    def close(self) -> None:
        """Finish the delivery that is under way; what is undelivered stays on record."""
        self.courier.close()
        self.outbox.close()

    def _refused(self, query: Query) -> None:
        alert = self._refusals.observe(query)
        if alert is not None:
            self.outbox.raise_alert(alert)


def open_desk(config: TargetConfig) -> Desk | None:
    """The desk of a target that has anything to report or to switch, else None."""
    wanted = config.alerts or any(isinstance(one, Switch) or hasattr(one, "tell") for one in config.defences)
    return Desk(config) if wanted else None


def _inner(defence: Any) -> Any:
    return defence.defence if isinstance(defence, Switch) else defence
