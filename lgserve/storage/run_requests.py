"""What was answered to requests that named themselves, in SQL: one row a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgserve.core.clock import to_iso
from lgserve.core.models import Answered, Json, RequestKey, RunResult

if TYPE_CHECKING:
    import sqlite3

    from lgserve.core.ports import Clock


class SqliteRunRequests:
    """See `lgserve.core.ports.RunRequests`."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._db = connection
        self._clock = clock

    def find(self, key: RequestKey) -> Answered | None:
        """Return what was answered, or None."""
        row = self._db.execute(
            "SELECT fingerprint, answer, run_id FROM run_requests WHERE owner = ? AND key = ?",
            (key.owner, key.name),
        ).fetchone()
        if row is None:
            return None
        return Answered(fingerprint=row[0], answer=Json(row[1]), run_id=row[2])

    def insert(
        self, key: RequestKey, answer: Json, *, thread_id: str | None, run_id: str | None
    ) -> None:
        """Note what is answered."""
        now = to_iso(self._clock.now())
        self._db.execute(
            "INSERT INTO run_requests (owner, key, fingerprint, answer, thread_id, run_id,"
            " created_at) VALUES (?,?,?,?,?,?,?)",
            (key.owner, key.name, key.fingerprint, answer, thread_id, run_id, now),
        )

    def keep_result(self, run_id: str, result: RunResult) -> None:
        """Note what a run came to that is deleted now."""
        self._db.execute(
            "UPDATE run_requests SET result = ?, status = ?, reason = ? WHERE run_id = ?",
            (result.body, result.status, result.reason, run_id),
        )

    def find_result(self, run_id: str) -> RunResult | None:
        """Return what such a run came to, or None."""
        row = self._db.execute(
            "SELECT result, status, reason FROM run_requests"
            " WHERE run_id = ? AND result IS NOT NULL",
            (run_id,),
        ).fetchone()
        return None if row is None else RunResult(body=Json(row[0]), status=row[1], reason=row[2])

    def forget(self, key: RequestKey) -> None:
        """Remove a key: what it created was taken back."""
        self._db.execute(
            "DELETE FROM run_requests WHERE owner = ? AND key = ?", (key.owner, key.name)
        )

    def delete_before(self, moment: str) -> int:
        """Remove what was answered before the moment."""
        return self._db.execute("DELETE FROM run_requests WHERE created_at < ?", (moment,)).rowcount
