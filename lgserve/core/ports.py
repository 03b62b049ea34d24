"""What lgserve needs from the outside; each docstring is the contract an adapter must keep.

A unit of work is a plain function of a `Transaction`. Storage runs it (on SQLite in the one writer
thread, many in one commit; elsewhere in a transaction of its own) and answers when it is durable.
So a use case that reads, decides and writes is one function, and cannot be interrupted half-way.

`scope` is a required argument of every read and write of rows that have an owner: a metadata object
that a row must contain to be seen. `EVERYTHING` sees all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from lgserve.core.a2a import A2aPush, A2aTask, A2aTaskFilter, A2aTurn
from lgserve.core.models import (
    Answered,
    Assistant,
    AssistantFilter,
    Cron,
    CronFilter,
    CronFiring,
    Json,
    Page,
    RequestKey,
    Run,
    RunResult,
    Scope,
    Settlement,
    StreamEvent,
    Thread,
    ThreadEvent,
    ThreadFilter,
    ThreadPosition,
    ThreadSpace,
    ThreadTtl,
    Totals,
    Waiting,
)
from lgserve.core.moving import MovedCheckpoint
from lgserve.core.principals import Action, ApiKey, IncomingRequest, Principal, Resource
from lgserve.core.vocabulary import CancelAction, RunStatus, TtlStrategy
from lgserve.core.webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookFilter,
    WebhookMessage,
)

T = TypeVar("T")


class Clock(Protocol):
    """Tells the time; tests bring their own."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class Assistants(Protocol):
    """Assistants and their versions."""

    def find(self, assistant_id: str, scope: Scope) -> Assistant | None:
        """Return the assistant, or None if there is none in the scope."""
        ...

    def insert(self, assistant: Assistant) -> bool:
        """Add the assistant and its first version; False, and nothing done, if its id is taken."""
        ...

    def add_version(self, assistant: Assistant) -> Assistant:
        """Store the assistant as a new version, numbered after the highest, and make it current."""
        ...

    def versions(
        self, assistant_id: str, metadata: Mapping[str, Any] | None, page: Page, scope: Scope
    ) -> list[Assistant]:
        """Return what the assistant was at its versions, newest first.

        Of each, `created_at` and `updated_at` are when that version was made. Those whose metadata
        does not contain `metadata`, or lies outside the scope, are left out.
        """
        ...

    def find_version(self, assistant_id: str, version: int, scope: Scope) -> Assistant | None:
        """Return one version as `versions` does, or None if there is none in the scope."""
        ...

    def set_current(self, assistant: Assistant) -> None:
        """Make the assistant stand as given, `version` included; no version is added or changed."""
        ...

    def delete(self, assistant_id: str) -> None:
        """Remove the assistant and its versions; its runs keep its id."""
        ...

    def search(self, where: AssistantFilter, page: Page, scope: Scope) -> list[Assistant]:
        """Return a page of matching assistants; names sort without regard to case."""
        ...

    def count(self, where: AssistantFilter, scope: Scope) -> int:
        """Return how many assistants match."""
        ...


class Threads(Protocol):
    """Threads; their status is derived from their runs whenever a run changes.

    A thread that has a TTL expires when its minutes have passed since its last change, but never
    while it is busy. One that is to be deleted then is gone in that moment, to every method but
    `expired` and `delete_expired`, whenever its rows go. A new thread of which nobody says how
    long it is kept gets the project's default, and so does an old one when a run begins on it.
    """

    def find(self, thread_id: str, scope: Scope) -> Thread | None:
        """Return the thread, or None if there is none in the scope."""
        ...

    def insert(self, thread: Thread) -> bool:
        """Add the thread; False, and nothing done, if its id is taken."""
        ...

    def reserve(self, thread: Thread, until: str) -> bool:
        """Take the id of a thread that is being made; False, and nothing done, if it is taken.

        Until it is published nobody sees it. A reservation that outlives `until` is void.
        """
        ...

    def publish(self, thread: Thread) -> bool:
        """Add a thread whose id is reserved; False, and nothing done, if that is void."""
        ...

    def copy(self, thread_id: str, into: Thread, until: str) -> bool:
        """Add a thread with all checkpoints of another one, by their ids, and its state.

        Values, interrupts, error and status are the other's; the bytes of values are shared. The
        rest is that of `into`, whose id must be new.

        False: runs in flight have come further than where the other one last settled. The copy has
        its checkpoints, but is only reserved, as by `reserve`: publish it with what they tell.
        """
        ...

    def fill(self, rows: Any) -> None:
        """Store checkpoints that `ThreadMover.rows` has made ready."""
        ...

    def prune(self, thread_id: str, now: str) -> bool:
        """Remove all checkpoints but the newest of each namespace and what that needs.

        The thread stays as it is; its time begins anew. False, and nothing done, if it is busy.
        """
        ...

    def space(self, thread_id: str) -> ThreadSpace:
        """Return what the thread takes."""
        ...

    def set_ttl(self, thread_id: str, ttl: ThreadTtl, now: str) -> None:
        """Set how long the thread is kept and move `updated_at`."""
        ...

    def adopt_default_ttl(self, thread_id: str) -> None:
        """Let the project's default say how long the thread is kept, if nobody has said so yet."""
        ...

    def expired(self, limit: int) -> list[tuple[str, TtlStrategy]]:
        """Return threads whose time is over and what is to happen to each, longest over first."""
        ...

    def delete_expired(self, thread_id: str) -> bool:
        """Remove a thread as `delete` does if its time is over; False if it is not."""
        ...

    def set_metadata(self, thread_id: str, metadata: Json, now: str) -> None:
        """Replace the metadata and move `updated_at`."""
        ...

    def settle(
        self,
        thread_id: str,
        *,
        has_next: bool,
        values: Json | None,
        interrupts: Json | None,
        error: Json | None,
        now: str,
    ) -> None:
        """Record the state the thread stands at, outside of any run."""
        ...

    def last_epoch(self, thread_id: str) -> int | None:
        """Return the greatest epoch given to the thread's runs and events; None: no thread."""
        ...

    def advance_epoch(self, thread_id: str) -> int:
        """Return a number of milliseconds greater than every epoch of the thread before."""
        ...

    def has_checkpoint(self, thread_id: str, namespace: str, checkpoint_id: str) -> bool:
        """Tell whether the thread has this checkpoint."""
        ...

    def delete(self, thread_id: str) -> None:
        """Remove the thread with all that is its own: runs, events, checkpoints, blobs, writes."""
        ...

    def delete_by_metadata(self, metadata: Mapping[str, Any], scope: Scope) -> list[str]:
        """Remove all matching threads as `delete` does; return their ids."""
        ...

    def search(self, where: ThreadFilter, page: Page, scope: Scope) -> list[Thread]:
        """Return a page of matching threads."""
        ...

    def count(self, where: ThreadFilter, scope: Scope) -> int:
        """Return how many threads match."""
        ...


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


class Crons(Protocol):
    """Runs that recur, and what became of their firings.

    A cron whose thread is deleted is gone with it; so is one whose thread has expired.
    """

    def find(self, cron_id: str, scope: Scope) -> Cron | None:
        """Return the cron, or None if there is none in the scope."""
        ...

    def insert(self, cron: Cron) -> None:
        """Add a cron."""
        ...

    def update(self, cron: Cron) -> None:
        """Make the cron stand as given."""
        ...

    def delete(self, cron_id: str) -> None:
        """Remove the cron and its history; runs that it created go on."""
        ...

    def delete_of_assistant(self, assistant_id: str) -> None:
        """Remove the crons of an assistant as `delete` does."""
        ...

    def search(self, where: CronFilter, page: Page, scope: Scope) -> list[Cron]:
        """Return a page of matching crons; what has no `next_run_date` or the like sorts last."""
        ...

    def count(self, where: CronFilter, scope: Scope) -> int:
        """Return how many crons match."""
        ...

    def due(self, now: str, limit: int, without: Sequence[str] = ()) -> list[Cron]:
        """Return enabled crons whose `next_run_date` has come, the longest due first."""
        ...

    def next_due(self, without: Sequence[str] = ()) -> datetime | None:
        """Return when an enabled cron is due next, None if none is."""
        ...

    def advance(self, cron: Cron, following: str | None) -> bool:
        """Move `next_run_date` on from where it stands in `cron`, which is enabled.

        False, and nothing done, if the cron was fired or changed meanwhile. So of any number of
        schedulers one gets True for a moment. `updated_at` stays: nobody has changed the cron.
        """
        ...

    def add_firing(self, cron_id: str, firing: CronFiring) -> bool:
        """Note what became of a moment; False, and nothing done, if that is known already.

        Of each cron the newest are kept (`FIRINGS_KEPT`).
        """
        ...

    def firings(self, cron_id: str, limit: int, offset: int) -> list[CronFiring]:
        """Return what became of a cron's firings, newest first."""
        ...

    def count_firings(self, cron_id: str) -> int:
        """Return how many of them are known."""
        ...


class Webhooks(Protocol):
    """The outbox: what is to be delivered, and what became of it.

    What is claimed and not recorded is due again when its lease is over: its owner died.
    """

    def run_ended(self, run: Run, end: Settlement) -> None:
        """Add what the run's webhook is to be told, if it has one."""
        ...

    def add(self, message: WebhookMessage) -> None:
        """Add what is to be delivered, from now on."""
        ...

    def find(self, webhook_id: str, scope: Scope) -> WebhookDelivery | None:
        """Return the delivery, or None if there is none in the scope."""
        ...

    def search(self, wanted: WebhookFilter, page: Page, scope: Scope) -> list[WebhookDelivery]:
        """Return a page of matching deliveries by their creation; their payloads are `{}`."""
        ...

    def count(self, wanted: WebhookFilter, scope: Scope) -> int:
        """Return how many match."""
        ...

    def attempts(self, webhook_id: str) -> list[WebhookAttempt]:
        """Return the latest tries of a delivery, oldest first."""
        ...

    def claim(
        self, owner: str, limit: int, per_origin: int, busy: Mapping[str, int], lease: timedelta
    ) -> list[WebhookDelivery]:
        """Claim what is due, `limit` in all; of an origin `per_origin`, what is `busy` included.

        Claiming counts a try. Origins take turns: the one whose oldest waits longest is first.
        """
        ...

    def next_due(self, without: Mapping[str, int]) -> datetime | None:
        """Return when something is due next, of other origins than these; None: nothing is."""
        ...

    def release(self, webhook_id: str, owner: str) -> None:
        """Give back what was claimed and not tried to its end; it is due at once."""
        ...

    def release_all_except(self, owner: str) -> int:
        """Give back what others than `owner` have claimed; return how much."""
        ...

    def record(
        self,
        webhook_id: str,
        owner: str,
        attempt: WebhookAttempt,
        *,
        delivered: bool,
        again_at: str | None,
    ) -> None:
        """Note how a try of `owner` went: delivered, to be tried again, or given up."""
        ...

    def redeliver(self, webhook_id: str) -> None:
        """Have it tried now, and for as long as a new one; one that is under way goes on."""
        ...

    def delete_before(self, moment: str) -> int:
        """Remove deliveries that ended before the moment; return how many."""
        ...


class HearsOfEnds(Protocol):
    """What writes something of its own when a run ends, in the same transaction."""

    def run_ended(self, run: Run, end: Settlement) -> None:
        """Hear of a run's end, before the run and its thread may go."""
        ...


class A2aTasks(Protocol):
    """Tasks of A2A: runs that belong together, what clients said, and who is told."""

    def find(self, thread_id: str, first_run_id: str, scope: Scope) -> A2aTask | None:
        """Return the task, or the run that can be seen as one; None if there is none in the scope.

        A run that was not asked for over A2A is a task with one turn, of which nothing is stored.
        """
        ...

    def adopt(self, task: A2aTask) -> None:
        """Store a run that can be seen as a task as one, if it is not stored yet."""
        ...

    def insert(self, task: A2aTask, turn: A2aTurn) -> None:
        """Add a task with its first turn; its run must be there."""
        ...

    def add_turn(self, turn: A2aTurn) -> None:
        """Add a turn to a task; its run must be there."""
        ...

    def turns(self, task: A2aTask) -> list[A2aTurn]:
        """Return the turns of all tasks of its thread, up to its own latest one, oldest first."""
        ...

    def search(
        self, assistant_id: str, where: A2aTaskFilter, limit: int, scope: Scope
    ) -> list[A2aTask]:
        """Return matching tasks, the latest to change first."""
        ...

    def count(self, assistant_id: str, where: A2aTaskFilter, scope: Scope) -> int:
        """Return how many match, wherever they stand in the list."""
        ...

    def give_up(self, task: A2aTask) -> None:
        """End a task that waits for an answer; who is to be told of that is told."""
        ...

    def put_push(self, first_run_id: str, push: A2aPush) -> None:
        """Add somebody who is told of a task, in the place of who has this name."""
        ...

    def pushes(self, first_run_id: str) -> list[A2aPush]:
        """Return who is told of a task."""
        ...

    def delete_push(self, first_run_id: str, config_id: str) -> None:
        """Tell somebody no more; nothing happens if nobody has this name."""
        ...


class Statistics(Protocol):
    """How much there is: figures over all owners, without a trace of any row."""

    def totals(self) -> Totals:
        """Return how much there is; kept, not counted: as fast with any number of threads."""
        ...

    def waiting(self) -> Waiting:
        """Return how long runs that are due have been waiting."""
        ...


class ApiKeys(Protocol):
    """Keys that open the API."""

    def find(self, key_id: str) -> ApiKey | None:
        """Return the key, revoked or not, or None."""
        ...

    def insert(self, key: ApiKey) -> None:
        """Add a key."""
        ...

    def search(self, owner: str | None) -> list[ApiKey]:
        """Return all keys, or those of an owner, newest first."""
        ...

    def revoke(self, key_id: str, now: str) -> bool:
        """Make a key open nothing from now on; False if it is unknown or was revoked before."""
        ...


class Transaction(Protocol):
    """One unit of work over all nouns."""

    @property
    def assistants(self) -> Assistants: ...  # noqa: D102 - the noun says it
    @property
    def threads(self) -> Threads: ...  # noqa: D102
    @property
    def runs(self) -> Runs: ...  # noqa: D102
    @property
    def events(self) -> RunEvents: ...  # noqa: D102
    @property
    def requests(self) -> RunRequests: ...  # noqa: D102
    @property
    def crons(self) -> Crons: ...  # noqa: D102
    @property
    def webhooks(self) -> Webhooks: ...  # noqa: D102
    @property
    def a2a(self) -> A2aTasks: ...  # noqa: D102
    @property
    def api_keys(self) -> ApiKeys: ...  # noqa: D102
    @property
    def statistics(self) -> Statistics: ...  # noqa: D102


class Storage(Protocol):
    """Runs units of work. A call that returned from `write` survives `kill -9`."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work that only reads, off the caller's loop."""
        ...

    async def lookup(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work that reads a few rows by key; may run on the caller's thread."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work in a transaction; what it raises is raised here, with nothing done.

        Writes of one caller are carried out in the order of their calls.
        """
        ...

    def size(self) -> int:
        """Return the bytes the database takes; fast, on the caller's thread."""
        ...


class Follower(Protocol):
    """A reader's place in a run's log: iterate for batches of events, in order, each once."""

    @property
    def epoch(self) -> int:
        """The run's epoch; known once the run has started."""
        ...

    def __aiter__(self) -> AsyncIterator[Sequence[StreamEvent]]:
        """Iterate over batches, to the end of the run."""
        ...

    async def __anext__(self) -> Sequence[StreamEvent]:
        """Return the next batch."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class ThreadFollower(Protocol):
    """A reader's place in a thread's log: iterate for batches of what happens, each once.

    Runs come one after the other in the order of their epochs, each from `begin` to `end`; what
    belongs to one run never stands between another's. Each item has a position; one who follows
    again from behind the last position seen gets exactly the rest:

    - of resumable runs all of it, after a restart of the server too, until their logs expire;
    - of other runs what happens while somebody follows; their end, if one had come to them;
    - of the thread itself (`state`) what happens while somebody follows.

    Runs without anything to read are passed over. A slow reader costs bounded memory: it reads
    resumable runs from the database, and is cut off if too much of others waits for it.
    Iteration ends when the thread is gone, never before.

    Raises, from `__anext__`:
        StorageError: the reader was too slow; events were dropped.
        UnavailableError: the server stops; come back with the last position.
    """

    def __aiter__(self) -> AsyncIterator[Sequence[ThreadEvent]]:
        """Iterate over batches, which are never empty."""
        ...

    async def __anext__(self) -> Sequence[ThreadEvent]:
        """Return the next batch; a cancelled call loses nothing."""
        ...

    def close(self) -> None:
        """Stop reading; needed, or what is live is kept for this reader."""
        ...


class RunLog(Protocol):
    """The log of one run that is active here."""

    @property
    def wanted(self) -> bool:
        """Whether events are worth encoding: someone reads, or the run is resumable."""
        ...

    @property
    def result(self) -> asyncio.Future[RunResult]:
        """What the run came to, once it has ended."""
        ...

    def append(self, name: str, frame: bytes) -> None:
        """Add an event; called on the user loop."""
        ...

    def subscribe(self, after: int | None) -> Follower:
        """Start to follow, from `after` on (None: from now on), and miss nothing from here."""
        ...

    async def flush(self) -> None:
        """Return when all events appended so far are shown (and durable, if resumable)."""
        ...


class RunStreams(Protocol):
    """Logs of events by run: live and replay are one read.

    A follower sees each event once, in order. Events of a resumable run are shown only once they
    are durable; its log can be read after its end.
    """

    def open(self, run: Run) -> RunLog:
        """Return the log of a run that was accepted or claimed here, begun if need be."""
        ...

    async def resume(self, run: Run) -> RunLog:
        """Return the log of a run about to execute, numbered on from an earlier attempt."""
        ...

    async def close(self, run_id: str, result: RunResult) -> None:
        """End the log: followers are done after its last event; `result` goes to waiters."""
        ...

    def break_off(self, run_id: str) -> None:
        """End the log of a run that goes on elsewhere, or later.

        Its readers and waiters get an `UnavailableError`: they have to come back.
        """
        ...

    def break_off_all(self) -> None:
        """Do so with every log: the server stops."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether everybody was let go: nothing goes on here."""
        ...

    async def retire(self) -> None:
        """Hear that another process takes this one's place: from here on every log is stored.

        What does not execute here is executed there; who asks for it here gets it all the same.
        """
        ...

    def hand_over(self, run_id: str) -> None:
        """Hear that a run goes on in the other process; its readers here read on."""
        ...

    def awaited(self) -> Sequence[Run]:
        """Return runs that do not execute here and that somebody here follows or waits for."""
        ...

    def is_awaited(self, run_id: str) -> bool:
        """Tell whether somebody follows a run here, or waits for it."""
        ...

    async def follow(self, run: Run, after: int | None) -> Follower:
        """Return a reader from `after` on (None: from now on) to the end of the run."""
        ...

    async def follow_thread(self, thread_id: str, after: ThreadPosition | None) -> ThreadFollower:
        """Return a reader of all runs of a thread, those to come included.

        It begins behind `after`: None is now, within the run that is under way; `(0, 0)` is the
        first event that is stored; a position the thread has not reached yet counts as now.
        """
        ...

    def tell_thread(self, thread_id: str, epoch: int, name: str, frame: bytes) -> None:
        """Show an event of the thread itself; `epoch` is its own (`Threads.advance_epoch`).

        It has no position if a reader has passed that already: a run was quicker.
        """
        ...

    def is_followed(self, thread_id: str) -> bool:
        """Tell whether anybody follows the thread, so that telling it is worth the while."""
        ...

    def thread_deleted(self, thread_id: str) -> None:
        """Hear that a thread was deleted: its followers come to their end."""
        ...

    async def wait(self, run: Run) -> RunResult | None:
        """Return the result when the run ends; None if it has ended already."""
        ...


class Worker(Protocol):
    """What executes runs in this process."""

    def reserve(self) -> str | None:
        """Take a free slot; return the owner's name to claim a run with, None if all are busy."""
        ...

    def release(self) -> None:
        """Give a reserved slot back."""
        ...

    def start(self, run: Run) -> None:
        """Execute a run that was claimed with a reserved slot."""
        ...

    def run_queued(self) -> None:
        """Hear that a run may be claimable: it only hurries, the table decides."""
        ...

    def cancel_requested(self, run: Run) -> None:
        """Hear that a run's cancel was recorded: it only hurries, a heartbeat would find it."""
        ...


class WebhookAlarm(Protocol):
    """What delivers webhooks from this process."""

    def webhooks_due(self) -> None:
        """Hear that something may be due: it only hurries, the table decides; from any thread."""
        ...


class CronAlarm(Protocol):
    """What waits for the next cron to be due in this process."""

    def crons_changed(self) -> None:
        """Hear that a cron may be due earlier than it was: it only hurries, the table decides."""
        ...


class Graphs(Protocol):
    """The project's graphs; every method runs on the user loop."""

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all configured graphs, those that failed to load included."""
        ...

    def description(self, graph_id: str) -> str | None:
        """Return the description the config gives of the graph.

        Raises:
            GraphNotFoundError: no such graph is configured.
        """
        ...

    def is_static(self, graph_id: str) -> bool:
        """Tell whether the graph is the same at each use: what it says of itself can be kept.

        Raises:
            GraphNotFoundError: no such graph is configured.
        """
        ...

    def open(
        self,
        graph_id: str,
        config: Mapping[str, Any],
        *,
        access_context: str,
        store: Any,
        user: Any = None,
        context: Any = None,
    ) -> AbstractAsyncContextManager[Any]:
        """Enter the graph (a `Pregel`) for one use; factories run now.

        Raises:
            GraphNotFoundError: no such graph is configured.
            GraphLoadError: it is configured but does not load; the message says why.
        """
        ...


class GraphViews(Protocol):
    """What an opened graph says of itself, as plain JSON values; called on the user loop."""

    def graph_schemas(self, graph_id: str, graph: Any) -> dict[str, Any]:
        """Return the JSON schemas of the graph; one that cannot be made is null."""
        ...

    def subgraph_schemas(
        self, graph: Any, namespace: str | None = None, *, recurse: bool = False
    ) -> dict[str, Any]:
        """Return the JSON schemas of the subgraphs by namespace; those of one if it is given."""
        ...

    async def draw(self, graph: Any, xray: int | bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - LangGraph's own parameter
        """Return the nodes and edges; `xray` shows the insides of subgraphs."""
        ...


class RunSaver(Protocol):
    """The checkpoint saver of one run."""

    @property
    def saver(self) -> Any:
        """A LangGraph `BaseCheckpointSaver`."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """The first write that failed; known when the run's finishing transaction runs."""
        ...

    @property
    def checkpoint_id(self) -> str | None:
        """The root checkpoint last written by this run."""
        ...

    def close(self) -> None:
        """Drop all further writes: the run is over, whatever its code still does."""
        ...


class Checkpointers(Protocol):
    """Makes savers over the server's database, or hands out the project's own."""

    @property
    def elsewhere(self) -> bool:
        """Whether the server's database does not know which checkpoints there are."""
        ...

    def for_run(self, run_id: str, *, wait: bool) -> RunSaver:
        """Return a saver for a run; with `wait` each write is durable when it returns."""
        ...

    def shared(self) -> Any:
        """Return the saver for reads and updates of state."""
        ...

    def watched(self, look: Callable[[Any], Any]) -> Any:
        """Return a saver for reads whose lists are of what `look` makes of each checkpoint."""
        ...


class ThreadMover(Protocol):
    """Takes a thread's checkpoints out of what keeps them, and puts them in; on the user loop."""

    @property
    def elsewhere(self) -> bool:
        """Whether checkpoints are kept by a saver of the project's own."""
        ...

    async def read(self, thread_id: str) -> list[MovedCheckpoint]:
        """Return all checkpoints of a thread, of all namespaces, oldest first."""
        ...

    async def load(self, thread_id: str, moved: Sequence[MovedCheckpoint]) -> Any:
        """Decode checkpoints that a client sent; nothing is called that is no data type.

        Raises:
            InvalidRequestError: something in them is broken, or of a type that is not known here.
        """
        ...

    async def rows(self, loaded: Any) -> Any:
        """Return what `Threads.fill` stores of checkpoints that were loaded."""
        ...

    async def store(self, loaded: Any) -> None:
        """Give checkpoints that were loaded to the project's own saver (`elsewhere`)."""
        ...


class Authenticator(Protocol):
    """Who is it, may they, and which rows are theirs. A server without one is open to everybody."""

    async def authenticate(self, request: IncomingRequest) -> Principal:
        """Return who calls.

        Raises:
            UnauthorizedError: no credentials, or wrong ones.
            AuthHandlerError: the project's handler refused.
        """
        ...

    async def authorize(
        self, principal: Principal, resource: Resource, action: Action, value: dict[str, Any]
    ) -> Scope:
        """Return what a row must contain for the principal to act on it.

        `value` is what is asked for; it may be changed, and what it says then is what is done.

        Raises:
            ForbiddenError: the principal may not.
            AuthHandlerError: the project's handler refused.
        """
        ...

    def scope(self, principal: Principal) -> Scope:
        """Return the scope of all that is the principal's, whatever is done with it.

        Raises:
            ForbiddenError: that depends on what is done: `authorize` has to be asked.
        """
        ...


class UserLoop(Protocol):
    """The one event loop on which all user code runs."""

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine function there and return its result here; cancelling cancels it."""
        ...
