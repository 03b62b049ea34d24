"""The log of a thread: run after run, each event once, in order, whoever comes back whenever."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import pytest

from lgserve.core.errors import StorageError, UnavailableError
from lgserve.core.models import Run, ThreadEvent, ThreadPosition
from lgserve.core.ports import RunLog, RunStreams, ThreadFollower
from tests.conformance.brokers.backends import OpenStreams
from tests.conformance.brokers.steps import BOTH, RESULT, append, end
from tests.conformance.rows import LEASE, frame
from tests.conformance.storages import Tables

EVERYTHING = ThreadPosition(0, 0)
MEGABYTE = 1024 * 1024


@asynccontextmanager
async def following(
    streams: RunStreams, thread_id: str, after: ThreadPosition | None = None
) -> AsyncIterator[ThreadFollower]:
    follower = await streams.follow_thread(thread_id, after)
    try:
        yield follower
    finally:
        follower.close()


async def begin(
    tables: Tables, streams: RunStreams, thread_id: str, *, resumable: bool
) -> tuple[Run, RunLog]:
    """Create a run and begin to execute it."""
    run = await tables.run(thread_id, "me", resumable=resumable)
    assert run.status == "running"
    return run, await streams.resume(run)


async def whole_run(
    tables: Tables, streams: RunStreams, thread_id: str, events: int, *, resumable: bool
) -> Run:
    run, log = await begin(tables, streams, thread_id, resumable=resumable)
    append(log, 1, events)
    await end(tables, streams, run)
    return run


async def read_ends(follower: ThreadFollower, ends: int) -> list[ThreadEvent]:
    """Read until so many runs have ended."""
    found: list[ThreadEvent] = []
    async with asyncio.timeout(10):
        while sum(item.kind == "end" for item in found) < ends:
            batch = await follower.__anext__()
            assert batch
            found += batch
    return found


async def read_all(follower: ThreadFollower, least: int = 0) -> list[ThreadEvent]:
    """Read at least so many, and what else there is without waiting for more."""
    found: list[ThreadEvent] = []
    while True:
        try:
            async with asyncio.timeout(10 if len(found) < least else 0.05):
                found += await follower.__anext__()
        except TimeoutError:
            return found


def told(items: Sequence[ThreadEvent]) -> list[str]:
    """Return what was met, a word an item, after checking that it is whole."""
    words: list[str] = []
    for item in items:
        if item.kind == "event":
            assert item.event is not None
            assert item.event.frame == frame(item.event.seq)
            assert item.run is not None
            assert item.position == (item.run.epoch, item.event.seq)
            words.append(str(item.event.seq))
        elif item.kind == "end":
            assert item.run is not None
            assert item.position == (item.run.epoch + 1, 0)
            words.append(f"end {item.status}")
        else:
            words.append(item.kind)
    positions = [item.position for item in items if item.kind in ("event", "end")]
    assert positions == sorted(set(positions), key=lambda place: place or EVERYTHING)
    return words


def run_of(events: int, status: str = "success") -> list[str]:
    return ["begin", *map(str, range(1, events + 1)), f"end {status}"]


@BOTH
async def test_a_follower_meets_runs_as_they_come_one_after_the_other(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        reading = asyncio.ensure_future(read_ends(follower, 3))
        for events in (3, 1, 300):
            await whole_run(tables, streams, thread, events, resumable=resumable)

        assert told(await reading) == [*run_of(3), *run_of(1), *run_of(300)]


@BOTH
async def test_a_run_whose_log_is_stored_after_its_end_is_met(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        reading = asyncio.ensure_future(read_ends(follower, 1))
        run = await tables.run(thread, "me", resumable=resumable)
        await tables.finish(run)
        log = await streams.resume(run)
        await asyncio.sleep(0)  # the follower looks, and finds nothing that it could read
        append(log, 1, 2)
        await streams.close(run.run_id, RESULT)

        assert told(await reading) == run_of(2)


@BOTH
async def test_runs_that_came_and_went_unread_are_all_there_for_a_follower(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        for events in (3, 1, 300):
            await whole_run(tables, streams, thread, events, resumable=resumable)

        assert told(await read_ends(follower, 3)) == [*run_of(3), *run_of(1), *run_of(300)]


@BOTH
async def test_a_run_that_begins_before_the_end_of_the_last_one_is_told_waits_its_turn(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        reading = asyncio.ensure_future(read_ends(follower, 2))
        first, log = await begin(tables, streams, thread, resumable=resumable)
        append(log, 1, 2)
        await log.flush()
        await tables.finish(first)
        second, following_log = await begin(tables, streams, thread, resumable=resumable)
        append(following_log, 1, 5)
        await following_log.flush()
        await asyncio.sleep(0)
        await end(tables, streams, first)
        await end(tables, streams, second)

        assert told(await reading) == [*run_of(2), *run_of(5)]


@pytest.mark.requirement("TSTREAM-004")
async def test_who_comes_back_gets_exactly_the_rest_wherever_they_were_cut(
    tables: Tables, open_streams: OpenStreams
) -> None:
    thread, streams = await tables.thread(), open_streams()
    for events in (4, 2):
        await whole_run(tables, streams, thread, events, resumable=True)
    run, log = await begin(tables, streams, thread, resumable=True)
    append(log, 1, 3)
    await log.flush()
    async with following(streams, thread, EVERYTHING) as follower:
        whole = await read_all(follower, 14)
    assert told(whole) == [*run_of(4), *run_of(2), "begin", "1", "2", "3"]

    for process in (streams, open_streams()):
        for n, item in enumerate(whole):
            if item.kind == "begin":
                continue
            behind = whole[n + 1 :]
            within = item.kind == "event"  # the run is told of anew
            async with following(process, thread, item.position) as follower:
                rest = await read_all(follower, len(behind) + within)
            shown = [place for place in behind if place.kind != "begin"]
            assert [one for one in rest if one.kind != "begin"] == shown
    await end(tables, streams, run)


async def test_a_run_goes_on_after_a_restart_where_its_follower_was_cut(
    tables: Tables, open_streams: OpenStreams
) -> None:
    thread, streams = await tables.thread(), open_streams()
    run, log = await begin(tables, streams, thread, resumable=True)
    append(log, 1, 5)
    await log.flush()

    after = open_streams()
    tables.clock.advance(LEASE * 2)
    await tables.runs(lambda runs: runs.requeue_expired(3))
    async with following(after, thread, ThreadPosition(run.epoch, 2)) as follower:
        before = await read_all(follower, 4)
        (again,) = await tables.runs(lambda runs: runs.claim("me", 1))
        append(await after.resume(again), 6, 7)
        await end(tables, after, again)

        rest = [*before, *await read_ends(follower, 1)]
    assert told(rest) == ["begin", "3", "4", "5", "6", "7", "end success"]


async def test_events_of_a_second_attempt_come_behind_those_of_the_first(
    tables: Tables, open_streams: OpenStreams
) -> None:
    thread, streams = await tables.thread(), open_streams()
    async with following(streams, thread) as follower:
        _, log = await begin(tables, streams, thread, resumable=False)
        log.append("custom", frame(1))
        seen = (await read_all(follower, 2))[-1].position

    after = open_streams()
    tables.clock.moment = tables.clock.moment.fromtimestamp(
        (seen or EVERYTHING).epoch / 1000 + 60, tables.clock.moment.tzinfo
    )
    await tables.runs(lambda runs: runs.requeue_expired(3))
    async with following(after, thread, seen) as follower:
        waiting = asyncio.ensure_future(read_ends(follower, 1))
        await asyncio.sleep(0)
        (again,) = await tables.runs(lambda runs: runs.claim("me", 1))
        (await after.resume(again)).append("custom", frame(1))
        await end(tables, after, again)
        items = await waiting

    assert [item.kind for item in items] == ["begin", "event", "end"]
    assert [item.position > seen for item in items[1:] if item.position and seen] == [True, True]


async def test_a_run_that_was_broken_off_here_goes_on_in_the_same_place(
    tables: Tables, streams: RunStreams
) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        reading = asyncio.ensure_future(read_ends(follower, 1))
        run, log = await begin(tables, streams, thread, resumable=True)
        append(log, 1, 2)
        await log.flush()
        await asyncio.sleep(0)
        await tables.runs(lambda runs: runs.requeue(run.run_id, "me"))
        streams.break_off(run.run_id)
        await asyncio.sleep(0)
        (again,) = await tables.runs(lambda runs: runs.claim("me", 1))
        append(await streams.resume(again), 3, 4)
        await end(tables, streams, again)

        assert told(await reading) == run_of(4)


async def test_runs_nobody_can_read_any_more_are_passed_over(
    tables: Tables, streams: RunStreams
) -> None:
    thread = await tables.thread()
    for resumable in (False, True, False):
        await whole_run(tables, streams, thread, 2, resumable=resumable)
    async with following(streams, thread, EVERYTHING) as follower:
        assert told(await read_all(follower, 4)) == run_of(2)

    tables.clock.advance(LEASE)
    moment = tables.clock.iso
    await tables.storage.write(lambda tx: tx.events.delete_before(moment))
    async with following(streams, thread, EVERYTHING) as follower:
        assert await read_all(follower) == []


async def test_who_was_cut_within_a_run_is_told_its_end(
    tables: Tables, streams: RunStreams
) -> None:
    thread = await tables.thread()
    run = await whole_run(tables, streams, thread, 2, resumable=False)
    async with following(streams, thread, ThreadPosition(run.epoch, 1)) as follower:
        assert told(await read_all(follower, 2)) == ["begin", "end success"]
    async with following(streams, thread, ThreadPosition(run.epoch + 1, 0)) as follower:
        assert await read_all(follower) == []


@BOTH
async def test_a_follower_from_now_on_comes_into_the_middle_of_a_run(
    tables: Tables, streams: RunStreams, resumable: bool
) -> None:
    thread = await tables.thread()
    await whole_run(tables, streams, thread, 2, resumable=True)
    run, log = await begin(tables, streams, thread, resumable=resumable)
    append(log, 1, 4)
    await log.flush()
    beyond = ThreadPosition(run.epoch + 10**6, 3)
    async with following(streams, thread) as now, following(streams, thread, beyond) as also_now:
        append(log, 5, 6)
        await end(tables, streams, run)

        for follower in (now, also_now):
            words = told(await read_ends(follower, 1))
            assert words[-3:] == ["5", "6", "end success"] or not resumable
            assert words[0] == "begin"
            assert words[-1] == "end success"
            assert "4" not in words


async def test_all_who_follow_see_all(tables: Tables, streams: RunStreams) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as one, following(streams, thread) as other:
        run, log = await begin(tables, streams, thread, resumable=False)
        assert log.wanted
        append(log, 1, 2)
        await end(tables, streams, run)
        words = [told(await read_ends(follower, 1)) for follower in (one, other)]
    assert words == [run_of(2), run_of(2)]

    _, log = await begin(tables, streams, thread, resumable=False)
    assert not log.wanted


async def test_runs_of_other_threads_are_not_met(tables: Tables, streams: RunStreams) -> None:
    thread, other = await tables.thread(), await tables.thread()
    async with following(streams, thread, EVERYTHING) as follower:
        await whole_run(tables, streams, other, 2, resumable=True)
        assert await read_all(follower) == []


async def test_a_reader_that_is_cancelled_can_read_on(tables: Tables, streams: RunStreams) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        found: list[ThreadEvent] = []
        run, log = await begin(tables, streams, thread, resumable=False)
        for n in range(1, 4):
            found += await read_all(follower)
            append(log, n, n)
        found += await read_all(follower)
        await end(tables, streams, run)
        found += await read_ends(follower, 1)

        assert told(found) == run_of(3)


async def test_a_run_that_is_rolled_back_ends_as_deleted(
    tables: Tables, streams: RunStreams
) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        reading = asyncio.ensure_future(read_ends(follower, 2))
        run, log = await begin(tables, streams, thread, resumable=True)
        append(log, 1, 2)
        await log.flush()
        await asyncio.sleep(0)
        await tables.finish(run, rollback=True)
        await end(tables, streams, run)
        await whole_run(tables, streams, thread, 1, resumable=True)

        assert told(await reading) == [*run_of(2, "deleted"), *run_of(1)]


async def test_what_the_thread_says_stands_between_its_runs(
    tables: Tables, streams: RunStreams
) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        await whole_run(tables, streams, thread, 2, resumable=True)
        for _ in range(2):
            epoch = await tables.storage.write(lambda tx: tx.threads.advance_epoch(thread))
            streams.tell_thread(thread, epoch, "state_update", frame(1))
        await whole_run(tables, streams, thread, 1, resumable=False)
        items = await read_ends(follower, 2)

    assert [item.kind for item in items] == [
        *("begin", "event", "event", "end"),
        *("state", "state"),
        *("begin", "event", "end"),
    ]
    places = [item.position or EVERYTHING for item in items if item.kind != "begin"]
    assert places == sorted(set(places))
    async with following(streams, thread, places[3]) as follower:
        assert [item.kind for item in await read_all(follower)] == []


async def test_following_ends_with_the_thread(tables: Tables, streams: RunStreams) -> None:
    thread = await tables.thread()
    async with following(streams, thread) as follower:
        reading = asyncio.ensure_future(follower.__anext__())
        await asyncio.sleep(0)
        await tables.storage.write(lambda tx: tx.threads.delete(thread))
        streams.thread_deleted(thread)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(reading, 5)


async def test_a_server_that_stops_sends_its_followers_away(
    tables: Tables, streams: RunStreams
) -> None:
    idle, busy = await tables.thread(), await tables.thread()
    await begin(tables, streams, busy, resumable=True)
    async with following(streams, idle) as one, following(streams, busy) as other:
        assert [item.kind for item in await read_all(other)] == ["begin"]
        reading = [asyncio.ensure_future(follower.__anext__()) for follower in (one, other)]
        await asyncio.sleep(0)
        streams.break_off_all()
        found = await asyncio.wait_for(asyncio.gather(*reading, return_exceptions=True), 5)
    assert [type(each) for each in found] == [UnavailableError, UnavailableError]


async def test_a_slow_reader_costs_bounded_memory_and_is_cut_off(
    tables: Tables, streams: RunStreams
) -> None:
    thread = await tables.thread()
    with measured_memory():
        async with following(streams, thread) as slow:
            await large_runs(tables, streams, thread, 20, resumable=False)
            assert tracemalloc.get_traced_memory()[0] < 48 * MEGABYTE
            with pytest.raises(StorageError, match="too slow"):
                await read_all(slow)


async def test_a_slow_reader_of_resumable_runs_reads_them_from_the_database(
    tables: Tables, streams: RunStreams
) -> None:
    thread = await tables.thread()
    with measured_memory():
        async with following(streams, thread) as slow:
            await large_runs(tables, streams, thread, 12, resumable=True)
            assert tracemalloc.get_traced_memory()[0] < 24 * MEGABYTE
            items = await read_ends(slow, 12)
    assert sum(item.kind == "event" for item in items) == 48


@contextmanager
def measured_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


async def large_runs(
    tables: Tables, streams: RunStreams, thread_id: str, runs: int, *, resumable: bool
) -> None:
    """Carry out runs of four megabytes each."""
    for _ in range(runs):
        run, log = await begin(tables, streams, thread_id, resumable=resumable)
        for n in range(4):
            log.append("custom", frame(n, MEGABYTE))
        await end(tables, streams, run)
