"""LangGraph's checkpoint saver on the server's own database.

Values are serialized at once, on the caller's thread, so that what a graph changes afterwards does
not reach the checkpoint. The rows are written by the database's one writer: awaited, or posted to
it when the saver works for a run (`SaverScope`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from random import getrandbits
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    EXCLUDED_METADATA_KEYS,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from lgserve.storage.checkpoint_encoding import (
    encode_checkpoint,
    encode_left_behind,
    encode_values,
    encode_writes,
    place_of,
)
from lgserve.storage.checkpoint_pages import CheckpointPages, query_of
from lgserve.storage.checkpoint_reader import (
    CheckpointReader,
    checkpoint_config,
)
from lgserve.storage.checkpoint_removal import (
    copy_checkpoints,
    delete_checkpoints_of_runs,
    delete_thread_checkpoints,
    prune_checkpoints,
)
from lgserve.storage.checkpoint_rows import (
    OF_COMMANDS,
    Change,
    CheckpointRow,
    NewValue,
    store_changes,
)
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.saver_scope import LastCheckpoint, SaverScope

T = TypeVar("T")
_Work = Callable[[sqlite3.Connection], T]

_RANDOM_BITS = 40
_LARGEST_COUNT = 2 ** (63 - _RANDOM_BITS) - 1


class SqliteSaver(BaseCheckpointSaver[Any]):
    """Checkpoints in a `SqliteDatabase`; user-defined types come back as LangGraph's serde does it.

    Raises:
        TypeError: a value cannot be serialized; the message names its channel.
    """

    def __init__(
        self,
        db: SqliteDatabase,
        *,
        scope: SaverScope | None = None,
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(serde=serde)
        self._db = db
        self._scope = scope

    # --- put

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint and the values of its new versions."""
        await self._write(self._checkpoint(config, checkpoint, metadata, new_versions))
        return checkpoint_config(*place_of(config), checkpoint["id"])

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`, for a caller in a thread."""
        self._write_sync(self._checkpoint(config, checkpoint, metadata, new_versions))
        return checkpoint_config(*place_of(config), checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote after a checkpoint."""
        await self._write(self._writes(config, writes, task_id, task_path))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """As `aput_writes`, for a caller in a thread."""
        self._write_sync(self._writes(config, writes, task_id, task_path))

    def _checkpoint(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Change:
        scope = self._scope
        metadata = _with_left_out(config, get_checkpoint_metadata(config, metadata))
        run_id = (scope.run_id if scope is not None else None) or metadata.get("run_id")
        row = encode_checkpoint(self.serde, config, checkpoint, metadata, run_id)
        values = encode_values(self.serde, checkpoint, new_versions)
        values += self._left_behind(row, checkpoint, new_versions)
        if scope is not None:
            scope.made.add(row.checkpoint_id)
            if not row.checkpoint_ns:
                scope.last = LastCheckpoint(row.checkpoint_id, metadata)
        return Change(row, values, ())

    def _left_behind(
        self, row: CheckpointRow, checkpoint: Checkpoint, new_versions: ChannelVersions
    ) -> Sequence[NewValue]:
        """Return values that must not stay with the parent, unless this run made that too."""
        if row.parent_id is None or (self._scope is not None and row.parent_id in self._scope.made):
            return ()
        left = checkpoint["channel_versions"].keys() - checkpoint["channel_values"].keys()
        left -= new_versions.keys()
        if not left:
            return ()
        return self._db.lookup(partial(encode_left_behind, serde=self.serde, row=row, left=left))

    def _writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> Change:
        scope = self._scope
        if scope is not None and task_id == OF_COMMANDS:
            scope.superseded = frozenset()
        foreign = scope is not None and config["configurable"]["checkpoint_id"] not in scope.made
        run_id = scope.run_id if scope is not None and foreign else None
        rows = encode_writes(self.serde, config, writes, task_id, task_path, run_id)
        return Change(None, (), rows)

    async def _write(self, change: Change) -> None:
        if not self._posted(change):
            await self._db.write(partial(store_changes, changes=(change,)))

    def _write_sync(self, change: Change) -> None:
        if not self._posted(change):
            self._db.write_sync(partial(store_changes, changes=(change,)))

    def _posted(self, change: Change) -> bool:
        """Post the change, or drop it, if the scope says so; False leaves it to the caller."""
        scope = self._scope
        if scope is None or (scope.wait and not scope.closed):
            return False
        if not scope.closed:
            scope.post(self._db, change)
        return True

    # --- read

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint, or the newest of its namespace."""
        await self._settled()
        found = self._db.lookup_snapshot(self._find(config))
        return found if self._scope is None else self._scope.seen(found)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`, for a caller in a thread."""
        self._settled_sync()
        return self._db.lookup_snapshot(self._find(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints, newest first, reading a page at a time."""
        await self._settled()
        pages = CheckpointPages(self.serde, query_of(config, filter, before), limit)
        while not pages.ended:
            for found in await self._db.read(pages.next):
                yield found

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `alist`, for a caller in a thread."""
        self._settled_sync()
        pages = CheckpointPages(self.serde, query_of(config, filter, before), limit)
        while not pages.ended:
            yield from self._db.lookup_snapshot(pages.next)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what a checkpoint's ancestors wrote to channels since their stored values."""
        await self._settled()
        return self._db.lookup_snapshot(self._history(config, channels))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `aget_delta_channel_history`, for a caller in a thread."""
        self._settled_sync()
        return self._db.lookup_snapshot(self._history(config, channels))

    def _find(self, config: RunnableConfig) -> _Work[CheckpointTuple | None]:
        return partial(
            CheckpointReader(self.serde).find,
            place=place_of(config),
            checkpoint_id=get_checkpoint_id(config) or None,
        )

    def _history(
        self, config: RunnableConfig, channels: Sequence[str]
    ) -> _Work[dict[str, DeltaChannelHistory]]:
        return partial(
            CheckpointReader(self.serde).delta_history,
            place=place_of(config),
            checkpoint_id=get_checkpoint_id(config),
            channels=channels,
        )

    async def _settled(self) -> None:
        """Wait until what may concern a reader is committed: a run's own writes, else all."""
        scope = self._scope
        if scope is None or not scope.is_settled(self._db):
            await self._db.settled()

    def _settled_sync(self) -> None:
        scope = self._scope
        if not (self._db.is_settled() if scope is None else scope.is_settled(self._db)):
            self._db.write_sync(_nothing)

    # --- delete, copy, prune

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove all that a thread has here."""
        await self._db.write(partial(delete_thread_checkpoints, thread_id=thread_id))

    def delete_thread(self, thread_id: str) -> None:
        """As `adelete_thread`, for a caller in a thread."""
        self._db.write_sync(partial(delete_thread_checkpoints, thread_id=thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove what runs have made."""
        await self._db.write(partial(delete_checkpoints_of_runs, run_ids=run_ids))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `adelete_for_runs`, for a caller in a thread."""
        self._db.write_sync(partial(delete_checkpoints_of_runs, run_ids=run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Give a thread all checkpoints of another."""
        await self._db.write(
            partial(copy_checkpoints, source=source_thread_id, target=target_thread_id)
        )

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `acopy_thread`, for a caller in a thread."""
        self._db.write_sync(
            partial(copy_checkpoints, source=source_thread_id, target=target_thread_id)
        )

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Remove old checkpoints (`keep_latest`) or all (`delete`) of threads."""
        await self._db.write(_pruning(thread_ids, strategy))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `aprune`, for a caller in a thread."""
        self._db.write_sync(_pruning(thread_ids, strategy))

    def get_next_version(self, current: float | str | None, channel: None) -> Any:  # noqa: ARG002
        """Return a greater version, random below a count: forks of a thread never share one.

        A thread that began with another saver's text versions goes on with such.
        """
        if isinstance(current, str):
            return f"{int(current.split('.')[0]) + 1:032}.{getrandbits(53) / 2**53:016}"
        count = (int(current or 0) >> _RANDOM_BITS) + 1
        if count > _LARGEST_COUNT:
            return int(current or 0) + 1
        return count << _RANDOM_BITS | getrandbits(_RANDOM_BITS)


def _with_left_out(config: RunnableConfig, metadata: CheckpointMetadata) -> CheckpointMetadata:
    """Add what LangGraph leaves out: the place in thread and graph, and nested members."""
    placed = {
        name: value
        for name, value in (config.get("metadata") or {}).items()
        if name in EXCLUDED_METADATA_KEYS or isinstance(value, dict | list)
    }
    configured = {
        name: value
        for name, value in config.get("configurable", {}).items()
        if isinstance(value, dict | list) and not name.startswith(("__", "langgraph_auth_"))
    }
    return cast("CheckpointMetadata", {**configured, **placed, **metadata})


def _pruning(thread_ids: Sequence[str], strategy: str) -> _Work[None]:
    works = {"keep_latest": prune_checkpoints, "delete": delete_thread_checkpoints}
    if strategy not in works:
        raise ValueError(f"unknown strategy '{strategy}', expected one of {sorted(works)}")

    def work(connection: sqlite3.Connection) -> None:
        for thread_id in thread_ids:
            works[strategy](connection, thread_id)

    return work


def _nothing(_: sqlite3.Connection) -> None:
    return None
