"""The query log: append-only, one row a query, the witness for budgets, alerts and grades.

A query is on record before its reply leaves. SQLite runs in WAL mode with synchronous=NORMAL: a record survives the
death of the process (kill -9) at once; after a crash of the machine or a power cut the last moments may be missing, but
the file is sound. Any SQLAlchemy URL works; a server database keeps its own promise of durability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from targets.database import Database
from targets.victims.base import Floats

VERDICTS = ("answered", "refused", "invalid", "failed")

_metadata = sa.MetaData()
_queries = sa.Table(
    "queries",
    _metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("key", sa.String(128), nullable=False, index=True),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("verdict", sa.String(8), nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("reason", sa.String(300), nullable=False, default=""),
    sa.Column("width", sa.Integer, nullable=False, default=0),
    sa.Column("content", sa.LargeBinary, nullable=True),
)


@dataclass(frozen=True)
class Record:
    """One query: seconds since 1970, key, source address, rows asked, verdict, milliseconds, reason of a refusal.

    ``verdict`` is one of ``VERDICTS``. ``content`` is the rows (n, d) when the target stores them, else None.
    """

    time: float
    key: str
    source: str
    rows: int
    verdict: str
    latency_ms: float
    reason: str = ""
    content: Floats | None = None


class QueryLog:
    """Append records and ask about them; safe to share between threads. ValueError when ``url`` cannot be opened."""

    def __init__(self, url: str = "sqlite://"):
        self._database = Database(url, "query log", _metadata)

    def append(self, record: Record) -> None:
        """Put ``record`` on disk; when this returns, it survives the end of the process."""
        content = record.content
        values = {
            "time": record.time,
            "key": record.key,
            "source": record.source,
            "rows": record.rows,
            "verdict": record.verdict,
            "latency_ms": record.latency_ms,
            "reason": _clean(record.reason),
            "width": 0 if content is None else content.shape[1],
            "content": None if content is None else content.astype("<f8").tobytes(),
        }
        with self._database.write() as connection:
            connection.execute(_insert, values)

    def rows(self, key: str | None = None) -> int:
        """How many rows were answered, for one key or for all."""
        query = sa.select(sa.func.coalesce(sa.func.sum(_queries.c.rows), 0)).where(_queries.c.verdict == "answered")
        return int(self._database.read(_for_key(query, key))[0][0])

    def records(self, key: str | None = None) -> list[Record]:
        """Every record in order of arrival, for one key or for all."""
        return [_record(row) for row in self._database.read(_for_key(sa.select(_queries), key).order_by(_queries.c.id))]

    def newest(self, count: int) -> list[tuple[int, Record]]:
        """The last ``count`` records without their rows' content, oldest first, each with its number."""
        columns = [column for column in _queries.c if column is not _queries.c.content]
        rows = self._database.read(sa.select(*columns).order_by(_queries.c.id.desc()).limit(count))
        return [(row.id, _record(row)) for row in reversed(rows)]

    def by_key(self) -> dict[str, tuple[int, int]]:
        """Rows answered and rows refused, by key."""
        counts = [
            sa.func.coalesce(sa.func.sum(sa.case((_queries.c.verdict == verdict, _queries.c.rows), else_=0)), 0)
            for verdict in ("answered", "refused")
        ]
        rows = self._database.read(sa.select(_queries.c.key, *counts).group_by(_queries.c.key))
        return {key: (int(answered), int(refused)) for key, answered, refused in rows}

    def usage(self, key: str) -> dict[str, Any]:
        """What ``key`` has used: all requests (invalid ones too), rows answered, and what was refused."""
        refused = _queries.c.verdict == "refused"
        answered = _queries.c.verdict == "answered"
        counts = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((answered, _queries.c.rows), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((refused, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((refused, _queries.c.rows), else_=0)), 0),
        ).select_from(_queries)
        names = ("requests", "rows", "refused_requests", "refused_rows")
        return {"key": key, **dict(zip(names, map(int, self._database.read(_for_key(counts, key))[0]), strict=True))}

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __repr__(self) -> str:
        return f"QueryLog({self._database!r})"


_insert = sa.insert(_queries)


def _clean(text: str) -> str:
    """At most 300 characters that every database can store: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()[:300]


def _for_key(query: Any, key: str | None) -> Any:
    return query if key is None else query.where(_queries.c.key == key)


def _record(row: Any) -> Record:
    stored = getattr(row, "content", None)
    content = None if stored is None else np.frombuffer(stored, dtype="<f8").reshape(-1, row.width)
    return Record(row.time, row.key, row.source, row.rows, row.verdict, row.latency_ms, row.reason, content)
