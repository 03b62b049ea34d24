"""Logs of runs: whoever follows sees each event once, in order, and pays for being slow."""

import asyncio
import tracemalloc
from collections.abc import Iterator

import pytest

from lgserve.core.errors import LgserveError
from lgserve.core.ports import Follower, RunLog, RunStreams
from tests.conformance.brokers.steps import BOTH, append, end, read, running, upto
from tests.conformance.rows import frame
from tests.conformance.storages import Tables

MEGABYTE = 1024 * 1024


@BOTH
async def test_a_follower_sees_each_event_once_in_order_to_the_end(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    reading = [asyncio.ensure_future(read(log.subscribe(0))) for _ in range(3)]
    for n in range(0, 100, 4):
        append(log, n + 1, n + 4)
        await asyncio.sleep(0)
    await end(tables, streams, run)

    assert await asyncio.gather(*reading) == [upto(100)] * 3


@BOTH
async def test_events_from_another_thread_arrive_in_the_order_of_their_making(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    reading = asyncio.ensure_future(read(log.subscribe(0)))
    await asyncio.to_thread(append, log, 1, 2000)
    await end(tables, streams, run)

    assert await reading == upto(2000)


@BOTH
async def test_a_follower_from_now_on_sees_what_comes_and_not_what_was(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    append(log, 1, 5)
    await log.flush()
    now = log.subscribe(None)
    also_now = await streams.follow(run, None)
    append(log, 6, 9)
    await end(tables, streams, run)

    assert await read(now) == await read(also_now) == upto(9, first=6)


@BOTH
async def test_a_follower_from_a_place_sees_what_is_behind_it(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    keeper = log.subscribe(0)
    append(log, 1, 5)
    await log.flush()
    behind = [log.subscribe(3), await streams.follow(run, 3), log.subscribe(0)]
    append(log, 6, 9)
    await end(tables, streams, run)

    assert [await read(follower) for follower in behind] == [*[upto(9, first=4)] * 2, upto(9)]
    assert await read(keeper) == upto(9)


async def test_a_follower_of_a_resumable_run_may_be_ahead_of_it(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=True)
    log = streams.open(run)
    ahead, beyond = await streams.follow(run, 7), await streams.follow(run, 2**62)
    append(log, 1, 9)
    await end(tables, streams, run)

    assert (await read(ahead), await read(beyond)) == ([8, 9], [])


async def test_a_follower_of_events_that_are_no_longer_there_gets_those_that_come(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=False)
    log = streams.open(run)
    append(log, 1, 5)
    await log.flush()
    late = log.subscribe(0)
    append(log, 6, 9)
    await end(tables, streams, run)

    assert await read(late) == upto(9, first=6)


async def test_a_log_wants_events_while_someone_reads(tables: Tables, streams: RunStreams) -> None:
    log = streams.open(await running(tables, resumable=False))
    wanted = [log.wanted]
    one, other = log.subscribe(None), log.subscribe(0)
    wanted.append(log.wanted)
    one.close()
    wanted.append(log.wanted)
    other.close()
    wanted.append(log.wanted)

    assert wanted == [False, True, True, False]


async def test_the_log_of_a_resumable_run_always_wants_events(
    tables: Tables, streams: RunStreams
) -> None:
    log = streams.open(await running(tables, resumable=True))
    wanted = [log.wanted]
    log.subscribe(None).close()

    assert [*wanted, log.wanted] == [True, True]


async def test_a_follower_that_leaves_takes_nothing_from_the_others(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=False)
    log = streams.open(run)
    staying, leaving = log.subscribe(0), log.subscribe(0)
    append(log, 1, 5)
    assert await read(leaving, most=5) == upto(5)
    leaving.close()
    append(log, 6, 9)
    await end(tables, streams, run)

    assert await read(staying) == upto(9)


@BOTH
async def test_a_reader_that_is_cancelled_can_read_on(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    follower = log.subscribe(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(follower.__anext__(), 0.001)
    append(log, 1, 3)
    await end(tables, streams, run)

    assert await read(follower) == upto(3)


async def test_flushed_events_of_a_resumable_run_are_durable(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=True)
    log = streams.open(run)
    await log.flush()
    append(log, 1, 50)
    await log.flush()

    assert [event.seq for event in await tables.events_after(run)] == upto(50)


async def test_events_of_a_resumable_run_are_shown_once_they_are_durable(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=True)
    log = streams.open(run)
    follower = log.subscribe(0)
    seen = 0
    for n in range(0, 60, 3):
        append(log, n + 1, n + 3)
        async with asyncio.timeout(5):
            seen = (await follower.__anext__())[-1].seq
        stored = await tables.storage.lookup(lambda tx: tx.events.last_seq(run.run_id))
        assert stored >= seen

    assert seen == 60


async def test_events_of_other_runs_are_in_no_database(tables: Tables, streams: RunStreams) -> None:
    run = await running(tables, resumable=False)
    log = streams.open(run)
    log.subscribe(0)
    append(log, 1, 50)
    await log.flush()

    assert await tables.events_after(run) == []


@pytest.fixture
def kept_bytes() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def outrun(log: RunLog, megabytes: int, quick: Follower) -> list[int]:
    """Append far more than a log may keep for those who do not read; return what `quick` read."""
    seen: list[int] = []
    for n in range(1, megabytes + 1):
        log.append("custom", frame(n, MEGABYTE))
        await log.flush()
        seen += [event.seq for event in await quick.__anext__()]
    return seen


@pytest.mark.requirement("STREAM-023")
@pytest.mark.usefixtures("kept_bytes")
async def test_a_slow_reader_of_a_run_that_is_not_resumable_is_cut_off_and_nobody_else(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=False)
    log = streams.open(run)
    slow, quick = log.subscribe(0), log.subscribe(0)
    async with asyncio.timeout(10):
        assert await outrun(log, 64, quick) == upto(64)
    assert tracemalloc.get_traced_memory()[0] < 40 * MEGABYTE
    with pytest.raises(LgserveError, match="too slow"):
        await numbers(slow)
    slow.close()
    append(log, 65, 66)
    await end(tables, streams, run)

    assert await read(quick) == [65, 66]


@pytest.mark.requirement("STREAM-023")
@pytest.mark.usefixtures("kept_bytes")
async def test_a_slow_reader_of_a_resumable_run_reads_on_from_the_database(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=True)
    log = streams.open(run)
    slow, slower = log.subscribe(0), log.subscribe(0)
    async with asyncio.timeout(10):
        await outrun(log, 64, log.subscribe(0))
    assert tracemalloc.get_traced_memory()[0] < 40 * MEGABYTE
    reading = asyncio.ensure_future(numbers(slow))
    log.append("custom", frame(65))
    await end(tables, streams, run)

    async with asyncio.timeout(10):
        assert await reading == await numbers(slower) == upto(65)


async def test_a_slow_reader_whose_run_was_deleted_is_told_that_events_are_missing(
    tables: Tables, streams: RunStreams
) -> None:
    run = await tables.run(await tables.thread(), "me", resumable=True, temporary=True)
    log = streams.open(run)
    slow = log.subscribe(0)
    async with asyncio.timeout(10):
        await outrun(log, 64, log.subscribe(0))
    await end(tables, streams, run)

    with pytest.raises(LgserveError):
        await numbers(slow)


async def numbers(follower: Follower) -> list[int]:
    """Read to the end without keeping what is read."""
    return [event.seq async for batch in follower for event in batch]
