"""The log of one run, in memory while the run is active.

The user loop appends frames; the API's loop publishes them, a batch a wake-up. Events of a
resumable run are stored first and shown after, so that nobody sees an event that a crash could take
back. What the slowest follower has read is let go; a reader that falls far behind reads on from the
database, or, if the run is not resumable, is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lgserve.core.clock import to_iso
from lgserve.core.errors import StorageError, UnavailableError
from lgserve.core.models import Run, RunResult, StreamEvent

if TYPE_CHECKING:
    from lgserve.brokers.local import LocalRunStreams
    from lgserve.core.ports import Transaction

#: Unread bytes a log keeps in memory for its slowest follower.
_MOST_KEPT = 32 * 1024 * 1024
#: About how many events are read from the database at once.
BATCH = 256


class RunLog:
    """One run's log in memory; `append` belongs to the user loop, the rest to the API's loop."""

    def __init__(self, run: Run, streams: LocalRunStreams) -> None:
        self.run = run
        #: True while someone reads or the run is resumable: else encoding would be for nobody.
        self.wanted = run.resumable
        #: True while the run executes in this process.
        self.here = False
        self.closed = False
        self._result: asyncio.Future[RunResult] = streams.loop.create_future()
        self._asked = False
        self._broken = False
        self._streams = streams
        self._incoming: deque[tuple[str, bytes]] = deque()
        self._woken = False
        self._events: deque[StreamEvent] = deque()
        self._last: StreamEvent | None = None
        self._bytes = 0
        self._seq = 0
        self._shown = 0
        self._unsaved: list[StreamEvent] = []
        self._saving: asyncio.Task[None] | None = None
        self._followers: set[Subscription] = set()
        self._changed = asyncio.Event()

    @property
    def result(self) -> asyncio.Future[RunResult]:
        """What the run came to, once it has ended."""
        self._asked = True
        return self._result

    @property
    def is_awaited(self) -> bool:
        """Whether somebody reads the log, or has asked for the result."""
        return bool(self._followers) or self._asked

    @property
    def is_unkept(self) -> bool:
        """Whether somebody reads the log of a run that is not stored."""
        return bool(self._followers) and not self.run.resumable

    def append(self, name: str, frame: bytes) -> None:
        """Add an event; called on the user loop, wakes the API's loop once a batch."""
        self._incoming.append((name, frame))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the server is gone
                self._streams.loop.call_soon_threadsafe(self._take_in)

    def start_at(self, seq: int) -> None:
        """Number on from an earlier attempt of the run."""
        if self._seq == 0:
            self._seq = self._shown = seq
            if not self.run.resumable:  # nobody can read what that one said
                for follower in self._followers:
                    follower.position = max(follower.position, seq)

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self._seq

    @property
    def kept_bytes(self) -> int:
        """How much memory the log takes for those who have not read it."""
        result = self._result
        told = result.done() and not result.cancelled() and result.exception() is None
        return self._bytes + (len(result.result().body) if told else 0)

    async def keep(self) -> None:
        """Store from here on what the run says; its last event marks how far it was."""
        self._take_in()
        run_id, last = self.run.run_id, self._last
        self.run = replace(self.run, resumable=True)
        self.wanted = True
        now = to_iso(self._streams.clock.now())

        def work(tx: Transaction) -> None:
            tx.runs.keep_log(run_id)
            if last is not None:
                tx.events.append(run_id, [last], now)

        await self._streams.storage.write(work)

    def take_in(self, events: Sequence[StreamEvent]) -> None:
        """Show events that another process has stored."""
        self._seq = events[-1].seq
        self._show(events)

    async def flush(self) -> None:
        """Return when every event appended so far is shown, and stored if the run is resumable."""
        self._take_in()
        while self._saving is not None:
            await asyncio.shield(self._saving)

    async def close(self, result: RunResult) -> None:
        """End the log and answer those who wait."""
        await self.flush()
        self.closed = True
        if not self._result.done():
            self._result.set_result(result)
        self._changed.set()

    def break_off(self) -> None:
        """End the log without an end of its run: readers and waiters have to come back."""
        self._broken = True
        if not self._result.done():
            self._result.set_exception(UnavailableError())
            self._result.exception()  # nobody has to wait for it
        self._changed.set()

    def subscribe(self, after: int | None) -> Subscription:
        """Start to follow, from `after` on (None: from now on), and miss nothing from here."""
        self.wanted = True
        position = self._shown if after is None else after
        if not self.run.resumable:  # one reads what there still is
            position = min(max(position, self._first_kept - 1), self._shown)
        subscription = Subscription(self, position)
        self._followers.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a follower, and what was kept for it."""
        self._followers.discard(subscription)
        self.wanted = self.run.resumable or bool(self._followers)
        self._let_go()

    async def next_for(self, follower: Subscription) -> Sequence[StreamEvent]:
        """Wait for events behind a follower's position; an empty batch is the end of the log."""
        while True:
            changed = self._changed
            if batch := await self._read(follower.position):
                return batch
            if self.closed:
                return ()
            if self._broken:
                raise UnavailableError
            await changed.wait()

    async def _read(self, position: int) -> Sequence[StreamEvent]:
        if position >= self._shown:
            return ()
        if position + 1 >= self._first_kept:
            return [event for event in self._events if event.seq > position]
        run_id = self.run.run_id
        stored: Sequence[StreamEvent] = ()
        if self.run.resumable:
            stored = await self._streams.storage.read(
                lambda tx: tx.events.after(run_id, position, BATCH)
            )
        if not stored:  # never kept, or deleted with the run
            raise StorageError("The reader was too slow: events were dropped.")
        return stored

    @property
    def _first_kept(self) -> int:
        return self._events[0].seq if self._events else self._shown + 1

    def _take_in(self) -> None:
        self._woken = False
        incoming = self._incoming
        fresh: list[StreamEvent] = []
        while incoming:
            name, frame = incoming.popleft()
            self._seq += 1
            fresh.append(StreamEvent(seq=self._seq, name=name, frame=frame))
        if not fresh or self.closed:  # code that was left behind may still say something
            return
        if not self.run.resumable:
            self._show(fresh)
            return
        self._unsaved.extend(fresh)
        if self._saving is None:
            self._saving = self._streams.spawn(self._save(), f"log of run {self.run.run_id}")

    async def _save(self) -> None:
        """Store what has come, show it, and go on while more has come meanwhile."""
        try:
            while self._unsaved:
                batch, self._unsaved = self._unsaved, []
                await self._store(batch)
                self._show(batch)
        finally:
            self._saving = None

    async def _store(self, batch: Sequence[StreamEvent]) -> None:
        run_id = self.run.run_id
        now = to_iso(self._streams.clock.now())
        await self._streams.storage.write(lambda tx: tx.events.append(run_id, batch, now))

    def _show(self, events: Sequence[StreamEvent]) -> None:
        self._events.extend(events)
        self._last = events[-1]
        self._bytes += sum(len(event.frame) for event in events)
        self._shown = events[-1].seq
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._let_go()

    def _let_go(self) -> None:
        """Drop what every follower has read, and the oldest beyond the limit."""
        slowest = min((follower.position for follower in self._followers), default=self._shown)
        events = self._events
        while events and (events[0].seq <= slowest or self._bytes > _MOST_KEPT):
            self._bytes -= len(events.popleft().frame)


class Subscription:
    """A place in a live log: iterate for batches of events; `close` when done."""

    def __init__(self, log: RunLog, position: int) -> None:
        self.position = position
        self._log = log

    @property
    def epoch(self) -> int:
        """The run's epoch; known once the run has started."""
        return self._log.run.epoch

    def __aiter__(self) -> Subscription:
        """Iterate over batches."""
        return self

    async def __anext__(self) -> Sequence[StreamEvent]:
        """Return the next batch; the end of the run ends the iteration."""
        batch = await self._log.next_for(self)
        if not batch:
            raise StopAsyncIteration
        self.position = batch[-1].seq
        return batch

    def close(self) -> None:
        """Stop following."""
        self._log.unsubscribe(self)
