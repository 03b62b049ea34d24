"""Items of one scope are out of the sight of every other, in whatever way one looks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from lgserve.core.items import (
    DeleteItem,
    GetItem,
    ItemOp,
    ItemResult,
    ListNamespaces,
    PutItem,
    SearchItems,
    StoreItem,
)
from lgserve.core.models import EVERYTHING, Scope
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.store_items import SqliteStore
from tests.clocks import ManualClock

ANN: Scope = {"owner": "ann"}
BOB: Scope = {"owner": "bob"}


@pytest.fixture
def database() -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(None)
    database.open()
    yield database
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(database: SqliteDatabase, clock: ManualClock) -> SqliteStore:
    return SqliteStore(database, clock=clock)


def put(namespace: str, key: str, **value: Any) -> PutItem:
    return PutItem(namespace=tuple(namespace.split(".")), key=key, value=value)


def shown(result: ItemResult) -> list[str]:
    assert isinstance(result, list)
    return [f"{item.key}:{item.value.decode()}" for item in result if isinstance(item, StoreItem)]


async def test_two_owners_use_the_same_place_and_see_only_their_own(store: SqliteStore) -> None:
    await store.run([put("a", "k", by="ann"), put("a.b", "only", by="ann")], ANN)
    await store.run([put("a", "k", by="bob"), put("c", "k", by="bob")], BOB)
    look: list[ItemOp] = [
        GetItem(namespace=("a",), key="k"),
        GetItem(namespace=("a", "b"), key="only"),
        SearchItems(),
        SearchItems(filter={"by": {"$exists": True}}),
        SearchItems(prefix=("a",), exact=True),
        SearchItems(key_prefix="k"),
        ListNamespaces(),
        ListNamespaces(prefixes=[("*",)]),
    ]

    got, only, all_items, filtered, exact, by_key, spaces, wild = await store.run(look, BOB)

    assert isinstance(got, StoreItem)
    assert (got.value, only) == (b'{"by":"bob"}', None)
    assert shown(all_items) == shown(filtered) == shown(by_key) == ['k:{"by":"bob"}'] * 2
    assert shown(exact) == ['k:{"by":"bob"}']
    assert spaces == wild == [("a",), ("c",)]


async def test_nobody_deletes_or_replaces_what_is_another_s(store: SqliteStore) -> None:
    await store.run([put("a", "k", by="ann")], ANN)
    await store.run([DeleteItem(namespace=("a",), key="k")], BOB)
    await store.run([put("a", "k", by="bob")], BOB)
    await store.run([DeleteItem(namespace=("a",), key="k")], BOB)

    found = await store.run([GetItem(namespace=("a",), key="k")], ANN)

    assert [item.value for item in found if isinstance(item, StoreItem)] == [b'{"by":"ann"}']


async def test_without_a_scope_everything_is_seen_and_nobodys_item_comes_first(
    store: SqliteStore,
) -> None:
    await store.run([put("a", "k", by="ann"), put("a", "mine", by="ann")], ANN)
    await store.run([put("a", "k", by="bob")], BOB)
    await store.run([put("a", "k", by="nobody")], EVERYTHING)
    look: list[ItemOp] = [
        GetItem(namespace=("a",), key="k"),
        GetItem(namespace=("a",), key="mine"),
        SearchItems(),
        ListNamespaces(),
    ]

    first, mine, found, spaces = await store.run(look, EVERYTHING)

    assert isinstance(first, StoreItem)
    assert isinstance(mine, StoreItem)
    assert (first.value, mine.value) == (b'{"by":"nobody"}', b'{"by":"ann"}')
    assert isinstance(found, list)
    assert (len(found), spaces) == (4, [("a",)])
    await store.run([DeleteItem(namespace=("a",), key="k")], EVERYTHING)
    assert shown((await store.run([SearchItems()], EVERYTHING))[0]) == ['mine:{"by":"ann"}']


async def test_an_owner_may_be_called_anything(store: SqliteStore) -> None:
    odd: list[Scope] = [
        {"owner": ""},
        {"owner": '{"owner":"ann"}'},
        {"owner": "ann"},
        {"owner": {"$contains": "ann"}},
        {"org": "ann"},
        {"owner": "ann", "org": "x"},
    ]
    for n, scope in enumerate(odd):
        await store.run([put("a", "k", n=n)], scope)
    seen = [shown((await store.run([SearchItems()], scope))[0]) for scope in odd]
    assert seen == [[f'k:{{"n":{n}}}'] for n in range(len(odd))]
    by_operator: Scope = {"owner": {"$eq": "ann"}}
    assert shown((await store.run([SearchItems()], by_operator))[0]) == ['k:{"n":2}']


async def test_a_graph_bound_to_an_owner_sees_that_owners_items(store: SqliteStore) -> None:
    anns = store.for_scope(ANN)
    await anns.aput(("memo",), "k", {"by": "ann"})
    await asyncio.to_thread(anns.put, ("memo",), "sync", {"by": "ann"})
    bobs = store.for_scope(BOB)

    assert await bobs.aget(("memo",), "k") is None
    assert await asyncio.to_thread(bobs.search, ("memo",)) == []
    assert await bobs.alist_namespaces() == []
    assert len(await anns.asearch(("memo",))) == 2
    found = await store.run([GetItem(namespace=("memo",), key="k")], ANN)
    assert isinstance(found[0], StoreItem)


async def test_looking_at_items_lets_only_ones_own_live_on(
    store: SqliteStore, clock: ManualClock
) -> None:
    item = PutItem(namespace=("a",), key="k", value={}, ttl_minutes=10)
    await store.run([item], ANN)
    await store.run([item], BOB)
    clock.moment += timedelta(minutes=9)
    await store.run([SearchItems()], ANN)
    clock.moment += timedelta(minutes=9)
    assert shown((await store.run([SearchItems()], ANN))[0]) == ["k:{}"]
    assert shown((await store.run([SearchItems()], BOB))[0]) == []
    assert await store.sweep() == 1


async def test_a_sweep_deletes_more_than_it_deletes_at_a_time(
    store: SqliteStore, database: SqliteDatabase, clock: ManualClock
) -> None:
    ops = [
        PutItem(namespace=("a",), key=str(n), value={}, ttl_minutes=0.001 if n % 2 else 5)
        for n in range(2_500)
    ]
    await store.run(ops, ANN)
    clock.moment += timedelta(minutes=1)
    assert await store.sweep() == 1_250
    rows = database.lookup(lambda c: c.execute("SELECT count(*) FROM store_items").fetchone())
    assert rows == (1_250,)


@pytest.mark.parametrize("scope", [EVERYTHING, ANN])
async def test_many_items_are_found_in_the_order_of_few(
    store: SqliteStore, clock: ManualClock, scope: Scope
) -> None:
    for n in range(30):
        ops = [put(f"s{k % 3}.x", f"{n}-{k}", n=n, k=k) for k in range(40)]
        await store.run(ops, scope)
        clock.moment += timedelta(seconds=1)
    await store.run([put("t", "other", n=0)], scope)
    everything = [f"{n}-{k}" for n in range(29, -1, -1) for k in range(39, -1, -1)]

    async def keys(op: SearchItems) -> list[str]:
        (found,) = await store.run([op], scope)
        assert isinstance(found, list)
        return [item.key for item in found if isinstance(item, StoreItem)]

    assert await keys(SearchItems(limit=5000)) == ["other", *everything]
    few = [key for key in everything if int(key.split("-")[1]) % 3 == 1]
    assert await keys(SearchItems(prefix=("s1",), limit=5000)) == few
    assert await keys(SearchItems(prefix=("s1", "x"), exact=True, limit=7, offset=3)) == few[3:10]
    chosen = [key for key in everything if key.endswith("-7")]
    assert await keys(SearchItems(filter={"k": 7}, limit=5000)) == chosen
    assert await keys(SearchItems(key_prefix="12-", limit=50)) == [
        key for key in everything if key.startswith("12-")
    ]


async def test_metadata_is_stored_replaced_and_searched(store: SqliteStore) -> None:
    space = ("a",)
    await store.run(
        [
            PutItem(
                namespace=space, key="x", value={"n": 1}, metadata={"user": "1", "d": {"e": 2}}
            ),
            PutItem(namespace=space, key="y", value={"n": 2}, metadata={"user": "2"}),
            PutItem(namespace=space, key="z", value={"metadata": {"user": "1"}}),
        ],
        ANN,
    )

    async def keys(**wanted: Any) -> list[str]:
        (found,) = await store.run([SearchItems(**wanted)], ANN)
        assert isinstance(found, list)
        return sorted(item.key for item in found if isinstance(item, StoreItem))

    assert await keys(metadata={"user": "1"}) == ["x"]
    assert await keys(metadata={"user": {"$in": ["1", "2"]}}) == ["x", "y"]
    assert await keys(metadata={"d.e": {"$gt": 1}}) == ["x"]
    assert await keys(metadata={"user": {"$exists": False}}) == ["z"]
    assert await keys(filter={"metadata.user": "1"}) == ["x", "z"]
    assert await keys(filter={"metadata": {"user": "2"}}) == ["y"]
    assert await keys(filter={"n": 1}, metadata={"user": "2"}) == []

    await store.run([put("a", "x", n=3)], ANN)
    assert await keys(metadata={"user": "1"}) == []
