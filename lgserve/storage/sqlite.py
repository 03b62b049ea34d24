"""The storage port on one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from lgserve.core.models import ThreadTtl
from lgserve.core.ports import Clock
from lgserve.storage.api_keys import SqliteApiKeys
from lgserve.storage.assistants import SqliteAssistants
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.run_events import SqliteRunEvents
from lgserve.storage.run_requests import SqliteRunRequests
from lgserve.storage.runs import SqliteRuns
from lgserve.storage.statistics import SqliteStatistics
from lgserve.storage.threads import SqliteThreads

T = TypeVar("T")


class SqliteTransaction:
    """All nouns over one connection; see `lgserve.core.ports.Transaction`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        lease: timedelta,
        default_ttl: ThreadTtl | None = None,
    ) -> None:
        self.assistants = SqliteAssistants(connection)
        self.threads = SqliteThreads(connection, clock, default_ttl)
        self.runs = SqliteRuns(connection, self.threads, clock, lease)
        self.events = SqliteRunEvents(connection)
        self.requests = SqliteRunRequests(connection, clock)
        self.api_keys = SqliteApiKeys(connection)
        self.statistics = SqliteStatistics(connection, clock)


class SqliteStorage:
    """Runs units of work on a `SqliteDatabase`; see `lgserve.core.ports.Storage`."""

    def __init__(
        self,
        database: SqliteDatabase,
        clock: Clock,
        lease: timedelta,
        default_ttl: ThreadTtl | None = None,
    ) -> None:
        self.database = database
        self._clock = clock
        self._lease = lease
        self._default_ttl = default_ttl
        self._transactions: dict[sqlite3.Connection, SqliteTransaction] = {}

    async def read(self, work: Callable[[SqliteTransaction], T]) -> T:
        """Run a unit of work that only reads, in a reader's thread."""
        return await self.database.read(lambda c: work(self._transaction(c)))

    async def lookup(self, work: Callable[[SqliteTransaction], T]) -> T:
        """Run a unit of work that reads a few rows by key, on the caller's thread."""
        return self.database.lookup(lambda c: work(self._transaction(c)))

    async def write(self, work: Callable[[SqliteTransaction], T]) -> T:
        """Run a unit of work in a transaction."""
        return await self.database.write(lambda c: work(self._transaction(c)))

    def size(self) -> int:
        """Return the bytes of the database's files."""
        return self.database.size()

    def _transaction(self, connection: sqlite3.Connection) -> SqliteTransaction:
        known = self._transactions.get(connection)
        if known is None:
            known = SqliteTransaction(connection, self._clock, self._lease, self._default_ttl)
            self._transactions[connection] = known
        return known
