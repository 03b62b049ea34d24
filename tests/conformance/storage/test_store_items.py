"""What graphs and clients rely on in a store of items, whatever it keeps them in."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from lgserve.core.errors import BadRequestError
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.store_items import SqliteStore
from tests.clocks import ManualClock
from tests.conformance.storage.backends import Backend


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(backend: Backend, clock: ManualClock) -> BaseStore:
    return backend.store(clock)


def keys(items: list[SearchItem]) -> list[str]:
    return [item.key for item in items]


# --- get, put, delete


async def test_an_item_comes_back_as_it_was_put(store: BaseStore, clock: ManualClock) -> None:
    value = {"a": [1, 2.5, None, True, {"b": "ü\x00"}], "big": 2**80}
    await store.aput(("users", "ann"), "prefs", value)
    assert await store.aget(("users", "ann"), "prefs") == Item(
        namespace=("users", "ann"),
        key="prefs",
        value=value,
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    assert await store.aget(("users", "ann"), "other") is None
    assert await store.aget(("users",), "prefs") is None


async def test_an_overwritten_item_keeps_its_creation_time(
    store: BaseStore, clock: ManualClock
) -> None:
    created = clock.now()
    await store.aput(("a",), "k", {"n": 1})
    clock.advance(timedelta(seconds=5))
    updated = clock.now()
    await store.aput(("a",), "k", {"n": 2})
    item = await store.aget(("a",), "k")
    assert item is not None
    assert (item.value, item.created_at, item.updated_at) == ({"n": 2}, created, updated)


async def test_a_deleted_item_is_gone_and_deleting_again_is_no_error(store: BaseStore) -> None:
    await store.aput(("a",), "k", {"n": 1})
    await store.adelete(("a",), "k")
    await store.adelete(("a",), "k")
    assert await store.aget(("a",), "k") is None
    assert await store.alist_namespaces() == []


async def test_a_changed_result_does_not_change_the_item(store: BaseStore) -> None:
    value: dict[str, Any] = {"list": [1]}
    await store.aput(("a",), "k", value)
    value["list"].append(2)
    first = await store.aget(("a",), "k")
    assert first is not None
    first.value["list"].append(3)
    second = await store.aget(("a",), "k")
    assert second is not None
    assert second.value == {"list": [1]}


async def test_a_value_that_json_cannot_hold_is_refused_with_its_place(store: BaseStore) -> None:
    with pytest.raises(TypeError, match=r"value\.a\[1\] is of type object, which JSON cannot hold"):
        await store.aput(("a",), "k", {"a": [2**70, object()]})
    assert await store.aget(("a",), "k") is None
    await store.aput(("a",), "k", {"set": {1}, "when": datetime(2026, 1, 1, tzinfo=UTC)})
    item = await store.aget(("a",), "k")
    assert item is not None
    assert item.value == {"set": [1], "when": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("label", ["", "a.b", "a\x00b"])
async def test_labels_that_are_empty_or_ambiguous_are_refused(store: BaseStore, label: str) -> None:
    ops: list[Op] = [
        PutOp((label,), "k", {}),
        GetOp((label,), "k"),
        SearchOp((label,)),
        ListNamespacesOp((MatchCondition("prefix", (label,)),)),
    ]
    for op in ops:
        with pytest.raises(InvalidNamespaceError):
            await store.abatch([op])


async def test_a_batch_reads_before_it_writes_and_the_last_put_counts(store: BaseStore) -> None:
    await store.aput(("a",), "k", {"n": 0})
    results = await store.abatch(
        [
            PutOp(("a",), "k", {"n": 1}),
            GetOp(("a",), "k"),
            PutOp(("a",), "k", {"n": 2}),
            PutOp(("b",), "k", {"n": 3}),
            SearchOp(("b",)),
            ListNamespacesOp(),
        ]
    )
    assert isinstance(results[1], Item)
    assert (results[1].value, results[4], results[5]) == ({"n": 0}, [], [("a",)])
    assert [results[0], results[2], results[3]] == [None, None, None]
    assert [item.value for item in await store.asearch(())] == [{"n": 3}, {"n": 2}]


async def test_a_batch_that_fails_changes_nothing(store: BaseStore) -> None:
    with pytest.raises(TypeError):
        await store.abatch([PutOp(("a",), "k", {"n": 1}), PutOp(("a",), "l", {"n": object()})])
    assert await store.asearch(()) == []


async def test_the_store_works_from_threads(store: BaseStore) -> None:
    def work(n: int) -> list[Any]:
        store.put(("threads",), str(n), {"n": n})
        item = store.get(("threads",), str(n))
        found = store.search(("threads",), filter={"n": n})
        return [item and item.value, keys(found), store.list_namespaces(prefix=("threads",))]

    results = await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(8)))
    assert results == [[{"n": n}, [str(n)], [("threads",)]] for n in range(8)]
    store.delete(("threads",), "0")
    assert store.get(("threads",), "0") is None


async def test_reading_creates_nothing(store: BaseStore) -> None:
    await store.aget(("nothing",), "k")
    await store.asearch(("nothing",))
    assert await store.alist_namespaces() == []


async def test_what_an_item_asks_of_an_index_is_accepted(store: BaseStore) -> None:
    await store.aput(("a",), "all", {"text": "x"})
    await store.aput(("a",), "none", {"text": "x"}, index=False)
    await store.aput(("a",), "some", {"text": "x"}, index=["text", "meta.title"])
    found = await store.asearch(("a",), query="x")
    assert sorted((item.key, item.score) for item in found) == [
        ("all", None),
        ("none", None),
        ("some", None),
    ]


# --- search


async def test_a_search_keeps_to_whole_labels(store: BaseStore) -> None:
    spaces = [("a",), ("a", "b"), ("ab",), ("a-",), ("b", "a"), ("a", "b", "c")]
    for space in spaces:
        await store.aput(space, "/".join(space), {})

    async def found(*prefix: str) -> list[str]:
        return sorted(keys(await store.asearch(prefix)))

    assert await found() == sorted("/".join(space) for space in spaces)
    assert await found("a") == ["a", "a/b", "a/b/c"]
    assert await found("a", "b") == ["a/b", "a/b/c"]
    assert await found("b") == ["b/a"]
    assert await found("c") == []


async def test_a_search_gives_the_last_updated_first_and_pages_do_not_overlap(
    store: BaseStore, clock: ManualClock
) -> None:
    for n in range(25):
        await store.aput(("a", str(n % 3)), str(n), {"n": n, "even": n % 2 == 0})
        clock.advance(timedelta(seconds=n % 2))
    clock.advance(timedelta(seconds=1))
    await store.aput(("a", "0"), "3", {"n": 3, "even": False})
    expected = ["3", *(str(n) for n in range(24, -1, -1) if n != 3)]
    pages = [await store.asearch(("a",), limit=10, offset=start) for start in (0, 10, 20, 30)]
    assert [key for page in pages for key in keys(page)] == expected
    even = [await store.asearch((), filter={"even": True}, limit=5, offset=o) for o in (0, 5, 10)]
    assert [key for page in even for key in keys(page)] == [str(n) for n in range(24, -1, -2)]
    assert await store.asearch((), limit=0) == []


ITEMS: dict[str, dict[str, Any]] = {
    "one": {"n": 1, "kind": "note", "tags": ["a", "b"], "meta": {"by": "ann", "deep": {"x": 1}}},
    "two": {"n": 2.5, "kind": "note", "tags": ["b"], "meta": {"by": "bob"}, "done": True},
    "ten": {"n": "10", "kind": "task", "tags": "ab", "done": 1, "a.b": 1},
    "none": {"n": None, "kind": None, "meta": 5, "a": {"b": 1}},
    "empty": {},
}


@pytest.mark.requirement("STORE-009")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "empty none one ten two"),
        ({"kind": "note"}, "one two"),
        ({"kind": {"$eq": "task"}}, "ten"),
        ({"kind": None}, "empty none"),
        ({"kind": {"$ne": "note"}}, "empty none ten"),
        ({"n": 1}, "one"),
        ({"n": {"$gt": 1}}, "ten two"),
        ({"n": {"$gte": 1, "$lt": 3}}, "one two"),
        ({"n": {"$lte": "2.5"}}, "one two"),
        ({"n": {"$gt": "a"}}, ""),
        ({"kind": {"$gte": "o"}}, "ten"),
        ({"missing": {"$gt": 1}}, ""),
        ({"done": True}, "two"),
        ({"done": 1}, "ten"),
        ({"tags": ["a", "b"]}, "one"),
        ({"tags": ["a", {"$ne": "a"}]}, "one"),
        ({"tags": {"$contains": "b"}}, "one ten two"),
        ({"tags": {"$contains": ["a", "b"]}}, "one ten"),
        ({"tags": {"$contains": 1}}, ""),
        ({"n": {"$in": [1, 2.5, "x"]}}, "one two"),
        ({"n": {"$in": [None]}}, "empty none"),
        ({"n": {"$nin": [1, None]}}, "ten two"),
        ({"n": {"$in": 1}}, ""),
        ({"n": {"$exists": True}}, "none one ten two"),
        ({"n": {"$exists": False}}, "empty"),
        ({"meta": {"by": "ann"}}, "one"),
        ({"meta": {"by": {"$ne": "ann"}}}, "two"),
        ({"meta": {"other": None}}, "one two"),
        ({"meta.by": "bob"}, "two"),
        ({"meta.deep.x": {"$gte": 1}}, "one"),
        ({"meta.by.x": None}, "empty none one ten two"),
        ({"a.b": 1}, "none ten"),
        ({"kind": "note", "n": {"$gt": 1}}, "two"),
        ({'odd"key\\': "x"}, ""),
        ({"n": 2**70}, ""),
    ],
)
async def test_a_search_finds_what_the_filter_wants(
    store: BaseStore, wanted: dict[str, Any], expected: str
) -> None:
    await store.abatch([PutOp(("items",), key, value) for key, value in ITEMS.items()])
    found = await store.asearch(("items",), filter=wanted)
    assert " ".join(sorted(keys(found))) == expected


@pytest.mark.parametrize(
    "wanted",
    [{"n": {"$near": 1}}, {"n": {"$gt": 1, "x": 2}}, {"$or": []}, {"a": {"b": [{"$x": 1}]}}],
)
async def test_an_unknown_operator_is_refused_even_if_there_is_nothing_to_search(
    store: BaseStore, wanted: dict[str, Any]
) -> None:
    with pytest.raises(BadRequestError, match="Unsupported operator: "):
        await store.asearch(("items",), filter=wanted)


# --- namespaces


@pytest.mark.requirement("STORE-005")
async def test_namespaces_are_listed_by_prefix_suffix_depth_and_page(store: BaseStore) -> None:
    spaces = [("a",), ("a", "b"), ("a", "b", "c"), ("a", "x", "c"), ("a-b",), ("d", "c")]
    for space in spaces:
        await store.aput(space, "k", {})
        await store.aput(space, "l", {})
    assert await store.alist_namespaces() == sorted(spaces)
    assert await store.alist_namespaces(prefix=("a",)) == sorted(s for s in spaces if s[0] == "a")
    assert await store.alist_namespaces(suffix=("c",)) == [
        ("a", "b", "c"),
        ("a", "x", "c"),
        ("d", "c"),
    ]
    assert await store.alist_namespaces(prefix=("a", "*", "c")) == [
        ("a", "b", "c"),
        ("a", "x", "c"),
    ]
    assert await store.alist_namespaces(prefix=("a",), suffix=("*", "c"), max_depth=2) == [
        ("a", "b"),
        ("a", "x"),
    ]
    assert await store.alist_namespaces(max_depth=1) == [("a",), ("a-b",), ("d",)]
    assert await store.alist_namespaces(limit=2, offset=1) == sorted(spaces)[1:3]


# --- time to live


async def test_an_expired_item_is_not_seen_before_or_after_the_sweep(
    store: SqliteStore, clock: ManualClock
) -> None:
    await store.aput(("a",), "short", {"n": 1}, ttl=1)
    await store.aput(("a",), "long", {"n": 2}, ttl=60)
    await store.aput(("b",), "negative", {"n": 3}, ttl=-5)
    await store.aput(("b",), "ever", {"n": 4})
    await store.aput(("b",), "endless", {"n": 5}, ttl=1e300)
    clock.advance(timedelta(minutes=1))
    assert await store.aget(("a",), "short") is None
    assert await store.aget(("b",), "negative") is None
    assert sorted(keys(await store.asearch(()))) == ["endless", "ever", "long"]
    assert await store.sweep() == 2
    assert await store.sweep() == 0
    clock.advance(timedelta(minutes=61))
    assert await store.alist_namespaces() == [("b",)]
    assert sorted(keys(await store.asearch(()))) == ["endless", "ever"]


@pytest.mark.parametrize(
    "read",
    [
        lambda store, **options: store.aget(("a",), "k", **options),
        lambda store, **options: store.asearch(("a",), filter={"n": 1}, **options),
        lambda store, **options: asyncio.to_thread(store.get, ("a",), "k", **options),
    ],
)
async def test_reading_an_item_lets_it_live_on_unless_told_otherwise(
    store: BaseStore, clock: ManualClock, read: Callable[..., Any]
) -> None:
    await store.aput(("a",), "k", {"n": 1}, ttl=10)
    clock.advance(timedelta(minutes=9))
    assert await read(store)
    clock.advance(timedelta(minutes=9))
    assert await read(store, refresh_ttl=False)
    clock.advance(timedelta(minutes=1))
    assert not await read(store)


async def test_reading_in_a_batch_that_writes_lets_items_live_on_too(
    store: BaseStore, clock: ManualClock
) -> None:
    await store.aput(("a",), "k", {"n": 1}, ttl=10)
    clock.advance(timedelta(minutes=9))
    await store.abatch([GetOp(("a",), "k"), PutOp(("a",), "other", {})])
    clock.advance(timedelta(minutes=9))
    assert await store.aget(("a",), "k") is not None


async def test_an_item_put_again_has_the_life_of_the_new_one(
    store: BaseStore, clock: ManualClock
) -> None:
    created = clock.now()
    await store.aput(("a",), "k", {"n": 1}, ttl=10)
    clock.advance(timedelta(minutes=5))
    await store.aput(("a",), "k", {"n": 2})
    clock.advance(timedelta(minutes=50))
    item = await store.aget(("a",), "k")
    assert item is not None
    assert (item.value, item.created_at) == ({"n": 2}, created)
    await store.aput(("a",), "k", {"n": 3}, ttl=1)
    clock.advance(timedelta(minutes=2))
    reborn = clock.now()
    await store.aput(("a",), "k", {"n": 4})
    item = await store.aget(("a",), "k")
    assert item is not None
    assert (item.value, item.created_at) == ({"n": 4}, reborn)


async def test_the_store_has_a_default_time_to_live(tmp_path: Any) -> None:
    clock = ManualClock()
    database = SqliteDatabase(tmp_path)
    database.open()
    store = SqliteStore(database, ttl={"default_ttl": 10, "refresh_on_read": False}, clock=clock)
    await store.aput(("a",), "k", {})
    clock.advance(timedelta(minutes=6))
    assert await store.aget(("a",), "k") is not None
    clock.advance(timedelta(minutes=6))
    assert await store.aget(("a",), "k") is None
    database.close()


# --- the same as LangGraph's own store

labels = st.sampled_from(["a", "b", "ab", "é"])
namespaces = st.lists(labels, min_size=1, max_size=3).map(tuple)
names = st.sampled_from(["k", "l", "m"])
scalars = st.none() | st.integers(-3, 3) | st.sampled_from(["", "x", "yz"])
values = st.dictionaries(
    st.sampled_from(["p", "q"]),
    scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.just("r"), scalars),
)
conditions = (
    scalars
    | st.lists(scalars, max_size=2)
    | st.dictionaries(st.just("r"), scalars)
    | st.dictionaries(st.sampled_from(["$eq", "$ne"]), scalars)
)
filters = st.dictionaries(st.sampled_from(["p", "q"]), conditions, max_size=2)
matches = st.builds(
    MatchCondition,
    st.sampled_from(["prefix", "suffix"]),
    st.lists(labels | st.just("*"), min_size=1, max_size=2).map(tuple),
)
ops: st.SearchStrategy[Op] = st.one_of(
    st.tuples(namespaces, names, values | st.none()).map(lambda args: PutOp(*args)),
    st.tuples(namespaces, names).map(lambda args: GetOp(*args)),
    st.tuples(st.lists(labels, max_size=2).map(tuple), st.none() | filters).map(
        lambda args: SearchOp(args[0], args[1], limit=1000)
    ),
    st.lists(matches, max_size=2).map(lambda conditions: ListNamespacesOp(tuple(conditions))),
)


def plain(result: Any, full: set[tuple[str, ...]]) -> Any:
    """Return a result without times and order; LangGraph's store also lists what is empty."""
    if isinstance(result, Item):
        return result.namespace, result.key, result.value
    if isinstance(result, list) and result and isinstance(result[0], Item):
        return sorted(repr(plain(item, full)) for item in result)
    if isinstance(result, list):
        return [space for space in result if space in full]
    return result


@settings(max_examples=60)
@given(st.lists(st.lists(ops, min_size=1, max_size=4), max_size=12))
def test_plain_operations_give_what_langgraphs_own_store_gives(batches: list[list[Op]]) -> None:
    database = SqliteDatabase(None)
    database.open()
    try:
        ours, theirs = SqliteStore(database), InMemoryStore()
        for batch in batches:
            full = {item.namespace for item in theirs.search((), limit=1000)}
            got, expected = ours.batch(batch), theirs.batch(batch)
            assert [plain(r, full) for r in got] == [plain(r, full) for r in expected]
    finally:
        database.close()
