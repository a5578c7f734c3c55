"""The outbox: an alert is on record before anybody is told, and stays there until every channel has it.

It lies in the query log's database. Because an alert is raised before its query is answered, whoever holds an answer to
the row that alarmed is on record as well, whatever happens to the process in between (kill -9).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from targets.database import Database
from targets.watch.alerts import PRIORITIES, Alert

HOUR = 3600.0

_metadata = sa.MetaData()
_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_alerts = sa.Table(
    "alerts",
    _metadata,
    sa.Column("id", _number, primary_key=True),
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("key", sa.String(128), nullable=False),
    sa.Column("detector", sa.String(64), nullable=False),
    sa.Column("priority", sa.String(8), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("queries_seen", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(300), nullable=False),
    sa.Column("held", sa.Boolean, nullable=False),
    sa.Index("alerts_by_matter", "key", "detector"),
)
# ``since``: number of the last alert that was there before the channel was; it gets the later ones.
_channels = sa.Table(
    "alert_channels",
    _metadata,
    sa.Column("name", sa.String(300), primary_key=True),
    sa.Column("since", _number, nullable=False),
)
_deliveries = sa.Table(
    "alert_deliveries",
    _metadata,
    sa.Column("alert", _number, primary_key=True),
    sa.Column("channel", sa.String(300), primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("delivered", sa.Float, nullable=True),
)
_FIELDS = tuple(Alert.__dataclass_fields__)


@dataclass(frozen=True)
class Entry:
    """One alert on record: its number, its ``uid`` (what a receiver knows it by), whether it was held back, and the
    channels that have it.
    """

    number: int
    uid: str
    alert: Alert
    held: bool = False
    delivered_to: tuple[str, ...] = ()


class Outbox:
    """Puts alerts on record and says which are still to be delivered where; safe to share between threads.

    An alert is held back (on record, told to nobody) when another of the same key and detector went out less than
    ``cooldown`` seconds before, unless its priority is higher than that one's. A held-back alert does not prolong the
    quiet. Exact among the threads of one process; two processes on one database may let a pair through.
    """

    def __init__(self, url: str = "sqlite://", *, cooldown: float = HOUR, clock: Callable[[], float] = time.time):
        if not cooldown >= 0:
            raise ValueError(f"a cool-down is a number of seconds from 0 up, not {cooldown!r}")
        # Alerts are few, so each may cost a wait for the disk: a power cut takes none.
        self._database = Database(url, "outbox", _metadata, synchronous="FULL")
        self._clock = clock
        self.cooldown = cooldown
        self.on_alert: Callable[[], Any] = lambda: None

    def raise_alert(self, alert: Alert) -> str | None:
        """Put ``alert`` on record; its uid when it is to be delivered, None when it is held back."""
        uid = uuid.uuid4().hex
        values = {**asdict(alert), "key": _clean(alert.key, 128), "reason": _clean(alert.reason, 300)}
        with self._database.write() as connection:
            matter = (_alerts.c.key == values["key"]) & (_alerts.c.detector == alert.detector) & ~_alerts.c.held
            query = sa.select(_alerts.c.time, _alerts.c.priority).where(matter)
            last = connection.execute(query.order_by(_alerts.c.id.desc()).limit(1)).first()
            held = last is not None and not self._matters_again(alert, *last)
            connection.execute(sa.insert(_alerts).values(**values, uid=uid, held=held))
        if held:
            return None
        self.on_alert()
        return uid

    def _matters_again(self, alert: Alert, time: float, priority: str) -> bool:
        higher = PRIORITIES.index(alert.priority) > PRIORITIES.index(priority)
        return higher or alert.time - time >= self.cooldown

    def open_channel(self, name: str) -> None:
        """From now on ``name`` is to get every alert; a channel known from an earlier life goes on where it was."""
        with self._database.write() as connection:
            if connection.execute(sa.select(_channels).where(_channels.c.name == name)).first() is None:
                newest = connection.execute(sa.select(sa.func.coalesce(sa.func.max(_alerts.c.id), 0))).scalar()
                connection.execute(sa.insert(_channels).values(name=name, since=newest))

    def pending(self, channel: str) -> list[Entry]:
        """What ``channel`` has not got yet, oldest first."""
        done = sa.select(_deliveries.c.alert).where(
            _deliveries.c.channel == channel, _deliveries.c.delivered.is_not(None)
        )
        since = sa.select(_channels.c.since).where(_channels.c.name == channel).scalar_subquery()
        query = sa.select(_alerts).where(~_alerts.c.held, _alerts.c.id > since, _alerts.c.id.not_in(done))
        return [_entry(row) for row in self._database.read(query.order_by(_alerts.c.id))]

    def attempt(self, number: int, channel: str) -> int:
        """Note, before it is done, that alert ``number`` goes to ``channel``; how often it has been tried."""
        this = (_deliveries.c.alert == number) & (_deliveries.c.channel == channel)
        with self._database.write() as connection:
            again = sa.update(_deliveries).where(this).values(attempts=_deliveries.c.attempts + 1)
            if not connection.execute(again).rowcount:
                connection.execute(sa.insert(_deliveries).values(alert=number, channel=channel, attempts=1))
            return int(connection.execute(sa.select(_deliveries.c.attempts).where(this)).scalar_one())

    def delivered(self, number: int, channel: str) -> None:
        """Note that ``channel`` has said it has alert ``number``."""
        this = (_deliveries.c.alert == number) & (_deliveries.c.channel == channel)
        with self._database.write() as connection:
            connection.execute(sa.update(_deliveries).where(this).values(delivered=self._clock()))

    def entries(self, newest: int = 1000) -> list[Entry]:
        """The ``newest`` alerts, oldest first, held-back ones too."""
        rows = self._database.read(sa.select(_alerts).order_by(_alerts.c.id.desc()).limit(newest))
        query = sa.select(_deliveries.c.alert, _deliveries.c.channel).where(_deliveries.c.delivered.is_not(None))
        where: dict[int, list[str]] = {}
        for number, channel in self._database.read(query.where(_deliveries.c.alert.in_([row.id for row in rows]))):
            where.setdefault(number, []).append(channel)
        return [_entry(row, tuple(sorted(where.get(row.id, ())))) for row in reversed(rows)]

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __repr__(self) -> str:
        return f"Outbox({self._database!r}, cooldown={self.cooldown:g})"


def _entry(row: Any, delivered_to: tuple[str, ...] = ()) -> Entry:
    alert = Alert(**{name: getattr(row, name) for name in _FIELDS})
    return Entry(row.id, row.uid, alert, bool(row.held), delivered_to)


def _clean(text: str, longest: int) -> str:
    """What every database can store: no NUL, no half of a surrogate pair, not too long."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()[:longest]
