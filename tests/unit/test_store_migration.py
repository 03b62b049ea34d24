"""Items of a database of the first schema are all there after the second."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lgserve.storage import schema
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.store_items import SqliteStore


async def test_items_of_an_older_database_are_kept(tmp_path: Path) -> None:
    first = schema._scripts()[1]
    with sqlite3.connect(tmp_path / "lgserve.db", isolation_level=None) as connection:
        connection.executescript(
            f"{first}; CREATE TABLE schema_version (version INTEGER NOT NULL);"
            "INSERT INTO schema_version VALUES (1);"
        )
        connection.execute(
            "INSERT INTO store_items VALUES (?, 'k', ?, NULL, ?, ?, NULL, NULL)",
            (b"users\0ann\0", b'{"a":1}', "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
        )
    connection.close()
    opened = SqliteDatabase(tmp_path)
    opened.open()
    store = SqliteStore(opened)

    item = await store.aget(("users", "ann"), "k")

    assert item is not None
    assert (item.value, item.created_at.day, item.updated_at.day) == ({"a": 1}, 1, 2)
    await store.aput(("users", "ann"), "k", {"a": 2})
    again = await store.aget(("users", "ann"), "k")
    assert again is not None
    assert again.created_at == item.created_at
    opened.close()
