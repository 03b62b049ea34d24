"""What was answered to requests that named themselves, in SQL: one row a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgserve.core.clock import to_iso
from lgserve.core.models import Answered, Json, RequestKey, Run, RunResult
from lgserve.storage.seals import PLAIN
from lgserve.storage.thread_lifetimes import is_void

if TYPE_CHECKING:
    import sqlite3

    from lgserve.core.ports import Clock


class SqliteRunRequests:
    """See `lgserve.core.ports.RunRequests`."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._db = connection
        self._clock = clock
        #: An answer tells the run's input, a result what its graph returned.
        self.seals = PLAIN

    def find(self, key: RequestKey) -> Answered | None:
        """Return what was answered, or None."""
        row = self._db.execute(
            "SELECT fingerprint, answer, run_id, thread_id FROM run_requests"
            " WHERE owner = ? AND key = ?",
            (key.owner, key.name),
        ).fetchone()
        if row is None or self._is_over(key, row[3]):
            return None
        answer = Json(self.seals.open("run", "answer", row[1]))
        return Answered(fingerprint=row[0], answer=answer, run_id=row[2])

    def _is_over(self, key: RequestKey, thread_id: str | None) -> bool:
        """Remove what was noted with a thread whose time is over: it goes with it."""
        over = thread_id is not None and is_void(self._db, thread_id, to_iso(self._clock.now()))
        if over:
            self._db.execute(
                "DELETE FROM run_requests WHERE owner = ? AND key = ?", (key.owner, key.name)
            )
        return over

    def insert(
        self, key: RequestKey, answer: Json, *, thread_id: str | None, run_id: str | None
    ) -> None:
        """Note what is answered."""
        now = to_iso(self._clock.now())
        sealed = self.seals.seal("run", "answer", answer)
        self._db.execute(
            "INSERT INTO run_requests (owner, key, fingerprint, answer, thread_id, run_id,"
            " created_at) VALUES (?,?,?,?,?,?,?)",
            (key.owner, key.name, key.fingerprint, sealed, thread_id, run_id, now),
        )

    def name(self, run: Run) -> None:
        """Give a run a name of its own, if it has none."""
        now = to_iso(self._clock.now())
        self._db.execute(
            "INSERT INTO run_requests (owner, key, fingerprint, answer, thread_id, run_id,"
            " created_at) SELECT '', ?, x'', '{}', NULL, ?, ?"
            " WHERE NOT EXISTS (SELECT 1 FROM run_requests WHERE run_id = ?)",
            (f"run {run.run_id}", run.run_id, now, run.run_id),
        )

    def keep_result(self, run_id: str, result: RunResult) -> None:
        """Note what a run came to that is deleted now."""
        self._db.execute(
            "UPDATE run_requests SET result = ?, status = ?, reason = ? WHERE run_id = ?",
            (
                self.seals.seal("run", "result", result.body),
                result.status,
                result.reason,
                run_id,
            ),
        )

    def find_result(self, run_id: str) -> RunResult | None:
        """Return what such a run came to, or None."""
        row = self._db.execute(
            "SELECT result, status, reason FROM run_requests"
            " WHERE run_id = ? AND result IS NOT NULL",
            (run_id,),
        ).fetchone()
        if row is None:
            return None
        body = Json(self.seals.open("run", "result", row[0]))
        return RunResult(body=body, status=row[1], reason=row[2])

    def delete_before(self, moment: str) -> int:
        """Remove what was answered before the moment."""
        return self._db.execute("DELETE FROM run_requests WHERE created_at < ?", (moment,)).rowcount
