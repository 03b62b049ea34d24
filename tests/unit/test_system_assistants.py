"""The assistants that graphs have of themselves, start after start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lgserve.core.clock import SystemClock
from lgserve.core.errors import NotFoundError
from lgserve.core.ids import system_assistant_id
from lgserve.core.models import EVERYTHING, AssistantFilter, Page
from lgserve.graphs.loader import GraphSource
from lgserve.graphs.registry import GraphRegistry
from lgserve.services.assistants import AssistantPatch, AssistantService
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage
from tests.conformance.rows import LEASE


@pytest.fixture
def storage() -> Iterator[SqliteStorage]:
    database = SqliteDatabase(None)
    database.open()
    yield SqliteStorage(database, SystemClock(), LEASE)
    database.close()


async def started(storage: SqliteStorage, **graphs: str | None) -> AssistantService:
    """Start with these graphs and their descriptions; whether they load does not matter."""
    registry = GraphRegistry()
    sources = [
        GraphSource(graph_id=graph_id, path="./not_there.py:graph", description=description)
        for graph_id, description in graphs.items()
    ]
    registry.load(sources, Path())
    unused = cast(Any, None)
    service = AssistantService(
        storage=storage, graphs=registry, clock=SystemClock(), threads=unused, canceller=unused
    )
    await service.create_system_assistants()
    return service


async def test_another_start_changes_nothing(storage: SqliteStorage) -> None:
    first = await (await started(storage, a="described")).get("a", EVERYTHING)
    assert await (await started(storage, a="described")).get("a", EVERYTHING) == first


async def test_a_new_description_is_seen_after_the_next_start(storage: SqliteStorage) -> None:
    await started(storage, a="old", b=None)
    service = await started(storage, a="new", b="first")

    for graph_id, description in (("a", "new"), ("b", "first")):
        found = await service.get(graph_id, EVERYTHING)
        assert (found.description, found.version) == (description, 1)


async def test_what_somebody_has_changed_stays(storage: SqliteStorage) -> None:
    service = await started(storage, a="old")
    patch = AssistantPatch(description="mine", name="Mine")
    changed = await service.update("a", patch, EVERYTHING)

    assert await (await started(storage, a="new")).get("a", EVERYTHING) == changed


async def test_a_graph_that_is_gone_takes_its_assistant_with_it(storage: SqliteStorage) -> None:
    await started(storage, a=None, b=None)
    service = await started(storage, b=None)

    with pytest.raises(NotFoundError):
        await service.get(system_assistant_id("a"), EVERYTHING)
    assert (await service.get("b", EVERYTHING)).name == "b"


async def test_a_stranger_with_the_id_of_a_later_graph_makes_room_for_it(
    storage: SqliteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    service = await started(storage, a=None)
    taken = system_assistant_id("b")
    given: dict[str, Any] = {"graph_id": "a", "config": {}, "if_exists": "raise", "scope": {}}
    forged = {"created_by": "system", "owner": "eve"}
    await service.create(
        assistant_id=taken, name="Eve", metadata=forged, context={"x": 1}, description=None, **given
    )
    await service.update(taken, AssistantPatch(name="Eve 2"), EVERYTHING)

    for _ in range(2):  # the second start finds all as it should be
        service = await started(storage, a=None, b=None)
        own = await service.get("b", EVERYTHING)
        assert (own.graph_id, own.name, own.version, own.context) == ("b", "b", 1, b"{}")
        assert own.metadata == b'{"created_by":"system"}'
        where = AssistantFilter(metadata={"owner": "eve"})
        (moved,), total = await service.search(where, Page(sort_by="name", limit=10), EVERYTHING)
        assert (moved.graph_id, moved.name, moved.version, total) == ("a", "Eve 2", 2, 1)
    assert f"assistant {taken} had the id of the new graph 'b'" in caplog.text
    assert len([each for each in caplog.records if "had the id" in each.getMessage()]) == 1
