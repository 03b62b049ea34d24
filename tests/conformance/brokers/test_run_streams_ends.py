"""Logs of runs: how they end, who is told, and how a second attempt goes on."""

import asyncio
from dataclasses import replace

from lgserve.core.models import Run
from lgserve.core.ports import RunStreams
from tests.conformance.brokers.backends import OpenStreams
from tests.conformance.brokers.steps import BOTH, RESULT, append, end, read, running, upto
from tests.conformance.rows import LEASE, frame
from tests.conformance.storages import Tables


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


async def test_a_second_attempt_of_a_run_that_is_not_resumable_shows_its_own_events_only(
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

    found = [event async for batch in follower for event in batch]
    assert [event.frame for event in found] == [frame(n) for n in upto(3)]
    assert [event.seq for event in found] == upto(found[-1].seq, first=found[0].seq)


async def test_a_first_attempt_begins_with_one(tables: Tables, streams: RunStreams) -> None:
    run = await running(tables, resumable=True)
    log = await streams.resume(replace(run, resumed=False))
    follower = log.subscribe(0)
    append(log, 1, 3)
    await end(tables, streams, run)

    assert await read(follower) == upto(3)
