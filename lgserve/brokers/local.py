"""Run logs and signals inside one process.

Live and replay are one read: the log of a run that is active here (`run_log`), or what is stored of
one that has ended. A thread's log is read run by run (`thread_follower`).

During a reload two processes work on one database. A run that the other one executes is *foreign*
here: its log is stored, resumable or not, and whoever follows it here gets it from the database
(`lgserve.foreign_runs`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lgserve.brokers.run_log import BATCH, RunLog, Subscription
from lgserve.brokers.thread_follower import LocalThreadFollower
from lgserve.core.models import EVENTS_OF_RUN, EVERYTHING, Run, RunResult, StreamEvent
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES

if TYPE_CHECKING:
    from lgserve.core.models import ThreadPosition
    from lgserve.core.ports import Clock, Storage

#: More events than a run can say in a millisecond, all of its time long.
_FASTEST = 10
#: Where the count stops for a run that lay still: it leaves room for what the run says then.
_MOST_COUNTED = EVENTS_OF_RUN * 9 // 10


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
        batch = await self._storage.read(lambda tx: tx.events.after(run_id, position, BATCH))
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
        #: How far logs had come that were broken off and cannot be read again.
        self._left_at: dict[str, int] = {}
        #: Logs of runs that another process executes, or will, and that are asked for here.
        self._foreign: dict[str, RunLog] = {}
        self.foreign_news = asyncio.Event()
        self._retired = False
        self._thread_followers: dict[str, set[LocalThreadFollower]] = {}
        self._stopped = False

    def open(self, run: Run) -> RunLog:
        """Return the run's log, begun if need be."""
        log = self._logs.get(run.run_id)
        if log is None:
            log = self._logs[run.run_id] = RunLog(run, self)
            if self._retired:
                self._watch(log)
        return log

    async def resume(self, run: Run) -> RunLog:
        """Return the log of a run about to execute, numbered on from an earlier attempt."""
        log = self.open(run)
        log.run = run
        log.here = True
        self._unwatch(run.run_id)
        if run.resumed:
            await self._continue(log)
        if self._retired and not run.resumable:
            await log.keep()
        for follower in self._followers_of(run.thread_id):
            follower.began(log)
        return log

    async def close(self, run_id: str, result: RunResult) -> None:
        """End the run's log and forget it; those who follow it still read it to its end."""
        self._left_at.pop(run_id, None)
        log = self._logs.get(run_id)
        if log is not None:
            await log.close(result)
            self._logs.pop(run_id, None)
            self._unwatch(run_id)
            self._look_around(log.run.thread_id)

    def break_off(self, run_id: str) -> None:
        """Forget the log of a run that goes on elsewhere, or later."""
        log = self._logs.pop(run_id, None)
        self._unwatch(run_id)
        if log is not None:
            log.break_off()
            if not log.run.resumable:
                self._left_at[run_id] = max(log.last_seq, self._left_at.get(run_id, 0))

    async def retire(self) -> None:
        """Have another process execute what does not execute here, and follow what this one does.

        Logs of all runs are stored from here on.
        """
        self._retired = True
        logs = list(self._logs.values())
        for log in logs:
            if not log.here:
                self._watch(log)
        unkept = [log for log in logs if (log.here or log.is_awaited) and not log.run.resumable]
        await asyncio.gather(*(log.keep() for log in unkept))
        self._wake_thread_followers()

    def hand_over(self, run_id: str) -> None:
        """Go on reading, elsewhere, the log of a run that goes on in another process."""
        log = self._logs.get(run_id)
        if log is not None:
            log.here = False
            self._watch(log)

    def awaited(self) -> list[Run]:
        """Return runs that do not execute here and are asked for here."""
        return [log.run for log in self._logs.values() if log.is_awaited and not log.here]

    def is_awaited(self, run_id: str) -> bool:
        """Tell whether somebody follows a run here, or waits for it."""
        log = self._logs.get(run_id)
        return log is not None and log.is_awaited

    def foreign(self) -> list[RunLog]:
        """Return the logs that another process writes."""
        return list(self._foreign.values())

    def is_foreign(self, log: RunLog) -> bool:
        """Tell whether another process writes a log."""
        return self._foreign.get(log.run.run_id) is log

    def has_left(self, thread_id: str) -> bool:
        """Tell whether nothing of a thread will happen here any more: its readers come back."""
        here = (log.here and log.run.thread_id == thread_id for log in self._logs.values())
        return self._stopped or (self._retired and not any(here))

    def _wake_thread_followers(self) -> None:
        for followers in self._thread_followers.values():
            for follower in followers:
                follower.look()

    def _watch(self, log: RunLog) -> None:
        self._foreign[log.run.run_id] = log
        self.foreign_news.set()

    def _unwatch(self, run_id: str) -> None:
        self._foreign.pop(run_id, None)
        if not self._foreign:
            self.foreign_news.clear()

    def break_off_all(self) -> None:
        """Let go of everybody who reads or waits: the server stops."""
        self._stopped = True
        for run_id in list(self._logs):
            self.break_off(run_id)
        self._wake_thread_followers()

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
        self._look_around(thread_id)

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
            if current.status == "running" and not log.here:
                self._watch(log)
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
        elif run.resumed:  # what it said was counted nowhere, if that was in another process
            elapsed = max(0, time.time_ns() // 1_000_000 - run.epoch)
            counted = min(elapsed * _FASTEST, _MOST_COUNTED)
            log.start_at(max(counted, self._left_at.pop(run.run_id, 0)))

    @property
    def stopped(self) -> bool:
        """Whether the server stops: nothing goes on here."""
        return self._stopped

    def _look_around(self, thread_id: str) -> None:
        """Have the thread's followers see what is stored, and whether anything goes on here."""
        for follower in self._followers_of(thread_id):
            follower.look()

    def _followers_of(self, thread_id: str) -> list[LocalThreadFollower]:
        return list(self._thread_followers.get(thread_id, ()))
