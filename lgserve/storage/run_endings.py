"""The end of a run and the status of its thread: always written together, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lgserve.core.clock import to_iso
from lgserve.core.models import Run, Settlement
from lgserve.core.run_policy import settled_status, thread_status
from lgserve.storage.checkpoint_removal import delete_checkpoints_of_runs
from lgserve.storage.run_rows import left_state
from lgserve.storage.seals import PLAIN

if TYPE_CHECKING:
    import sqlite3

    from lgserve.core.ports import Clock, HearsOfEnds, Threads


class RunEndings:
    """Ends runs in the table, and tells of it those who are to be told."""

    def __init__(
        self, connection: sqlite3.Connection, threads: Threads, clock: Clock, *told: HearsOfEnds
    ) -> None:
        self._db = connection
        self._threads = threads
        self._clock = clock
        self._told = told
        self.seals = PLAIN

    def settle_cancelled(self, run: Run) -> Run:
        """End a run that does not execute; its thread stands where it stood."""
        rollback = run.cancel_action == "rollback"
        return self.settle(run, Settlement(status="interrupted", rollback=rollback))

    def settle(self, run: Run, end: Settlement) -> Run:
        """End a run, derive its thread's status, and have those told who are to be."""
        for each in self._told:
            each.run_ended(run, end)
        if run.temporary:
            self._threads.delete(run.thread_id)
            return replace(run, status=end.status, error=end.error)
        ended = self._end_row(run, end)
        self._settle_thread(run, end)
        return ended

    def _end_row(self, run: Run, end: Settlement) -> Run:
        now = to_iso(self._clock.now())
        if end.rollback:
            delete_run(self._db, run.run_id)
            return replace(run, status=end.status, updated_at=now)
        self._db.execute(
            "UPDATE runs SET status = ?, error = ?, checkpoint_id = ?, updated_at = ?,"
            " owner = NULL, lease_expires_at = NULL, user = NULL WHERE run_id = ?",
            (
                end.status,
                self.seals.seal_json("run", "error", end.error),
                end.checkpoint_id,
                now,
                run.run_id,
            ),
        )
        return replace(
            run,
            status=end.status,
            error=end.error,
            checkpoint_id=end.checkpoint_id,
            updated_at=now,
        )

    def _settle_thread(self, run: Run, end: Settlement) -> None:
        row = self._db.execute(
            "SELECT settled_status, EXISTS (SELECT 1 FROM runs WHERE thread_id = ?"
            " AND status IN ('pending', 'running')) FROM threads WHERE thread_id = ?",
            (run.thread_id, run.thread_id),
        ).fetchone()
        settled = settled_status(end, row[0])
        shown = thread_status(settled, bool(row[1]))
        now = to_iso(self._clock.now())
        columns: dict[str, Any] = {"settled_status": settled, "status": shown, "updated_at": now}
        if not (end.rollback or end.refused):
            columns |= left_state(end, now, self.seals)
        sets = ", ".join(f'"{name}" = ?' for name in columns)
        self._db.execute(
            f"UPDATE threads SET {sets} WHERE thread_id = ?", (*columns.values(), run.thread_id)
        )


def delete_run(connection: sqlite3.Connection, run_id: str) -> None:
    """Remove a run that is not active, with its events and checkpoints."""
    delete_checkpoints_of_runs(connection, [run_id])
    connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
