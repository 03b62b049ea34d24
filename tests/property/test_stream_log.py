"""A run's log: whoever reconnects anywhere gets exactly the rest, once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgserve.brokers.local import LocalRunStreams
from lgserve.core.clock import SystemClock, to_iso
from lgserve.core.ids import new_id
from lgserve.core.models import EMPTY_OBJECT, Run, RunResult, Settlement, StreamEvent
from lgserve.core.ports import Follower
from lgserve.engine.tasks import TaskSet
from lgserve.services.threads import new_thread
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage

RESULT = RunResult(body=EMPTY_OBJECT, status="success")


@asynccontextmanager
async def streams_in(folder: Path) -> AsyncIterator[tuple[SqliteStorage, LocalRunStreams]]:
    """Open the database in a folder, and logs over it."""
    clock = SystemClock()
    database = SqliteDatabase(folder)
    database.open()
    tasks = TaskSet()
    storage = SqliteStorage(database, clock, timedelta(seconds=30))
    try:
        yield storage, LocalRunStreams(storage, clock, tasks.spawn)
    finally:
        await tasks.stop()
        database.close()


async def running_run(storage: SqliteStorage, *, resumable: bool) -> Run:
    now = to_iso(SystemClock().now())
    thread = new_thread(new_id(), {}, now)
    run = Run(
        run_id=new_id(),
        thread_id=thread.thread_id,
        assistant_id=new_id(),
        graph_id="g",
        status="pending",
        metadata=EMPTY_OBJECT,
        kwargs=EMPTY_OBJECT,
        multitask_strategy="enqueue",
        created_at=now,
        updated_at=now,
        due_at=now,
        attempt=0,
        epoch=0,
        resumable=resumable,
    )
    await storage.write(lambda tx: tx.threads.insert(thread))
    return await storage.write(
        lambda tx: tx.runs.insert(run, config=EMPTY_OBJECT, metadata=EMPTY_OBJECT, owner="me")
    )


async def read(follower: Follower, most: int | None = None) -> list[StreamEvent]:
    """Read to the end, or leave after the batch that holds the `most`-th event."""
    found: list[StreamEvent] = []
    try:
        async with asyncio.timeout(10):
            async for batch in follower:
                found.extend(batch)
                if most is not None and len(found) >= most:
                    break
    finally:
        follower.close()
    return found


def frame(n: int) -> tuple[str, bytes]:
    return "custom", b'event: custom\r\ndata: {"n":%d}\r\n' % n


def numbers(events: Sequence[StreamEvent]) -> list[int]:
    return [event.seq for event in events]


@pytest.mark.requirement("STREAM-018")
@settings(max_examples=25, deadline=None)
@given(
    bursts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    leave_at=st.integers(0, 60),
    restart=st.booleans(),
)
def test_a_reader_that_reconnects_anywhere_misses_nothing(
    bursts: list[int], leave_at: int, restart: bool
) -> None:
    async def scenario(folder: Path) -> None:
        total = sum(bursts)
        async with streams_in(folder) as (storage, streams):
            run = await running_run(storage, resumable=True)
            log = streams.open(run)
            first = streams.open(run).subscribe(0)
            reading = asyncio.ensure_future(read(first, most=leave_at))
            n = 0
            for burst in bursts:
                for _ in range(burst):
                    n += 1
                    log.append(*frame(n))
                await asyncio.sleep(0)
            if restart or leave_at > total:
                await log.flush()
                reading.cancel()
                seen: list[StreamEvent] = []
            else:
                seen = await reading
            last = seen[-1].seq if seen else 0
            if not restart:
                rest = asyncio.ensure_future(read(await streams.follow(run, last)))
                await asyncio.sleep(0)
                await finish(storage, run)
                await streams.close(run.run_id, RESULT)
                assert numbers(seen) + numbers(await rest) == list(range(1, total + 1))
                replay = await read(await streams.follow(run, last))
                assert numbers(replay) == list(range(last + 1, total + 1))
        if restart:
            async with streams_in(folder) as (storage, streams):
                again = replace(run, resumed=True, attempt=2)
                log = await streams.resume(again)
                follower = log.subscribe(0)
                log.append(*frame(total + 1))
                await finish(storage, run)
                await streams.close(run.run_id, RESULT)
                events = await read(follower)
                assert numbers(events) == list(range(1, total + 2))
                assert events[total].frame == frame(total + 1)[1]

    with TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))


async def finish(storage: SqliteStorage, run: Run) -> None:
    await storage.write(lambda tx: tx.runs.finish(run.run_id, "me", Settlement(status="success")))


async def test_a_log_nobody_follows_keeps_nothing_and_encodes_nothing(tmp_path: Path) -> None:
    async with streams_in(tmp_path) as (storage, streams):
        run = await running_run(storage, resumable=False)
        log = streams.open(run)
        assert not log.wanted
        follower = log.subscribe(None)
        assert log.wanted
        follower.close()
        assert not log.wanted


async def test_a_run_that_ended_is_waited_for_by_nobody(tmp_path: Path) -> None:
    async with streams_in(tmp_path) as (storage, streams):
        run = await running_run(storage, resumable=False)
        await finish(storage, run)
        assert await streams.wait(run) is None
        assert await read(await streams.follow(run, 0)) == []


async def test_waiters_get_the_result_when_the_log_closes(tmp_path: Path) -> None:
    async with streams_in(tmp_path) as (storage, streams):
        run = await running_run(storage, resumable=False)
        waiting = asyncio.ensure_future(streams.wait(run))
        await asyncio.sleep(0)
        streams.open(run)
        await finish(storage, run)
        await streams.close(run.run_id, RESULT)
        async with asyncio.timeout(5):
            assert await waiting == RESULT
