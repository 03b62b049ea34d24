"""What only a run's code may know of its user: kept for as long as the run needs it, no longer."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from lgserve.core.models import Json, Run, Settlement
from lgserve.core.principals import Principal
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage, SqliteTransaction
from tests.clocks import ManualClock
from tests.conformance.rows import LEASE, run_on, thread_at
from tests.conformance.storages import STORAGES, Tables, on_tables

USER = Json(b'{"identity":"alice","token":"secret"}')


@pytest.mark.parametrize("ended", ["success", "error", "interrupted"])
def test_what_is_known_of_a_user_goes_when_the_run_ends(tmp_path: Path, ended: str) -> None:
    clock, database = ManualClock(), SqliteDatabase(tmp_path)
    database.open()
    storage = SqliteStorage(database, clock, LEASE)

    def work(tx: SqliteTransaction) -> tuple[Run, Run | None, Run | None]:
        thread = thread_at(clock.iso)
        tx.threads.insert(thread)
        run = run_on(thread.thread_id, clock.iso, user=USER)
        tx.runs.insert(run, config=thread.config, metadata=thread.metadata, owner=None)
        (claimed,) = tx.runs.claim("worker", 1)
        tx.runs.requeue(run.run_id, "worker")
        (again,) = tx.runs.claim("worker", 1)  # a run that is taken up again needs it again
        assert (claimed.user, again.user) == (USER, USER)
        end = Settlement(status=ended)  # type: ignore[arg-type]
        return again, tx.runs.finish(run.run_id, "worker", end), tx.runs.find(run.run_id, {})

    try:
        claimed, finished, found = asyncio.run(storage.write(work))
    finally:
        database.close()

    assert finished is not None
    assert found is not None
    assert (found.status, found.user) == (ended, None)
    assert "secret" not in repr(claimed)


def test_a_user_shows_only_what_every_user_has() -> None:
    user = Principal({"identity": "alice", "token": "secret", "permissions": ("a",)})

    assert user.public == {
        "identity": "alice",
        "display_name": "alice",
        "is_authenticated": True,
        "permissions": ["a"],
    }
    assert user.has_secrets
    assert not Principal(user.public).has_secrets
    assert (user.token, user["token"], user.get("none")) == ("secret", "secret", None)
    with pytest.raises(AttributeError):
        _ = user.none


EXPIRED = LEASE + timedelta(seconds=1)


@pytest.mark.parametrize(
    "end",
    [
        "cancel pending",
        "cancel running",
        "rollback",
        "delete",
        "delete thread",
        "given up",
        "lost and cancelled",
        "given back and cancelled",
    ],
)
@pytest.mark.parametrize("temporary", [False, True])
def test_no_way_for_a_run_to_end_leaves_what_was_known_of_its_user(
    end: str, temporary: bool
) -> None:
    async def scenario(tables: Tables) -> None:
        owner = None if end == "cancel pending" else "me"
        run = await tables.run(await tables.thread(), owner, user=USER, temporary=temporary)
        assert (await users_of(tables)) == [USER]
        await _ENDS[end](tables, run)
        assert await users_of(tables) == []

    on_tables(STORAGES["sqlite"], scenario)


async def users_of(tables: Tables) -> list[bytes]:
    """Return what is known of users, of all rows there are."""

    storage = tables.storage
    assert isinstance(storage, SqliteStorage)

    def read(connection: sqlite3.Connection) -> list[bytes]:
        rows = connection.execute("SELECT user FROM runs WHERE user IS NOT NULL")
        return [row[0] for row in rows]

    return await storage.database.read(read)


async def _cancel(tables: Tables, run: Run) -> None:
    await tables.cancel(run)
    if run.status == "running":
        await tables.finish(run, status="interrupted")


async def _rollback(tables: Tables, run: Run) -> None:
    await tables.cancel(run, "rollback")
    await tables.finish(run, status="interrupted")


async def _delete(tables: Tables, run: Run) -> None:
    await tables.runs(lambda runs: runs.delete(run.run_id))


async def _delete_thread(tables: Tables, run: Run) -> None:
    await tables.storage.write(lambda tx: tx.threads.delete(run.thread_id))


async def _give_up(tables: Tables, run: Run) -> None:
    tables.clock.advance(EXPIRED)
    (lost,) = await tables.runs(lambda runs: runs.requeue_expired(1))
    assert lost.status == "error"


async def _lose_cancelled(tables: Tables, run: Run) -> None:
    await tables.cancel(run)
    await tables.runs(lambda runs: runs.requeue_all_except([], 3))


async def _give_back_cancelled(tables: Tables, run: Run) -> None:
    await tables.cancel(run)
    await tables.runs(lambda runs: runs.requeue(run.run_id, "me"))


_ENDS = {
    "cancel pending": _cancel,
    "cancel running": _cancel,
    "rollback": _rollback,
    "delete": _delete,
    "delete thread": _delete_thread,
    "given up": _give_up,
    "lost and cancelled": _lose_cancelled,
    "given back and cancelled": _give_back_cancelled,
}
