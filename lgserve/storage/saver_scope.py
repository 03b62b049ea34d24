"""What a run and its checkpoint saver tell each other."""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from langgraph.checkpoint.base import CheckpointMetadata, CheckpointTuple

from lgserve.storage.checkpoint_rows import OF_COMMANDS, Change, store_changes
from lgserve.storage.database import SqliteDatabase


class LastCheckpoint(NamedTuple):
    """The newest checkpoint that a run has put for its root graph."""

    checkpoint_id: str
    metadata: CheckpointMetadata


@dataclass(slots=True)
class SaverScope:
    """Belongs to one run; made by the engine.

    While `wait` is off, the saver returns before its writes are committed. They are committed in
    order, and before anything the engine writes later.
    """

    run_id: str | None = None
    #: Each write is awaited (durability `sync`).
    wait: bool = False
    #: The run is over for good: what its graph still writes is dropped.
    closed: bool = False
    #: Why the first write failed that nobody waited for.
    failure: BaseException | None = None
    last: LastCheckpoint | None = None
    #: Channels of which the run does not see what earlier commands wrote.
    superseded: frozenset[str] = frozenset()
    #: Ids of all checkpoints that the run has put.
    made: set[str] = field(default_factory=set)
    _waiting: deque[Change] = field(default_factory=deque)
    _posted: bool = False
    _ticket: int = 0

    def seen(self, found: CheckpointTuple | None) -> CheckpointTuple | None:
        """Return a checkpoint as the run sees it."""
        if found is None or not self.superseded:
            return found
        kept = [
            write
            for write in found.pending_writes or ()
            if write[0] != OF_COMMANDS or write[1] not in self.superseded
        ]
        return found._replace(pending_writes=kept)

    def post(self, db: SqliteDatabase, change: Change) -> None:
        """Have a change stored soon; those that wait share a place in the writer's queue."""
        self._waiting.append(change)
        if not self._posted:
            self._posted = True
            self._ticket = max(self._ticket, db.post(self._flush, self._fail))

    def is_settled(self, db: SqliteDatabase) -> bool:
        """Tell whether all that was posted is committed."""
        return not self._waiting and db.is_settled(self._ticket)

    def _flush(self, connection: sqlite3.Connection) -> None:
        # The order matters: what is appended after this line is posted anew.
        self._posted = False
        changes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not self.closed:
            store_changes(connection, changes)

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
