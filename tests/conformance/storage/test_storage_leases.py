"""Claims end: leases expire, runs are given back, and lost ones are tried again or given up."""

from datetime import timedelta

import pytest

from lgserve import jsonio
from lgserve.core.models import Run
from lgserve.core.vocabulary import CancelAction
from tests.conformance.rows import LEASE
from tests.conformance.storages import Tables

MICROSECOND = timedelta(microseconds=1)
ATTEMPTS = 3


async def running(tables: Tables, owner: str = "me", **members: object) -> Run:
    """Return a running run on a thread of its own."""
    run = await tables.run(await tables.thread(), owner, **members)
    assert run.status == "running"
    return run


async def expired(tables: Tables, max_attempts: int = ATTEMPTS) -> list[str]:
    found = await tables.runs(lambda runs: runs.requeue_expired(max_attempts))
    return [run.run_id for run in found]


async def lose(tables: Tables, run: Run, max_attempts: int = ATTEMPTS) -> Run:
    """Let a run's lease expire; return the run as it was put back or given up."""
    tables.clock.advance(LEASE + MICROSECOND)
    (found,) = await tables.runs(lambda runs: runs.requeue_expired(max_attempts))
    assert found.run_id == run.run_id
    return found


async def test_a_lease_holds_to_its_last_moment_and_no_longer(tables: Tables) -> None:
    run = await running(tables)
    tables.clock.advance(LEASE - MICROSECOND)
    assert await expired(tables) == []
    tables.clock.advance(MICROSECOND * 2)

    assert await expired(tables) == [run.run_id]
    assert await expired(tables) == []
    assert await tables.claim("another") == [run.run_id]


async def test_a_heartbeat_extends_the_named_runs_of_its_owner_only(tables: Tables) -> None:
    named, unnamed = await running(tables), await running(tables)
    foreign = await running(tables, "another")
    tables.clock.advance(LEASE / 2)
    asked = await tables.runs(
        lambda runs: runs.heartbeat("me", [named.run_id, foreign.run_id, "no such run"])
    )
    tables.clock.advance(LEASE / 2 + MICROSECOND)

    assert asked == []
    assert sorted(await expired(tables)) == sorted([unnamed.run_id, foreign.run_id])
    tables.clock.advance(LEASE / 2)
    assert await expired(tables) == [named.run_id]


async def test_a_heartbeat_brings_no_lost_run_back(tables: Tables) -> None:
    run = await running(tables)
    await lose(tables, run)
    await tables.runs(lambda runs: runs.heartbeat("me", [run.run_id]))

    assert await tables.status(run) == "pending"
    assert await tables.claim("another") == [run.run_id]
    tables.clock.advance(LEASE / 2)
    await tables.runs(lambda runs: runs.heartbeat("me", [run.run_id]))
    tables.clock.advance(LEASE / 2 + MICROSECOND)
    assert await expired(tables) == [run.run_id]


async def test_a_heartbeat_tells_its_owner_which_runs_are_to_be_cancelled(tables: Tables) -> None:
    mine, left, foreign = [await running(tables, owner) for owner in ("me", "me", "another")]
    for run in (mine, foreign):
        await tables.cancel(run, "rollback")
    asked = await tables.runs(lambda runs: runs.heartbeat("me", [mine.run_id, left.run_id]))

    assert [(run.run_id, run.cancel_action, run.cancel_reason) for run in asked] == [
        (mine.run_id, "rollback", "why")
    ]


@pytest.mark.requirement("DURABLE-002")
async def test_a_lost_run_is_tried_again_as_what_it_was(tables: Tables) -> None:
    run = await running(tables)
    back = await lose(tables, run)
    assert (back.status, await tables.thread_status(run.thread_id)) == ("pending", "busy")
    (again,) = await tables.runs(lambda runs: runs.claim("another", 1))

    assert (again.attempt, again.epoch, again.resumed) == (2, run.epoch, True)


async def test_a_lost_run_goes_before_those_that_came_after_it(tables: Tables) -> None:
    run = await running(tables)
    await tables.run(run.thread_id)
    await lose(tables, run)

    assert await tables.claim() == [run.run_id]


@pytest.mark.requirement("STATUS-003")
async def test_a_run_that_was_lost_too_often_ends_as_an_error_of_its_thread(
    tables: Tables,
) -> None:
    run = await running(tables)
    for _ in range(ATTEMPTS - 1):
        assert (await lose(tables, run)).status == "pending"
        await tables.claim()
    given_up = await lose(tables, run)
    thread = await tables.found_thread(run.thread_id)

    assert given_up.status == await tables.status(run) == thread.status == "error"
    assert given_up.error is not None
    assert jsonio.loads(given_up.error) == {
        "error": "WorkerLostError",
        "message": "The server stopped 3 times while this run was executing;"
        " it is not tried again.",
    }
    assert thread.error == given_up.error
    assert await tables.claim() == []


@pytest.mark.parametrize(("action", "left"), [("interrupt", "interrupted"), ("rollback", None)])
async def test_a_lost_run_with_a_recorded_cancel_ends_by_it(
    tables: Tables, action: CancelAction, left: str | None
) -> None:
    run = await running(tables)
    await tables.cancel(run, action)
    ended = await lose(tables, run)

    assert ended.status == "interrupted"
    assert await tables.status(run) == left
    assert await tables.thread_status(run.thread_id) == "idle"
    assert await tables.claim() == []


async def test_a_lost_temporary_run_that_is_given_up_leaves_nothing(tables: Tables) -> None:
    before = await tables.count_rows()
    run = await running(tables, temporary=True)
    await lose(tables, run, max_attempts=1)

    assert await tables.count_rows() == before


async def test_runs_of_owners_that_are_not_named_are_put_back_at_once(tables: Tables) -> None:
    mine, other, gone = [await running(tables, owner) for owner in ("me", "other", "gone")]
    put_back = await tables.runs(lambda runs: runs.requeue_all_except(["me", "other"], ATTEMPTS))

    assert [(run.run_id, run.status) for run in put_back] == [(gone.run_id, "pending")]
    assert await tables.status(mine) == await tables.status(other) == "running"
    given_up = await tables.runs(lambda runs: runs.requeue_all_except([], 1))
    assert {run.run_id: run.status for run in given_up} == {
        mine.run_id: "error",
        other.run_id: "error",
    }


async def test_runs_of_an_owner_that_has_died_are_put_back_at_once(tables: Tables) -> None:
    mine, gone = [await running(tables, owner) for owner in ("me", "gone")]
    put_back = await tables.runs(lambda runs: runs.requeue_of("gone", ATTEMPTS))

    assert [(run.run_id, run.status) for run in put_back] == [(gone.run_id, "pending")]
    assert await tables.status(mine) == "running"
    assert await tables.runs(lambda runs: runs.requeue_of("gone", ATTEMPTS)) == []


async def test_a_run_that_is_given_back_has_not_used_an_attempt(tables: Tables) -> None:
    run = await running(tables)
    await tables.runs(lambda runs: runs.requeue(run.run_id, "another"))
    assert await tables.status(run) == "running"
    await tables.runs(lambda runs: runs.requeue(run.run_id, "me"))
    assert await tables.finish(run) is None
    (again,) = await tables.runs(lambda runs: runs.claim("another", 1))

    assert (again.run_id, again.attempt, again.epoch) == (run.run_id, 1, run.epoch)
    assert again.resumed


@pytest.mark.parametrize(("action", "left"), [("interrupt", "interrupted"), ("rollback", None)])
async def test_a_run_with_a_recorded_cancel_that_is_given_back_ends_by_it(
    tables: Tables, action: CancelAction, left: str | None
) -> None:
    run = await running(tables)
    await tables.cancel(run, action)
    await tables.runs(lambda runs: runs.requeue(run.run_id, "another"))
    assert await tables.status(run) == "running"
    await tables.runs(lambda runs: runs.requeue(run.run_id, "me"))

    assert await tables.status(run) == left
    assert await tables.thread_status(run.thread_id) == "idle"
    assert await tables.claim() == []


async def test_a_run_that_has_ended_cannot_be_given_back(tables: Tables) -> None:
    run = await running(tables)
    await tables.finish(run)
    await tables.runs(lambda runs: runs.requeue(run.run_id, "me"))

    assert await tables.status(run) == "success"
