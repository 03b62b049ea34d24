"""The one writer: who waits, who does not, and what is kept of it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lgserve.core.errors import StorageError
from lgserve.storage.database import SqliteDatabase

_Work = Callable[[sqlite3.Connection], str]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path)
    database.open()
    yield database
    database.close()


def _insert(key: str, value: bytes = b"{}") -> _Work:
    def work(connection: sqlite3.Connection) -> str:
        connection.execute(
            "INSERT INTO store_items (namespace, key, created_at, updated_at, value)"
            " VALUES (x'61', ?, '', '', ?)",
            (key, value),
        )
        return threading.current_thread().name

    return work


def _keys(database: SqliteDatabase) -> list[str]:
    """Return what another process sees."""
    with sqlite3.connect(database.path) as connection:
        return [row[0] for row in connection.execute("SELECT key FROM store_items ORDER BY rowid")]


async def test_a_write_of_a_few_rows_needs_no_other_thread(database: SqliteDatabase) -> None:
    assert await database.write_few(_insert("a")) == threading.current_thread().name
    assert _keys(database) == ["a"]


async def test_writes_of_a_few_rows_stay_in_the_order_of_the_calls(
    database: SqliteDatabase,
) -> None:
    calls = [database.write(_insert("0")), database.write_few(_insert("1"))]
    calls += [database.write(_insert("2")), database.write_few(_insert("3"))]
    await asyncio.gather(*calls)
    assert _keys(database) == ["0", "1", "2", "3"]


async def test_a_failed_write_of_a_few_rows_leaves_nothing(database: SqliteDatabase) -> None:
    def fail(connection: sqlite3.Connection) -> str:
        _insert("lost")(connection)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await database.write_few(fail)
    with pytest.raises(StorageError, match="no such table"):
        await database.write_few(lambda connection: connection.execute("DELETE FROM nowhere"))
    await database.write_few(_insert("kept"))
    assert _keys(database) == ["kept"]


async def test_a_caller_does_not_wait_on_its_own_thread_for_another_process(
    database: SqliteDatabase,
) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    write = asyncio.ensure_future(database.write_few(_insert("later")))
    await asyncio.wait([write], timeout=0.05)
    assert not write.done()  # and this loop went on meanwhile
    other.execute("COMMIT")
    other.close()
    assert await asyncio.wait_for(write, 5) == "lgserve-writer"
    assert _keys(database) == ["later"]


async def test_a_database_that_syncs_each_commit_does_so_on_its_own_thread(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path, synchronous="full")
    database.open()
    try:
        assert await database.write_few(_insert("a")) == "lgserve-writer"
    finally:
        database.close()


async def test_the_write_ahead_log_stays_small_whoever_writes(database: SqliteDatabase) -> None:
    wal = database.path.with_name("lgserve.db-wal")
    for write in (database.write_few, database.write):
        for number in range(200):
            await write(_insert(f"{write.__name__}-{number}", b"x" * 50_000))
        await database.settled()
        assert wal.stat().st_size < 8 * 1024 * 1024
    assert len(_keys(database)) == 400
