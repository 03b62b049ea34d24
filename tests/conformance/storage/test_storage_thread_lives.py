"""Threads that expire, that are being made, that are copied and pruned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from lgserve.core.clock import to_iso
from lgserve.core.ids import new_id
from lgserve.core.models import EVERYTHING, Json, Page, Thread, ThreadFilter, ThreadTtl
from lgserve.core.vocabulary import TtlStrategy
from tests.conformance.rows import thread_at
from tests.conformance.storages import Tables

MINUTE = timedelta(minutes=1)
ALMOST = MINUTE - timedelta(milliseconds=2)
ANY = ThreadFilter()
NEWEST = Page(sort_by="updated_at", limit=100)


async def find(tables: Tables, thread_id: str) -> Thread | None:
    return await tables.storage.lookup(lambda tx: tx.threads.find(thread_id, EVERYTHING))


async def listed(tables: Tables, where: ThreadFilter = ANY) -> tuple[list[str], int]:
    """Return the ids that a search finds, and how many threads a count."""
    found, total = await tables.storage.read(
        lambda tx: (
            tx.threads.search(where, NEWEST, EVERYTHING),
            tx.threads.count(where, EVERYTHING),
        )
    )
    return [thread.thread_id for thread in found], total


async def expired(tables: Tables, limit: int = 10) -> list[tuple[str, TtlStrategy]]:
    return await tables.storage.read(lambda tx: tx.threads.expired(limit))


async def test_minutes_count_from_the_last_change(tables: Tables) -> None:
    thread_id = await tables.thread(ttl=ThreadTtl(minutes=1.5))

    async def left() -> timedelta:
        thread = await find(tables, thread_id)
        assert thread is not None
        assert thread.ttl is not None
        assert (thread.ttl.strategy, thread.ttl.minutes) == ("delete", 1.5)
        expected = tables.clock.moment + timedelta(minutes=1.5)
        assert thread.ttl.expires_at == to_iso(expected)
        return expected - tables.clock.moment

    assert await left() == timedelta(minutes=1.5)
    tables.clock.advance(MINUTE)
    await tables.storage.write(
        lambda tx: tx.threads.set_metadata(thread_id, Json(b"{}"), tables.clock.iso)
    )
    await left()
    tables.clock.advance(MINUTE)
    run = await tables.run(thread_id, owner="me")
    await left()
    tables.clock.advance(MINUTE)
    await tables.finish(run)
    await left()


async def test_an_expired_thread_is_there_for_nobody(tables: Tables) -> None:
    labelled: Any = {"metadata": Json(b'{"k":"v"}')}
    kept = await tables.thread(**labelled)
    thread_id = await tables.thread(ttl=ThreadTtl(minutes=1), **labelled)
    run = await tables.run(thread_id, owner="me")
    await tables.finish(run, checkpoint_id=await tables.checkpoint(run))
    filters = (
        ANY,
        ThreadFilter(status="idle"),
        ThreadFilter(metadata={"k": "v"}),
        ThreadFilter(metadata={"k": "v"}, status="idle"),
        ThreadFilter(ids=(kept, thread_id)),
    )
    tables.clock.advance(ALMOST)
    for where in filters:
        assert (await listed(tables, where))[1] == 2

    tables.clock.advance()
    tables.clock.advance()

    assert await find(tables, thread_id) is None
    assert await tables.found_run(run.run_id) is None
    for where in filters:
        assert await listed(tables, where) == ([kept], 1)
    assert await expired(tables) == [(thread_id, "delete")]
    assert not await tables.storage.write(lambda tx: tx.threads.delete_expired(kept))
    assert await tables.storage.write(lambda tx: tx.threads.delete_expired(thread_id))
    assert await expired(tables) == []
    left = await tables.count_rows()
    assert (left["threads"], left["runs"], left["checkpoints"]) == (1, 0, 0)


async def test_the_id_of_an_expired_thread_is_free(tables: Tables) -> None:
    thread_id = await tables.thread(ttl=ThreadTtl(minutes=1))
    run = await tables.run(thread_id, owner="me")
    await tables.finish(run, checkpoint_id=await tables.checkpoint(run))
    again = replace(thread_at(tables.clock.iso), thread_id=thread_id)
    assert not await tables.storage.write(lambda tx: tx.threads.insert(again))

    tables.clock.advance(MINUTE)

    assert await tables.storage.write(lambda tx: tx.threads.insert(again))
    assert await find(tables, thread_id) == again
    left = await tables.count_rows()
    assert (left["threads"], left["runs"], left["checkpoints"]) == (1, 0, 0)


async def test_a_busy_thread_does_not_expire(tables: Tables) -> None:
    thread_id = await tables.thread(ttl=ThreadTtl(minutes=1))
    run = await tables.run(thread_id, owner="me")
    tables.clock.advance(2 * MINUTE)

    assert await find(tables, thread_id) is not None
    assert await tables.found_run(run.run_id) is not None
    assert (await listed(tables))[1] == 1
    assert await expired(tables) == []

    await tables.finish(run)
    assert await find(tables, thread_id) is not None
    tables.clock.advance(MINUTE)
    assert await find(tables, thread_id) is None


async def test_a_thread_to_be_pruned_is_never_hidden(tables: Tables) -> None:
    thread_id = await tables.thread(ttl=ThreadTtl(strategy="keep_latest", minutes=1))
    run = await tables.run(thread_id, owner="me")
    made = [await tables.checkpoint(run) for _ in range(3)]
    await tables.finish(run, checkpoint_id=made[-1])
    tables.clock.advance(MINUTE)
    before = await find(tables, thread_id)
    assert before is not None
    assert await expired(tables) == [(thread_id, "keep_latest")]
    assert not await tables.storage.write(lambda tx: tx.threads.delete_expired(thread_id))

    assert await tables.storage.write(lambda tx: tx.threads.prune(thread_id, tables.clock.iso))

    ttl = ThreadTtl(
        strategy="keep_latest", minutes=1, expires_at=to_iso(tables.clock.moment + MINUTE)
    )
    assert await find(tables, thread_id) == replace(before, ttl=ttl)
    assert await expired(tables) == []
    left = await tables.count_rows()
    assert (left["checkpoints"], left["checkpoint_writes"], left["channel_versions"]) == (1, 1, 1)


async def test_a_busy_or_missing_thread_is_not_pruned(tables: Tables) -> None:
    thread_id = await tables.thread()
    run = await tables.run(thread_id, owner="me")
    for _ in range(2):
        await tables.checkpoint(run)

    for each in (thread_id, new_id()):
        assert not await tables.storage.write(
            lambda tx, each=each: tx.threads.prune(each, tables.clock.iso)  # type: ignore[misc]
        )
    assert (await tables.count_rows())["checkpoints"] == 2


async def test_what_is_over_longest_comes_first_and_no_more_than_asked_for(tables: Tables) -> None:
    ids = [await tables.thread(ttl=ThreadTtl(minutes=minutes)) for minutes in (3, 1, 2)]
    await tables.thread()
    tables.clock.advance(5 * MINUTE)

    assert [each for each, _ in await expired(tables)] == [ids[1], ids[2], ids[0]]
    assert await expired(tables, limit=1) == [(ids[1], "delete")]


async def test_a_ttl_can_be_changed_and_cleared(tables: Tables) -> None:
    thread_id = await tables.thread(ttl=ThreadTtl(minutes=1))

    async def set_ttl(ttl: ThreadTtl) -> None:
        now = tables.clock.advance()
        await tables.storage.write(lambda tx: tx.threads.set_ttl(thread_id, ttl, now))

    await set_ttl(ThreadTtl(strategy="keep_latest", minutes=5))
    thread = await find(tables, thread_id)
    assert thread is not None
    assert thread.updated_at == tables.clock.iso
    expires_at = to_iso(tables.clock.moment + 5 * MINUTE)
    assert thread.ttl == ThreadTtl(strategy="keep_latest", minutes=5, expires_at=expires_at)

    await set_ttl(ThreadTtl(minutes=None))
    tables.clock.advance(1000 * MINUTE)
    thread = await find(tables, thread_id)
    assert thread is not None
    assert thread.ttl == ThreadTtl(minutes=None)
    assert await expired(tables) == []


async def test_a_reserved_id_is_taken_and_seen_by_nobody(tables: Tables) -> None:
    thread = thread_at(tables.clock.iso, {"k": "v"}, values=Json(b'{"n":1}'), status="interrupted")
    thread_id = thread.thread_id

    async def reserve() -> bool:
        until = to_iso(tables.clock.moment + MINUTE)
        return await tables.storage.write(lambda tx: tx.threads.reserve(thread, until))

    async def publish() -> bool:
        return await tables.storage.write(lambda tx: tx.threads.publish(thread))

    assert not await publish()
    assert await reserve()
    assert not await reserve()
    assert not await tables.storage.write(lambda tx: tx.threads.insert(thread))
    assert await find(tables, thread_id) is None
    assert await listed(tables) == ([], 0)
    assert await listed(tables, ThreadFilter(status="idle")) == ([], 0)

    assert await publish()
    assert await find(tables, thread_id) == thread
    assert await listed(tables, ThreadFilter(metadata={"k": "v"})) == ([thread_id], 1)
    assert not await publish()
    tables.clock.advance(2 * MINUTE)
    assert await expired(tables) == []


async def test_a_reservation_that_nobody_keeps_is_void_in_time(tables: Tables) -> None:
    thread = thread_at(tables.clock.iso)
    until = to_iso(tables.clock.moment + MINUTE)
    assert await tables.storage.write(lambda tx: tx.threads.reserve(thread, until))
    tables.clock.advance(MINUTE)

    assert await expired(tables) == [(thread.thread_id, "delete")]
    assert not await tables.storage.write(lambda tx: tx.threads.publish(thread))
    assert await tables.storage.write(lambda tx: tx.threads.insert(thread))
    assert await find(tables, thread.thread_id) == thread


async def copied(tables: Tables, thread_id: str) -> tuple[Thread, bool]:
    into = thread_at(tables.clock.advance(), {"k": 1}, ttl=ThreadTtl(minutes=1))
    until = to_iso(tables.clock.moment + MINUTE)
    settled = await tables.storage.write(lambda tx: tx.threads.copy(thread_id, into, until))
    return into, settled


async def test_a_copy_has_the_settled_state(tables: Tables) -> None:
    thread_id = await tables.thread()
    first = await tables.run(thread_id, owner="me")
    settled = await tables.checkpoint(first)
    await tables.finish(first, values=Json(b'{"n":1}'), interrupts=Json(b'{"t":[]}'), has_next=True)
    await tables.run(thread_id, owner="me")
    rows = await tables.count_rows()

    into, there = await copied(tables, thread_id)

    assert there
    expires_at = to_iso(tables.clock.moment + MINUTE)
    assert await find(tables, into.thread_id) == replace(
        into,
        status="interrupted",
        values=Json(b'{"n":1}'),
        interrupts=Json(b'{"t":[]}'),
        ttl=ThreadTtl(minutes=1, expires_at=expires_at),
    )
    assert await tables.storage.read(
        lambda tx: tx.threads.has_checkpoint(into.thread_id, "", settled)
    )
    assert await rows_since(tables, rows) == {
        "threads": 1, "checkpoints": 1, "checkpoint_writes": 1, "channel_versions": 1,
    }  # fmt: skip


async def test_a_copy_of_what_a_run_is_making_is_reserved_until_its_state_is_known(
    tables: Tables,
) -> None:
    thread_id = await tables.thread()
    first = await tables.run(thread_id, owner="me")
    settled = await tables.checkpoint(first)
    await tables.finish(first, values=Json(b'{"n":1}'))
    second = await tables.run(thread_id, owner="me")
    await write_to(tables, second, settled)
    before = await tables.count_rows()
    one = await copied(tables, thread_id)
    assert (await rows_since(tables, before))["checkpoint_writes"] == 2
    await tables.checkpoint(second, {"large": ["z" * 5000], "other": "o" * 5000})
    before = await tables.count_rows()
    into, there = await copied(tables, thread_id)

    assert (one[1], there) == (False, False)
    assert (await rows_since(tables, before))["checkpoints"] == 2
    assert await find(tables, into.thread_id) is None
    known = replace(into, status="interrupted", values=Json(b'{"n":2}'))
    assert await tables.storage.write(lambda tx: tx.threads.publish(known))
    found = await find(tables, into.thread_id)
    assert found is not None
    assert (found.status, found.values) == ("interrupted", b'{"n":2}')
    await tables.storage.write(lambda tx: tx.threads.delete(one[0].thread_id))
    await tables.storage.write(lambda tx: tx.threads.delete(into.thread_id))
    after = await tables.count_rows()
    assert after["checkpoints"] == before["checkpoints"] - 1


async def rows_since(tables: Tables, before: dict[str, int]) -> dict[str, int]:
    """Return how many rows have come to each table but that of labels."""
    after = await tables.count_rows()
    more = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    more.pop("thread_labels", None)
    return more


async def write_to(tables: Tables, run: Any, checkpoint_id: str) -> None:
    """Have a run write to a checkpoint that another one made."""
    config: Any = {"thread_id": run.thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
    saver = tables.saver_for(run.run_id)
    await saver.aput_writes({"configurable": config}, [("large", ["w" * 3000])], "other task")
