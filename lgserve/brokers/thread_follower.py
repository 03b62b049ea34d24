"""A reader of a thread's log: it reads one run after the other, each through the run's own log.

So replay and live are the same read, as for one run. What a thread's reader adds is the order of
the runs, which their epochs give, and that it attends runs from their first event on, even while
it still reads an earlier one: what a run says that is not resumable is nowhere else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgserve.core.errors import StorageError, UnavailableError
from lgserve.core.models import EVERYTHING, Run, StreamEvent, ThreadEvent, ThreadPosition
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES

if TYPE_CHECKING:
    from lgserve.brokers.local import Follower, LocalRunStreams
    from lgserve.brokers.run_log import RunLog
    from lgserve.core.ports import Transaction

#: Unread bytes kept in memory for one reader: of runs it has not come to yet, and of the thread.
_MOST_WAITING = 32 * 1024 * 1024
#: What a run takes beside its events.
_RUN_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A run that is attended."""

    run: Run
    events: Follower
    #: None if it was over when it was come to.
    log: RunLog | None = None

    def waiting_bytes(self) -> int:
        """Return what is kept in memory for it."""
        rest = len(self.run.kwargs) + len(self.run.metadata) + _RUN_BYTES
        return rest + (self.log.kept_bytes if self.log is not None else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """What the database says of the way ahead."""

    #: False once the thread is gone.
    there: bool
    run: Run | None


class LocalThreadFollower:
    """See `lgserve.core.ports.ThreadFollower`; all of it lives on the API's loop."""

    def __init__(self, streams: LocalRunStreams, thread_id: str) -> None:
        self._streams = streams
        self._thread_id = thread_id
        self._position = ThreadPosition(0, 0)
        self._reading: _Reading | None = None
        #: Runs that have begun and whose turn has not come, by epoch.
        self._attended: dict[int, _Reading] = {}
        self._told: deque[ThreadEvent] = deque()
        self._told_bytes = 0
        self._overrun = False
        self._changed = asyncio.Event()

    # ---------------------------------------------------------------- what the streams say

    async def start(self, after: ThreadPosition | None) -> None:
        """Take the place behind `after`, and attend the run that is under way."""
        thread_id = self._thread_id
        last, begun = await self._streams.storage.lookup(
            lambda tx: (tx.threads.last_epoch(thread_id) or 0, tx.runs.find_begun(thread_id))
        )
        now = ThreadPosition(last + 1, 0)
        if after is None or after > now:
            self._position = now if begun is None else ThreadPosition(begun.epoch, 0)
            if begun is not None:
                await self._attend(begun, None)
            return
        self._position = after
        if begun is not None and not begun.resumable and not self._is_behind(begun):
            await self._attend(begun, self._seen_of(begun))

    def began(self, log: RunLog) -> None:
        """Hear that a run starts to execute, before its first event."""
        run = log.run
        wanted = not run.resumable and not self._is_behind(run) and not self._overrun
        if wanted and run.epoch not in self._attended and not self._is_current(run):
            events = log.subscribe(0)
            self._attended[run.epoch] = _Reading(run=run, events=events, log=log)
            self._check_waiting()
        self._changed.set()

    def told(self, epoch: int, event: StreamEvent) -> None:
        """Hear of an event of the thread itself."""
        place = ThreadPosition(epoch, 1)
        position = place if place > self._position else None
        self._told.append(ThreadEvent(kind="state", position=position, event=event))
        self._told_bytes += len(event.frame)
        self._check_waiting()
        self._changed.set()

    def look(self) -> None:
        """Look around: the thread may be gone, or the server about to stop."""
        self._changed.set()

    # ---------------------------------------------------------------- reading

    def __aiter__(self) -> LocalThreadFollower:
        """Iterate over batches."""
        return self

    async def __anext__(self) -> Sequence[ThreadEvent]:
        """Return the next batch."""
        while True:
            if self._overrun:
                raise StorageError("The reader was too slow: events were dropped.")
            batch = await self._next_batch()
            if batch:
                return batch

    def close(self) -> None:
        """Stop reading."""
        self._streams.leave_thread(self._thread_id, self)
        if self._reading is not None:
            self._reading.events.close()
            self._reading = None
        self._drop_waiting()

    async def _next_batch(self) -> Sequence[ThreadEvent]:
        """Make one step; it may bring nothing."""
        if self._told and self._told[0].position is None:
            return [self._tell()]
        if self._reading is not None:
            return await self._read(self._reading)
        return await self._advance()

    async def _advance(self) -> Sequence[ThreadEvent]:
        """Come to the next run or to what the thread says, whichever is earlier; or wait."""
        self._changed.clear()
        ahead = await self._streams.storage.lookup(self._look_ahead)
        run = self._nearest(ahead.run)
        if self._told and (run is None or _epoch_of(self._told[0]) < run.epoch):
            return [self._tell()]
        if run is not None:
            return [await self._enter(run)]
        if not ahead.there:
            raise StopAsyncIteration
        if self._streams.has_left(self._thread_id):
            raise UnavailableError
        await self._changed.wait()
        return ()

    def _look_ahead(self, tx: Transaction) -> _Ahead:
        """Find the run one stands in, or the next one."""
        epoch, seq = self._position
        here = tx.runs.find_by_epoch(self._thread_id, epoch) if seq else None
        return _Ahead(
            there=tx.threads.last_epoch(self._thread_id) is not None,
            run=here or tx.runs.next_readable(self._thread_id, epoch),
        )

    def _nearest(self, stored: Run | None) -> Run | None:
        """Return the earlier of a run from the database and those that are attended."""
        for epoch in [epoch for epoch in self._attended if epoch < self._position.epoch]:
            self._attended.pop(epoch).events.close()
        known = [reading.run for reading in self._attended.values()]
        if stored is not None:
            known.append(stored)
        return min(known, key=lambda run: run.epoch, default=None)

    async def _enter(self, run: Run) -> ThreadEvent:
        """Begin to read a run, from where one stands in it."""
        reading = self._attended.pop(run.epoch, None)
        if reading is None:
            await self._attend(run, self._seen_of(run))
            reading = self._attended.pop(run.epoch)
        self._reading = reading
        self._position = ThreadPosition(run.epoch, reading.events.position or 0)
        return ThreadEvent(kind="begin", position=self._position, run=reading.run)

    async def _attend(self, run: Run, after: int | None) -> None:
        """Follow a run, in place of what was kept of it since it was heard of."""
        events = await self._streams.follow(run, after)
        earlier = self._attended.pop(run.epoch, None)
        if earlier is not None:
            earlier.events.close()
        self._attended[run.epoch] = _Reading(run=run, events=events)

    async def _read(self, reading: _Reading) -> Sequence[ThreadEvent]:
        """Read on in a run."""
        run = reading.run
        try:
            batch = await reading.events.__anext__()
        except StopAsyncIteration:
            return await self._leave(reading)
        except UnavailableError:
            if self._streams.stopped:
                raise
            return await self._leave(reading)
        self._position = ThreadPosition(run.epoch, batch[-1].seq)
        return [
            ThreadEvent(
                kind="event", position=ThreadPosition(run.epoch, event.seq), run=run, event=event
            )
            for event in batch
        ]

    async def _leave(self, reading: _Reading) -> Sequence[ThreadEvent]:
        """Tell the end of a run; one that is tried again goes on instead."""
        run_id = reading.run.run_id
        run = await self._streams.storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        reading.events.close()
        self._reading = None
        if run is not None and run.status in ACTIVE_RUN_STATUSES:
            events = await self._streams.follow(run, self._position.seq)
            self._reading = _Reading(run=run, events=events)
            return ()
        self._position = ThreadPosition(reading.run.epoch + 1, 0)
        status = "deleted" if run is None else run.status
        return [
            ThreadEvent(kind="end", position=self._position, run=run or reading.run, status=status)
        ]

    def _tell(self) -> ThreadEvent:
        """Return what the thread said next."""
        event = self._told.popleft()
        if event.event is not None:
            self._told_bytes -= len(event.event.frame)
        if event.position is not None:
            self._position = ThreadPosition(event.position.epoch + 1, 0)
        return event

    def _is_behind(self, run: Run) -> bool:
        return run.epoch < self._position.epoch

    def _is_current(self, run: Run) -> bool:
        return self._reading is not None and self._reading.run.epoch == run.epoch

    def _seen_of(self, run: Run) -> int:
        return self._position.seq if run.epoch == self._position.epoch else 0

    def _check_waiting(self) -> None:
        """Give up on a reader for whom too much would be kept."""
        attended = sum(reading.waiting_bytes() for reading in self._attended.values())
        if attended + self._told_bytes > _MOST_WAITING:
            self._overrun = True
            self._drop_waiting()

    def _drop_waiting(self) -> None:
        for reading in self._attended.values():
            reading.events.close()
        self._attended.clear()
        self._told.clear()
        self._told_bytes = 0


def _epoch_of(told: ThreadEvent) -> int:
    return 0 if told.position is None else told.position.epoch
