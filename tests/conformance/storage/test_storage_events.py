"""Stored logs of runs: segments in, events out."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgserve.core.models import Run, StreamEvent
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
