"""Logs of runs: whoever follows sees each event once, in order, to the end."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lgserve.core.errors import LgserveError
from lgserve.core.models import EMPTY_OBJECT, Run, RunResult
from lgserve.core.ports import Follower, RunLog, RunStreams
from tests.conformance.brokers.backends import OpenStreams
from tests.conformance.rows import LEASE, frame
from tests.conformance.storages import Tables

RESULT = RunResult(body=EMPTY_OBJECT, status="success")
MEGABYTE = 1024 * 1024
BOTH = pytest.mark.parametrize("resumable", [False, True])


@pytest.fixture
async def streams(open_streams: OpenStreams) -> RunStreams:
    return open_streams()


async def running(tables: Tables, *, resumable: bool) -> Run:
    return await tables.run(await tables.thread(), "me", resumable=resumable)


def append(log: RunLog, first: int, last: int) -> None:
    for n in range(first, last + 1):
        log.append("custom", frame(n))


async def end(tables: Tables, streams: RunStreams, run: Run) -> None:
    """End a run as the engine does: the row first, then its log."""
    await tables.finish(run)
    await streams.close(run.run_id, RESULT)


async def read(follower: Follower, most: int | None = None) -> list[int]:
    """Read to the end, or until there are `most` events; check that they are what was appended."""
    found: list[int] = []
    async with asyncio.timeout(10):
        async for batch in follower:
            assert all(event.name == "custom" for event in batch)
            assert [event.frame for event in batch] == [frame(event.seq) for event in batch]
            found += [event.seq for event in batch]
            if most is not None and len(found) >= most:
                break
    return found


def upto(last: int, first: int = 1) -> list[int]:
    return list(range(first, last + 1))


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


@pytest.mark.usefixtures("kept_bytes")
async def test_a_slow_reader_of_a_run_that_is_not_resumable_is_cut_off_and_nobody_else(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=False)
    log = streams.open(run)
    slow, quick = log.subscribe(0), log.subscribe(0)
    async with asyncio.timeout(10):
        assert await outrun(log, 48, quick) == upto(48)
    assert tracemalloc.get_traced_memory()[0] < 24 * MEGABYTE
    with pytest.raises(LgserveError, match="too slow"):
        await numbers(slow)
    slow.close()
    append(log, 49, 50)
    await end(tables, streams, run)

    assert await read(quick) == [49, 50]


@pytest.mark.usefixtures("kept_bytes")
async def test_a_slow_reader_of_a_resumable_run_reads_on_from_the_database(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=True)
    log = streams.open(run)
    slow, slower = log.subscribe(0), log.subscribe(0)
    async with asyncio.timeout(10):
        await outrun(log, 48, log.subscribe(0))
    assert tracemalloc.get_traced_memory()[0] < 24 * MEGABYTE
    reading = asyncio.ensure_future(numbers(slow))
    log.append("custom", frame(49))
    await end(tables, streams, run)

    async with asyncio.timeout(10):
        assert await reading == await numbers(slower) == upto(49)


async def test_a_slow_reader_whose_run_was_deleted_is_told_that_events_are_missing(
    tables: Tables, streams: RunStreams
) -> None:
    run = await tables.run(await tables.thread(), "me", resumable=True, temporary=True)
    log = streams.open(run)
    slow = log.subscribe(0)
    async with asyncio.timeout(10):
        await outrun(log, 48, log.subscribe(0))
    await end(tables, streams, run)

    with pytest.raises(LgserveError):
        await numbers(slow)


async def numbers(follower: Follower) -> list[int]:
    """Read to the end without keeping what is read."""
    return [event.seq async for batch in follower for event in batch]


@BOTH
async def test_a_follower_that_begins_to_read_after_the_end_still_gets_all(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    follower = log.subscribe(0)
    append(log, 1, 30)
    await end(tables, streams, run)

    assert await read(follower) == upto(30)


@BOTH
async def test_the_end_comes_after_the_last_event_and_with_the_result(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    order: list[str] = []

    async def follow() -> None:
        order.extend(str(seq) for seq in await read(log.subscribe(0)))
        order.append("end")

    following = asyncio.ensure_future(follow())
    append(log, 1, 3)
    assert not log.result.done()
    await end(tables, streams, run)
    assert log.result.result() == RESULT
    await following

    assert order == ["1", "2", "3", "end"]


@BOTH
async def test_what_is_said_after_the_end_is_not_heard(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    log = streams.open(run)
    follower = log.subscribe(0)
    append(log, 1, 3)
    await end(tables, streams, run)
    append(log, 4, 5)
    await log.flush()

    assert await read(follower) == upto(3)
    assert [event.seq for event in await tables.events_after(run)] == (upto(3) if resumable else [])


async def test_closing_the_log_of_a_run_that_was_never_opened_does_nothing(
    tables: Tables, streams: RunStreams
) -> None:
    await streams.close((await running(tables, resumable=True)).run_id, RESULT)


@BOTH
async def test_the_log_of_a_run_that_has_ended_is_read_as_far_as_it_was_kept(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    run = await running(tables, resumable=resumable)
    append(streams.open(run), 1, 600)
    await end(tables, streams, run)
    places = (0, 599, 600, 2**62, None)
    rest = [await read(await streams.follow(run, after)) for after in places]

    assert rest == ([upto(600), [600], [], [], []] if resumable else [[]] * 5)


async def test_the_log_of_a_run_that_is_gone_is_empty(tables: Tables, streams: RunStreams) -> None:
    run = await running(tables, resumable=True)
    await tables.storage.write(lambda tx: tx.threads.delete(run.thread_id))

    assert await read(await streams.follow(run, 0)) == []
    assert await streams.wait(run) is None


async def test_one_run_has_one_log_and_another_run_another(
    tables: Tables, streams: RunStreams
) -> None:
    one, other = [await running(tables, resumable=False) for _ in range(2)]
    assert streams.open(one) is streams.open(one)
    follower = streams.open(other).subscribe(0)
    append(streams.open(one), 1, 3)
    append(streams.open(other), 1, 2)
    for run in (one, other):
        await end(tables, streams, run)

    assert await read(follower) == upto(2)


async def test_all_who_wait_get_the_result_when_the_run_ends(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=False)
    # One waits before this process has begun the log.
    waiting = [asyncio.ensure_future(streams.wait(run)) for _ in range(2)]
    leaving = asyncio.ensure_future(streams.wait(run))
    await asyncio.sleep(0)
    streams.open(run)
    leaving.cancel()
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    await end(tables, streams, run)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [RESULT, RESULT]

    assert leaving.cancelled()
    assert await streams.wait(run) is None


async def test_a_pending_run_is_followed_and_waited_for_until_it_has_run(
    tables: Tables, streams: RunStreams
) -> None:
    pending = await tables.run(await tables.thread(), resumable=True)
    follower = await streams.follow(pending, 0)
    waiting = asyncio.ensure_future(streams.wait(pending))
    await asyncio.sleep(0)
    (run,) = await tables.runs(lambda runs: runs.claim("me", 1))
    log = await streams.resume(run)
    append(log, 1, 3)
    await end(tables, streams, run)

    assert await read(follower) == upto(3)
    assert follower.epoch == run.epoch > 0
    assert await waiting == RESULT


async def lost_and_claimed_again(tables: Tables, run: Run) -> Run:
    tables.clock.advance(LEASE * 2)
    await tables.runs(lambda runs: runs.requeue_expired(3))
    (again,) = await tables.runs(lambda runs: runs.claim("me", 1))
    assert (again.run_id, again.resumed) == (run.run_id, True)
    return again


async def test_a_second_attempt_numbers_on_and_is_read_as_one_log(
    tables: Tables, open_streams: OpenStreams
) -> None:
    run = await running(tables, resumable=True)
    log = open_streams().open(run)
    append(log, 1, 5)
    await log.flush()
    streams = open_streams()
    early = await streams.follow(run, 2)
    early_from_now = await streams.follow(run, None)
    again = await lost_and_claimed_again(tables, run)
    log = await streams.resume(again)
    followers = [log.subscribe(0), await streams.follow(again, 5), log.subscribe(None)]
    append(log, 6, 9)
    await end(tables, streams, again)

    assert [await read(one) for one in followers] == [upto(9), *[upto(9, first=6)] * 2]
    assert [await read(early), await read(early_from_now)] == [upto(9, 3), upto(9, first=6)]
    assert await read(await streams.follow(again, 0)) == upto(9)


async def test_a_second_attempt_in_the_same_process_numbers_on(
    tables: Tables, streams: RunStreams
) -> None:
    run = await running(tables, resumable=True)
    log = streams.open(run)
    follower = log.subscribe(0)
    append(log, 1, 5)
    await log.flush()
    log = await streams.resume(await lost_and_claimed_again(tables, run))
    append(log, 6, 9)
    await end(tables, streams, run)

    assert await read(follower) == upto(9)


async def test_a_second_attempt_of_a_run_that_is_not_resumable_begins_anew(
    tables: Tables, open_streams: OpenStreams
) -> None:
    run = await running(tables, resumable=False)
    log = open_streams().open(run)
    append(log, 1, 5)
    await log.flush()
    streams = open_streams()
    log = await streams.resume(await lost_and_claimed_again(tables, run))
    follower = log.subscribe(0)
    append(log, 1, 3)
    await end(tables, streams, run)

    assert await read(follower) == upto(3)


async def test_a_first_attempt_begins_with_one(tables: Tables, streams: RunStreams) -> None:
    run = await running(tables, resumable=True)
    log = await streams.resume(replace(run, resumed=False))
    follower = log.subscribe(0)
    append(log, 1, 3)
    await end(tables, streams, run)

    assert await read(follower) == upto(3)
