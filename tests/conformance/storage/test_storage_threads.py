"""Threads: kept, changed, and deleted to the last row."""

from dataclasses import replace
from typing import Any

import pytest

from lgserve import jsonio
from lgserve.core.models import EMPTY_OBJECT, EVERYTHING, Json, Thread
from lgserve.core.vocabulary import ThreadStatus
from tests.conformance.rows import thread_at
from tests.conformance.storages import Tables


async def find(tables: Tables, thread_id: str, **scope: Any) -> Thread | None:
    return await tables.storage.read(lambda tx: tx.threads.find(thread_id, scope))


async def test_a_thread_is_found_as_it_was_stored(tables: Tables) -> None:
    thread = Thread(
        thread_id="t",
        created_at="2026-01-01T00:00:00.000001+00:00",
        updated_at="2026-01-01T00:00:00.000002+00:00",
        state_updated_at="2026-01-01T00:00:00.000003+00:00",
        metadata=Json('{"name":"Ä\U0001f600"}'.encode()),
        status="interrupted",
        config=Json(b'{"tags":["t"]}'),
        values=Json(b'{"big":123456789012345678901234567890}'),
        interrupts=Json(b'{"task":[]}'),
        error=Json(b'{"error":"E"}'),
    )

    assert await tables.storage.write(lambda tx: tx.threads.insert(thread))
    assert await find(tables, "t") == thread
    assert await find(tables, "other") is None


async def test_an_id_that_is_taken_changes_nothing(tables: Tables) -> None:
    thread = thread_at(tables.clock.iso, {"first": True})
    other = replace(thread, metadata=Json(b'{"first":false}'), status="error")
    inserted = [
        await tables.storage.write(lambda tx, one=one: tx.threads.insert(one))  # type: ignore[misc]
        for one in (thread, other)
    ]

    assert inserted == [True, False]
    assert await find(tables, thread.thread_id) == thread


async def test_names_that_become_one_on_the_wire_are_no_reason_to_refuse_a_thread(
    tables: Tables,
) -> None:
    # NUL is stored as U+FFFD, so that both members have the same name.
    thread = thread_at(tables.clock.iso, {"a\0": "x", "a\N{REPLACEMENT CHARACTER}": "x"})

    assert await tables.storage.write(lambda tx: tx.threads.insert(thread))
    assert await find(tables, thread.thread_id) == thread


async def test_a_thread_is_found_in_its_scope_only(tables: Tables) -> None:
    thread_id = await tables.thread(metadata=Json(b'{"owner":"ann","team":{"id":1,"x":2}}'))

    assert await find(tables, thread_id, owner="ann") is not None
    assert await find(tables, thread_id, owner="ann", team={"id": 1}) is not None
    assert await find(tables, thread_id, owner="bob") is None
    assert await find(tables, thread_id, owner="ann", other=1) is None


async def test_new_metadata_replaces_the_old_and_moves_updated_at(tables: Tables) -> None:
    thread_id = await tables.thread(metadata=Json(b'{"old":"x"}'), values=Json(b'{"v":1}'))
    before = await tables.found_thread(thread_id)
    now = tables.clock.advance()
    await tables.storage.write(
        lambda tx: tx.threads.set_metadata(thread_id, Json(b'{"new":"y"}'), now)
    )

    assert await find(tables, thread_id) == replace(
        before, metadata=Json(b'{"new":"y"}'), updated_at=now
    )


@pytest.mark.parametrize(
    ("has_next", "error", "expected"),
    [
        (False, None, "idle"),
        (True, None, "interrupted"),
        (True, Json(b'{"error":"E"}'), "error"),
        (False, Json(b'{"error":"E"}'), "error"),
    ],
)
async def test_a_state_set_outside_of_runs_is_where_the_thread_stands(
    tables: Tables, has_next: bool, error: Json | None, expected: ThreadStatus
) -> None:
    thread_id = await tables.thread()
    before = await tables.found_thread(thread_id)
    now = tables.clock.advance()
    values, interrupts = Json(b'{"v":1}'), Json(b'{"t":[]}')
    await tables.storage.write(
        lambda tx: tx.threads.settle(
            thread_id,
            has_next=has_next,
            values=values,
            interrupts=interrupts,
            error=error,
            now=now,
        )
    )

    assert await find(tables, thread_id) == replace(
        before,
        status=expected,
        values=values,
        interrupts=interrupts,
        error=error,
        updated_at=now,
        state_updated_at=now,
    )


async def test_a_state_set_while_a_run_waits_leaves_the_thread_busy_until_that_ends(
    tables: Tables,
) -> None:
    run = await tables.run(await tables.thread())
    await tables.storage.write(
        lambda tx: tx.threads.settle(
            run.thread_id, has_next=True, values=None, interrupts=None, error=None, now="now"
        )
    )
    assert await tables.thread_status(run.thread_id) == "busy"
    await tables.cancel(run)

    assert await tables.thread_status(run.thread_id) == "interrupted"


async def test_a_state_too_large_for_a_row_is_to_be_read_from_the_checkpoint(
    tables: Tables,
) -> None:
    thread_id = await tables.thread()
    large = jsonio.dumps({"text": "x" * 1_000_000})
    await tables.storage.write(
        lambda tx: tx.threads.settle(
            thread_id, has_next=False, values=large, interrupts=None, error=None, now="now"
        )
    )
    thread = await tables.found_thread(thread_id)

    assert (thread.values, thread.values_in_state) == (None, True)


async def test_a_checkpoint_is_known_by_thread_namespace_and_id(tables: Tables) -> None:
    run = await tables.run(await tables.thread(), "me")
    checkpoint_id = await tables.checkpoint(run)

    async def known(thread_id: str, namespace: str, checkpoint_id: str) -> bool:
        return await tables.storage.read(
            lambda tx: tx.threads.has_checkpoint(thread_id, namespace, checkpoint_id)
        )

    assert await known(run.thread_id, "", checkpoint_id)
    assert not await known(run.thread_id, "child:1", checkpoint_id)
    assert not await known(run.thread_id, "", "no such checkpoint")
    assert not await known(await tables.thread(), "", checkpoint_id)


async def full_thread(tables: Tables, **metadata: Any) -> str:
    """Return a thread that has rows of every kind: ended, running and pending runs, and theirs."""
    thread_id = await tables.thread(metadata=jsonio.dumps(metadata), values=Json(b'{"v":1}'))
    ended = await tables.run(thread_id, "me", resumable=True)
    await tables.checkpoint(ended)
    await tables.append(ended, 1, 5)
    await tables.finish(ended, values=Json(b'{"v":2}'), interrupts=EMPTY_OBJECT)
    going_on = await tables.run(thread_id, "me", resumable=True)
    await tables.checkpoint(going_on)
    await tables.append(going_on, 1, 5)
    await tables.run(thread_id)
    return thread_id


async def test_a_full_thread_has_rows_in_every_table_of_threads(tables: Tables) -> None:
    before = await tables.count_rows()
    await full_thread(tables, user="ann")
    after = await tables.count_rows()
    grown = {name for name, total in after.items() if total > before[name]}

    # The next test is worth something only if it deletes from all of these.
    assert grown >= {"threads", "runs", "run_events", "checkpoints", "checkpoint_writes"}


@pytest.mark.requirement("THREAD-006")
async def test_a_deleted_thread_leaves_not_one_row_in_any_table(tables: Tables) -> None:
    other = await full_thread(tables, user="ann")
    stood = await tables.found_thread(other)
    before = await tables.count_rows()
    thread_id = await full_thread(tables, user="bob")
    await tables.storage.write(lambda tx: tx.threads.delete(thread_id))

    assert await tables.count_rows() == before
    assert await find(tables, thread_id) is None
    assert await find(tables, other) == stood
    assert await tables.storage.read(lambda tx: len(tx.runs.in_flight(other))) == 2


async def test_deleting_a_thread_that_does_not_exist_does_nothing(tables: Tables) -> None:
    await full_thread(tables)
    before = await tables.count_rows()
    await tables.storage.write(lambda tx: tx.threads.delete("no such thread"))

    assert await tables.count_rows() == before


async def test_a_scope_of_nothing_sees_everything(tables: Tables) -> None:
    thread_id = await tables.thread(metadata=Json(b'{"owner":"ann"}'))

    assert await find(tables, thread_id, **EVERYTHING) is not None
