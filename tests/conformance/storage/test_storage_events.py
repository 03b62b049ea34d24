"""Stored logs of runs: segments in, events out."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgserve.core.models import EVENTS_OF_RUN, Run, StreamEvent, ThreadPosition
from tests.conformance.rows import events
from tests.conformance.storages import OpenTables, Tables, on_tables


async def resumable(tables: Tables, **members: Any) -> Run:
    return await tables.run(await tables.thread(), "me", resumable=True, **members)


async def last_seq(tables: Tables, run: Run) -> int:
    return await tables.storage.read(lambda tx: tx.events.last_seq(run.run_id))


async def store(tables: Tables, run: Run, segment: list[StreamEvent]) -> None:
    await tables.storage.write(lambda tx: tx.events.append(run.run_id, segment, tables.clock.iso))


async def delete_before(tables: Tables, moment: str) -> int:
    return await tables.storage.write(lambda tx: tx.events.delete_before(moment))


async def test_events_come_back_as_they_were_stored(tables: Tables) -> None:
    run = await resumable(tables)
    stored = [
        StreamEvent(seq=1, name="metadata", frame=b"event: metadata\r\ndata: {}\r\n"),
        StreamEvent(seq=2, name="a|b:c", frame='event: a|b:c\r\ndata: "Ä😀"\r\n'.encode()),
        StreamEvent(seq=3, name="end", frame=b'event: end\r\ndata: "a\\r\\n\\r\\nb"\r\n'),
    ]
    await store(tables, run, stored)
    await tables.append(run, 4, 4)

    assert await tables.events_after(run) == [*stored, *events(4, 4)]


async def test_a_log_without_events_is_empty(tables: Tables) -> None:
    run = await resumable(tables)
    await store(tables, run, [])

    assert await tables.events_after(run) == []
    assert await last_seq(tables, run) == 0


async def test_logs_of_runs_are_apart(tables: Tables) -> None:
    one, other = await resumable(tables), await resumable(tables)
    await tables.append(one, 1, 2)
    await tables.append(other, 1, 3)

    assert [len(await tables.events_after(run)) for run in (one, other)] == [2, 3]
    assert [await last_seq(tables, run) for run in (one, other)] == [2, 3]


async def test_events_of_a_run_that_is_gone_are_dropped(tables: Tables) -> None:
    run = await resumable(tables)
    await tables.storage.write(lambda tx: tx.threads.delete(run.thread_id))
    rows = await tables.count_rows()
    await tables.append(run, 1, 3)

    assert await tables.count_rows() == rows
    assert await tables.events_after(run) == []


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 20), max_size=8),
    limit=st.integers(1, 30),
    after=st.integers(0, 100),
)
def test_reading_on_from_any_place_gives_the_rest_once_in_order(
    open_tables: OpenTables, sizes: list[int], limit: int, after: int
) -> None:
    total = sum(sizes)

    async def scenario(tables: Tables) -> None:
        run = await resumable(tables)
        first = 1
        for size in sizes:
            await tables.append(run, first, first + size - 1)
            first += size
        assert await last_seq(tables, run) == total
        found: list[StreamEvent] = []
        position = after
        while batch := await tables.events_after(run, position, limit):
            # "About" as many: no fewer while there are more, and not much more than a segment.
            assert len(batch) >= min(limit, total - position)
            assert len(batch) < limit + 20
            found += batch
            position = batch[-1].seq
        assert found == events(after + 1, total)

    on_tables(open_tables, scenario)


@pytest.mark.parametrize("status", ["success", "error", "interrupted", "timeout"])
async def test_logs_go_once_their_runs_have_ended_before_the_moment(
    tables: Tables, status: str
) -> None:
    old, recent, active = [await resumable(tables) for _ in range(3)]
    for run in (old, recent, active):
        await tables.append(run, 1, 2)
        await tables.append(run, 3, 4)
    await tables.finish(old, status=status)
    moment = tables.clock.advance(timedelta(hours=1))
    await tables.finish(recent, status=status)

    assert await delete_before(tables, moment) == 2
    assert await delete_before(tables, moment) == 0
    left = [len(await tables.events_after(run)) for run in (old, recent, active)]
    assert left == [0, 4, 4]
    assert await tables.status(old) == status


async def test_each_run_of_a_thread_has_numbers_above_those_of_the_runs_before(
    tables: Tables,
) -> None:
    thread_id = await tables.thread()
    first = await tables.run(thread_id, "me", resumable=True)
    await tables.append(first, 1, 3)
    during = await last_number(tables, thread_id)
    await tables.finish(first)
    after = await last_number(tables, thread_id)
    second = await tables.run(thread_id, "me", resumable=True)

    base = await base_of(tables, second)
    assert await base_of(tables, first) == 0
    assert during == 3
    assert base == after == EVENTS_OF_RUN
    assert await base_of(tables, await tables.run(await tables.thread(), "me")) == 0


async def test_a_run_that_was_not_claimed_has_no_numbers_yet(tables: Tables) -> None:
    thread_id = await tables.thread()
    waiting = await tables.run(thread_id)

    assert await base_of(tables, waiting) is None
    assert await last_number(tables, thread_id) == 0
    assert await last_number(tables, "no-such-thread") == 0


async def test_numbers_are_kept_when_a_run_is_tried_again_and_never_used_twice(
    tables: Tables,
) -> None:
    thread_id = await tables.thread()
    first = await tables.run(thread_id, "me", resumable=True)
    await tables.storage.write(lambda tx: tx.runs.requeue(first.run_id, "me"))
    await tables.claim("you")
    assert await base_of(tables, first) == 0

    await tables.finish(first, "you")
    await tables.storage.write(lambda tx: tx.runs.delete(first.run_id))
    second = await tables.run(thread_id, "me", resumable=True)
    assert await base_of(tables, second) == EVENTS_OF_RUN


async def test_a_number_leads_to_its_run_or_to_the_next_one(tables: Tables) -> None:
    thread_id = await tables.thread()
    first = await tables.run(thread_id, "me", resumable=True)
    await tables.finish(first)
    second = await tables.run(thread_id, "me", resumable=True)

    async def place_of(number: int) -> ThreadPosition:
        return await tables.storage.read(lambda tx: tx.events.place_of(thread_id, number))

    assert await place_of(0) == await place_of(EVENTS_OF_RUN - 1) == (first.epoch, 0)
    assert await place_of(EVENTS_OF_RUN) == (second.epoch, 0)
    assert await place_of(5 * EVENTS_OF_RUN) == (second.epoch + 1, 0)
    await tables.storage.write(lambda tx: tx.runs.delete(first.run_id))
    assert await place_of(0) == (second.epoch, 0)


async def test_what_is_stored_of_a_thread_ends_with_its_last_log(tables: Tables) -> None:
    thread_id = await tables.thread()

    async def stored_end() -> ThreadPosition | None:
        return await tables.storage.read(lambda tx: tx.events.stored_end(thread_id))

    run = await tables.run(thread_id, "me", resumable=True)
    assert await stored_end() is None
    await tables.append(run, 1, 3)
    assert await stored_end() == (run.epoch, 3)
    await tables.finish(run)
    assert await stored_end() == (run.epoch + 1, 0)


async def base_of(tables: Tables, run: Run) -> int | None:
    return await tables.storage.read(lambda tx: tx.events.base(run.run_id))


async def last_number(tables: Tables, thread_id: str) -> int:
    return await tables.storage.read(lambda tx: tx.events.last_number(thread_id))
