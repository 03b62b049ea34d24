"""Notes of requests that named themselves."""

from __future__ import annotations

from dataclasses import replace

from lgserve.core.models import EVERYTHING, Answered, Json, RequestKey, RunResult
from tests.conformance.storages import Tables

KEY = RequestKey(owner="alice", name="k", fingerprint=b"f")
ANSWER = Json(b'{"run_id":"r"}')


async def note(tables: Tables, key: RequestKey = KEY, **members: str | None) -> None:
    ids = {"thread_id": None, "run_id": None, **members}
    await tables.storage.write(lambda tx: tx.requests.insert(key, ANSWER, **ids))


async def found(tables: Tables, key: RequestKey = KEY) -> Answered | None:
    return await tables.storage.read(lambda tx: tx.requests.find(key))


async def test_a_note_is_found_by_its_owner_and_name(tables: Tables) -> None:
    assert await found(tables) is None
    await note(tables, run_id="r")

    answered = Answered(fingerprint=b"f", answer=ANSWER, run_id="r")
    assert await found(tables) == await found(tables, replace(KEY, fingerprint=b"g")) == answered
    assert await found(tables, replace(KEY, owner="bob")) is None
    assert await found(tables, replace(KEY, name="l")) is None


async def test_a_note_goes_with_its_thread_and_not_with_a_run(tables: Tables) -> None:
    thread_id, other = await tables.thread(), await tables.thread()
    run = await tables.run(thread_id)
    await note(tables, thread_id=thread_id, run_id=run.run_id)
    await note(tables, replace(KEY, name="l"), thread_id=other)
    await tables.runs(lambda runs: runs.delete(run.run_id))
    assert await found(tables) is not None

    await tables.storage.write(lambda tx: tx.threads.delete(thread_id))
    assert await found(tables) is None
    assert await found(tables, replace(KEY, name="l")) is not None


async def test_what_a_deleted_run_came_to_is_kept_with_its_note(tables: Tables) -> None:
    result = RunResult(body=Json(b"{}"), status="interrupted", reason="why")

    async def kept() -> RunResult | None:
        return await tables.storage.read(lambda tx: tx.requests.find_result("r"))

    await tables.storage.write(lambda tx: tx.requests.keep_result("r", result))
    assert await kept() is None
    await note(tables, run_id="r")
    assert await kept() is None
    await tables.storage.write(lambda tx: tx.requests.keep_result("r", result))
    assert await kept() == result


async def test_old_notes_are_swept(tables: Tables) -> None:
    await note(tables)
    moment = tables.clock.advance()
    await note(tables, replace(KEY, name="later"))

    assert await tables.storage.write(lambda tx: tx.requests.delete_before(moment)) == 1
    assert await found(tables) is None
    assert await found(tables, replace(KEY, name="later")) is not None


async def test_a_thread_counts_the_runs_that_it_would_list(tables: Tables) -> None:
    thread_id = await tables.thread()
    for _ in range(3):
        await tables.run(thread_id)
    run = await tables.run(thread_id, metadata=Json(b'{"n":1}'))
    await tables.cancel(run)

    async def count(status: str | None, metadata: dict[str, int] | None) -> int:
        return await tables.runs(
            lambda runs: runs.count_for_thread(thread_id, status=status, metadata=metadata)
        )

    assert await count(None, None) == 4
    assert await count("pending", None) == 3
    assert await count("interrupted", {"n": 1}) == 1
    assert await count(None, {"n": 2}) == 0
    assert await tables.storage.read(lambda tx: tx.runs.find(run.run_id, EVERYTHING))
