"""Crons and what becomes of their firings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.ids import new_id
from lgserve.core.models import (
    EMPTY_OBJECT,
    EVERYTHING,
    FIRINGS_KEPT,
    Cron,
    CronFilter,
    CronFiring,
    Json,
    Page,
    ThreadTtl,
)
from tests.conformance.storages import Tables

HOUR = timedelta(hours=1)
EVERY = CronFilter()


def cron_at(moment: str, metadata: dict[str, Any] | None = None, **members: Any) -> Cron:
    cron = Cron(
        cron_id=new_id(),
        assistant_id=new_id(),
        thread_id=None,
        user_id="",
        schedule="* * * * *",
        timezone=None,
        payload=EMPTY_OBJECT,
        metadata=jsonio.dumps_wire(metadata or {}),
        on_run_completed="delete",
        enabled=True,
        end_time=None,
        ends_at=None,
        next_run_date=moment,
        created_at=moment,
        updated_at=moment,
    )
    return replace(cron, **members)


def firing_at(moment: str, **members: Any) -> CronFiring:
    return CronFiring(**{"due_at": moment, "outcome": "fired", "fired_at": moment, **members})


async def insert(tables: Tables, metadata: dict[str, Any] | None = None, **members: Any) -> Cron:
    cron = cron_at(tables.clock.advance(), metadata, **members)
    await tables.storage.write(lambda tx: tx.crons.insert(cron))
    return cron


async def find(tables: Tables, cron: Cron, **scope: Any) -> Cron | None:
    return await tables.storage.read(lambda tx: tx.crons.find(cron.cron_id, scope))


async def search(
    tables: Tables,
    where: CronFilter = EVERY,
    scope: Any = EVERYTHING,
    **page: Any,
) -> list[str]:
    wanted = Page(**{"sort_by": "created_at", **page})
    found = await tables.storage.read(lambda tx: tx.crons.search(where, wanted, scope))
    total = await tables.storage.read(lambda tx: tx.crons.count(where, scope))
    assert page or total == len(found)
    return [cron.cron_id for cron in found]


async def due(tables: Tables, limit: int = 100, without: Any = ()) -> list[str]:
    now = tables.clock.iso
    found = await tables.storage.read(lambda tx: tx.crons.due(now, limit, without))
    return [cron.cron_id for cron in found]


async def advance(tables: Tables, cron: Cron, following: str | None) -> bool:
    return await tables.storage.write(lambda tx: tx.crons.advance(cron, following))


async def add(tables: Tables, cron: Cron, firing: CronFiring) -> bool:
    return await tables.storage.write(lambda tx: tx.crons.add_firing(cron.cron_id, firing))


async def history(
    tables: Tables, cron: Cron, limit: int = 1000, offset: int = 0
) -> list[CronFiring]:
    return await tables.storage.read(lambda tx: tx.crons.firings(cron.cron_id, limit, offset))


async def test_a_cron_is_found_as_it_was_stored(tables: Tables) -> None:
    thread_id = await tables.thread()
    cron = await insert(
        tables,
        {"name": "Ä"},
        thread_id=thread_id,
        user_id="ann",
        timezone="Europe/Paris",
        payload=Json(b'{"input":1}'),
        on_run_completed=None,
        enabled=False,
        end_time="2027-01-01",
        ends_at="2027-01-01T00:00:00.000000+00:00",
        next_run_date=None,
        user=Json(b'{"identity":"ann"}'),
    )

    assert await find(tables, cron) == cron
    changed = replace(cron, schedule="@daily", enabled=True, metadata=Json(b'{"n":1}'))
    await tables.storage.write(lambda tx: tx.crons.update(changed))
    assert await find(tables, cron) == changed


async def test_a_cron_is_found_in_its_scope_only(tables: Tables) -> None:
    cron = await insert(tables, {"owner": "ann"})

    assert await find(tables, cron, owner="ann") == cron
    assert await find(tables, cron, owner="bob") is None
    assert await search(tables, scope={"owner": "bob"}) == []


async def test_crons_are_searched_by_what_they_run_whether_they_are_on_and_metadata(
    tables: Tables,
) -> None:
    thread_id = await tables.thread()
    first = await insert(tables, {"a": 1, "b": 2}, thread_id=thread_id)
    second = await insert(tables, {"a": 1}, enabled=False)

    assert await search(tables) == [second.cron_id, first.cron_id]
    assert await search(tables, CronFilter(thread_id=thread_id)) == [first.cron_id]
    assert await search(tables, CronFilter(assistant_id=second.assistant_id)) == [second.cron_id]
    assert await search(tables, CronFilter(enabled=True)) == [first.cron_id]
    assert await search(tables, CronFilter(enabled=False)) == [second.cron_id]
    assert await search(tables, CronFilter(metadata={"b": 2})) == [first.cron_id]
    assert await search(tables, CronFilter(metadata={"a": 1}), limit=1) == [second.cron_id]


async def test_what_has_nothing_to_sort_by_comes_last_either_way(tables: Tables) -> None:
    over = await insert(tables, next_run_date=None)
    soon = await insert(tables)
    later = await insert(tables)

    ids = [soon.cron_id, later.cron_id]
    by_next: dict[str, Any] = {"sort_by": "next_run_date"}
    assert await search(tables, sort_order="asc", **by_next) == [*ids, over.cron_id]
    assert await search(tables, sort_order="desc", **by_next) == [*ids[::-1], over.cron_id]


async def test_only_enabled_crons_are_due_the_longest_due_first(tables: Tables) -> None:
    first, second = await insert(tables), await insert(tables)
    await insert(tables, enabled=False)
    await insert(tables, next_run_date=None)
    future = to_iso(tables.clock.now() + HOUR)
    await insert(tables, next_run_date=future)

    assert await due(tables) == [first.cron_id, second.cron_id]
    assert await due(tables, limit=1) == [first.cron_id]
    assert await due(tables, without=(first.cron_id,)) == [second.cron_id]


async def test_the_next_moment_at_which_a_cron_is_due_is_known(tables: Tables) -> None:
    assert await tables.storage.read(lambda tx: tx.crons.next_due()) is None
    await insert(tables, enabled=False)
    moment = tables.clock.now() + HOUR
    await insert(tables, next_run_date=to_iso(moment + HOUR))
    cron = await insert(tables, next_run_date=to_iso(moment))

    assert await tables.storage.read(lambda tx: tx.crons.next_due()) == moment
    later = await tables.storage.read(lambda tx: tx.crons.next_due((cron.cron_id,)))
    assert later == moment + HOUR


async def test_of_two_who_move_a_cron_on_one_does(tables: Tables) -> None:
    cron = await insert(tables)
    following = tables.clock.advance()

    assert [await advance(tables, cron, following) for _ in range(2)] == [True, False]
    assert await find(tables, cron) == replace(cron, next_run_date=following)


async def test_a_cron_that_was_changed_meanwhile_is_not_moved_on(tables: Tables) -> None:
    cron = await insert(tables)
    changed = replace(cron, updated_at=tables.clock.advance())
    await tables.storage.write(lambda tx: tx.crons.update(changed))
    paused = await insert(tables, enabled=False)

    assert not await advance(tables, cron, None)
    assert not await advance(tables, paused, None)
    assert await advance(tables, changed, None)
    assert await due(tables) == []


async def test_a_moment_is_noted_once(tables: Tables) -> None:
    cron, other = await insert(tables), await insert(tables)
    firing = firing_at(tables.clock.iso)

    assert [await add(tables, cron, firing) for _ in range(2)] == [True, False]
    assert await add(tables, other, firing)
    assert await history(tables, cron) == [firing]


async def test_the_history_shows_the_newest_first_and_how_the_runs_stand(tables: Tables) -> None:
    cron = await insert(tables)
    run = await tables.run(await tables.thread())
    fired = firing_at(tables.clock.advance(), run_id=run.run_id, thread_id=run.thread_id)
    failed = firing_at(
        tables.clock.advance(), outcome="failed", manual=True, error=Json(b'{"error":"E"}')
    )
    for firing in (fired, failed):
        assert await add(tables, cron, firing)

    assert await history(tables, cron) == [failed, replace(fired, run_status="pending")]
    assert await history(tables, cron, limit=1, offset=1) == [replace(fired, run_status="pending")]
    assert await tables.storage.read(lambda tx: tx.crons.count_firings(cron.cron_id)) == 2


async def test_the_history_does_not_grow_without_end(tables: Tables) -> None:
    cron = await insert(tables)
    for _ in range(FIRINGS_KEPT + 5):
        assert await add(tables, cron, firing_at(tables.clock.advance()))

    found = await history(tables, cron)
    assert len(found) == FIRINGS_KEPT
    assert found[0].due_at == tables.clock.iso


async def test_a_cron_takes_its_history_with_it(tables: Tables) -> None:
    rows = await tables.count_rows()
    cron, other = await insert(tables), await insert(tables)
    for each in (cron, other):
        await add(tables, each, firing_at(tables.clock.iso))

    await tables.storage.write(lambda tx: tx.crons.delete(cron.cron_id))
    assert await find(tables, cron) is None
    await tables.storage.write(lambda tx: tx.crons.delete_of_assistant(other.assistant_id))
    assert await tables.count_rows() == rows


async def test_a_cron_goes_with_its_thread(tables: Tables) -> None:
    rows = await tables.count_rows()
    thread_id = await tables.thread()
    cron = await insert(tables, thread_id=thread_id)
    await tables.storage.write(lambda tx: tx.threads.delete(thread_id))

    assert await find(tables, cron) is None
    assert await tables.count_rows() == rows


async def test_a_cron_is_gone_in_the_moment_in_which_its_thread_expires(tables: Tables) -> None:
    thread_id = await tables.thread(ttl=ThreadTtl(minutes=1))
    cron = await insert(tables, thread_id=thread_id)
    assert await find(tables, cron) == cron

    tables.clock.advance(timedelta(minutes=2))
    assert await find(tables, cron) is None
    assert await search(tables) == []
