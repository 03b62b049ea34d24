"""A checkpointer and a store of the project's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

savers: list[InMemorySaver] = []
stores: list[InMemoryStore] = []


@asynccontextmanager
async def memory() -> AsyncIterator[InMemorySaver]:
    savers.append(InMemorySaver())
    yield savers[-1]
    Path(__file__).with_name("saver-closed").write_text("yes")


class Sparse(BaseCheckpointSaver[str]):
    """A saver with nothing but what every saver must have."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = InMemorySaver()

    def get_next_version(self, current: Any, channel: None) -> Any:
        return self.inner.get_next_version(current, channel)

    async def aget_tuple(self, config: Any) -> Any:
        return await self.inner.aget_tuple(config)

    async def alist(self, config: Any, *, filter: Any = None, before: Any = None, limit: Any = None) -> Any:
        async for found in self.inner.alist(config, filter=filter, before=before, limit=limit):
            yield found

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        return await self.inner.aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        await self.inner.aput_writes(config, writes, task_id, task_path)


def sparse() -> Sparse:
    saver = Sparse()
    savers.append(saver.inner)
    return saver


class Failing(InMemorySaver):
    async def aput(self, *arguments: Any) -> Any:
        raise ConnectionError("the saver's database is down")


failing = Failing()


@asynccontextmanager
async def store() -> AsyncIterator[InMemoryStore]:
    stores.append(InMemoryStore())
    yield stores[-1]


@asynccontextmanager
async def cannot() -> AsyncIterator[InMemorySaver]:
    raise ConnectionError("no database here")
    yield


def wrong() -> str:
    return "text"
