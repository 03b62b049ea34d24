"""The run table as a state machine: whatever happens in whatever order, no thread gets stuck."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from lgserve.core.clock import to_iso
from lgserve.core.ids import new_id
from lgserve.core.models import EMPTY_OBJECT, EVERYTHING, Json, Run, Settlement, ThreadFilter
from lgserve.core.vocabulary import RUN_STATUSES, THREAD_STATUSES, CancelAction, RunStatus
from lgserve.services.threads import new_thread
from lgserve.storage.database import add_functions
from lgserve.storage.schema import migrate
from lgserve.storage.sqlite import SqliteTransaction

LEASE = timedelta(seconds=30)
OWNERS = ("a", "b")


class ManualClock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the moment, a microsecond later at each look, as a real clock would be."""
        self.moment += timedelta(microseconds=1)
        return self.moment


class RunTable(RuleBasedStateMachine):
    """Creates, claims, ends, cancels, loses and deletes runs at random."""

    threads = Bundle("threads")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        add_functions(self.db)
        self.db.execute("PRAGMA foreign_keys = ON")
        migrate(self.db)
        self.tx = SqliteTransaction(self.db, self.clock, LEASE)
        self.started: dict[str, list[int]] = {}

    def teardown(self) -> None:
        """Close the database."""
        self.db.close()

    @rule(target=threads)
    def create_thread(self) -> str:
        """Make a thread."""
        thread = new_thread(new_id(), {"n": 1}, to_iso(self.clock.now()))
        assert self.tx.threads.insert(thread)
        return thread.thread_id

    @rule(
        thread_id=threads,
        later=st.sampled_from([0, 0, 5]),
        owner=st.sampled_from([None, *OWNERS]),
        temporary=st.booleans(),
    )
    def create_run(self, thread_id: str, later: int, owner: str | None, temporary: bool) -> None:
        """Insert a run, claimed at once if it can be."""
        if self.tx.threads.find(thread_id, EVERYTHING) is None:
            return
        now = self.clock.now()
        due = to_iso(now + timedelta(seconds=later))
        run = Run(
            run_id=new_id(),
            thread_id=thread_id,
            assistant_id=new_id(),
            graph_id="g",
            status="pending",
            metadata=EMPTY_OBJECT,
            kwargs=EMPTY_OBJECT,
            multitask_strategy="enqueue",
            created_at=due,
            updated_at=to_iso(now),
            due_at=due,
            attempt=0,
            epoch=0,
            temporary=temporary,
        )
        made = self.tx.runs.insert(run, config=EMPTY_OBJECT, metadata=EMPTY_OBJECT, owner=owner)
        if made.status == "running":
            self._note_start(made)

    @rule(owner=st.sampled_from(OWNERS), limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> None:
        """Claim what is claimable."""
        claimed = self.tx.runs.claim(owner, limit)
        assert len(claimed) <= limit
        assert len({run.thread_id for run in claimed}) == len(claimed)
        for run in claimed:
            self._note_start(run)

    @rule(
        data=st.data(),
        status=st.sampled_from(["success", "error", "timeout", "interrupted"]),
        has_next=st.sampled_from([True, False, None]),
        rollback=st.booleans(),
    )
    def finish(
        self, data: st.DataObject, status: RunStatus, has_next: bool | None, rollback: bool
    ) -> None:
        """End a running run by its owner, and take the next one."""
        found = self._running()
        if not found:
            return
        run_id, thread_id, owner = data.draw(st.sampled_from(found))
        failed = status in ("error", "timeout")
        error = Json(b'{"error":"E"}') if failed else None
        end = Settlement(
            status=status,
            error=error,
            values=Json(b'{"a":1}'),
            interrupts=EMPTY_OBJECT,
            has_next=has_next,
            rollback=rollback,
        )
        assert self.tx.runs.finish(run_id, "somebody else", end) is None
        assert self.tx.runs.finish(run_id, owner, end) is not None
        following = self.tx.runs.claim_next(thread_id, owner)
        if following is not None:
            self._note_start(following)

    @rule(data=st.data(), action=st.sampled_from(["interrupt", "rollback"]))
    def cancel(self, data: st.DataObject, action: CancelAction) -> None:
        """Ask an active run to stop; a pending one ends at once."""
        active = self.tx.runs.search_active(status=None, thread_id=None, scope=EVERYTHING)
        if not active:
            return
        run = data.draw(st.sampled_from(active))
        asked = self.tx.runs.request_cancel(run.run_id, action, "test")
        assert asked is not None
        if run.status == "pending":
            left = self.tx.runs.find(run.run_id, EVERYTHING)
            assert left is None or left.status == "interrupted"

    @rule(seconds=st.sampled_from([1, 10, 40]))
    def time_passes(self, seconds: int) -> None:
        """Move the clock; leases may expire."""
        self.clock.moment += timedelta(seconds=seconds)

    @rule(owner=st.sampled_from(OWNERS))
    def heartbeat(self, owner: str) -> None:
        """Keep an owner's leases."""
        held = [run_id for run_id, _, holder in self._running() if holder == owner]
        asked = self.tx.runs.heartbeat(owner, held)
        assert all(run.cancel_action is not None for run in asked)

    @rule()
    def take_expired(self) -> None:
        """Put back what dead owners held."""
        for run in self.tx.runs.requeue_expired(3):
            assert run.status in ("pending", "error", "interrupted")

    @rule(owner=st.sampled_from(OWNERS))
    def drain(self, owner: str) -> None:
        """An owner gives its runs back."""
        for run_id, _, holder in self._running():
            if holder == owner:
                self.tx.runs.requeue(run_id, owner)

    @rule(thread_id=threads)
    def delete_thread(self, thread_id: str) -> None:
        """Remove a thread: nothing of it stays."""
        self.tx.threads.delete(thread_id)
        for table in ("runs", "threads", "thread_labels"):
            (left,) = self.db.execute(
                f"SELECT count(*) FROM {table} WHERE thread_id = ?", (thread_id,)
            ).fetchone()
            assert left == 0

    @invariant()
    def a_thread_is_busy_if_and_only_if_it_has_active_runs(self) -> None:
        """Status is derived."""
        rows = self.db.execute(
            "SELECT status, EXISTS (SELECT 1 FROM runs WHERE runs.thread_id = threads.thread_id"
            " AND runs.status IN ('pending', 'running')) FROM threads"
        ).fetchall()
        assert all((status == "busy") == bool(active) for status, active in rows)

    @invariant()
    def a_thread_has_at_most_one_running_run(self) -> None:
        """One at a time."""
        counts = self.db.execute(
            "SELECT count(*) FROM runs WHERE status = 'running' GROUP BY thread_id"
        ).fetchall()
        assert all(count == 1 for (count,) in counts)

    @invariant()
    def kept_counts_are_true(self) -> None:
        """Counts are kept, not scanned, and right all the same."""
        for noun, statuses in (("thread", THREAD_STATUSES), ("run", RUN_STATUSES)):
            kept = dict(
                self.db.execute(
                    "SELECT status, total FROM status_counts WHERE noun = ?", (noun,)
                ).fetchall()
            )
            true = dict(
                self.db.execute(f"SELECT status, count(*) FROM {noun}s GROUP BY status").fetchall()
            )
            assert kept == {status: true.get(status, 0) for status in statuses}
        (total,) = self.db.execute("SELECT count(*) FROM threads").fetchone()
        assert self.tx.threads.count(ThreadFilter(), EVERYTHING) == total

    @invariant()
    def epochs_grow_along_a_thread(self) -> None:
        """Events of a thread are ordered by the epochs of its runs."""
        for epochs in self.started.values():
            assert epochs == sorted(set(epochs))

    def _running(self) -> list[tuple[str, str, str]]:
        return self.db.execute(
            "SELECT run_id, thread_id, owner FROM runs WHERE status = 'running' ORDER BY run_id"
        ).fetchall()

    def _note_start(self, run: Run) -> None:
        epochs = self.started.setdefault(run.thread_id, [])
        if not run.resumed:
            epochs.append(run.epoch)


RunTable.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_run_table = RunTable.TestCase
