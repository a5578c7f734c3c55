"""One way to a database for everything that must last: SQLite with its traps defused, or any SQLAlchemy URL.

SQLite files run in WAL mode: readers never wait for a writer, and what was committed survives the death of the process
(kill -9) at once. ``synchronous`` says what a power cut may take: NORMAL the last moments, FULL nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Any

import sqlalchemy as sa


class Database:
    """An open database whose tables are there; safe to share between threads.

    ``what`` names it in errors ("query log"). Raises ValueError when ``url`` cannot be opened.
    """

    def __init__(self, url: str, what: str, metadata: sa.MetaData, *, synchronous: str = "NORMAL"):
        try:
            self.url = sa.make_url(url)
            self._sqlite = self.url.get_backend_name() == "sqlite"
            self.in_memory = self._sqlite and self.url.database in (None, "", ":memory:")
            self._engine = self._connect(synchronous)
            self._create_tables(metadata)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            why = str(getattr(error, "orig", error)).splitlines()[0]
            raise ValueError(f"the {what} cannot be opened: {why}; give an SQLAlchemy URL") from None
        # One SQLite writer at a time: waiting here is fair and quick, waiting in SQLite is a sleep loop.
        self._lock = Lock() if self._sqlite else nullcontext()
        self._read_lock = self._lock if self.in_memory else nullcontext()
        weakref.finalize(self, self._engine.dispose)  # a forgotten database lets go of its file all the same

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction, on disk when the block ends; nothing of it stays when the block raises."""
        with self._lock, self._engine.begin() as connection:
            yield connection

    def read(self, query: Any) -> list[Any]:
        """All rows of ``query``."""
        with self._read_lock, self._engine.connect() as connection:
            return list(connection.execute(query).all())

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _create_tables(self, metadata: sa.MetaData) -> None:
        try:
            metadata.create_all(self._engine)
        except sa.exc.DBAPIError:  # somebody else made a table at the same moment
            if not all(sa.inspect(self._engine).has_table(table) for table in metadata.tables):
                raise

    def _connect(self, synchronous: str) -> sa.Engine:
        if not self._sqlite:
            return sa.create_engine(self.url, pool_pre_ping=True)
        if self.in_memory:
            pool: dict[str, Any] = {"poolclass": sa.pool.StaticPool, "connect_args": {"check_same_thread": False}}
            return sa.create_engine(self.url, **pool)
        engine = sa.create_engine(self.url, connect_args={"timeout": 30})

        def durable(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")

        sa.event.listen(engine, "connect", durable)
        return engine

    def __repr__(self) -> str:
        return repr(self.url.render_as_string())
