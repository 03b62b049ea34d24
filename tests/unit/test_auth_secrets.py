"""What only a run's code may know of its user: kept for as long as the run needs it, no longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lgserve.core.models import Json, Run, Settlement
from lgserve.core.principals import Principal
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.sqlite import SqliteStorage, SqliteTransaction
from tests.conformance.rows import LEASE, ManualClock, run_on, thread_at

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
