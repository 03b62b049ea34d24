"""The run table as a queue: who may claim which run, when, and for how long."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from lgserve.core.clock import to_iso
from lgserve.core.models import Json, Run
from lgserve.core.vocabulary import RunStatus
from tests.clocks import ManualClock
from tests.conformance.rows import run_on
from tests.conformance.storages import Tables

MICROSECOND = timedelta(microseconds=1)


def later(clock: ManualClock, seconds: float) -> dict[str, str]:
    """Return the members of a run that is due in some seconds."""
    due = to_iso(clock.now() + timedelta(seconds=seconds))
    return {"created_at": due, "due_at": due}


async def running(tables: Tables, owner: str = "me", **members: object) -> Run:
    """Return a running run on a thread of its own."""
    run = await tables.run(await tables.thread(), owner, **members)
    assert run.status == "running"
    return run


@pytest.mark.requirement("CONFIG-005")
async def test_a_new_run_makes_its_thread_busy_and_gives_it_its_config_and_metadata(
    tables: Tables,
) -> None:
    thread_id = await tables.thread(metadata=Json(b'{"old":1}'))
    run = run_on(thread_id, tables.clock.advance())
    made = await tables.runs(
        lambda runs: runs.insert(
            run, config=Json(b'{"tags":["t"]}'), metadata=Json(b'{"new":1}'), owner=None
        )
    )
    thread = await tables.found_thread(thread_id)

    assert made == run == await tables.found_run(run.run_id)
    assert (thread.status, thread.config, thread.metadata) == (
        "busy",
        b'{"tags":["t"]}',
        b'{"new":1}',
    )
    assert thread.updated_at == run.updated_at


@pytest.mark.requirement("RUN-021")
async def test_a_run_that_can_start_is_claimed_by_its_insertion(tables: Tables) -> None:
    run = await running(tables)
    stored = await tables.found_run(run.run_id)

    assert stored == run
    assert (run.attempt, run.resumed) == (1, False)
    assert run.epoch > 0
    assert await tables.claim() == []


@pytest.mark.parametrize("first", ["pending", "running"])
async def test_a_run_behind_another_is_not_claimed_by_its_insertion(
    tables: Tables, first: str
) -> None:
    thread_id = await tables.thread()
    before = await tables.run(thread_id, "me" if first == "running" else None)
    behind = await tables.run(thread_id, "me")

    assert (before.status, behind.status) == (first, "pending")


async def test_a_run_for_later_is_not_claimed_by_its_insertion(tables: Tables) -> None:
    run = await tables.run(await tables.thread(), "me", **later(tables.clock, 10))

    assert (run.status, run.attempt, run.epoch) == ("pending", 0, 0)


async def test_a_claim_takes_the_oldest_pending_run_of_each_idle_thread(tables: Tables) -> None:
    busy, idle, other = [await tables.thread() for _ in range(3)]
    await tables.run(busy, "somebody")
    await tables.run(busy)
    first = await tables.run(idle)
    await tables.run(idle)
    only = await tables.run(other)

    assert await tables.claim() == [first.run_id, only.run_id]
    assert await tables.claim() == []


async def test_a_claim_takes_no_more_than_asked_and_those_that_wait_longest(
    tables: Tables,
) -> None:
    made = [await tables.run(await tables.thread()) for _ in range(5)]
    taken = [await tables.claim(limit=limit) for limit in (2, 0, 2, 2)]

    ids = [run.run_id for run in made]
    assert taken == [ids[:2], [], ids[2:4], ids[4:]]


async def test_the_longest_due_comes_first_whenever_it_was_created(tables: Tables) -> None:
    scheduled = await tables.run(await tables.thread(), **later(tables.clock, 10))
    tables.clock.advance(timedelta(seconds=5))
    soon = await tables.run(await tables.thread())
    tables.clock.advance(timedelta(seconds=10))
    last = await tables.run(await tables.thread())

    assert await tables.claim() == [soon.run_id, scheduled.run_id, last.run_id]


async def test_a_run_becomes_claimable_at_the_very_moment_it_is_due(tables: Tables) -> None:
    run = await tables.run(await tables.thread())
    scheduled = await tables.run(run.thread_id, **later(tables.clock, 10))
    assert await tables.claim() == [run.run_id]
    await tables.finish(run)
    tables.clock.moment = datetime.fromisoformat(scheduled.due_at) - MICROSECOND

    assert await tables.claim() == []
    tables.clock.advance(MICROSECOND)
    assert await tables.claim() == [scheduled.run_id]


@pytest.mark.requirement("RUN-021")
async def test_a_queue_behind_a_running_run_holds_back_no_other_thread(tables: Tables) -> None:
    blocked = await tables.thread()
    await tables.run(blocked, "somebody")
    for _ in range(20):
        await tables.run(blocked)
    free = await tables.run(await tables.thread())

    assert await tables.claim(limit=1) == [free.run_id]


async def test_a_run_for_later_holds_back_neither_its_thread_nor_another(tables: Tables) -> None:
    thread_id = await tables.thread()
    await tables.run(thread_id, **later(tables.clock, 10))
    same = await tables.run(thread_id)
    other = await tables.run(await tables.thread())

    assert await tables.claim() == [same.run_id, other.run_id]


async def test_claimers_at_once_never_get_the_same_run(tables: Tables) -> None:
    made = {(await tables.run(await tables.thread())).run_id for _ in range(40)}
    async with asyncio.timeout(10):
        taken = await asyncio.gather(*(tables.claim(f"owner-{n}", 3) for n in range(20)))

    claimed = [run_id for some in taken for run_id in some]
    assert sorted(claimed) == sorted(made)


@pytest.mark.requirement("MULTITASK-004")
async def test_runs_of_a_thread_start_one_after_the_other_in_order(tables: Tables) -> None:
    thread_id = await tables.thread()
    made = [await tables.run(thread_id) for _ in range(4)]
    started: list[Run] = []
    while following := await tables.runs(lambda runs: runs.claim_next(thread_id, "me")):
        assert await tables.runs(lambda runs: runs.claim_next(thread_id, "me")) is None
        assert await tables.claim() == []
        started.append(following)
        await tables.finish(following)

    assert [run.run_id for run in started] == [run.run_id for run in made]
    assert all(one.epoch < next_.epoch for one, next_ in pairwise(started))


async def test_the_next_run_of_a_thread_is_the_longest_due_one(tables: Tables) -> None:
    thread_id = await tables.thread()
    far = await tables.run(thread_id, **later(tables.clock, 60))
    near = await tables.run(thread_id, **later(tables.clock, 10))
    now = await tables.run(thread_id)

    async def claim_next() -> str | None:
        run = await tables.runs(lambda runs: runs.claim_next(thread_id, "me"))
        if run is None:
            return None
        await tables.finish(run)
        return run.run_id

    taken = [await claim_next(), await claim_next()]
    tables.clock.advance(timedelta(seconds=11))
    last = await tables.run(thread_id)
    taken += [await claim_next(), await claim_next(), await claim_next()]
    tables.clock.advance(timedelta(seconds=60))
    taken += [await claim_next()]

    assert taken == [now.run_id, None, near.run_id, last.run_id, None, far.run_id]


async def test_the_next_run_is_one_of_the_asked_thread_only(tables: Tables) -> None:
    empty = await tables.thread()
    other = await tables.run(await tables.thread())

    assert await tables.runs(lambda runs: runs.claim_next(empty, "me")) is None
    assert await tables.status(other) == "pending"


async def test_the_clock_is_waited_for_until_the_next_run_for_later(tables: Tables) -> None:
    async def next_due() -> str | None:
        found = await tables.runs(lambda runs: runs.next_due())
        return None if found is None else to_iso(found)

    assert await next_due() is None
    waiting = await tables.run(await tables.thread())
    assert await next_due() is None
    far = await tables.run(waiting.thread_id, **later(tables.clock, 60))
    near = await tables.run(waiting.thread_id, **later(tables.clock, 10))
    assert await next_due() == near.due_at
    tables.clock.advance(timedelta(seconds=11))
    assert await next_due() == far.due_at


async def test_runs_in_flight_are_listed_from_the_oldest_on(tables: Tables) -> None:
    thread_id = await tables.thread()
    ended = await tables.run(thread_id, "me")
    await tables.finish(ended)
    first = await tables.run(thread_id, "me")
    second = await tables.run(thread_id)
    await tables.run(await tables.thread())

    found = await tables.runs(lambda runs: runs.in_flight(thread_id))
    assert found == [first, second]


async def test_active_runs_are_found_by_status_thread_and_scope(tables: Tables) -> None:
    run = await tables.run(await tables.thread(metadata=Json(b'{"owner":"ann"}')), "me")
    behind = await tables.run(run.thread_id)
    other = await tables.run(await tables.thread())
    await tables.finish(await running(tables))

    async def active(
        status: RunStatus | None = None, thread_id: str | None = None, owner: str | None = None
    ) -> list[str]:
        scope = {} if owner is None else {"owner": owner}
        found = await tables.runs(
            lambda runs: runs.search_active(status=status, thread_id=thread_id, scope=scope)
        )
        return [one.run_id for one in found]

    assert await active() == [run.run_id, behind.run_id, other.run_id]
    assert await active(status="running") == [run.run_id]
    assert await active(status="pending") == [behind.run_id, other.run_id]
    assert await active(status="success") == []
    assert await active(thread_id=other.thread_id) == [other.run_id]
    assert await active(owner="ann") == [run.run_id, behind.run_id]
    assert await active(owner="bob") == []


async def test_a_run_is_found_in_the_scope_of_its_thread_only(tables: Tables) -> None:
    run = await tables.run(await tables.thread(metadata=Json(b'{"owner":"ann","n":1}')))

    async def found_by(owner: str) -> Run | None:
        return await tables.storage.read(lambda tx: tx.runs.find(run.run_id, {"owner": owner}))

    assert await found_by("ann") == run
    assert await found_by("bob") is None
    assert await tables.found_run("no such run") is None


async def test_a_threads_runs_are_listed_from_the_newest_on(tables: Tables) -> None:
    thread_id = await tables.thread()
    odd = {"metadata": Json(b'{"odd":true}')}
    made = [await tables.run(thread_id, "me", **(odd if n % 2 else {})) for n in range(5)]
    await tables.run(await tables.thread())
    await tables.finish(made[0])

    async def listed(
        status: str | None = None,
        metadata: dict[str, object] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[int]:
        found = await tables.runs(
            lambda runs: runs.list_for_thread(
                thread_id, status=status, metadata=metadata, limit=limit, offset=offset
            )
        )
        ids = [run.run_id for run in made]
        return [ids.index(run.run_id) for run in found]

    assert await listed() == [4, 3, 2, 1, 0]
    assert await listed(limit=2, offset=1) == [3, 2]
    assert await listed(limit=0) == []
    assert await listed(status="success") == [0]
    assert await listed(status="nonsense") == []
    assert await listed(metadata={"odd": True}) == [3, 1]
    assert await listed(metadata={"odd": True}, limit=1, offset=1) == [1]


async def test_a_thread_that_does_not_exist_has_no_runs(tables: Tables) -> None:
    assert await tables.runs(lambda runs: runs.in_flight("no such thread")) == []
    assert await tables.runs(lambda runs: runs.claim_next("no such thread", "me")) is None
