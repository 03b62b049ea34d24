"""Assistants and their versions."""

from dataclasses import replace
from typing import Any

from lgserve.core.models import EVERYTHING, Assistant, Json, Page
from tests.conformance.rows import assistant_at
from tests.conformance.storages import Tables


async def find(tables: Tables, assistant_id: str, **scope: Any) -> Assistant | None:
    return await tables.storage.read(lambda tx: tx.assistants.find(assistant_id, scope))


async def insert(tables: Tables, assistant: Assistant) -> bool:
    return await tables.storage.write(lambda tx: tx.assistants.insert(assistant))


async def add_version(tables: Tables, assistant: Assistant) -> Assistant:
    return await tables.storage.write(lambda tx: tx.assistants.add_version(assistant))


async def versions(
    tables: Tables, assistant_id: str, wanted: Any = None, scope: Any = EVERYTHING, **page: Any
) -> list[Assistant]:
    where = Page(**page, sort_by="version")
    return await tables.storage.read(
        lambda tx: tx.assistants.versions(assistant_id, wanted, where, scope)
    )


async def test_an_assistant_is_found_as_it_was_stored(tables: Tables) -> None:
    assistant = Assistant(
        assistant_id="a",
        graph_id="g",
        config=Json(b'{"configurable":{"k":1}}'),
        context=Json(b'{"k":1}'),
        metadata=Json('{"name":"Ä\U0001f600"}'.encode()),
        name="Ärger",
        created_at="2026-01-01T00:00:00.000001+00:00",
        updated_at="2026-01-01T00:00:00.000002+00:00",
        version=1,
        description="what it does",
    )

    assert await insert(tables, assistant)
    assert await find(tables, "a") == assistant
    assert await find(tables, "b") is None


async def test_an_id_that_is_taken_changes_nothing(tables: Tables) -> None:
    assistant = assistant_at(tables.clock.iso, name="first")
    assert await insert(tables, assistant)
    rows = await tables.count_rows()

    assert not await insert(tables, replace(assistant, name="second"))
    assert await find(tables, assistant.assistant_id) == assistant
    assert await tables.count_rows() == rows


async def test_an_assistant_is_found_in_its_scope_only(tables: Tables) -> None:
    assistant = assistant_at(tables.clock.iso, {"owner": "ann", "n": 1})
    await insert(tables, assistant)

    assert await find(tables, assistant.assistant_id, owner="ann") == assistant
    assert await find(tables, assistant.assistant_id, owner="bob") is None


async def test_a_new_version_is_numbered_after_the_highest_and_becomes_current(
    tables: Tables,
) -> None:
    first = assistant_at(tables.clock.iso, {"n": 1})
    await insert(tables, first)
    changed = replace(
        first,
        graph_id="other",
        config=Json(b'{"tags":["t"]}'),
        context=Json(b'{"c":1}'),
        metadata=Json(b'{"n":2}'),
        name="second",
        description="d",
        updated_at=tables.clock.advance(),
    )
    second = await add_version(tables, changed)
    assert second == replace(changed, version=2)
    assert await find(tables, first.assistant_id) == second
    # What is numbered on is the highest version, whichever one the change began from.
    third = await add_version(tables, first)

    assert third == replace(first, version=3)
    assert await find(tables, first.assistant_id) == third


async def test_versions_of_one_assistant_are_no_matter_of_another(tables: Tables) -> None:
    one, other = assistant_at(tables.clock.iso), assistant_at(tables.clock.iso)
    for assistant in (one, other):
        await insert(tables, assistant)
    await add_version(tables, one)

    assert await find(tables, other.assistant_id) == other
    assert (await add_version(tables, other)).version == 2


async def test_a_deleted_assistant_leaves_no_version_behind(tables: Tables) -> None:
    before = await tables.count_rows()
    assistant = assistant_at(tables.clock.iso)
    await insert(tables, assistant)
    await add_version(tables, assistant)
    await tables.storage.write(lambda tx: tx.assistants.delete(assistant.assistant_id))

    assert await find(tables, assistant.assistant_id) is None
    assert await tables.count_rows() == before
    assert await insert(tables, assistant)
    assert (await add_version(tables, assistant)).version == 2


async def test_the_runs_of_a_deleted_assistant_keep_its_id(tables: Tables) -> None:
    assistant = assistant_at(tables.clock.iso)
    await insert(tables, assistant)
    run = await tables.run(await tables.thread(), "me", assistant_id=assistant.assistant_id)
    await tables.storage.write(lambda tx: tx.assistants.delete(assistant.assistant_id))

    assert await tables.found_run(run.run_id) == run
    assert await tables.finish(run) is not None


async def test_deleting_an_assistant_that_does_not_exist_does_nothing(tables: Tables) -> None:
    assistant = assistant_at(tables.clock.iso)
    await insert(tables, assistant)
    await tables.storage.write(lambda tx: tx.assistants.delete("no such assistant"))

    assert await find(tables, assistant.assistant_id, **EVERYTHING) == assistant


async def test_versions_are_what_the_assistant_was_newest_first(tables: Tables) -> None:
    first = assistant_at(tables.clock.iso, {"n": 1, "deep": {"a": 1, "b": 2}}, name="one")
    await insert(tables, first)
    await insert(tables, assistant_at(tables.clock.iso, {"n": 1}))
    changed = replace(
        first,
        name="two",
        graph_id="other",
        config=Json(b'{"tags":["t"]}'),
        context=Json(b'{"c":1}'),
        metadata=Json(b'{"n":2}'),
        description="d",
        updated_at=tables.clock.advance(),
    )
    second = await add_version(tables, changed)
    of = first.assistant_id

    # Of a version, both moments are when it was made.
    newer = replace(second, created_at=second.updated_at)
    assert await versions(tables, of) == [newer, first]
    assert await versions(tables, of, limit=1) == [newer]
    assert await versions(tables, of, limit=1, offset=1) == [first]
    assert await versions(tables, of, {"deep": {"a": 1}}) == [first]
    assert await versions(tables, of, {"n": 3}) == []
    assert await versions(tables, of, None, {"n": 2}) == [newer]
    assert await versions(tables, "no such assistant") == []


async def test_one_version_is_found_in_its_scope_only(tables: Tables) -> None:
    first = assistant_at(tables.clock.iso, {"owner": "ann"})
    await insert(tables, first)

    async def found(version: int, **scope: Any) -> Assistant | None:
        return await tables.storage.read(
            lambda tx: tx.assistants.find_version(first.assistant_id, version, scope)
        )

    assert await found(1, owner="ann") == first
    assert await found(1, owner="bob") is None
    for version in (0, -1, 2, 2**63 - 1, 2**63, 10**30):
        assert await found(version) is None


async def test_making_a_version_current_stores_no_version(tables: Tables) -> None:
    first = assistant_at(tables.clock.iso, {"n": 1})
    await insert(tables, first)
    await add_version(tables, replace(first, name="two", updated_at=tables.clock.advance()))
    stored = await versions(tables, first.assistant_id)
    current = replace(first, updated_at=tables.clock.advance())

    await tables.storage.write(lambda tx: tx.assistants.set_current(current))

    assert await find(tables, first.assistant_id) == current
    assert await versions(tables, first.assistant_id) == stored
    assert (await add_version(tables, current)).version == 3
