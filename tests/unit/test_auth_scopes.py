"""Filters on metadata: what they let through, what they write, and that the index agrees."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lgserve.core.clock import SystemClock
from lgserve.core.models import Page, Scope, ThreadFilter
from lgserve.core.scopes import check, stamp
from lgserve.services.threads import new_thread
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.matching import allows
from lgserve.storage.sqlite import SqliteStorage

NOW = "2026-01-01T00:00:00.000000+00:00"


@pytest.mark.parametrize(
    ("metadata", "scope", "allowed"),
    [
        ({"owner": "a"}, {}, True),
        ({"owner": "a"}, {"owner": "a"}, True),
        ({"owner": "b"}, {"owner": "a"}, False),
        ({}, {"owner": "a"}, False),
        ({"owner": None}, {"owner": "a"}, False),
        ({"owner": ["a"]}, {"owner": "a"}, False),
        ({"owner": "a"}, {"owner": {"$eq": "a"}}, True),
        ({"owner": "b"}, {"owner": {"$eq": "a"}}, False),
        ({"owner": 1}, {"owner": {"$eq": True}}, False),
        ({"team": ["a", "b"]}, {"team": {"$contains": "a"}}, True),
        ({"team": ["a", "b"]}, {"team": {"$contains": ["b", "a"]}}, True),
        ({"team": ["a"]}, {"team": {"$contains": ["a", "c"]}}, False),
        ({"team": "alice"}, {"team": {"$contains": "ali"}}, False),
        ({}, {"team": {"$contains": []}}, False),
        ({"owner": "a"}, {"$or": [{"owner": "b"}, {"owner": "a"}]}, True),
        ({"owner": "c"}, {"$or": [{"owner": "b"}, {"owner": "a"}]}, False),
        ({"owner": "a"}, {"$or": []}, False),
        ({"owner": "a", "k": 1}, {"$and": [{"owner": "a"}, {"k": 1}]}, True),
        ({"owner": "a", "k": 2}, {"$and": [{"owner": "a"}, {"k": 1}]}, False),
        ({"org": {"id": 1, "x": 2}}, {"org": {"id": 1}}, True),
        ({"owner": "a"}, {"owner": {"$like": "a"}}, False),
    ],
)
def test_a_filter_lets_through_what_it_says(
    metadata: dict[str, Any], scope: Scope, allowed: bool
) -> None:
    assert allows(metadata, scope) is allowed


def test_new_rows_say_what_a_filter_asks_for_where_that_is_certain() -> None:
    scope: Scope = {
        "owner": "a",
        "org": {"$eq": 7},
        "team": {"$contains": "x"},
        "$and": [{"k": 1}],
        "$or": [{"z": 1}, {"z": 2}],
    }
    assert stamp(scope) == {"owner": "a", "org": 7, "k": 1}


@pytest.mark.parametrize(
    "scope",
    [{"owner": {"$like": "a"}}, {"$or": {"a": 1}}, {"$and": ["a"]}, {"$not": {}},
     {"$or": [{"a": {"$gt": 1}}]}],
)  # fmt: skip
def test_a_filter_that_is_not_understood_is_refused(scope: Scope) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        check(scope)


_THREADS: list[dict[str, Any]] = [
    {"owner": "a", "k": "1"},
    {"owner": "a", "k": "2"},
    {"owner": "b", "k": "1"},
    {"owner": ["a"]},
    {"owner": 1},
    {"team": ["a"]},
    {},
]


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"owner": "a"},
        {"owner": "a", "k": "1"},
        {"owner": {"$eq": "a"}},
        {"owner": 1},
        {"team": {"$contains": "a"}},
        {"$or": [{"owner": "b"}, {"k": "2"}]},
    ],
)
@pytest.mark.parametrize("metadata", [None, {"k": "1"}, {"owner": "b"}, {"owner": "a"}])
def test_searches_and_counts_of_threads_stay_within_a_scope(
    tmp_path: Path, scope: Scope, metadata: dict[str, Any] | None
) -> None:
    database = SqliteDatabase(tmp_path)
    database.open()
    storage = SqliteStorage(database, SystemClock(), timedelta(seconds=30))
    expected = [
        str(number)
        for number, each in enumerate(_THREADS)
        if allows(each, scope)
        and all(each.get(name) == value for name, value in (metadata or {}).items())
    ]

    async def look() -> tuple[list[str], int, list[bool]]:
        rows = [new_thread(str(number), each, NOW) for number, each in enumerate(_THREADS)]
        await storage.write(lambda tx: [tx.threads.insert(row) for row in rows])
        where = ThreadFilter(metadata=metadata)
        page = Page(sort_by="thread_id", sort_order="asc", limit=100)
        return await storage.read(
            lambda tx: (
                [row.thread_id for row in tx.threads.search(where, page, scope)],
                tx.threads.count(where, scope),
                [tx.threads.find(row.thread_id, scope) is not None for row in rows],
            )
        )

    try:
        found, total, visible = asyncio.run(look())
    finally:
        database.close()
    assert (found, total) == (expected, len(expected))
    assert visible == [allows(each, scope) for each in _THREADS]
