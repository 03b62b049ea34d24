"""Where the conformance tests keep rows: one entry a backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint

from lgserve.core.models import EVERYTHING, Run, Settlement, StreamEvent, Thread
from lgserve.core.ports import Runs, Storage, Transaction
from lgserve.core.vocabulary import CancelAction
from lgserve.storage.checkpoints import SqliteSaver
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.saver_scope import SaverScope
from lgserve.storage.sqlite import SqliteStorage
from tests.clocks import ManualClock
from tests.conformance.rows import LEASE, events, run_on, thread_at

T = TypeVar("T")

#: A value that has a row of its own, and one that stands in its checkpoint's.
CHANNELS = {"large": ["x" * 3000], "small": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """One backend on a database of its own, and the steps most tests begin with."""

    storage: Storage
    clock: ManualClock
    #: A saver on the same database that works for a run.
    saver_for: Callable[[str], BaseCheckpointSaver[Any]]
    #: How many rows each table of the database holds.
    count_rows: Callable[[], Awaitable[dict[str, int]]]

    async def runs(self, work: Callable[[Runs], T]) -> T:
        """Do something to the run table."""
        return await self.storage.write(lambda tx: work(tx.runs))

    async def thread(self, **members: Any) -> str:
        """Store a thread and return its id."""
        thread = thread_at(self.clock.advance(), **members)
        assert await self.storage.write(lambda tx: tx.threads.insert(thread))
        return thread.thread_id

    async def run(self, thread_id: str, owner: str | None = None, **members: Any) -> Run:
        """Store a run, with an `owner` claimed if it can be."""
        run = run_on(thread_id, self.clock.advance(), **members)

        def work(tx: Transaction) -> Run:
            thread = tx.threads.find(thread_id, EVERYTHING)
            assert thread is not None
            return tx.runs.insert(run, config=thread.config, metadata=thread.metadata, owner=owner)

        return await self.storage.write(work)

    async def claim(self, owner: str = "me", limit: int = 100) -> list[str]:
        """Claim runs and return their ids."""
        return [run.run_id for run in await self.runs(lambda runs: runs.claim(owner, limit))]

    async def finish(self, run: Run, owner: str = "me", **end: Any) -> Run | None:
        """End a run, successfully unless told otherwise."""
        settlement = Settlement(**{"status": "success", "has_next": False, **end})
        return await self.runs(lambda runs: runs.finish(run.run_id, owner, settlement))

    async def cancel(self, run: Run, action: CancelAction = "interrupt") -> Run | None:
        """Ask a run to stop, for the reason `why`."""
        return await self.runs(lambda runs: runs.request_cancel(run.run_id, action, "why"))

    async def found_run(self, run_id: str) -> Run | None:
        """Return a run as it is stored."""
        return await self.storage.read(lambda tx: tx.runs.find(run_id, EVERYTHING))

    async def status(self, run: Run) -> str | None:
        """Return a run's stored status; None if it is gone."""
        found = await self.found_run(run.run_id)
        return None if found is None else found.status

    async def found_thread(self, thread_id: str) -> Thread:
        """Return a thread as it is stored."""
        found = await self.storage.read(lambda tx: tx.threads.find(thread_id, EVERYTHING))
        assert found is not None
        return found

    async def thread_status(self, thread_id: str) -> str:
        """Return a thread's stored status."""
        return (await self.found_thread(thread_id)).status

    async def append(self, run: Run, first: int, last: int) -> None:
        """Store events of a run."""
        await self.storage.write(
            lambda tx: tx.events.append(run.run_id, events(first, last), self.clock.iso)
        )

    async def events_after(self, run: Run, seq: int = 0, limit: int = 1000) -> list[StreamEvent]:
        """Return a run's stored events."""
        return await self.storage.read(lambda tx: tx.events.after(run.run_id, seq, limit))

    async def checkpoint(self, run: Run, values: Mapping[str, Any] = CHANNELS) -> str:
        """Have a run store a checkpoint, and a write to it; return its id."""
        saver = self.saver_for(run.run_id)
        config: RunnableConfig = {"configurable": {"thread_id": run.thread_id, "checkpoint_ns": ""}}
        versions: dict[str, str | int | float] = dict.fromkeys(values, "1")
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = dict(values)
        checkpoint["channel_versions"] = versions
        put = await saver.aput(config, checkpoint, {"source": "loop", "step": 0}, versions)
        await saver.aput_writes(put, [("large", ["y" * 3000])], "task")
        return str(put["configurable"]["checkpoint_id"])


def pause(tx: Transaction) -> None:
    """Be a unit of work that does nothing."""


@asynccontextmanager
async def _sqlite(clock: ManualClock) -> AsyncIterator[Tables]:
    db = SqliteDatabase(None)
    db.open()

    async def count_rows() -> dict[str, int]:
        def count(c: Any) -> dict[str, int]:
            names = c.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            sql = "SELECT count(*) FROM {}"
            return {name: c.execute(sql.format(name)).fetchone()[0] for (name,) in names}

        return await db.write(count)

    try:
        yield Tables(
            storage=SqliteStorage(db, clock, LEASE),
            clock=clock,
            saver_for=lambda run_id: SqliteSaver(db, scope=SaverScope(run_id=run_id, wait=True)),
            count_rows=count_rows,
        )
    finally:
        db.close()


OpenTables = Callable[[ManualClock], AbstractAsyncContextManager[Tables]]
STORAGES: dict[str, OpenTables] = {"sqlite": _sqlite}


def on_tables(open_tables: OpenTables, scenario: Callable[[Tables], Awaitable[None]]) -> None:
    """Run an example on a database of its own."""

    async def run() -> None:
        async with open_tables(ManualClock()) as tables, asyncio.timeout(20):
            await scenario(tables)

    asyncio.run(run())
