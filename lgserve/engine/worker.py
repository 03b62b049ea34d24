"""Claims runs, executes them on the user loop, settles them; heartbeats from a thread.

A run starts because something told the worker so: its insertion, the end of the run before it, the
clock. The table decides, signals only hurry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from langgraph.runtime import RunControl

from lgserve import jsonio
from lgserve.core.errors import StorageError
from lgserve.core.models import EVERYTHING, Run, RunResult, Settlement
from lgserve.engine.endings import outcome_of, result_of, settlement
from lgserve.engine.executor import Execution, Outcome, RunExecutor
from lgserve.engine.failures import error_object
from lgserve.engine.run_metrics import count_end, count_start
from lgserve.engine.run_records import (
    Start,
    elapsed_seconds,
    queued_seconds,
    record,
    record_end,
)
from lgserve.engine.stream_modes import frame
from lgserve.engine.tasks import TaskSet
from lgserve.metrics import ACTIVE_RUNS
from lgserve.services.results import (
    DELETED,
    error_of,
    error_result,
    keep_results,
    lost_result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from lgserve.core.ports import Checkpointers, Clock, Runs, RunStreams, Storage, Transaction
    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.engine.watchdog import Stall
    from lgserve.services.thread_state import ThreadStateService

_log = logging.getLogger("lgserve")

#: Seconds until claiming is tried again after the database refused.
_RETRY_SECONDS = 1.0

#: Runs that wait for others: more are most likely graphs that call themselves without an end.
_MOST_LENT = 1000

#: Seconds a stopped run may take to stop; then it is settled and its code is left to itself.
_STOP_SECONDS = 5.0

#: Seconds the state of a thread may take to be read when its run did not stop.
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works; times in seconds."""

    owner: str
    slots: int
    lease_seconds: float
    run_timeout_seconds: float
    max_attempts: int
    strict_blocking: bool = False


@dataclass(slots=True, kw_only=True)
class _Active:
    """A run in execution, as the worker sees it."""

    run: Run
    #: None until the run's log is open.
    execution: Execution | None = None
    #: "interrupt", "rollback", "timeout" or "drain" once it shall stop.
    reason: str | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    start: Start = field(default_factory=Start)


class Neighbours(Protocol):
    """Other processes that work on the same database, if there are any."""

    @property
    def shared(self) -> bool:
        """Whether there are any at this moment, as far as is known."""
        ...

    def look(self) -> None:
        """Tell them that there may be something to claim."""
        ...

    def cancel(self, run_id: str) -> None:
        """Tell them that a run is to be cancelled."""
        ...


class _Nobody:
    shared = False

    def look(self) -> None:
        """Nobody hears it."""

    def cancel(self, run_id: str) -> None:
        """Nobody hears it."""


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
        self._checkpointers = checkpointers
        self._executor = executor
        self._user_loop = user_loop
        self._state = state
        self._clock = clock
        self._tasks = tasks
        self._options = options
        self._neighbours: Neighbours = neighbours or _Nobody()
        self._free = options.slots
        self._lent = 0
        self._active: dict[str, _Active] = {}
        self._wake = asyncio.Event()
        self._backlog = True
        self._draining = False
        #: Another process claims; this one only ends what it has, or is asked for right now.
        self._retired = False
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
        if self._draining or (self._free <= 0 and not self._retired):
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
        active = self._active[run.run_id] = _Active(run=run)
        self._runs.start(self._work(active), f"run {run.run_id}")

    def run_queued(self) -> None:
        """Look for claimable runs."""
        self._backlog = True
        self._wake.set()
        if self._retired:
            self._tasks.start(self._claim_stranded(), "claiming what would be lost elsewhere")

    def cancel_requested(self, run: Run) -> None:
        """Stop a run this worker executes, or have it stopped by who does."""
        if not self.stop_here(run):
            self._neighbours.cancel(run.run_id)

    def stop_here(self, run: Run) -> bool:
        """Stop a run this worker executes; False if it does not."""
        active = self._active.get(run.run_id)
        if active is not None and run.cancel_action is not None:
            self._stop(active, run.cancel_action)
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
        self._retired = True
        self._wake.set()
        await self._streams.retire()
        await self._claim_stranded()
        for run_id, active in self._active.items():
            if active.run.graph_id in graphs and not self._streams.is_awaited(run_id):
                self._let_move(active)

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
            self._let_move(active)

    def _let_move(self, active: _Active) -> None:
        if active.execution is not None and not active.run.temporary:
            active.execution.control.request_drain()

    async def drain(self, grace_seconds: float) -> None:
        """Stop claiming; let runs stop at their next superstep and go back to the queue."""
        self._draining = True
        self._wake.set()
        for active in self._active.values():
            if active.execution is not None:
                active.execution.control.request_drain()
        await self._runs.wait(grace_seconds)
        for active in list(self._active.values()):
            self._stop(active, "drain")
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
        while not (self._draining or self._retired):
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
        while self._free > 0 and not (self._draining or self._retired):
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

    async def _work(self, active: _Active) -> None:
        """Execute a run and those that follow it on its thread, in the slot it holds."""
        try:
            while (following := await self._run_one(active)) is not None:
                active = self._active[following.run_id] = _Active(run=following)
        finally:
            self.release()

    async def _run_one(self, active: _Active) -> Run | None:
        """Execute one run and return the next one of its thread, claimed.

        A run whose end cannot be written loses its lease: it is tried again from its checkpoint.
        """
        run = active.run
        ACTIVE_RUNS.inc()
        try:
            execution = active.execution = await self._prepare(run)
            await self._heed_cancel(active)
            count_start(run.graph_id, queued_seconds(run, active.start))
            record("started", run)
            try:
                return await self._settle(active, execution, await self._execute(active, execution))
            finally:
                if execution.saver is not None:
                    execution.saver.close()
        except StorageError as exc:
            _log.error("the end of run %s cannot be written: %s", run.run_id, exc)
            error = jsonio.dumps(error_object(exc, mask=False))
            await self._streams.close(run.run_id, error_result(error))
            return None
        finally:
            ACTIVE_RUNS.dec()
            del self._active[run.run_id]

    async def _prepare(self, run: Run) -> Execution:
        await self._state.holds.released(run.thread_id)
        kwargs = jsonio.loads(run.kwargs)
        durable = kwargs["durability"] == "sync"
        return Execution(
            run=run,
            kwargs=kwargs,
            log=await self._streams.resume(run),
            saver=None if run.temporary else self._checkpointers.for_run(run.run_id, wait=durable),
            control=RunControl(),
        )

    async def _heed_cancel(self, active: _Active) -> None:
        """Stop a run that was cancelled between its claim and its registration here."""
        run_id = active.run.run_id
        current = await self._storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        if current is not None:
            self.cancel_requested(current)

    async def _execute(self, active: _Active, execution: Execution) -> Outcome:
        """Await the execution; stop it on request and on time-out; leave it if it does not."""
        handle = self._user_loop.submit(lambda: self._executor.execute(execution))
        stop = asyncio.ensure_future(active.stop.wait())
        try:
            limit = self._options.run_timeout_seconds
            await asyncio.wait(
                (handle.future, stop), timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            if not handle.future.done():
                active.reason = active.reason or "timeout"
                handle.cancel()
                await asyncio.wait((handle.future,), timeout=_STOP_SECONDS)
            if not handle.future.done():
                await self._leave_behind(execution)
            return outcome_of(handle)
        finally:
            stop.cancel()

    async def _leave_behind(self, execution: Execution) -> None:
        """Go on without code that does not stop: what it has written counts, but no more of it."""
        await self._storage.write(lambda _: None)
        if execution.saver is not None:
            execution.saver.close()

    def _stop(self, active: _Active, reason: str) -> None:
        """Ask a run to stop; who asks later may still have it rolled back."""
        if active.reason is None or (active.reason == "interrupt" and reason == "rollback"):
            active.reason = reason
            active.stop.set()

    async def _settle(self, active: _Active, execution: Execution, outcome: Outcome) -> Run | None:
        """Write the end of a run and claim the next one of its thread, in one transaction."""
        run = execution.run
        if outcome.kind == "drained" or (outcome.kind == "stopped" and active.reason == "drain"):
            await self._requeue(execution)
            record("requeued", run)
            return None
        if active.reason == "timeout" and outcome.kind == "stopped":
            outcome = self._timed_out(execution, outcome)
        await execution.log.flush()
        end, result, following = await self._storage.write(
            lambda tx: self._finish(tx, execution, outcome, active.reason)
        )
        if outcome.kind == "stopped" and outcome.values is None:
            await self._look_again(run, end)
        count_end(run.graph_id, elapsed_seconds(active.start), end.error)
        gone = error_of(result) if result.reason == DELETED else None
        if gone is not None:
            execution.log.append(*frame("error", gone))
        await self._streams.close(run.run_id, result)
        if self._retired:
            self._neighbours.look()
        record_end(run, active.start, end, outcome, execution.events)
        return following

    async def _requeue(self, execution: Execution) -> None:
        """Give a run back; another process goes on with it, or the next one on this machine."""
        run_id = execution.run.run_id
        await execution.log.flush()
        moves = self._retired and not self._draining
        if moves:
            self._streams.hand_over(run_id)
        await self._storage.write(lambda tx: tx.runs.requeue(run_id, self._options.owner))
        if not moves:
            self._streams.break_off(run_id)
        self._neighbours.look()

    async def _look_again(self, run: Run, end: Settlement) -> None:
        """Bring the thread in line with its state, for the stopped code did not say where it is."""
        if run.temporary or end.rollback:
            return
        with contextlib.suppress(TimeoutError):  # user code blocks its loop: the next run will do
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._state.refresh(run.thread_id, EVERYTHING, error=end.error)

    def _finish(
        self, tx: Transaction, execution: Execution, outcome: Outcome, reason: str | None
    ) -> tuple[Settlement, RunResult, Run | None]:
        """Settle inside the transaction: by now every checkpoint write has been carried out."""
        run = execution.run
        end = settlement(execution, outcome, reason)
        ended = tx.runs.finish(run.run_id, self._options.owner, end)
        if ended is not None and ended.cancel_action == "rollback":
            end = replace(end, rollback=True)  # it was asked for too late to stop the run
        result = result_of(end, outcome, ended)
        if run.temporary and ended is not None:
            if self._neighbours.shared and not self._streams.is_awaited(run.run_id):
                tx.requests.name(run)  # somebody may wait for it in another process
            tx.requests.keep_result(run.run_id, result)
        if self._draining or self._retired:
            return end, result, None
        return end, result, tx.runs.claim_next(run.thread_id, self._options.owner)

    def _timed_out(self, execution: Execution, outcome: Outcome) -> Outcome:
        """Turn a stopped run into a timed-out one, and tell its followers."""
        seconds = self._options.run_timeout_seconds
        message = f"The run exceeded its time limit of {seconds:g} s."
        error = jsonio.dumps({"error": "TimeoutError", "message": message})
        execution.log.append(*frame("error", error))
        return replace(outcome, error=error)
