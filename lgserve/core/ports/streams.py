"""What runs and threads say, to those who follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from lgserve.core.models import Run, RunResult, StreamEvent, ThreadEvent, ThreadPosition


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
