"""A saver whose values are sealed before another saver stores them.

Each value of a channel, and each write, becomes a list of bytes that only the cipher can open (a
list, because short bytes would stand in the checkpoint's row). What LangGraph needs to find its way
(versions, ids, metadata) stays readable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from lgserve.core.errors import StorageError
from lgserve.storage.checkpoint_encoding import is_small
from lgserve.storage.saver_delegate import Delegate
from lgserve.storage.seals import SEALED
from lgserve.storage.serializer import SERIALIZER

if TYPE_CHECKING:
    from lgserve.core.ciphers import Cipher

_MODEL, _FIELD = "checkpoint", "values"


def pack(value: Any) -> bytes:
    """Return a value with the kind of its encoding."""
    kind, data = SERIALIZER.dumps_typed(value)
    return kind.encode() + b"\x00" + data


def unpack(data: bytes) -> Any:
    """Return the value again."""
    kind, _, rest = data.partition(b"\x00")
    return SERIALIZER.loads_typed((kind.decode(), rest))


def _sealed_in(value: Any) -> bytes | None:
    """Return what a stored value holds if it is a sealed one: a list of nothing else."""
    if isinstance(value, list) and len(value) == 1:
        (inside,) = value
        if isinstance(inside, bytes) and inside.startswith(SEALED):
            return inside[len(SEALED) :]
    return None


def _to_seal(checkpoint: Mapping[str, Any], new_versions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the versions whose values are stored: new ones, and those that would stand in the row.

    The latter may be stored already; they are from before encryption otherwise.
    """
    versions = checkpoint["channel_versions"]
    return {
        name: versions[name]
        for name, value in checkpoint["channel_values"].items()
        if name in versions and (name in new_versions or is_small(value))
    }


def opened_values(cipher: Cipher | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's values, for a reader in a thread that may wait."""
    return {name: _opened(cipher, value) for name, value in values.items()}


def _opened(cipher: Cipher | None, value: Any) -> Any:
    sealed = _sealed_in(value)
    if sealed is None:
        return value
    if cipher is None:
        raise StorageError("A checkpoint is encrypted, and there is no key")
    return unpack(cipher.open(_MODEL, _FIELD, sealed))


class SealedSaver(Delegate):
    """Seals what goes in, opens what comes out; on the user loop, or in a thread."""

    def __init__(
        self,
        inner: BaseCheckpointSaver[Any],
        cipher: Cipher,
        look: Callable[[CheckpointTuple], CheckpointTuple] | None = None,
    ) -> None:
        super().__init__(inner)
        self._cipher = cipher
        self._look = look

    # ------------------------------------------------------------ on the user loop

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Store a checkpoint."""
        versions = _to_seal(checkpoint, new_versions)
        user = _user_of(config)
        sealed = await asyncio.gather(
            *(self._aseal(checkpoint["channel_values"][name], user) for name in versions)
        )
        values = {**checkpoint["channel_values"], **dict(zip(versions, sealed, strict=True))}
        changed: Any = {**checkpoint, "channel_values": values}
        return await self._inner.aput(config, changed, metadata, {**versions, **new_versions})

    async def aput_writes(
        self, config: Any, writes: Any, task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote."""
        user = _user_of(config)
        sealed = [(channel, await self._aseal(value, user)) for channel, value in writes]
        await self._inner.aput_writes(config, sealed, task_id, task_path)

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        """Return a checkpoint."""
        found = await self._inner.aget_tuple(config)
        return None if found is None else await self._aopened(found)

    async def alist(self, config: Any, **arguments: Any) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints."""
        async for found in self._inner.alist(config, **arguments):
            opened = await self._aopened(found)
            yield opened if self._look is None else self._look(opened)

    async def aget_delta_channel_history(self, **arguments: Any) -> Any:
        """Return what channels are made of."""
        found = await self._inner.aget_delta_channel_history(**arguments)
        return {name: await self._aopened_history(history) for name, history in found.items()}

    async def _aopened_history(self, history: Mapping[str, Any]) -> dict[str, Any]:
        opened = {**history, "writes": await self._aopened_writes(history["writes"])}
        if "seed" in history:
            opened["seed"] = await self._aopen(history["seed"])
        return opened

    async def _aopened(self, found: CheckpointTuple) -> CheckpointTuple:
        values = found.checkpoint["channel_values"]
        opened = {name: await self._aopen(value) for name, value in values.items()}
        return _with(found, opened, await self._aopened_writes(found.pending_writes or []))

    async def _aopened_writes(self, writes: Iterable[Any]) -> list[Any]:
        return [(task, channel, await self._aopen(value)) for task, channel, value in writes]

    async def _aseal(self, value: Any, user: Any) -> list[bytes]:
        return [SEALED + await self._cipher.aseal(_MODEL, _FIELD, pack(value), user)]

    async def _aopen(self, value: Any) -> Any:
        sealed = _sealed_in(value)
        if sealed is None:
            return value
        return unpack(await self._cipher.aopen(_MODEL, _FIELD, sealed))

    # ------------------------------------------------------------ in a thread

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Store a checkpoint."""
        versions = _to_seal(checkpoint, new_versions)
        values = {
            name: self._seal(value) if name in versions else value
            for name, value in checkpoint["channel_values"].items()
        }
        changed: Any = {**checkpoint, "channel_values": values}
        return self._inner.put(config, changed, metadata, {**versions, **new_versions})

    def put_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote."""
        sealed = [(channel, self._seal(value)) for channel, value in writes]
        self._inner.put_writes(config, sealed, task_id, task_path)

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        """Return a checkpoint."""
        found = self._inner.get_tuple(config)
        return None if found is None else self._opened_tuple(found)

    def list(self, config: Any, **arguments: Any) -> Iterator[CheckpointTuple]:
        """List checkpoints."""
        for found in self._inner.list(config, **arguments):
            yield self._opened_tuple(found)

    def get_delta_channel_history(self, **arguments: Any) -> Any:
        """Return what channels are made of."""
        found = self._inner.get_delta_channel_history(**arguments)
        return {name: self._opened_history(history) for name, history in found.items()}

    def _opened_history(self, history: Mapping[str, Any]) -> dict[str, Any]:
        opened = {**history, "writes": self._opened_writes(history["writes"])}
        if "seed" in history:
            opened["seed"] = _opened(self._cipher, history["seed"])
        return opened

    def _opened_tuple(self, found: CheckpointTuple) -> CheckpointTuple:
        values = opened_values(self._cipher, found.checkpoint["channel_values"])
        return _with(found, values, self._opened_writes(found.pending_writes or []))

    def _opened_writes(self, writes: Iterable[Any]) -> Any:
        return [(task, name, _opened(self._cipher, value)) for task, name, value in writes]

    def _seal(self, value: Any) -> Sequence[bytes]:
        return [SEALED + self._cipher.seal(_MODEL, _FIELD, pack(value))]


def _with(found: CheckpointTuple, values: Mapping[str, Any], writes: Any) -> CheckpointTuple:
    checkpoint: Any = {**found.checkpoint, "channel_values": dict(values)}
    return found._replace(checkpoint=checkpoint, pending_writes=writes)


def _user_of(config: Mapping[str, Any]) -> Any:
    return config.get("configurable", {}).get("langgraph_auth_user")
