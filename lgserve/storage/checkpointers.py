"""Savers for the engine: one for each run, one for everybody who reads or updates state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lgserve.storage.checkpoints import SqliteSaver
from lgserve.storage.saver_scope import SaverScope
from lgserve.storage.sealed_saver import SealedSaver
from lgserve.storage.serializer import SERIALIZER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointTuple

    from lgserve.core.ciphers import Cipher
    from lgserve.storage.database import SqliteDatabase


class SqliteRunSaver:
    """See `lgserve.core.ports.RunSaver`."""

    def __init__(
        self, database: SqliteDatabase, run_id: str, *, wait: bool, cipher: Cipher | None = None
    ) -> None:
        self._scope = SaverScope(run_id=run_id, wait=wait)
        saver = SqliteSaver(database, scope=self._scope, serde=SERIALIZER)
        self._saver = saver if cipher is None else SealedSaver(saver, cipher)

    @property
    def saver(self) -> Any:
        """The saver itself."""
        return self._saver

    @property
    def failure(self) -> BaseException | None:
        """The first write that failed."""
        return self._scope.failure

    @property
    def checkpoint_id(self) -> str | None:
        """The root checkpoint last written."""
        return self._scope.last.checkpoint_id if self._scope.last is not None else None

    def supersede(self, channels: frozenset[str]) -> None:
        """Leave out what earlier commands wrote to channels, until this run writes there."""
        self._scope.superseded = channels

    def close(self) -> None:
        """Drop all further writes."""
        self._scope.closed = True


class SqliteCheckpointers:
    """See `lgserve.core.ports.Checkpointers`."""

    elsewhere = False

    def __init__(self, database: SqliteDatabase, cipher: Cipher | None = None) -> None:
        self._database = database
        self._cipher = cipher
        shared = SqliteSaver(database, serde=SERIALIZER)
        self._shared = shared if cipher is None else SealedSaver(shared, cipher)

    def for_run(self, run_id: str, *, wait: bool) -> SqliteRunSaver:
        """Return a saver for a run."""
        return SqliteRunSaver(self._database, run_id, wait=wait, cipher=self._cipher)

    def shared(self) -> Any:
        """Return the saver for reads and updates of state."""
        return self._shared

    def watched(self, look: Callable[[CheckpointTuple], CheckpointTuple]) -> Any:
        """Return a saver for reads whose lists are of what `look` makes of each checkpoint."""
        if self._cipher is not None:
            return SealedSaver(SqliteSaver(self._database, serde=SERIALIZER), self._cipher, look)
        return _WatchedSaver(self._database, look)


class _WatchedSaver(SqliteSaver):
    def __init__(
        self, database: SqliteDatabase, look: Callable[[CheckpointTuple], CheckpointTuple]
    ) -> None:
        super().__init__(database, serde=SERIALIZER)
        self._look = look

    async def alist(
        self, config: RunnableConfig | None, **arguments: Any
    ) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints, each as it is made."""
        async for found in super().alist(config, **arguments):
            yield self._look(found)
