"""LangGraph's checkpoint saver on the server's own database.

Values are serialized at once, on the caller's thread, so that what a graph changes afterwards does
not reach the checkpoint. The rows are written by the database's one writer: awaited, or posted to
it when the saver works for a run (`SaverScope`).
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import getrandbits
from typing import Any, NamedTuple, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
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

from lgserve import jsonio
from lgserve.storage.checkpoint_reader import (
    CheckpointQuery,
    CheckpointReader,
    Page,
    Place,
    checkpoint_config,
)
from lgserve.storage.checkpoint_rows import (
    Change,
    CheckpointRow,
    NewValue,
    WriteRow,
    copy_checkpoints,
    delete_checkpoints_of_runs,
    delete_thread_checkpoints,
    latest_checkpoint_id,
    pack_versions,
    prune_checkpoints,
    store_changes,
)
from lgserve.storage.database import SqliteDatabase

__all__ = [
    "SaverScope",
    "SqliteSaver",
    "channel_values",
    "copy_checkpoints",
    "delete_checkpoints_of_runs",
    "delete_thread_checkpoints",
    "latest_checkpoint_id",
    "prune_checkpoints",
]

T = TypeVar("T")
_Work = Callable[[sqlite3.Connection], T]

#: Checkpoints read at a time when many are listed.
_PAGE = 100
#: Strings of this type and size stand in the checkpoint's row.
_SMALL = 128
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1
_RANDOM_BITS = 40
_LARGEST_COUNT = 2 ** (63 - _RANDOM_BITS) - 1


class LastCheckpoint(NamedTuple):
    """The newest checkpoint that a run has put for its root graph."""

    checkpoint_id: str
    metadata: CheckpointMetadata


@dataclass(slots=True)
class SaverScope:
    """What a run and its saver tell each other; one a run, made by the engine.

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
    made: set[str] = field(default_factory=set)
    _waiting: deque[Change] = field(default_factory=deque)
    _posted: bool = False
    _ticket: int = 0

    def post(self, db: SqliteDatabase, change: Change) -> None:
        """Have a change stored soon; those that wait share a place in the writer's queue."""
        self._waiting.append(change)
        if not self._posted:
            self._posted = True
            self._ticket = db.post(self._flush, self._fail)

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
        return checkpoint_config(*_place(config), checkpoint["id"])

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`, for a caller in a thread."""
        self._write_sync(self._checkpoint(config, checkpoint, metadata, new_versions))
        return checkpoint_config(*_place(config), checkpoint["id"])

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
        """Serialize a checkpoint."""
        thread_id, checkpoint_ns = _place(config)
        checkpoint_id = checkpoint["id"]
        versions = checkpoint["channel_versions"]
        values = checkpoint["channel_values"]
        inline = {k: v for k, v in values.items() if _is_small(v) and k in versions}
        new = [
            NewValue(channel, version, *self._dump(values[channel], channel))
            for channel, version in new_versions.items()
            if channel in values and channel not in inline
        ]
        rest = {k: v for k, v in checkpoint.items() if k not in _SEPARATE}
        rest["channel_values"] = inline
        metadata = get_checkpoint_metadata(config, metadata)
        row = CheckpointRow(
            thread_id,
            checkpoint_ns,
            checkpoint_id,
            config["configurable"].get("checkpoint_id"),
            metadata.get("run_id"),
            jsonio.dumps(metadata),
            pack_versions(versions, list(inline)),
            *self.serde.dumps_typed(rest),
        )
        if self._scope is not None:
            self._scope.made.add(checkpoint_id)
            if not checkpoint_ns:
                self._scope.last = LastCheckpoint(checkpoint_id, metadata)
        return Change(row, new, ())

    def _writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> Change:
        """Serialize a task's writes."""
        place = _place(config)
        checkpoint_id: str = config["configurable"]["checkpoint_id"]
        scope = self._scope
        run_id = None if scope is None or checkpoint_id in scope.made else scope.run_id
        rows = [
            WriteRow(
                *place,
                checkpoint_id,
                task_id,
                WRITES_IDX_MAP.get(channel, idx),
                task_path,
                channel,
                run_id,
                *self._dump(value, channel, task_id, task_path),
            )
            for idx, (channel, value) in enumerate(writes)
        ]
        return Change(None, (), rows)

    def _dump(
        self, value: Any, channel: str, task_id: str = "", task_path: str = ""
    ) -> tuple[str, bytes]:
        try:
            return self.serde.dumps_typed(value)
        except Exception as exc:  # noqa: BLE001 - a user-defined type may refuse in any way
            raise TypeError(
                f"The value of channel '{channel}'{_written_by(task_id, task_path)} cannot be"
                f" stored in a checkpoint: {exc} (the value is of type"
                f" {type(value).__module__}.{type(value).__qualname__})"
            ) from exc

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
        return self._lookup(self._find(config))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`, for a caller in a thread."""
        self._settled_sync()
        return self._lookup(self._find(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the interface's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints, newest first, reading a page at a time."""
        await self._settled()
        pages = _Pages(self.serde, _query(config, filter, before), limit)
        while not pages.ended:
            for found in await self._db.read(pages.next):
                yield found

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the interface's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `alist`, for a caller in a thread."""
        self._settled_sync()
        pages = _Pages(self.serde, _query(config, filter, before), limit)
        while not pages.ended:
            yield from self._lookup(pages.next)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what a checkpoint's ancestors wrote to channels since their stored values."""
        await self._settled()
        return self._lookup(self._history(config, channels))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `aget_delta_channel_history`, for a caller in a thread."""
        self._settled_sync()
        return self._lookup(self._history(config, channels))

    def _find(self, config: RunnableConfig) -> _Work[CheckpointTuple | None]:
        return partial(
            CheckpointReader(self.serde).find,
            place=_place(config),
            checkpoint_id=get_checkpoint_id(config),
        )

    def _history(
        self, config: RunnableConfig, channels: Sequence[str]
    ) -> _Work[dict[str, DeltaChannelHistory]]:
        return partial(
            CheckpointReader(self.serde).delta_history,
            place=_place(config),
            checkpoint_id=get_checkpoint_id(config),
            channels=channels,
        )

    def _lookup(self, work: _Work[T]) -> T:
        return self._db.lookup_snapshot(work)

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

    async def aprune(
        self, thread_ids: Sequence[str], *, strategy: str = "keep_latest"
    ) -> None:
        """Remove old checkpoints (`keep_latest`) or all (`delete`) of threads."""
        await self._db.write(_pruning(thread_ids, strategy))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `aprune`, for a caller in a thread."""
        self._db.write_sync(_pruning(thread_ids, strategy))

    def get_next_version(self, current: float | str | None, channel: None) -> Any:
        """Return a greater version, random below a count: forks of a thread never share one.

        A thread that began with another saver's text versions goes on with such.
        """
        if isinstance(current, str):
            return f"{int(current.split('.')[0]) + 1:032}.{getrandbits(53) / 2**53:016}"
        count = (int(current or 0) >> _RANDOM_BITS) + 1
        if count > _LARGEST_COUNT:
            return int(current or 0) + 1
        return count << _RANDOM_BITS | getrandbits(_RANDOM_BITS)


_SEPARATE = ("id", "channel_versions", "channel_values")


class _Pages:
    """Where a listing stands."""

    def __init__(
        self, serde: SerializerProtocol, query: CheckpointQuery, limit: int | None
    ) -> None:
        self._reader = CheckpointReader(serde)
        self._query = query
        self._left = limit
        self._after: tuple[str, str, str] | None = None
        self.ended = limit is not None and limit <= 0

    def next(self, connection: sqlite3.Connection) -> Sequence[CheckpointTuple]:
        """Read the next page."""
        size = _PAGE if self._left is None else min(_PAGE, self._left)
        page: Page = self._reader.page(connection, self._query, self._after, size)
        if self._left is not None:
            self._left -= len(page.tuples)
        self._after = page.after
        self.ended = page.after is None or self._left == 0
        return page.tuples


async def channel_values(
    db: SqliteDatabase, thread_id: str, checkpoint_id: str | None = None
) -> dict[str, Any] | None:
    """Return the values of a thread's root channels at a checkpoint, by default the newest.

    None if there is no such checkpoint. Without a graph nothing is known of the schema: channels
    that LangGraph keeps for itself are among them, and delta channels only where they are whole.
    """
    found = await SqliteSaver(db).aget_tuple(
        {"configurable": {"thread_id": thread_id, "checkpoint_id": checkpoint_id}}
    )
    return None if found is None else found.checkpoint["channel_values"]


def _place(config: RunnableConfig) -> Place:
    configurable = config["configurable"]
    return str(configurable["thread_id"]), configurable.get("checkpoint_ns") or ""


def _query(
    config: RunnableConfig | None,
    metadata: dict[str, Any] | None,
    before: RunnableConfig | None,
) -> CheckpointQuery:
    before_id = get_checkpoint_id(before) if before else None
    if config is None:
        return CheckpointQuery(before_id=before_id, metadata=metadata)
    return CheckpointQuery(
        thread_id=str(config["configurable"]["thread_id"]),
        checkpoint_ns=config["configurable"].get("checkpoint_ns"),
        checkpoint_id=get_checkpoint_id(config) or None,
        before_id=before_id,
        metadata=metadata,
    )


def _pruning(thread_ids: Sequence[str], strategy: str) -> _Work[None]:
    works = {"keep_latest": prune_checkpoints, "delete": delete_thread_checkpoints}
    if strategy not in works:
        raise ValueError(f"unknown strategy '{strategy}', expected one of {sorted(works)}")

    def work(connection: sqlite3.Connection) -> None:
        for thread_id in thread_ids:
            works[strategy](connection, thread_id)

    return work


def _is_small(value: Any) -> bool:
    """Tell whether a value is plain and short enough to stand in the checkpoint's row."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) <= _SMALL
    if kind is int:
        return bool(_SMALLEST_INTEGER <= value <= _LARGEST_INTEGER)
    return value is None or kind is bool or kind is float


def _written_by(task_id: str, task_path: str) -> str:
    """Name the node of a task, whose path is `~__pregel_pull, <node>` for most."""
    if not task_id:
        return ""
    node = task_path.rpartition(", ")[2]
    return f", written by node '{node}'," if node else f", written by task {task_id},"


def _nothing(_: sqlite3.Connection) -> None:
    return None
