"""Where keys and the audit trail live: one database, so that a change and its line in the trail land together or not.

SQLite by default (WAL, synchronous=FULL: a revocation survives a power cut), any SQLAlchemy URL at scale. In SQLite,
triggers refuse to change or delete a line of the trail; who removes the triggers still breaks the chain.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import sqlalchemy as sa

from targets.access.audit import Line, chained
from targets.access.keys import KeyRecord
from targets.database import Database

_metadata = sa.MetaData()
_keys = sa.Table(
    "api_keys",
    _metadata,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("account", sa.String(64), nullable=False, index=True),
    sa.Column("role", sa.String(64), nullable=False),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("issued", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    sa.Column("revoked", sa.Float, nullable=True),
    sa.Column("replaced_by", sa.String(12), nullable=True),
)
_trail = sa.Table(
    "audit_trail",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("key", sa.String(12), nullable=False),
    sa.Column("detail", sa.String(200), nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
_facts = sa.Table(
    "access_facts",
    _metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("value", sa.String(64), nullable=False),
)
for _verb in ("UPDATE", "DELETE"):
    _refuse = f"BEFORE {_verb} ON audit_trail BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    _trigger = sa.DDL(f"CREATE TRIGGER IF NOT EXISTS audit_trail_no_{_verb.lower()} {_refuse}")
    sa.event.listen(_trail, "after_create", _trigger.execute_if(dialect="sqlite"))
_last_line = sa.select(_trail).order_by(_trail.c.number.desc()).limit(1)


class AccessStore:
    """Keys and trail in one database. Raises ValueError when ``url`` cannot be opened.

    A record that was found is remembered for ``cache_seconds``: so long may a change by another process go unseen. A
    change by this one counts at once.
    """

    def __init__(self, url: str, cache_seconds: float = 0.0):
        self._database = Database(url, "key store", _metadata, synchronous="FULL")
        self._cache_seconds = cache_seconds
        self._found: dict[str, tuple[float, KeyRecord]] = {}
        self._changes = 0

    @property
    def in_memory(self) -> bool:
        """Whether everything is gone when the process ends."""
        return self._database.in_memory

    def find(self, id: str) -> KeyRecord | None:
        """The record of this id."""
        time, record = self._found.get(id, (-math.inf, None))
        if record is not None and monotonic() - time < self._cache_seconds:
            return record
        time, changes = monotonic(), self._changes
        rows = self._database.read(sa.select(_keys).where(_keys.c.id == id))
        if not rows:
            return None  # not remembered: strangers' ids must not fill the memory
        record = KeyRecord(*rows[0])
        if changes == self._changes:
            self._found[id] = (time, record)
        return record

    def keys(self, account: str | None = None) -> list[KeyRecord]:
        """All records, or one account's, oldest first."""
        query = sa.select(_keys).order_by(_keys.c.issued, _keys.c.id)
        query = query if account is None else query.where(_keys.c.account == account)
        return [KeyRecord(*row) for row in self._database.read(query)]

    def lines(self, after: int = 0) -> list[Line]:
        """The trail from line ``after`` + 1 on."""
        query = sa.select(_trail).where(_trail.c.number > after).order_by(_trail.c.number)
        return [Line(*row) for row in self._database.read(query)]

    def last_line(self) -> Line | None:
        """The newest line of the trail."""
        return next((Line(*row) for row in self._database.read(_last_line)), None)

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One change of keys together with its lines in the trail: all of it is on disk afterwards, or nothing."""
        with self._database.write() as connection:
            # Taken first, the row's lock makes changes wait for one another on every database, in every process.
            connection.execute(sa.update(_facts).where(_facts.c.name == "pepper").values(name="pepper"))
            yield Change(connection)
        self._changes += 1  # before the memory is emptied: a look-up under way must not bring back what it saw
        self._found.clear()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def accept(self, pepper: bytes) -> None:
        """Note a new store's pepper as a digest. Raises ValueError when this one is not the store's."""
        fact = hmac.digest(pepper, b"which pepper is this", "sha256").hex()
        try:
            with self._database.write() as connection:
                connection.execute(sa.insert(_facts), {"name": "pepper", "value": fact})
        except sa.exc.IntegrityError:
            (known,) = self._database.read(sa.select(_facts.c.value).where(_facts.c.name == "pepper"))[0]
            if not hmac.compare_digest(known, fact):
                raise ValueError(
                    "the pepper does not belong to this key store, so that no key could ever fit; "
                    "start with the pepper the store was made with"
                ) from None

    def __repr__(self) -> str:
        return f"AccessStore({self._database!r})"


class Change:
    """What can be done inside one change; ``line`` chains onto the newest line."""

    def __init__(self, connection: sa.Connection):
        self._connection = connection

    def find(self, id: str) -> KeyRecord | None:
        """The record of this id, as this change sees it."""
        row = self._connection.execute(sa.select(_keys).where(_keys.c.id == id)).first()
        return KeyRecord(*row) if row else None

    def add(self, record: KeyRecord) -> None:
        """Put a new key in the store."""
        self._connection.execute(sa.insert(_keys), vars(record))

    def update(self, id: str, **values: Any) -> KeyRecord:
        """Change a record and return it."""
        self._connection.execute(sa.update(_keys).where(_keys.c.id == id).values(**values))
        record = self.find(id)
        assert record is not None
        return record

    def line(self, time: float, actor: str, event: str, key: str, detail: str) -> Line:
        """Append a line to the trail."""
        row = self._connection.execute(_last_line).first()
        line = chained(Line(*row) if row else None, time, actor, event, key, detail)
        self._connection.execute(sa.insert(_trail), line.to_data())
        return line
