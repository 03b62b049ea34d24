"""Searching and counting threads and assistants, against plain Python over lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgserve import jsonio
from lgserve.core.models import (
    EVERYTHING,
    Assistant,
    AssistantFilter,
    Json,
    Page,
    Thread,
    ThreadFilter,
)
from lgserve.core.ports import Transaction
from lgserve.core.vocabulary import THREAD_STATUSES, SortOrder
from tests.conformance.rows import assistant_at, thread_at
from tests.conformance.storages import OpenTables, Tables, on_tables

#: Few and odd, so that what is asked for is often there.
NAMES = ("a", "b", "a.b", 'q"', "back\\slash", "", "ä", "$", "[0]")
SCALARS = (
    "x",
    "X",
    "",
    "1",
    "ä",
    'q"',
    "back\\slash",
    "\U0001f600",
    "a\x00b",
    0,
    1,
    -1,
    1.5,
    2**70,
)
scalars = st.sampled_from((*SCALARS, True, False, None))
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2)
    ),
    max_leaves=4,
)
documents = st.dictionaries(st.sampled_from(NAMES), trees, max_size=3)
#: A member most have, so that many a search finds something.
labelled = st.tuples(documents, st.sampled_from(("ann", "bob", None))).map(
    lambda pair: pair[0] if pair[1] is None else {**pair[0], "user": pair[1]}
)
moments = st.integers(1, 5).map(lambda n: f"2026-01-0{n}T00:00:00.000000+00:00")


def contains(value: Any, wanted: Any) -> bool:
    """Say what containment means, as slowly as one likes."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and contains(value[name], member) for name, member in wanted.items()
        )
    return same(value, wanted)


def same(value: Any, wanted: Any) -> bool:
    """Say when two JSON values are equal: true is not 1, though 1.0 is."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(same, value, wanted))
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(same(value[k], wanted[k]) for k in value)
    return bool(value == wanted)


def holds(document: Json | None, wanted: Mapping[str, Any] | None) -> bool:
    """Tell whether a stored document contains what is wanted; nothing wanted is in everything."""
    if not wanted:
        return True
    return document is not None and contains(
        jsonio.loads(document), jsonio.loads(jsonio.dumps_wire(wanted))
    )


threads = st.builds(
    lambda metadata, values, status, times: thread_at(
        "",
        metadata,
        values=values if values is None else jsonio.dumps_wire(values),
        status=status,
        created_at=times[0],
        updated_at=times[1],
        state_updated_at=times[2],
    ),
    labelled,
    st.none() | documents,
    st.sampled_from(THREAD_STATUSES),
    st.tuples(moments, moments, moments),
)


@st.composite
def filters(draw: st.DrawFn, documents_: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what to look for: a few members of one of the documents, or something else."""
    if not documents_ or draw(st.booleans()):
        return draw(labelled)
    one = draw(st.sampled_from(documents_))
    names = draw(st.sets(st.sampled_from(sorted(one)), max_size=2)) if one else set()
    return {name: one[name] for name in names}


def parsed(rows: Sequence[Thread] | Sequence[Assistant]) -> list[dict[str, Any]]:
    return [jsonio.loads(row.metadata) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list, asked for page by page, and what it must be."""

    order: str
    size: int
    sort_order: SortOrder

    async def check(
        self,
        search: Callable[[Page], Awaitable[Sequence[Any]]],
        expected: Sequence[Any],
        key: Callable[[Any], str],
    ) -> None:
        """Read all pages; each row expected is there once, as it was stored, and in order."""
        found: list[Any] = []
        for number in range(len(expected) // self.size + 1):
            page = Page(
                limit=self.size,
                offset=number * self.size,
                sort_by=self.order,
                sort_order=self.sort_order,
            )
            rows = await search(page)
            assert len(rows) == min(self.size, len(expected) - page.offset)
            found += rows
        keys = [key(row) for row in found]
        assert keys == sorted(keys, reverse=self.sort_order == "desc")
        assert sorted(map(repr, found)) == sorted(map(repr, expected))


def listings(orders: Sequence[str]) -> st.SearchStrategy[Listing]:
    return st.builds(
        Listing,
        order=st.sampled_from(orders),
        size=st.integers(1, 5),
        sort_order=st.sampled_from(("asc", "desc")),
    )


thread_orders = ("thread_id", "status", "created_at", "updated_at", "state_updated_at")


@pytest.mark.requirement("SEARCH-001")
@settings(max_examples=60)
@given(rows=st.lists(threads, max_size=9), listing=listings(thread_orders), data=st.data())
def test_threads_are_searched_and_counted_as_plain_python_would(
    open_tables: OpenTables, rows: list[Thread], listing: Listing, data: st.DataObject
) -> None:
    renamed = data.draw(st.dictionaries(st.integers(0, len(rows)), labelled, max_size=2))
    stored = [
        replace(row, metadata=jsonio.dumps_wire(renamed[n])) if n in renamed else row
        for n, row in enumerate(rows)
    ]
    values = [jsonio.loads(row.values) for row in rows if row.values is not None]
    ids = st.lists(st.sampled_from(["none", *(row.thread_id for row in rows)])).map(tuple)
    where = ThreadFilter(
        metadata=data.draw(st.none() | filters(parsed(stored))),
        values=data.draw(st.none() | filters(values)),
        status=data.draw(st.none() | st.sampled_from(THREAD_STATUSES)),
        ids=data.draw(st.none() | ids),
    )
    scope = data.draw(st.just({}) | filters(parsed(stored)))
    expected = [
        row
        for row in stored
        if holds(row.metadata, scope)
        and holds(row.metadata, where.metadata)
        and holds(row.values, where.values)
        and where.status in (None, row.status)
        and (where.ids is None or row.thread_id in where.ids)
    ]

    def store(tx: Transaction) -> None:
        for row, wanted in zip(rows, stored, strict=True):
            tx.threads.insert(row)
            if wanted is not row:
                tx.threads.set_metadata(row.thread_id, wanted.metadata, row.updated_at)

    async def scenario(tables: Tables) -> None:
        storage = tables.storage
        await storage.write(store)
        assert await storage.read(lambda tx: tx.threads.count(where, scope)) == len(expected)
        await listing.check(
            lambda page: storage.read(lambda tx: tx.threads.search(where, page, scope)),
            expected,
            lambda row: str(getattr(row, listing.order)),
        )

    on_tables(open_tables, scenario)


assistant_names = ("Untitled", "untitled", "Alpha", "alphabet", "BETA", "100%", "1_0", "[a]*?")
assistants = st.builds(
    lambda metadata, graph_id, name, times: assistant_at(
        times[0], metadata, graph_id=graph_id, name=name, updated_at=times[1]
    ),
    labelled,
    st.sampled_from(("g", "G", "other")),
    st.sampled_from(assistant_names),
    st.tuples(moments, moments),
)
assistant_orders = ("assistant_id", "created_at", "updated_at", "name", "graph_id")


@settings(max_examples=60)
@given(rows=st.lists(assistants, max_size=9), listing=listings(assistant_orders), data=st.data())
def test_assistants_are_searched_and_counted_as_plain_python_would(
    open_tables: OpenTables, rows: list[Assistant], listing: Listing, data: st.DataObject
) -> None:
    where = AssistantFilter(
        metadata=data.draw(st.none() | filters(parsed(rows))),
        graph_id=data.draw(st.sampled_from((None, "g", "other", "none"))),
        name=data.draw(st.sampled_from((None, "", "alpha", "TITLE", "%", "_", "*", "none"))),
    )
    scope = data.draw(st.just({}) | filters(parsed(rows)))
    expected = [
        row
        for row in rows
        if holds(row.metadata, scope)
        and holds(row.metadata, where.metadata)
        and where.graph_id in (None, row.graph_id)
        and (where.name or "").lower() in row.name.lower()
    ]

    async def scenario(tables: Tables) -> None:
        storage = tables.storage
        await storage.write(lambda tx: [tx.assistants.insert(row) for row in rows])
        assert await storage.read(lambda tx: tx.assistants.count(where, scope)) == len(expected)
        await listing.check(
            lambda page: storage.read(lambda tx: tx.assistants.search(where, page, scope)),
            expected,
            lambda row: folded(str(getattr(row, listing.order)), listing.order),
        )

    on_tables(open_tables, scenario)


def folded(value: str, order: str) -> str:
    return value.lower() if order == "name" else value


async def test_values_that_stand_in_the_state_only_are_searched_as_all_others(
    tables: Tables,
) -> None:
    run = await tables.run(await tables.thread(), "me")
    await tables.checkpoint(run, {"large": "x" * 200_000, "small": {"n": [1], "m": 2}})
    large = Json(b'{"large":"%s"}' % (b"x" * 200_000))
    await tables.finish(run, values=large)
    assert (await tables.found_thread(run.thread_id)).values_in_state

    async def count(values: Mapping[str, Any]) -> int:
        where = ThreadFilter(values=values)
        return await tables.storage.read(lambda tx: tx.threads.count(where, EVERYTHING))

    assert await count({"small": {"n": [1]}}) == 1
    assert await count({"small": {"n": [2]}}) == 0
    assert await count({"large": "x" * 200_000}) == 1
    assert await count({"other": 1}) == 0


async def test_no_value_of_one_thread_spoils_the_search_of_all(tables: Tables) -> None:
    # The state of a graph may hold integers of any length; its thread's values hold them too.
    for values in ({"n": 10**400}, {"n": 1}):
        await tables.thread(values=jsonio.dumps_wire(values))

    async def count(values: Mapping[str, Any]) -> int:
        where = ThreadFilter(values=values)
        return await tables.storage.read(lambda tx: tx.threads.count(where, EVERYTHING))

    assert await count({"n": 1}) == 1
    assert await count({"n": 10**400}) == 1


async def test_the_case_of_a_name_does_not_matter_in_any_alphabet(tables: Tables) -> None:
    rows = [assistant_at(tables.clock.advance(), name=name) for name in ("Ärger", "ärger", "ÉTÉ")]
    await tables.storage.write(lambda tx: [tx.assistants.insert(row) for row in rows])

    async def named(name: str) -> list[str]:
        where = AssistantFilter(name=name)
        page = Page(sort_by="created_at", sort_order="asc")
        found = await tables.storage.read(lambda tx: tx.assistants.search(where, page, EVERYTHING))
        return [row.name for row in found]

    assert await named("ÄRG") == ["Ärger", "ärger"]
    assert await named("té") == ["ÉTÉ"]


@pytest.mark.parametrize(
    ("stored", "wanted", "found"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False),
        ({"a": 1}, {"a": {}}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": False}, {"a": 0}, False),
        ({"a": [1]}, {"a": [True]}, False),
        ({"a": [{"b": False}]}, {"a": [{"b": 0}]}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": "x"}, {"a": "X"}, False),
        ({"a": "x\0y"}, {"a": "x"}, False),
        ({"a": "x\0y"}, {"a": "x\0y"}, True),
        ({"a": 2**70}, {"a": 2**70}, True),
        ({"a": 2**70}, {"a": 2**70 + 1}, False),
        ({"a.b": "x"}, {"a": {"b": "x"}}, False),
        ({"a": {"b": "x"}}, {"a.b": "x"}, False),
    ],
)
async def test_objects_contain_all_wanted_members_and_other_values_are_equal(
    tables: Tables, stored: Mapping[str, Any], wanted: Mapping[str, Any], found: bool
) -> None:
    text = jsonio.dumps_wire(stored)
    assistant = assistant_at(tables.clock.iso, stored)
    thread = thread_at(tables.clock.iso, stored, values=text)
    wheres = (ThreadFilter(metadata=wanted), ThreadFilter(values=wanted))

    def work(tx: Transaction) -> list[int]:
        tx.assistants.insert(assistant)
        tx.threads.insert(thread)
        return [
            tx.assistants.count(AssistantFilter(metadata=wanted), EVERYTHING),
            *(tx.threads.count(one, EVERYTHING) for one in wheres),
            tx.threads.count(ThreadFilter(), dict(wanted)),
        ]

    assert await tables.storage.write(work) == [found] * 4
