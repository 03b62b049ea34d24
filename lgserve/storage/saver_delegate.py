"""A checkpoint saver in front of another one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig


class Delegate(BaseCheckpointSaver[Any]):
    """A saver that has another one do all it does."""

    def __init__(self, inner: BaseCheckpointSaver[Any]) -> None:
        self._inner = inner
        self.serde = inner.serde

    @property
    def config_specs(self) -> list[Any]:
        """What may be configured."""
        return self._inner.config_specs

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the version that follows."""
        return self._inner.get_next_version(current, channel)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return self._inner.get_tuple(config)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return await self._inner.aget_tuple(config)

    def list(self, config: RunnableConfig | None, **arguments: Any) -> Iterator[CheckpointTuple]:
        """List checkpoints."""
        return self._inner.list(config, **arguments)

    async def alist(
        self, config: RunnableConfig | None, **arguments: Any
    ) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints."""
        async for found in self._inner.alist(config, **arguments):
            yield found

    def get_delta_channel_history(self, **arguments: Any) -> Any:
        """Return what channels are made of."""
        return self._inner.get_delta_channel_history(**arguments)

    async def aget_delta_channel_history(self, **arguments: Any) -> dict[str, DeltaChannelHistory]:
        """Return what channels are made of."""
        return dict(await self._inner.aget_delta_channel_history(**arguments))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return self._inner.put(config, checkpoint, metadata, new_versions)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return await self._inner.aput(config, checkpoint, metadata, new_versions)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote."""
        self._inner.put_writes(config, writes, task_id, task_path)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote."""
        await self._inner.aput_writes(config, writes, task_id, task_path)
