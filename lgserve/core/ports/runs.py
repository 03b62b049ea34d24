"""The run table, what runs said, what was answered to those who asked for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from lgserve.core.models import (
    Answered,
    Json,
    RequestKey,
    Run,
    RunResult,
    Scope,
    Settlement,
    StreamEvent,
    ThreadPosition,
)
from lgserve.core.vocabulary import CancelAction, RunStatus


class Runs(Protocol):
    """The run table, which is the queue.

    A run is claimable when it is pending, due, its thread has no running run, and no pending run of
    its thread is older. Claiming sets owner, lease, attempt + 1 and, the first time, the epoch.
    A lease that has expired means that its owner died: `requeue_expired` puts the run back.
    """

    def find(self, run_id: str, scope: Scope) -> Run | None:
        """Return the run, or None if there is none whose thread is in the scope."""
        ...

    def insert(self, run: Run, *, config: Json, metadata: Json, owner: str | None) -> Run:
        """Add a pending run and make its thread busy, with the thread's new config and metadata.

        With an `owner` the run is claimed at once if it is claimable. Returns the run as it stands.
        """
        ...

    def in_flight(self, thread_id: str) -> list[Run]:
        """Return the thread's pending and running runs, oldest first."""
        ...

    def find_begun(self, thread_id: str) -> Run | None:
        """Return the thread's run that has been claimed at some time and has not ended."""
        ...

    def find_by_epoch(self, thread_id: str, epoch: int) -> Run | None:
        """Return the thread's run with this epoch."""
        ...

    def next_readable(self, thread_id: str, epoch: int) -> Run | None:
        """Return the thread's first run from `epoch` on whose log can be read.

        That is one that has begun and not ended, or a resumable one with stored events.
        """
        ...

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
        ...

    def count_for_thread(
        self, thread_id: str, *, status: str | None, metadata: Mapping[str, Any] | None
    ) -> int:
        """Return how many runs `list_for_thread` would list without a limit."""
        ...

    def search_active(
        self, *, status: RunStatus | None, thread_id: str | None, scope: Scope
    ) -> list[Run]:
        """Return pending and running runs, oldest first."""
        ...

    def claim(self, owner: str, limit: int) -> list[Run]:
        """Claim up to `limit` claimable runs for `owner`, the longest due first; atomic.

        A thread whose first run cannot start never holds back another thread's runs.
        """
        ...

    def next_due(self) -> datetime | None:
        """Return when the next run that is pending for the clock alone becomes due."""
        ...

    def heartbeat(self, owner: str, run_ids: Sequence[str]) -> list[Run]:
        """Extend the leases of these runs of `owner`; return its runs that are to be cancelled."""
        ...

    def requeue_expired(self, max_attempts: int) -> list[Run]:
        """Put back runs whose lease has expired; those out of attempts end as `error`.

        A run with a recorded cancel is settled by it instead. Returns the runs concerned.
        """
        ...

    def requeue_all_except(self, owners: Sequence[str], max_attempts: int) -> list[Run]:
        """As `requeue_expired`, at once, for running runs of every owner not named."""
        ...

    def requeue_of(self, owner: str, max_attempts: int) -> list[Run]:
        """As `requeue_expired`, at once, for the running runs of an owner that has died."""
        ...

    def keep_log(self, run_id: str) -> None:
        """Make a run resumable: whoever executes it from its next claim on stores what it says."""
        ...

    def requeue(self, run_id: str, owner: str) -> None:
        """Give a claimed run back (drain): pending again, the attempt not counted.

        A run with a recorded cancel is settled by it instead.
        """
        ...

    def request_cancel(self, run_id: str, action: CancelAction, reason: str | None) -> Run | None:
        """Record the wish to cancel. A pending run is settled at once; None if it is not active."""
        ...

    def finish(self, run_id: str, owner: str, end: Settlement) -> Run | None:
        """Write how a run ended, and its thread with it: status, values, interrupts, error.

        A temporary run is deleted with its thread; with `end.rollback` the run and its checkpoints
        are deleted and the thread keeps what it had; so it is if a rollback was asked for before,
        however the run ended. Only the holder of the lease may finish: None, and nothing done, if
        `owner` no longer is that.
        """
        ...

    def claim_next(self, thread_id: str, owner: str) -> Run | None:
        """Claim the thread's next run if it is claimable."""
        ...

    def delete(self, run_id: str) -> None:
        """Remove a run that is not active, with its events and checkpoints."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return how many runs are in each status."""
        ...


class RunEvents(Protocol):
    """Segments of the logs of resumable runs."""

    def append(self, run_id: str, events: Sequence[StreamEvent], now: str) -> None:
        """Store consecutive events; nothing happens if the run is gone."""
        ...

    def after(self, run_id: str, seq: int, limit: int) -> list[StreamEvent]:
        """Return events that follow `seq`, in order, about `limit` of them."""
        ...

    def last_seq(self, run_id: str) -> int:
        """Return the highest stored `seq`, 0 if there is none."""
        ...

    def base(self, run_id: str) -> int | None:
        """Return the number before the run's first event in its thread; None if it has none.

        The thread's events are numbered over all its runs: those of a later run have greater
        numbers, and each run has `EVENTS_OF_RUN` of its own.
        """
        ...

    def place_of(self, thread_id: str, number: int) -> ThreadPosition:
        """Return where the run begins that a number belongs to, or the next one there is."""
        ...

    def stored_end(self, thread_id: str) -> ThreadPosition | None:
        """Return where the stored part of a thread's log ends, None if nothing is stored."""
        ...

    def last_number(self, thread_id: str) -> int:
        """Return a number below those of all events to come, and near the last one's."""
        ...

    def delete_before(self, moment: str) -> int:
        """Remove logs of runs that ended before the moment; return how many segments."""
        ...


class RunRequests(Protocol):
    """What was answered to requests that named themselves, noted with what they created."""

    def find(self, key: RequestKey) -> Answered | None:
        """Return what was answered to the owner's request of this name, or None."""
        ...

    def insert(
        self, key: RequestKey, answer: Json, *, thread_id: str | None, run_id: str | None
    ) -> None:
        """Note what is answered; the note goes with the thread, if one is named."""
        ...

    def name(self, run: Run) -> None:
        """Give a run a name of its own, if it has none, so that what it comes to is kept."""
        ...

    def keep_result(self, run_id: str, result: RunResult) -> None:
        """Note what a run came to that is deleted now; nothing happens if it had no name."""
        ...

    def find_result(self, run_id: str) -> RunResult | None:
        """Return what such a run came to, or None."""
        ...

    def delete_before(self, moment: str) -> int:
        """Remove notes made before the moment; return how many."""
        ...


class HearsOfEnds(Protocol):
    """What writes something of its own when a run ends, in the same transaction."""

    def run_ended(self, run: Run, end: Settlement) -> None:
        """Hear of a run's end, before the run and its thread may go."""
        ...
