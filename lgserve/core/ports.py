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
from datetime import datetime
from typing import Any, Protocol, TypeVar

from lgserve.core.models import (
    Assistant,
    AssistantFilter,
    Json,
    Page,
    Run,
    RunResult,
    Scope,
    Settlement,
    StreamEvent,
    Thread,
    ThreadFilter,
    Totals,
    Waiting,
)
from lgserve.core.principals import Action, ApiKey, IncomingRequest, Principal, Resource
from lgserve.core.vocabulary import CancelAction, RunStatus

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
    """Threads; their status is derived from their runs whenever a run changes."""

    def find(self, thread_id: str, scope: Scope) -> Thread | None:
        """Return the thread, or None if there is none in the scope."""
        ...

    def insert(self, thread: Thread) -> bool:
        """Add the thread; False, and nothing done, if its id is taken."""
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

    def delete_before(self, moment: str) -> int:
        """Remove logs of runs that ended before the moment; return how many segments."""
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

    async def follow(self, run: Run, after: int | None) -> Follower:
        """Return a reader from `after` on (None: from now on) to the end of the run."""
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


class Graphs(Protocol):
    """The project's graphs; every method runs on the user loop."""

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all configured graphs, those that failed to load included."""
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
    """Makes savers over the server's database."""

    def for_run(self, run_id: str, *, wait: bool) -> RunSaver:
        """Return a saver for a run; with `wait` each write is durable when it returns."""
        ...

    def shared(self) -> Any:
        """Return the saver for reads and updates of state."""
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
