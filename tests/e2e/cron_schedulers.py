"""A scheduler without the rest of a server, over the database that others use too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lgserve.brokers.local import LocalRunStreams
from lgserve.core.clock import SystemClock
from lgserve.engine.scheduler import CronScheduler
from lgserve.engine.tasks import TaskSet
from lgserve.services.creating import RunCreator
from lgserve.services.cron_firing import CronFirer
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage
from tests.conformance.rows import LEASE

if TYPE_CHECKING:
    from lgserve.core.models import Run
    from lgserve.core.ports import Graphs, Worker
    from lgserve.services.cancelling import Canceller


class _Idle:
    """A worker without slots: runs wait in the table."""

    def reserve(self) -> str | None:
        return None

    def release(self) -> None:
        raise AssertionError

    def start(self, run: Run) -> None:
        raise AssertionError

    def run_queued(self) -> None:
        pass

    def cancel_requested(self, run: Run) -> None:
        pass


class _Echo:
    def ids(self) -> tuple[str, ...]:
        return ("echo",)


class _NobodyToCancel:
    async def wait(self, runs: object, seconds: float) -> None:
        pass


@asynccontextmanager
async def scheduler_on(data: Path) -> AsyncIterator[CronScheduler]:
    """Open a database and yield a scheduler on it."""
    database, tasks, clock = SqliteDatabase(data), TaskSet(), SystemClock()
    database.open()
    storage = SqliteStorage(database, clock, LEASE)
    creator = RunCreator(
        storage=storage,
        streams=LocalRunStreams(storage, clock, tasks.spawn),
        worker=cast("Worker", _Idle()),
        graphs=cast("Graphs", _Echo()),
        clock=clock,
        canceller=cast("Canceller", _NobodyToCancel()),
    )
    firer = CronFirer(
        storage=storage,
        creator=creator,
        clock=clock,
        is_system=lambda _: True,
        authenticator=None,
    )
    try:
        yield CronScheduler(storage=storage, firer=firer, clock=clock)
    finally:
        await tasks.stop()
        database.close()
