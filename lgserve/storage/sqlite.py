"""The storage port on one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from lgserve.core.models import ThreadTtl
from lgserve.core.ports import Clock
from lgserve.storage.a2a import SqliteA2aTasks
from lgserve.storage.api_keys import SqliteApiKeys
from lgserve.storage.assistants import SqliteAssistants
from lgserve.storage.checkpoint_notes import CheckpointNote, noting
from lgserve.storage.crons import SqliteCrons
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.run_endings import RunEndings
from lgserve.storage.run_events import SqliteRunEvents
from lgserve.storage.run_requests import SqliteRunRequests
from lgserve.storage.runs import SqliteRuns
from lgserve.storage.seals import PLAIN
from lgserve.storage.statistics import SqliteStatistics
from lgserve.storage.threads import SqliteThreads
from lgserve.storage.webhooks import SqliteWebhooks

T = TypeVar("T")

#: How long a webhook is tried again unless somebody says otherwise.
RETRY_FOR = timedelta(hours=24)


class SqliteTransaction:
    """All nouns over one connection; see `lgserve.core.ports.Transaction`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        lease: timedelta,
        default_ttl: ThreadTtl | None = None,
        webhooks_retry_for: timedelta = RETRY_FOR,
        webhook_written: Callable[[], None] = lambda: None,
    ) -> None:
        self.assistants = SqliteAssistants(connection)
        self.threads = SqliteThreads(connection, clock, default_ttl)
        self.webhooks = SqliteWebhooks(
            connection, clock, self.threads, webhooks_retry_for, webhook_written
        )
        self.a2a = SqliteA2aTasks(connection, clock, self.threads, self.webhooks)
        self.endings = RunEndings(connection, self.threads, clock, self.webhooks, self.a2a)
        self.runs = SqliteRuns(connection, self.threads, clock, lease, self.endings)
        self.events = SqliteRunEvents(connection)
        self.requests = SqliteRunRequests(connection, clock)
        self.crons = SqliteCrons(connection, clock)
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
        webhooks_retry_for: timedelta = RETRY_FOR,
    ) -> None:
        self.database = database
        self._clock = clock
        self._lease = lease
        self._default_ttl = default_ttl
        self._webhooks_retry_for = webhooks_retry_for
        #: Called, on the writer's thread, by each unit of work that adds to the outbox: what is
        #: written after that call finds it.
        self.webhook_written: Callable[[], None] = lambda: None
        #: What is sealed before it is stored: what goes through a graph, and what comes of it.
        self.seals = PLAIN
        #: Does to a saver of the project's own what a unit of work has done to checkpoints.
        self.checkpoints_elsewhere: Callable[[list[CheckpointNote]], Awaitable[None]] | None = None
        self._transactions: dict[sqlite3.Connection, SqliteTransaction] = {}

    async def read(self, work: Callable[[SqliteTransaction], T]) -> T:
        """Run a unit of work that only reads, in a reader's thread."""
        return await self.database.read(lambda c: work(self._transaction(c)))

    async def lookup(self, work: Callable[[SqliteTransaction], T]) -> T:
        """Run a unit of work that reads a few rows by key, on the caller's thread."""
        if self.seals.cipher is not None and self.seals.cipher.waits:
            return await self.read(work)
        return self.database.lookup(lambda c: work(self._transaction(c)))

    async def write(self, work: Callable[[SqliteTransaction], T]) -> T:
        """Run a unit of work in a transaction."""
        if self.checkpoints_elsewhere is None:
            return await self.database.write(lambda c: work(self._transaction(c)))
        notes: list[CheckpointNote] = []

        def noted(connection: sqlite3.Connection) -> T:
            notes.clear()
            with noting(notes):
                return work(self._transaction(connection))

        result = await self.database.write(noted)
        if notes:
            await self.checkpoints_elsewhere(notes)
        return result

    def size(self) -> int:
        """Return the bytes of the database's files."""
        return self.database.size()

    def _transaction(self, connection: sqlite3.Connection) -> SqliteTransaction:
        known = self._transactions.get(connection)
        if known is None:
            known = SqliteTransaction(
                connection,
                self._clock,
                self._lease,
                self._default_ttl,
                self._webhooks_retry_for,
                lambda: self.webhook_written(),
            )
            known.endings.seals = self.seals
            known.runs.seals = known.threads.seals = known.events.seals = self.seals
            known.a2a.seals = known.requests.seals = self.seals
            known.crons.seals = known.webhooks.seals = self.seals
            known.threads.checkpoints_elsewhere = self.checkpoints_elsewhere is not None
            self._transactions[connection] = known
        return known
