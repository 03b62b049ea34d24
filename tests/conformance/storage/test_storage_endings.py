"""How runs end: finished, cancelled, rolled back, deleted, and their threads with them."""

from typing import Any

import pytest

from lgserve.core.models import EMPTY_OBJECT, Json, Run, Thread
from lgserve.core.vocabulary import RUN_STATUSES, RunStatus, ThreadStatus
from tests.conformance.rows import LEASE
from tests.conformance.storages import Tables

VALUES = Json(b'{"log":["one"]}')
INTERRUPTS = Json(b'{"task":[{"id":"i","value":1}]}')
ERROR = Json(b'{"error":"ValueError","message":"boom"}')


async def running(tables: Tables, **members: Any) -> Run:
    """Return a running run on a thread of its own."""
    run = await tables.run(await tables.thread(), "me", **members)
    assert run.status == "running"
    return run


async def settled(tables: Tables, **end: Any) -> str:
    """Return a thread that a run has left as told."""
    run = await running(tables)
    await tables.finish(run, **end)
    return run.thread_id


#: Ways in which a first run can leave a thread, by the status they give it.
ENDS: dict[ThreadStatus, dict[str, Any]] = {
    "idle": {"values": VALUES, "interrupts": EMPTY_OBJECT},
    "interrupted": {"values": VALUES, "interrupts": INTERRUPTS, "has_next": True},
    "error": {"status": "error", "values": VALUES, "interrupts": EMPTY_OBJECT, "error": ERROR},
}


def standing(thread: Thread) -> tuple[Any, ...]:
    """Return what a run that came to nothing must leave alone."""
    return thread.status, thread.values, thread.interrupts, thread.error, thread.values_in_state


@pytest.mark.requirement("STATUS-001")
@pytest.mark.parametrize(
    ("status", "has_next", "expected"),
    [
        ("success", False, "idle"),
        ("success", True, "interrupted"),
        ("interrupted", False, "idle"),
        ("interrupted", True, "interrupted"),
        ("error", False, "error"),
        ("error", True, "error"),
        ("timeout", True, "error"),
    ],
)
async def test_a_finished_run_settles_its_thread(
    tables: Tables, status: RunStatus, has_next: bool, expected: ThreadStatus
) -> None:
    run = await running(tables)
    now = tables.clock.advance()
    error = ERROR if expected == "error" else None
    ended = await tables.finish(
        run,
        status=status,
        has_next=has_next,
        values=VALUES,
        interrupts=INTERRUPTS,
        error=error,
        checkpoint_id="c",
    )
    thread = await tables.found_thread(run.thread_id)

    assert ended is not None
    assert ended == await tables.found_run(run.run_id)
    assert (ended.status, ended.error, ended.checkpoint_id, ended.updated_at) == (
        status,
        error,
        "c",
        now,
    )
    assert standing(thread) == (expected, VALUES, INTERRUPTS, error, False)
    assert thread.updated_at == thread.state_updated_at == now


@pytest.mark.parametrize("before", sorted(ENDS))
async def test_a_run_that_came_to_nothing_leaves_its_thread_as_it_stood(
    tables: Tables, before: ThreadStatus
) -> None:
    thread_id = await settled(tables, **ENDS[before])
    stood = await tables.found_thread(thread_id)
    run = await tables.run(thread_id, "me")
    assert await tables.thread_status(thread_id) == "busy"
    await tables.finish(run, status="interrupted", has_next=None)

    assert standing(await tables.found_thread(thread_id)) == standing(stood)


@pytest.mark.parametrize(
    ("given", "kept"), [("values", "interrupts"), ("interrupts", "values"), (None, None)]
)
async def test_what_a_settlement_does_not_give_stays_as_it_is(
    tables: Tables, given: str | None, kept: str | None
) -> None:
    thread_id = await settled(tables, **ENDS["interrupted"])
    new: dict[str, Any] = {} if given is None else {given: Json(b'{"new":[]}')}
    await tables.finish(await tables.run(thread_id, "me"), has_next=True, **new)
    thread = await tables.found_thread(thread_id)

    expected = {"values": VALUES, "interrupts": INTERRUPTS, **new}
    assert {"values": thread.values, "interrupts": thread.interrupts} == expected


async def test_a_good_run_clears_the_error_of_the_one_before(tables: Tables) -> None:
    thread_id = await settled(tables, **ENDS["error"])
    await tables.finish(await tables.run(thread_id, "me"), values=VALUES, interrupts=EMPTY_OBJECT)

    assert standing(await tables.found_thread(thread_id)) == (
        "idle",
        VALUES,
        EMPTY_OBJECT,
        None,
        False,
    )


@pytest.mark.requirement("STATUS-001")
async def test_a_thread_stays_busy_while_another_run_waits(tables: Tables) -> None:
    run = await running(tables)
    waiting = await tables.run(run.thread_id)
    await tables.finish(run, **ENDS["interrupted"])

    assert await tables.thread_status(run.thread_id) == "busy"
    await tables.cancel(waiting)
    assert await tables.thread_status(run.thread_id) == "interrupted"


async def test_values_too_large_for_a_row_are_to_be_read_from_the_state(tables: Tables) -> None:
    large = Json(b'{"log":["%s"]}' % (b"x" * 1_000_000))
    thread_id = await settled(tables, values=large, interrupts=EMPTY_OBJECT)
    thread = await tables.found_thread(thread_id)
    assert (thread.values, thread.values_in_state) == (None, True)
    await tables.finish(await tables.run(thread_id, "me"), values=VALUES, interrupts=EMPTY_OBJECT)
    thread = await tables.found_thread(thread_id)

    assert (thread.values, thread.values_in_state) == (VALUES, False)


async def test_only_the_holder_of_the_lease_may_finish_a_run(tables: Tables) -> None:
    run = await running(tables)
    before = await tables.found_thread(run.thread_id)
    assert await tables.finish(run, "another", **ENDS["idle"]) is None
    tables.clock.advance(LEASE * 2)
    await tables.runs(lambda runs: runs.requeue_expired(3))
    assert await tables.finish(run, "me", **ENDS["idle"]) is None
    assert await tables.claim("another") == [run.run_id]
    assert await tables.finish(run, "me", **ENDS["idle"]) is None

    assert await tables.status(run) == "running"
    assert await tables.found_thread(run.thread_id) == before
    assert await tables.finish(run, "another", **ENDS["idle"]) is not None


async def test_a_run_is_finished_once(tables: Tables) -> None:
    run = await running(tables)
    await tables.finish(run, **ENDS["idle"])
    assert await tables.finish(run, **ENDS["error"]) is None

    assert await tables.status(run) == "success"
    assert await tables.thread_status(run.thread_id) == "idle"


@pytest.mark.parametrize(
    "end", [*ENDS.values(), {"rollback": True}, {"status": "interrupted", "has_next": None}]
)
async def test_a_temporary_run_leaves_nothing_however_it_ends(
    tables: Tables, end: dict[str, Any]
) -> None:
    before = await tables.count_rows()
    run = await running(tables, temporary=True, resumable=True)
    await tables.checkpoint(run)
    await tables.append(run, 1, 3)
    ended = await tables.finish(run, **end)

    assert ended is not None
    assert ended.status == end.get("status", "success")
    assert await tables.count_rows() == before


async def test_a_temporary_run_that_never_started_leaves_nothing(tables: Tables) -> None:
    before = await tables.count_rows()
    run = await tables.run(await tables.thread(), temporary=True)
    ended = await tables.cancel(run)

    assert ended is not None
    assert ended.status == "interrupted"
    assert await tables.count_rows() == before


@pytest.mark.parametrize("before", sorted(ENDS))
async def test_a_run_that_is_rolled_back_goes_with_its_checkpoints_and_its_thread_keeps_all_else(
    tables: Tables, before: ThreadStatus
) -> None:
    run = await running(tables)
    kept_checkpoint = await tables.checkpoint(run)
    await tables.finish(run, **ENDS[before])
    rows = await tables.count_rows()
    stood = await tables.found_thread(run.thread_id)
    second = await tables.run(run.thread_id, "me", resumable=True)
    dropped_checkpoint = await tables.checkpoint(second)
    await tables.append(second, 1, 3)
    ended = await tables.finish(
        second, status="interrupted", rollback=True, values=Json(b"{}"), interrupts=Json(b"{}")
    )

    assert ended is not None
    assert ended.status == "interrupted"
    assert await tables.found_run(second.run_id) is None
    assert standing(await tables.found_thread(run.thread_id)) == standing(stood)
    assert await tables.count_rows() == rows
    assert await has_checkpoints(tables, run, kept_checkpoint, dropped_checkpoint) == [True, False]


async def has_checkpoints(tables: Tables, run: Run, *ids: str) -> list[bool]:
    return await tables.storage.read(
        lambda tx: [tx.threads.has_checkpoint(run.thread_id, "", one) for one in ids]
    )


@pytest.mark.parametrize("before", sorted(ENDS))
async def test_a_cancelled_pending_run_ends_at_once_and_its_thread_stands_where_it_stood(
    tables: Tables, before: ThreadStatus
) -> None:
    thread_id = await settled(tables, **ENDS[before])
    stood = await tables.found_thread(thread_id)
    run = await tables.run(thread_id)
    ended = await tables.cancel(run)

    assert ended is not None
    assert ended == await tables.found_run(run.run_id)
    assert (ended.status, ended.cancel_action, ended.cancel_reason) == (
        "interrupted",
        "interrupt",
        "why",
    )
    assert standing(await tables.found_thread(thread_id)) == standing(stood)
    assert await tables.claim() == []


async def test_a_pending_run_that_is_rolled_back_is_gone(tables: Tables) -> None:
    thread_id = await settled(tables, **ENDS["interrupted"])
    rows = await tables.count_rows()
    run = await tables.run(thread_id)
    await tables.cancel(run, "rollback")

    assert await tables.status(run) is None
    assert await tables.count_rows() == rows
    assert await tables.thread_status(thread_id) == "interrupted"


async def test_a_cancel_of_a_running_run_is_a_wish_until_its_owner_ends_it(
    tables: Tables,
) -> None:
    run = await running(tables)
    asked = await tables.cancel(run)
    stored = await tables.found_run(run.run_id)

    assert asked == stored
    assert stored is not None
    assert (stored.status, stored.cancel_action, stored.cancel_reason) == (
        "running",
        "interrupt",
        "why",
    )
    assert await tables.thread_status(run.thread_id) == "busy"
    assert await tables.finish(run) is not None
    assert await tables.status(run) == "success"


async def test_a_run_that_is_to_be_rolled_back_is_gone_however_it_ends(tables: Tables) -> None:
    thread_id = await settled(tables, **ENDS["interrupted"])
    rows = await tables.count_rows()
    stood = await tables.found_thread(thread_id)
    run = await tables.run(thread_id, "me")
    await tables.checkpoint(run)
    await tables.cancel(run, "rollback")
    assert await tables.finish(run, **ENDS["idle"]) is not None

    assert await tables.status(run) is None
    assert await tables.count_rows() == rows
    assert standing(await tables.found_thread(thread_id)) == standing(stood)


async def test_a_run_that_is_not_active_cannot_be_cancelled(tables: Tables) -> None:
    run = await running(tables)
    await tables.finish(run)

    assert await tables.cancel(run) is None
    found = await tables.found_run(run.run_id)
    assert found is not None
    assert found.cancel_action is None
    assert await tables.runs(lambda runs: runs.request_cancel("none", "interrupt", None)) is None


async def test_a_deleted_run_takes_its_events_and_checkpoints_with_it(tables: Tables) -> None:
    first = await running(tables, resumable=True)
    kept = await tables.checkpoint(first)
    await tables.append(first, 1, 3)
    await tables.finish(first)
    rows = await tables.count_rows()
    second = await tables.run(first.thread_id, "me", resumable=True)
    dropped = await tables.checkpoint(second)
    await tables.append(second, 1, 3)
    await tables.finish(second)
    await tables.runs(lambda runs: runs.delete(second.run_id))

    assert await tables.count_rows() == rows
    assert await has_checkpoints(tables, first, kept, dropped) == [True, False]
    assert await tables.status(first) == "success"
    assert len(await tables.events_after(first)) == 3


async def test_runs_are_counted_by_status(tables: Tables) -> None:
    expected = dict.fromkeys(RUN_STATUSES, 0)
    assert await tables.runs(lambda runs: dict(runs.counts())) == expected
    for status in ("success", "success", "error", "timeout", "interrupted"):
        await settled(tables, status=status)
    run = await running(tables)
    await tables.run(run.thread_id)
    await tables.finish(await running(tables, temporary=True))

    assert await tables.runs(lambda runs: dict(runs.counts())) == {
        "pending": 1,
        "running": 1,
        "success": 2,
        "error": 1,
        "timeout": 1,
        "interrupted": 1,
    }
