"""Checkpoints out of a saver, and into one: how threads move between servers.

All goes through the saver's own methods, so that it does not matter whether values are sealed, or
kept by a saver of the project's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lgserve.core.errors import InvalidRequestError
from lgserve.core.moving import Blob, MovedCheckpoint
from lgserve.storage.checkpoints import SqliteSaver
from lgserve.storage.sealed_saver import SealedSaver
from lgserve.storage.serializer import SERIALIZER
from lgserve.storage.trusted_types import check_blob

if TYPE_CHECKING:
    from langgraph.checkpoint.base import CheckpointTuple

    from lgserve.core.ciphers import Cipher
    from lgserve.core.ports import Checkpointers
    from lgserve.storage.checkpoint_rows import Change
    from lgserve.storage.database import SqliteDatabase

#: What stands beside a checkpoint's data.
_BESIDE = ("channel_values", "channel_versions")
#: After so many checkpoints, others have their turn on the loop.
_AT_ONCE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Put:
    """A checkpoint as a saver is given it."""

    config: Any
    checkpoint: Any
    metadata: Any
    new_versions: dict[str, Any]
    #: Task, its path, what it wrote.
    writes: Sequence[tuple[str, str, list[tuple[str, Any]]]]


class CheckpointMover:
    """See `lgserve.core.ports.ThreadMover`."""

    def __init__(
        self, checkpointers: Checkpointers, database: SqliteDatabase, cipher: Cipher | None = None
    ) -> None:
        self._checkpointers = checkpointers
        self._database = database
        self._cipher = cipher

    @property
    def elsewhere(self) -> bool:
        """Whether checkpoints are kept by a saver of the project's own."""
        return self._checkpointers.elsewhere

    async def read(self, thread_id: str) -> list[MovedCheckpoint]:
        """Return all checkpoints of a thread, oldest first."""
        saver = self._checkpointers.shared()
        config = {"configurable": {"thread_id": thread_id}}
        # Only of the server's own saver it is known that a version has one value.
        encoder = _Encoder(by_version=not self.elsewhere)
        found = []
        async for each in saver.alist(config):
            found.append(encoder.moved(each))
            if len(found) % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return sorted(found, key=lambda each: (each.checkpoint_id, each.namespace))

    async def load(self, thread_id: str, moved: Sequence[MovedCheckpoint]) -> Any:
        """Decode checkpoints that came from elsewhere."""
        decoder = _Decoder(thread_id)
        puts = []
        for each in sorted(moved, key=lambda each: (each.checkpoint_id, each.namespace)):
            puts.append(decoder.put(each))
            if len(puts) % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return puts

    async def rows(self, loaded: Any) -> Any:
        """Return what `Threads.fill` stores of decoded checkpoints."""
        collecting = _Collecting(self._database)
        saver = collecting if self._cipher is None else SealedSaver(collecting, self._cipher)
        await _store(saver, loaded)
        return collecting.changes

    async def store(self, loaded: Any) -> None:
        """Give decoded checkpoints to the project's own saver."""
        await _store(self._checkpointers.shared(), loaded)


async def _store(saver: Any, puts: Sequence[_Put]) -> None:
    for number, put in enumerate(puts):
        made = await saver.aput(put.config, put.checkpoint, put.metadata, put.new_versions)
        for task_id, path, writes in put.writes:
            await saver.aput_writes(made, writes, task_id, path)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


class _Collecting(SqliteSaver):
    """Keeps what it would store: all of it goes into one transaction."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database, serde=SERIALIZER)
        self.changes: list[Change] = []

    def _posted(self, change: Change) -> bool:
        self.changes.append(change)
        return True


class _Encoder:
    """Encodes each value once."""

    def __init__(self, *, by_version: bool) -> None:
        self._by_version = by_version
        self._known: dict[Any, Blob] = {}

    def moved(self, found: CheckpointTuple) -> MovedCheckpoint:
        """Return a checkpoint in the form in which it travels."""
        place = found.config["configurable"]
        namespace = place.get("checkpoint_ns", "")
        checkpoint: Any = found.checkpoint
        versions = checkpoint["channel_versions"]
        parent = (found.parent_config or {}).get("configurable", {}).get("checkpoint_id")
        return MovedCheckpoint(
            namespace=namespace,
            checkpoint_id=checkpoint["id"],
            parent_id=parent,
            metadata=dict(found.metadata),
            versions=versions,
            data=SERIALIZER.dumps_typed({k: v for k, v in checkpoint.items() if k not in _BESIDE}),
            values={
                name: self._value(value, (namespace, name, versions.get(name)))
                for name, value in checkpoint["channel_values"].items()
            },
            writes=[
                (task_id, channel, SERIALIZER.dumps_typed(value))
                for task_id, channel, value in found.pending_writes or ()
            ],
        )

    def _value(self, value: Any, key: tuple[str, str, Any]) -> Blob:
        if not self._by_version or key[2] is None:
            blob = SERIALIZER.dumps_typed(value)
            return self._known.setdefault(blob, blob)
        if key not in self._known:
            self._known[key] = SERIALIZER.dumps_typed(value)
        return self._known[key]


class _Decoder:
    """Decodes what a client sent; remembers which versions have their value."""

    def __init__(self, thread_id: str) -> None:
        self._thread_id = thread_id
        self._stored: set[tuple[str, str, Any]] = set()
        self._decoded: dict[int, Any] = {}

    def put(self, moved: MovedCheckpoint) -> _Put:
        """Return a checkpoint as a saver takes it.

        Raises:
            InvalidRequestError: something in it is none.
        """
        where = f"checkpoint {moved.checkpoint_id}"
        checkpoint = self._checkpoint(moved, where)
        new = {
            name: version
            for name, version in moved.versions.items()
            if (moved.namespace, name, version) not in self._stored
        }
        self._stored.update((moved.namespace, name, version) for name, version in new.items())
        place = {"thread_id": self._thread_id, "checkpoint_ns": moved.namespace}
        return _Put(
            config={"configurable": {**place, "checkpoint_id": moved.parent_id}},
            checkpoint=checkpoint,
            metadata=dict(moved.metadata),
            new_versions=new,
            writes=self._writes(moved, where),
        )

    def _checkpoint(self, moved: MovedCheckpoint, where: str) -> dict[str, Any]:
        data = _decoded(moved.data, where)
        if not _is_checkpoint(data):
            raise InvalidRequestError(f"{where}: its data is no checkpoint")
        values = {name: self._value(blob, where) for name, blob in moved.values.items()}
        beside = {"id": moved.checkpoint_id, "channel_versions": dict(moved.versions)}
        return {"v": 4, "ts": "", **data, **beside, "channel_values": values}

    def _value(self, blob: Blob, where: str) -> Any:
        if id(blob) not in self._decoded:
            self._decoded[id(blob)] = _decoded(blob, where)
        return self._decoded[id(blob)]

    def _writes(
        self, moved: MovedCheckpoint, where: str
    ) -> list[tuple[str, str, list[tuple[str, Any]]]]:
        """Return the writes by task; the path keeps the order in which tasks count."""
        by_task: dict[str, list[tuple[str, Any]]] = {}
        for task_id, channel, blob in moved.writes:
            by_task.setdefault(task_id, []).append((channel, _decoded(blob, where)))
        return [
            (task_id, f"~moved, {number:06}", writes)
            for number, (task_id, writes) in enumerate(by_task.items())
        ]


def _is_checkpoint(data: Any) -> bool:
    """Tell whether this is what LangGraph reads as a checkpoint, values left out."""
    if not isinstance(data, dict) or not isinstance(data.get("ts", ""), str):
        return False
    seen = data.get("versions_seen")
    return isinstance(seen, dict) and all(isinstance(each, dict) for each in seen.values())


def _decoded(blob: Blob, where: str) -> Any:
    check_blob(*blob, where)
    try:
        return SERIALIZER.loads_typed(blob)
    except Exception as exc:  # noqa: BLE001 - types of the project's own may refuse in any way
        raise InvalidRequestError(f"{where}: a value is broken: {exc}") from None
