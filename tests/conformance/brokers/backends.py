"""What carries runs' events in the conformance tests: one entry a broker."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from lgserve.brokers.local import LocalRunStreams
from lgserve.core.ports import RunStreams
from lgserve.engine.tasks import TaskSet
from tests.conformance.storages import Tables

#: Each call is a process of its own, one after the other.
OpenStreams = Callable[[], RunStreams]


@asynccontextmanager
async def _local(tables: Tables) -> AsyncIterator[OpenStreams]:
    tasks = TaskSet()
    try:
        yield lambda: LocalRunStreams(tables.storage, tables.clock, tasks.spawn)
    finally:
        await tasks.stop()


BROKERS: dict[str, Callable[[Tables], AbstractAsyncContextManager[OpenStreams]]] = {"local": _local}
