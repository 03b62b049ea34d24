"""Runs, in SQL: the table is the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.models import Json, Run, Scope, Settlement
from lgserve.core.run_policy import may_retry
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES
from lgserve.storage.filters import Where
from lgserve.storage.run_endings import RunEndings, delete_run
from lgserve.storage.run_rows import (
    COLUMNS,
    QUALIFIED,
    of_thread,
    parameters_of,
    run_of,
)
from lgserve.storage.seals import PLAIN
from lgserve.storage.thread_lifetimes import VISIBLE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from lgserve.core.ports import Clock, Threads
    from lgserve.core.vocabulary import CancelAction, RunStatus

#: A run goes with its thread, in the moment in which that expires.
_OF_VISIBLE_THREAD = (
    f"EXISTS (SELECT 1 FROM threads WHERE threads.thread_id = runs.thread_id AND {VISIBLE})"
)
_LOST = "The server stopped {attempts} times while this run was executing; it is not tried again."


class SqliteRuns:
    """See `lgserve.core.ports.Runs`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        threads: Threads,
        clock: Clock,
        lease: timedelta,
        endings: RunEndings,
    ) -> None:
        self._db = connection
        self._threads = threads
        self._clock = clock
        self._lease = lease
        self._endings = endings
        self.seals = PLAIN

    def find(self, run_id: str, scope: Scope) -> Run | None:
        """Return the run, or None."""
        where = Where(["runs.run_id = ?", _OF_VISIBLE_THREAD], [run_id, self._now()])
        if not scope:
            return self._one(f"SELECT {{columns}} FROM runs{where.sql}", *where.parameters)
        where.add_scope("threads.metadata", scope)
        rows = self._all(
            f"SELECT {QUALIFIED} FROM runs JOIN threads USING (thread_id){where.sql}",
            *where.parameters,
        )
        return rows[0] if rows else None

    def insert(self, run: Run, *, config: Json, metadata: Json, owner: str | None) -> Run:
        """Add a pending run, make its thread busy, claim it if asked and possible."""
        self._threads.adopt_default_ttl(run.thread_id)
        self._db.execute(
            f"INSERT INTO runs ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            parameters_of(self._sealed(run)),
        )
        self._db.execute(
            "UPDATE threads SET status = 'busy', config = ?, metadata = ?, updated_at = ?"
            " WHERE thread_id = ?",
            (config, metadata, run.updated_at, run.thread_id),
        )
        if owner is None or run.due_at > self._now():
            return run
        first = self._first_in_line(run.thread_id)
        if first is None or first.run_id != run.run_id:
            return run
        return self._claim(first, owner)

    def in_flight(self, thread_id: str) -> list[Run]:
        """Return the thread's pending and running runs, oldest first."""
        return self._all(
            "SELECT {columns} FROM runs WHERE thread_id = ? AND status IN ('pending', 'running')"
            " ORDER BY created_at, run_id",
            thread_id,
        )

    def find_begun(self, thread_id: str) -> Run | None:
        """Return the thread's run that was claimed and has not ended: the newest, if any is."""
        newest = self._one(
            "SELECT {columns} FROM runs WHERE thread_id = ? AND epoch > 0"
            " ORDER BY epoch DESC LIMIT 1",
            thread_id,
        )
        return newest if newest is not None and newest.status in ACTIVE_RUN_STATUSES else None

    def find_by_epoch(self, thread_id: str, epoch: int) -> Run | None:
        """Return the thread's run with this epoch."""
        return self._one(
            "SELECT {columns} FROM runs WHERE thread_id = ? AND epoch = ? AND epoch > 0",
            thread_id,
            epoch,
        )

    def next_readable(self, thread_id: str, epoch: int) -> Run | None:
        """Return the thread's first run from `epoch` on whose log can be read."""
        stored = self._one(
            "SELECT {columns} FROM runs WHERE thread_id = ? AND epoch >= ? AND epoch > 0"
            " AND resumable = 1 AND EXISTS"
            " (SELECT 1 FROM run_events WHERE run_events.run_id = runs.run_id)"
            " ORDER BY epoch LIMIT 1",
            thread_id,
            epoch,
        )
        begun = self.find_begun(thread_id)
        if begun is None or begun.epoch < epoch:
            return stored
        return begun if stored is None else min(stored, begun, key=attrgetter("epoch"))

    def list_for_thread(
        self,
        thread_id: str,
        *,
        status: str | None,
        metadata: Mapping[str, Any] | None,
        limit: int,
        offset: int,
    ) -> list[Run]:
        """Return the thread's runs, newest first."""
        where = of_thread(thread_id, status, metadata)
        return self._all(
            f"SELECT {{columns}} FROM runs{where.sql}"
            " ORDER BY created_at DESC, run_id DESC LIMIT ? OFFSET ?",
            *where.parameters,
            limit,
            offset,
        )

    def count_for_thread(
        self, thread_id: str, *, status: str | None, metadata: Mapping[str, Any] | None
    ) -> int:
        """Return how many such runs the thread has."""
        where = of_thread(thread_id, status, metadata)
        row = self._db.execute(f"SELECT count(*) FROM runs{where.sql}", where.parameters)
        total: int = row.fetchone()[0]
        return total

    def search_active(
        self, *, status: RunStatus | None, thread_id: str | None, scope: Scope
    ) -> list[Run]:
        """Return pending and running runs, oldest first."""
        where = Where(["runs.status IN ('pending', 'running')"])
        if status is not None:
            where.add("runs.status = ?", status)
        if thread_id is not None:
            where.add("runs.thread_id = ?", thread_id)
        where.add_scope("threads.metadata", scope)
        return self._all(
            f"SELECT {QUALIFIED} FROM runs JOIN threads USING (thread_id){where.sql}"
            " ORDER BY runs.created_at, runs.run_id",
            *where.parameters,
        )

    def claim(self, owner: str, limit: int) -> list[Run]:
        """Claim up to `limit` claimable runs, the longest due first."""
        ready = self._all(
            "SELECT {columns} FROM runs WHERE status = 'pending' AND due_at <= ?"
            " AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.thread_id = runs.thread_id"
            " AND (other.status = 'running' OR (other.status = 'pending' AND other.due_at <= ?"
            " AND (other.due_at, other.run_id) < (runs.due_at, runs.run_id))))"
            " ORDER BY due_at, run_id LIMIT ?",
            self._now(),
            self._now(),
            limit,
        )
        return [self._claim(run, owner) for run in ready]

    def claim_next(self, thread_id: str, owner: str) -> Run | None:
        """Claim the thread's next run if it is claimable."""
        first = self._first_in_line(thread_id)
        return None if first is None else self._claim(first, owner)

    def next_due(self) -> datetime | None:
        """Return when the next run that waits for the clock becomes due."""
        row = self._db.execute(
            "SELECT min(due_at) FROM runs WHERE status = 'pending' AND due_at > ?", (self._now(),)
        ).fetchone()
        return None if row[0] is None else datetime.fromisoformat(row[0])

    def heartbeat(self, owner: str, run_ids: Sequence[str]) -> list[Run]:
        """Extend the leases of the owner's runs; return those that are to be cancelled."""
        self._db.executemany(
            "UPDATE runs SET lease_expires_at = ? WHERE run_id = ? AND owner = ?",
            [(self._lease_end(), run_id, owner) for run_id in run_ids],
        )
        return self._all(
            "SELECT {columns} FROM runs WHERE status = 'running' AND owner = ?"
            " AND cancel_action IS NOT NULL",
            owner,
        )

    def requeue_expired(self, max_attempts: int) -> list[Run]:
        """Put back runs whose lease has expired."""
        return self._take_back(max_attempts, "lease_expires_at < ?", self._now())

    def requeue_all_except(self, owners: Sequence[str], max_attempts: int) -> list[Run]:
        """Put back running runs of every owner not named."""
        return self._take_back(
            max_attempts, f"owner NOT IN ({','.join('?' * len(owners))})", *owners
        )

    def requeue_of(self, owner: str, max_attempts: int) -> list[Run]:
        """Put back an owner's running runs."""
        return self._take_back(max_attempts, "owner = ?", owner)

    def _take_back(self, max_attempts: int, which: str, *values: str) -> list[Run]:
        lost = self._all(
            f"SELECT {{columns}} FROM runs WHERE status = 'running' AND {which}", *values
        )
        return [self._take_one_back(run, max_attempts) for run in lost]

    def keep_log(self, run_id: str) -> None:
        """Make a run resumable."""
        self._db.execute("UPDATE runs SET resumable = 1 WHERE run_id = ?", (run_id,))

    def requeue(self, run_id: str, owner: str) -> None:
        """Give a claimed run back, the attempt not counted; one that was cancelled is settled."""
        run = self._one(
            "SELECT {columns} FROM runs WHERE run_id = ? AND owner = ? AND status = 'running'",
            run_id,
            owner,
        )
        if run is not None and run.cancel_action is not None:
            self._endings.settle_cancelled(run)
            return
        self._db.execute(
            "UPDATE runs SET status = 'pending', owner = NULL, lease_expires_at = NULL,"
            " attempt = attempt - 1 WHERE run_id = ? AND owner = ? AND status = 'running'",
            (run_id, owner),
        )

    def request_cancel(self, run_id: str, action: CancelAction, reason: str | None) -> Run | None:
        """Record the wish to cancel; a pending run is settled at once."""
        run = self._one("SELECT {columns} FROM runs WHERE run_id = ?", run_id)
        if run is None or run.status not in ("pending", "running"):
            return None
        self._db.execute(
            "UPDATE runs SET cancel_action = ?, cancel_reason = ? WHERE run_id = ?",
            (action, reason, run_id),
        )
        run = replace(run, cancel_action=action, cancel_reason=reason)
        if run.status == "running":
            return run
        return self._endings.settle_cancelled(run)

    def finish(self, run_id: str, owner: str, end: Settlement) -> Run | None:
        """Write how a run ended, and its thread with it."""
        run = self._one(
            "SELECT {columns} FROM runs WHERE run_id = ? AND owner = ? AND status = 'running'",
            run_id,
            owner,
        )
        if run is None:
            return None
        if run.cancel_action == "rollback":
            end = replace(end, rollback=True)
        return self._endings.settle(run, end)

    def delete(self, run_id: str) -> None:
        """Remove a run that is not active, with its events and checkpoints."""
        delete_run(self._db, run_id)

    def counts(self) -> Mapping[str, int]:
        """Return how many runs are in each status."""
        rows = self._db.execute("SELECT status, total FROM status_counts WHERE noun = 'run'")
        return dict(rows.fetchall())

    def _first_in_line(self, thread_id: str) -> Run | None:
        """Return the thread's oldest due pending run, unless another one is running."""
        return self._one(
            "SELECT {columns} FROM runs WHERE thread_id = ? AND status = 'pending' AND due_at <= ?"
            " AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.thread_id = runs.thread_id"
            " AND other.status = 'running') ORDER BY due_at, run_id LIMIT 1",
            thread_id,
            self._now(),
        )

    def _claim(self, run: Run, owner: str) -> Run:
        """Make a claimable run the owner's."""
        epoch = run.epoch or self._threads.advance_epoch(run.thread_id)
        claimed = replace(
            run,
            status="running",
            attempt=run.attempt + 1,
            epoch=epoch,
            resumed=run.epoch != 0,
        )
        self._db.execute(
            "UPDATE runs SET status = 'running', attempt = ?, epoch = ?, owner = ?,"
            " lease_expires_at = ? WHERE run_id = ? AND status = 'pending'",
            (claimed.attempt, epoch, owner, self._lease_end(), run.run_id),
        )
        return claimed

    def _take_one_back(self, run: Run, max_attempts: int) -> Run:
        """Settle what a dead owner left: as it was asked to end, pending again, or given up."""
        if run.cancel_action is not None:
            return self._endings.settle_cancelled(run)
        if not may_retry(run.attempt, max_attempts):
            message = _LOST.format(attempts=run.attempt)
            error = jsonio.dumps({"error": "WorkerLostError", "message": message})
            return self._endings.settle(run, Settlement(status="error", error=error))
        self._db.execute(
            "UPDATE runs SET status = 'pending', owner = NULL, lease_expires_at = NULL"
            " WHERE run_id = ?",
            (run.run_id,),
        )
        return replace(run, status="pending")

    def _now(self) -> str:
        return to_iso(self._clock.now())

    def _lease_end(self) -> str:
        return to_iso(self._clock.now() + self._lease)

    def _one(self, sql: str, *parameters: Any) -> Run | None:
        row = self._db.execute(sql.replace("{columns}", COLUMNS), parameters).fetchone()
        return None if row is None else run_of(row, self.seals)

    def _sealed(self, run: Run) -> Run:
        """Return a run as it is stored."""
        if not self.seals.on:
            return run
        kwargs = self.seals.seal("run", "kwargs", run.kwargs)
        user = self.seals.seal_json("run", "user", run.user)
        return replace(run, kwargs=cast("Json", kwargs), user=cast("Json | None", user))

    def _all(self, sql: str, *parameters: Any) -> list[Run]:
        rows = self._db.execute(sql.replace("{columns}", COLUMNS), parameters).fetchall()
        return [run_of(row, self.seals) for row in rows]
