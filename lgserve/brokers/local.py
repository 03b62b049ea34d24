"""Run logs and signals inside one process.

The user loop appends frames; the API's loop publishes them, a batch a wake-up. Events of a
resumable run are stored first and shown after, so that nobody sees an event that a crash could take
back. What the slowest follower has read is let go; a reader that falls far behind reads on from the
database, or, if the run is not resumable, is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lgserve.brokers.thread_follower import LocalThreadFollower
from lgserve.core.clock import to_iso
from lgserve.core.errors import StorageError, UnavailableError
from lgserve.core.models import EVERYTHING, Run, RunResult, StreamEvent
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES

if TYPE_CHECKING:
    from lgserve.core.models import ThreadPosition
    from lgserve.core.ports import Clock, Storage

#: Unread bytes a log keeps in memory for its slowest follower.
_MOST_KEPT = 32 * 1024 * 1024
_BATCH = 256
#: More events than a run can say in a millisecond, all of its time long.
_FASTEST = 10


class RunLog:
    """One run's log in memory; `append` belongs to the user loop, the rest to the API's loop."""

    def __init__(self, run: Run, streams: LocalRunStreams) -> None:
        self.run = run
        #: True while someone reads or the run is resumable: else encoding would be for nobody.
        self.wanted = run.resumable
        self.result: asyncio.Future[RunResult] = streams.loop.create_future()
        self.closed = False
        self._broken = False
        self._streams = streams
        self._incoming: deque[tuple[str, bytes]] = deque()
        self._woken = False
        self._events: deque[StreamEvent] = deque()
        self._bytes = 0
        self._seq = 0
        self._shown = 0
        self._unsaved: list[StreamEvent] = []
        self._saving: asyncio.Task[None] | None = None
        self._followers: set[Subscription] = set()
        self._changed = asyncio.Event()

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
    def kept_bytes(self) -> int:
        """How much memory the log takes for those who have not read it."""
        result = self.result
        told = result.done() and not result.cancelled() and result.exception() is None
        return self._bytes + (len(result.result().body) if told else 0)

    async def flush(self) -> None:
        """Return when every event appended so far is shown, and stored if the run is resumable."""
        self._take_in()
        while self._saving is not None:
            await asyncio.shield(self._saving)

    async def close(self, result: RunResult) -> None:
        """End the log and answer those who wait."""
        await self.flush()
        self.closed = True
        if not self.result.done():
            self.result.set_result(result)
        self._changed.set()

    def break_off(self) -> None:
        """End the log without an end of its run: readers and waiters have to come back."""
        self._broken = True
        if not self.result.done():
            self.result.set_exception(UnavailableError())
            self.result.exception()  # nobody has to wait for it
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
                lambda tx: tx.events.after(run_id, position, _BATCH)
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


class StoredEvents:
    """The log of a run that has ended, from the database; None as position: nothing."""

    def __init__(self, storage: Storage, run: Run, position: int | None) -> None:
        self.epoch = run.epoch
        self.position = position
        self._storage = storage
        self._run_id = run.run_id

    def __aiter__(self) -> StoredEvents:
        """Iterate over batches."""
        return self

    async def __anext__(self) -> Sequence[StreamEvent]:
        """Return the next batch."""
        position = self.position
        if position is None:
            raise StopAsyncIteration
        run_id = self._run_id
        batch = await self._storage.read(lambda tx: tx.events.after(run_id, position, _BATCH))
        if not batch:
            raise StopAsyncIteration
        self.position = batch[-1].seq
        return batch

    def close(self) -> None:
        """Stop reading."""
        self.position = None


Follower = Subscription | StoredEvents


class LocalRunStreams:
    """The logs this process holds; see `lgserve.core.ports.RunStreams`."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        spawn: Callable[..., asyncio.Task[None]],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.storage = storage
        self.clock = clock
        self.spawn = spawn
        self._logs: dict[str, RunLog] = {}
        self._thread_followers: dict[str, set[LocalThreadFollower]] = {}
        self._stopped = False

    def open(self, run: Run) -> RunLog:
        """Return the run's log, begun if need be."""
        log = self._logs.get(run.run_id)
        if log is None:
            log = self._logs[run.run_id] = RunLog(run, self)
        return log

    async def resume(self, run: Run) -> RunLog:
        """Return the log of a run about to execute, numbered on from an earlier attempt."""
        log = self.open(run)
        log.run = run
        if run.resumed:
            await self._continue(log)
        for follower in self._followers_of(run.thread_id):
            follower.began(log)
        return log

    async def close(self, run_id: str, result: RunResult) -> None:
        """End the run's log and forget it; those who follow it still read it to its end."""
        log = self._logs.get(run_id)
        if log is not None:
            await log.close(result)
            self._logs.pop(run_id, None)

    def break_off(self, run_id: str) -> None:
        """Forget the log of a run that goes on elsewhere, or later."""
        log = self._logs.pop(run_id, None)
        if log is not None:
            log.break_off()

    def break_off_all(self) -> None:
        """Let go of everybody who reads or waits: the server stops."""
        self._stopped = True
        for run_id in list(self._logs):
            self.break_off(run_id)
        for followers in self._thread_followers.values():
            for follower in followers:
                follower.look()

    async def follow(self, run: Run, after: int | None) -> Follower:
        """Return a run's events behind `after` (None: from now on), in batches, to its end."""
        log = await self._live(run)
        if log is not None:
            return log.subscribe(after)
        return StoredEvents(self.storage, run, after if run.resumable else None)

    async def follow_thread(
        self, thread_id: str, after: ThreadPosition | None
    ) -> LocalThreadFollower:
        """Return a reader of all runs of a thread; it hears of those that begin from here on."""
        follower = LocalThreadFollower(self, thread_id)
        self._thread_followers.setdefault(thread_id, set()).add(follower)
        try:
            await follower.start(after)
        except BaseException:
            follower.close()
            raise
        return follower

    def leave_thread(self, thread_id: str, follower: LocalThreadFollower) -> None:
        """Forget a reader of a thread."""
        followers = self._thread_followers.get(thread_id, set())
        followers.discard(follower)
        if not followers:
            self._thread_followers.pop(thread_id, None)

    def is_followed(self, thread_id: str) -> bool:
        """Tell whether anybody follows the thread."""
        return thread_id in self._thread_followers

    def tell_thread(self, thread_id: str, epoch: int, name: str, frame: bytes) -> None:
        """Show an event of the thread itself."""
        for follower in self._followers_of(thread_id):
            follower.told(epoch, StreamEvent(seq=1, name=name, frame=frame))

    def thread_deleted(self, thread_id: str) -> None:
        """Have the thread's followers see that it is gone."""
        for follower in self._followers_of(thread_id):
            follower.look()

    async def wait(self, run: Run) -> RunResult | None:
        """Return the result when the run ends; None if it has ended already."""
        log = await self._live(run)
        return None if log is None else await asyncio.shield(log.result)

    async def _live(self, run: Run) -> RunLog | None:
        """Return the log of a run that is still active.

        The log is taken before the status is read: a run that was active at that moment closes its
        log later, so nobody waits for an end that is past.
        """
        known = run.run_id in self._logs
        log = self.open(run)
        if known:
            return log
        run_id = run.run_id
        current = await self.storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        if current is not None and current.status in ACTIVE_RUN_STATUSES:
            await self._continue(log)
            return log
        if self._logs.get(run_id) is log:
            del self._logs[run_id]
        return None

    async def _continue(self, log: RunLog) -> None:
        run = log.run
        if run.resumable:
            run_id = run.run_id
            log.start_at(await self.storage.lookup(lambda tx: tx.events.last_seq(run_id)))
        elif run.resumed:  # its earlier events were never counted in a database: time has been
            elapsed = self.clock.now().timestamp() * 1000 - run.epoch
            log.start_at(max(0, int(elapsed)) * _FASTEST)

    @property
    def stopped(self) -> bool:
        """Whether the server stops: nothing goes on here."""
        return self._stopped

    def _followers_of(self, thread_id: str) -> list[LocalThreadFollower]:
        return list(self._thread_followers.get(thread_id, ()))
