"""Units of work: durable, all or nothing, in order, and none hurts another."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from lgserve import jsonio
from lgserve.core.models import EMPTY_OBJECT, EVERYTHING, Page, Settlement, ThreadFilter
from lgserve.core.ports import Storage, Transaction
from tests.conformance.rows import assistant_at, events, run_on, thread_at
from tests.conformance.storages import Tables, pause

MOMENT = "2026-01-01T00:00:00.000000+00:00"


class RefusedError(Exception):
    """The unit of work does not like what it sees."""


def add_thread(thread_id: str) -> Callable[[Transaction], bool]:
    return lambda tx: tx.threads.insert(thread_at(MOMENT, thread_id=thread_id))


def add_thread_and_raise(thread_id: str, error: Exception) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        tx.threads.insert(thread_at(MOMENT, thread_id=thread_id))
        raise error

    return work


async def thread_ids(storage: Storage) -> set[str]:
    page = Page(limit=1000, sort_by="created_at")
    found = await storage.write(lambda tx: tx.threads.search(ThreadFilter(), page, EVERYTHING))
    return {thread.thread_id for thread in found}


class Gate:
    """Holds back all that is written behind it, so that it is written together."""

    def __init__(self, storage: Storage) -> None:
        self._open = threading.Event()
        self._passed = asyncio.ensure_future(storage.write(lambda _: self._open.wait(5)))

    async def open(self) -> None:
        await asyncio.sleep(0)  # those behind the gate hand over their work
        self._open.set()
        assert await self._passed


async def test_a_unit_of_work_answers_what_its_function_returns(storage: Storage) -> None:
    async with asyncio.timeout(5):
        answers = (
            await storage.read(lambda _: "read"),
            await storage.lookup(lambda _: "lookup"),
            await storage.write(lambda _: "write"),
        )

    assert answers == ("read", "lookup", "write")


async def test_what_a_unit_of_work_raises_reaches_its_caller(storage: Storage) -> None:
    error = RefusedError()

    def refuse(_: Transaction) -> None:
        raise error

    for call in (storage.read, storage.lookup, storage.write):
        with pytest.raises(RefusedError) as raised:
            await call(refuse)
        assert raised.value is error


async def test_what_was_written_is_seen_by_all_that_follow(storage: Storage) -> None:
    thread = thread_at(MOMENT, {"user": "ann"})
    assert await storage.write(lambda tx: tx.threads.insert(thread))

    def find(tx: Transaction) -> object:
        return tx.threads.find(thread.thread_id, EVERYTHING)

    assert await storage.read(find) == thread
    assert await storage.lookup(find) == thread
    assert await storage.write(find) == thread


async def test_a_unit_of_work_sees_its_own_writes(storage: Storage) -> None:
    thread = thread_at(MOMENT)

    def work(tx: Transaction) -> tuple[bool, bool, int]:
        first = tx.threads.insert(thread)
        again = tx.threads.insert(thread)
        tx.threads.set_metadata(thread.thread_id, jsonio.dumps({"seen": 1}), MOMENT)
        return first, again, tx.threads.count(ThreadFilter(metadata={"seen": 1}), EVERYTHING)

    assert await storage.write(work) == (True, False, 1)


async def test_a_unit_of_work_that_raises_has_done_nothing(tables: Tables) -> None:
    kept = await tables.run(await tables.thread())
    before = await tables.count_rows()
    run_before = await tables.found_run(kept.run_id)
    thread_before = await tables.found_thread(kept.thread_id)

    def work(tx: Transaction) -> None:
        thread = thread_at(MOMENT, {"user": "ann"})
        tx.threads.insert(thread)
        run = run_on(thread.thread_id, MOMENT)
        tx.runs.insert(run, config=EMPTY_OBJECT, metadata=EMPTY_OBJECT, owner="me")
        tx.events.append(run.run_id, events(1, 3), MOMENT)
        tx.assistants.insert(assistant_at(MOMENT))
        assert tx.runs.claim("me", 1)[0].run_id == kept.run_id
        tx.runs.finish(kept.run_id, "me", Settlement(status="success", has_next=False))
        raise RefusedError

    with pytest.raises(RefusedError):
        await tables.storage.write(work)

    assert await tables.count_rows() == before
    assert await tables.found_run(kept.run_id) == run_before
    assert await tables.found_thread(kept.thread_id) == thread_before


async def test_failures_hurt_no_other_write_of_the_same_moment(storage: Storage) -> None:
    names = [f"thread-{n}" for n in range(300)]
    gate = Gate(storage)
    error = RefusedError()
    writes = [
        storage.write(add_thread(name) if n % 3 else add_thread_and_raise(name, error))
        for n, name in enumerate(names)
    ]
    answering = asyncio.gather(*writes, return_exceptions=True)
    await gate.open()
    async with asyncio.timeout(10):
        answers = await answering

    assert answers == [True if n % 3 else error for n in range(300)]
    assert await thread_ids(storage) == {name for n, name in enumerate(names) if n % 3}


async def test_a_refusal_of_the_database_hurts_no_other_write(storage: Storage) -> None:
    orphan = run_on("no such thread", MOMENT)
    gate = Gate(storage)
    answering = asyncio.gather(
        storage.write(add_thread("before")),
        storage.write(
            lambda tx: tx.runs.insert(
                orphan, config=EMPTY_OBJECT, metadata=EMPTY_OBJECT, owner=None
            )
        ),
        storage.write(add_thread("after")),
        return_exceptions=True,
    )
    await gate.open()
    async with asyncio.timeout(5):
        before, refused, after = await answering

    assert (before, after) == (True, True)
    assert isinstance(refused, Exception)
    assert await thread_ids(storage) == {"before", "after"}


async def test_even_an_exception_that_futures_refuse_is_answered(storage: Storage) -> None:
    gate = Gate(storage)
    answering = asyncio.gather(
        storage.write(add_thread_and_raise("stopped", StopIteration())),
        storage.write(add_thread("after")),
        return_exceptions=True,
    )
    await gate.open()
    async with asyncio.timeout(5):
        stopped, after = await answering

    assert isinstance(stopped, Exception)
    assert after is True
    assert await thread_ids(storage) == {"after"}


async def test_writes_of_one_caller_are_carried_out_in_the_order_of_their_calls(
    storage: Storage,
) -> None:
    await storage.write(add_thread("one"))
    order: list[int] = []

    def write(n: int) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            order.append(n)
            tx.threads.set_metadata("one", jsonio.dumps({"n": n}), MOMENT)

        return work

    async with asyncio.timeout(10):
        await asyncio.gather(*(storage.write(write(n)) for n in range(600)))
    found = await storage.read(lambda tx: tx.threads.find("one", EVERYTHING))

    assert order == list(range(600))
    assert found is not None
    assert jsonio.loads(found.metadata) == {"n": 599}


async def test_a_caller_that_left_hurts_no_other(storage: Storage) -> None:
    gate = Gate(storage)
    leaving = asyncio.ensure_future(storage.write(pause))
    staying = asyncio.ensure_future(storage.write(add_thread("stays")))
    await asyncio.sleep(0)
    leaving.cancel()
    await gate.open()
    async with asyncio.timeout(5):
        assert await staying

    assert leaving.cancelled()
    assert await thread_ids(storage) == {"stays"}


async def test_a_loop_that_ended_before_its_answer_hurts_no_other(storage: Storage) -> None:
    gate = Gate(storage)

    async def ask_and_leave() -> None:
        asking = asyncio.ensure_future(storage.write(pause))
        await asyncio.sleep(0)
        asking.cancel()

    await asyncio.to_thread(asyncio.run, ask_and_leave())
    staying = asyncio.ensure_future(storage.write(add_thread("stays")))
    await gate.open()
    async with asyncio.timeout(5):
        assert await staying


async def test_writers_on_two_loops_lose_no_update(storage: Storage) -> None:
    await storage.write(add_thread("counter"))
    most = 150

    def count(tx: Transaction) -> None:
        found = tx.threads.find("counter", EVERYTHING)
        assert found is not None
        counted = jsonio.loads(found.metadata).get("n", 0) + 1
        tx.threads.set_metadata("counter", jsonio.dumps({"n": counted}), MOMENT)

    async def write_all() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(storage.write(count) for _ in range(most)))

    await asyncio.gather(write_all(), asyncio.to_thread(asyncio.run, write_all()))
    found = await storage.read(lambda tx: tx.threads.find("counter", EVERYTHING))

    assert found is not None
    assert jsonio.loads(found.metadata) == {"n": 2 * most}


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_long_unit_of_work_does_not_hold_up_the_callers_loop(
    storage: Storage, call: str
) -> None:
    loop_went_on = threading.Event()
    asyncio.get_running_loop().call_soon(loop_went_on.set)

    assert await getattr(storage, call)(lambda _: loop_went_on.wait(5))
