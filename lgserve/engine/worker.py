"""Claims runs, executes them on the user loop, settles them; heartbeats from a thread.

A run starts because something told the worker so: its insertion, the end of the run before it, the
clock. The table decides, signals only hurry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lgserve.core.errors import StorageError
from lgserve.core.models import EVERYTHING, Run
from lgserve.engine.executor import RunExecutor
from lgserve.engine.neighbours import Neighbours, Nobody
from lgserve.engine.run_carrier import ActiveRun, Phase, RunCarrier
from lgserve.engine.stream_modes import frame
from lgserve.engine.tasks import TaskSet
from lgserve.services.results import (
    keep_results,
    lost_result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from lgserve.core.ports import Checkpointers, Clock, Runs, RunStreams, Storage
    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.engine.watchdog import Stall
    from lgserve.services.thread_state import ThreadStateService

_log = logging.getLogger("lgserve")

#: Seconds until claiming is tried again after the database refused.
_RETRY_SECONDS = 1.0

#: Runs that wait for others: more are most likely graphs that call themselves without an end.
_MOST_LENT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works; times in seconds."""

    owner: str
    slots: int
    lease_seconds: float
    run_timeout_seconds: float
    max_attempts: int
    strict_blocking: bool = False


class RunWorker:
    """See `lgserve.core.ports.Worker`; lives on the API's loop."""

    def __init__(
        self,
        *,
        storage: Storage,
        streams: RunStreams,
        checkpointers: Checkpointers,
        executor: RunExecutor,
        user_loop: UserLoopThread,
        state: ThreadStateService,
        clock: Clock,
        tasks: TaskSet,
        options: WorkerOptions,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._storage = storage
        self._streams = streams
        self._state = state
        self._clock = clock
        self._tasks = tasks
        self._options = options
        self._neighbours: Neighbours = neighbours or Nobody()
        self._free, self._lent = options.slots, 0
        self._active: dict[str, ActiveRun] = {}
        self._wake, self._backlog = asyncio.Event(), True
        self._phase = Phase()
        self._carrier = RunCarrier(
            storage=storage,
            streams=streams,
            checkpointers=checkpointers,
            executor=executor,
            user_loop=user_loop,
            state=state,
            neighbours=self._neighbours,
            owner=options.owner,
            run_timeout_seconds=options.run_timeout_seconds,
            phase=self._phase,
        )
        self._runs = TaskSet()
        self._home = asyncio.get_running_loop()
        self._stopped = threading.Event()

    @property
    def active(self) -> int:
        """How many runs execute now."""
        return len(self._active)

    # ---------------------------------------------------------------- the port

    def reserve(self) -> str | None:
        """Take a free slot."""
        if self._phase.draining or (self._free <= 0 and not self._phase.retired):
            return None
        self._free -= 1
        return self._options.owner

    def release(self) -> None:
        """Give a slot back."""
        self._free += 1
        if self._backlog:
            self._wake.set()

    def lend(self) -> None:
        """Let another run have the slot of one that waits for it; lest both wait for ever."""
        self._lent += 1
        if self._lent <= _MOST_LENT:
            self.release()

    def take_back(self) -> None:
        """Count a slot that was lent as taken again, even if it still is in use."""
        if self._lent <= _MOST_LENT:
            self._free -= 1
        self._lent -= 1

    def start(self, run: Run) -> None:
        """Execute a claimed run; from here on it can be stopped."""
        active = self._active[run.run_id] = ActiveRun(run=run)
        self._runs.start(self._work(active), f"run {run.run_id}")

    def run_queued(self) -> None:
        """Look for claimable runs."""
        self._backlog = True
        self._wake.set()
        if self._phase.retired:
            self._tasks.start(self._claim_stranded(), "claiming what would be lost elsewhere")

    def cancel_requested(self, run: Run) -> None:
        """Stop a run this worker executes, or have it stopped by who does."""
        if not self.stop_here(run):
            self._neighbours.cancel(run.run_id)

    def stop_here(self, run: Run) -> bool:
        """Stop a run this worker executes; False if it does not."""
        active = self._active.get(run.run_id)
        if active is not None and run.cancel_action is not None:
            active.ask_to_stop(run.cancel_action)
        return active is not None

    # ---------------------------------------------------------------- life

    async def recover(self, peers: Sequence[str] = ()) -> list[Run]:
        """Take back what dead owners left: all but `peers`, who use the database too."""
        return await self._take_back(lambda runs, limit: runs.requeue_all_except(peers, limit))

    async def recover_from(self, owner: str) -> None:
        """Take back at once what a process that has ended left, if it left something."""
        if await self._take_back(lambda runs, limit: runs.requeue_of(owner, limit)):
            self.run_queued()

    async def _take_back(self, find: Callable[[Runs, int], list[Run]]) -> list[Run]:
        limit = self._options.max_attempts
        lost = await self._storage.write(lambda tx: keep_results(tx, find(tx.runs, limit)))
        await self._refresh_settled(lost)
        return lost

    def run(self) -> None:
        """Begin to claim runs and to keep their leases."""
        self._tasks.start(self._dispatch(), "dispatcher")
        threading.Thread(target=self._beat, name="lgserve-heartbeat", daemon=True).start()

    async def retire(self, graphs: Container[str]) -> None:
        """Leave what can be claimed to a process with these graphs, and what nobody awaits here.

        What somebody waits for here goes on to its end; what would be lost elsewhere is claimed.
        """
        self._phase.retired = True
        self._wake.set()
        await self._streams.retire()
        await self._claim_stranded()
        for run_id, active in self._active.items():
            kept = active.run.graph_id not in graphs or self._streams.is_awaited(run_id)
            if not active.run.temporary and not kept:
                active.request_drain()

    async def _claim_stranded(self) -> None:
        """Claim the runs that leave nothing behind for those who wait here; others do the rest."""
        stranded = [run.thread_id for run in self._streams.awaited() if run.temporary]
        owner = self._options.owner
        claimed = await self._storage.write(
            lambda tx: [tx.runs.claim_next(thread_id, owner) for thread_id in stranded]
        )
        for run in claimed:
            if run is not None:
                self._free -= 1
                self.start(run)
        self._neighbours.look()

    def request_drain(self) -> None:
        """Let runs that can go on elsewhere stop at their next superstep."""
        for active in self._active.values():
            if not active.run.temporary:
                active.request_drain()

    async def drain(self, grace_seconds: float) -> None:
        """Stop claiming; let runs stop at their next superstep and go back to the queue."""
        self._phase.draining = True
        self._wake.set()
        for active in self._active.values():
            active.request_drain()
        await self._runs.wait(grace_seconds)
        for active in list(self._active.values()):
            active.ask_to_stop("drain")
        await self._runs.wait(2)
        await self._runs.stop()
        self._streams.break_off_all()
        self._stopped.set()

    def stalled(self, stall: Stall) -> None:
        """Fail the run whose node blocks the user loop, if that is asked for; from any thread."""
        active = self._active.get(stall.run_id or "")
        execution = active.execution if active is not None else None
        if execution is not None and self._options.strict_blocking:
            execution.blocked = (
                f"node {stall.node!r} blocked the event loop for over {stall.seconds:.2f} s at"
                f" {stall.where}; use an async call or asyncio.to_thread"
            )

    # ---------------------------------------------------------------- claiming

    async def _dispatch(self) -> None:
        """Claim whenever woken, whenever a run becomes due, and at least once a lease."""
        while self._phase.claims:
            self._wake.clear()
            try:
                await self._claim_all()
                wait = await self._until_due()
            except StorageError as exc:
                _log.error("runs cannot be claimed: %s", exc)
                wait = _RETRY_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                await self._take_expired()
                self._backlog = True

    async def _until_due(self) -> float:
        """Return how long nothing becomes claimable by the clock alone, in seconds."""
        due = await self._storage.lookup(lambda tx: tx.runs.next_due())
        longest = self._options.lease_seconds
        if due is None:
            return longest
        return min(longest, max(0.001, (due - self._clock.now()).total_seconds()))

    async def _claim_all(self) -> None:
        """Claim while there are free slots and claimable runs."""
        while self._free > 0 and self._phase.claims:
            # Half of what is free: runs that are being created meanwhile claim for themselves.
            wanted = (self._free + 1) // 2
            self._free -= wanted
            runs: list[Run] = []
            try:
                runs = await self._claim(wanted)
            finally:
                self._free += wanted - len(runs)
            for run in runs:
                self.start(run)
            if len(runs) < wanted:
                self._backlog = False
                return

    async def _claim(self, limit: int) -> list[Run]:
        owner = self._options.owner
        return await self._storage.write(lambda tx: tx.runs.claim(owner, limit))

    async def _take_expired(self) -> None:
        with contextlib.suppress(StorageError):  # the next claim will say so
            await self._take_back(lambda runs, limit: runs.requeue_expired(limit))

    async def _refresh_settled(self, lost: list[Run]) -> None:
        """Tell of runs that were given up, not put back: in their logs and on their threads."""
        for run in lost:
            if run.status == "pending":
                continue
            await self._end_log(run)
            if not run.temporary:
                await self._state.refresh(run.thread_id, EVERYTHING, error=run.error)

    async def _end_log(self, run: Run) -> None:
        """End the log of a run that nobody executes any more."""
        if run.error is not None:
            log = await self._streams.resume(replace(run, resumed=True))
            log.append(*frame("error", run.error))
        await self._streams.close(run.run_id, lost_result(run))

    def _beat(self) -> None:
        """Keep the leases of what executes, from a thread, whatever the loops do."""
        owner = self._options.owner

        async def beat() -> list[Run]:
            held = list(self._active)
            return await self._storage.write(lambda tx: tx.runs.heartbeat(owner, held))

        with contextlib.suppress(RuntimeError):  # the server has gone
            while not self._stopped.wait(self._options.lease_seconds / 3):
                with contextlib.suppress(StorageError):
                    for run in asyncio.run(beat()):
                        self._home.call_soon_threadsafe(self.cancel_requested, run)

    # ---------------------------------------------------------------- executing

    async def _work(self, active: ActiveRun) -> None:
        """Execute a run and those that follow it on its thread, in the slot it holds."""
        try:
            while (following := await self._run_one(active)) is not None:
                active = self._active[following.run_id] = ActiveRun(run=following)
        finally:
            self.release()

    async def _run_one(self, active: ActiveRun) -> Run | None:
        """Execute one run and return the next one of its thread, claimed."""
        try:
            return await self._carrier.carry_out(active)
        finally:
            del self._active[active.run.run_id]
