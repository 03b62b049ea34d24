"""One claimed run on its way: prepared, executed on the user loop, stopped on request, settled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from langgraph.runtime import RunControl

from lgserve import jsonio
from lgserve.core.errors import StorageError
from lgserve.core.models import EVERYTHING, Run, RunResult, Settlement
from lgserve.engine.endings import outcome_of, result_of, settlement
from lgserve.engine.executions import Execution, Outcome
from lgserve.engine.executor import RunExecutor
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
from lgserve.metrics import ACTIVE_RUNS
from lgserve.services.results import DELETED, error_of, error_result

if TYPE_CHECKING:
    from lgserve.core.ports import Checkpointers, RunStreams, Storage, Transaction
    from lgserve.engine.neighbours import Neighbours
    from lgserve.engine.user_loop import UserLoopThread
    from lgserve.services.thread_state import ThreadStateService

_log = logging.getLogger("lgserve")

#: Seconds a stopped run may take to stop; then it is settled and its code is left to itself.
_STOP_SECONDS = 5.0

#: Seconds the state of a thread may take to be read when its run did not stop.
_LOOK_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class ActiveRun:
    """A run in execution, as the worker sees it."""

    run: Run
    #: None until the run's log is open.
    execution: Execution | None = None
    #: "interrupt", "rollback", "timeout" or "drain" once it shall stop.
    reason: str | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    start: Start = field(default_factory=Start)

    def ask_to_stop(self, reason: str) -> None:
        """Ask a run to stop; who asks later may still have it rolled back."""
        if self.reason is None or (self.reason == "interrupt" and reason == "rollback"):
            self.reason = reason
            self.stop.set()

    def request_drain(self) -> None:
        """Have it stop at its next superstep, if it has begun."""
        if self.execution is not None:
            self.execution.control.request_drain()


@dataclass(slots=True, kw_only=True)
class Phase:
    """How far a worker is on its way out."""

    #: It ends: what it has goes back to the queue.
    draining: bool = False
    #: Another process claims; this one only ends what it has, or is asked for right now.
    retired: bool = False

    @property
    def claims(self) -> bool:
        """Whether it still looks for runs."""
        return not (self.draining or self.retired)


class RunCarrier:
    """Carries out claimed runs, one call each; lives on the API's loop."""

    def __init__(
        self,
        *,
        storage: Storage,
        streams: RunStreams,
        checkpointers: Checkpointers,
        executor: RunExecutor,
        user_loop: UserLoopThread,
        state: ThreadStateService,
        neighbours: Neighbours,
        owner: str,
        run_timeout_seconds: float,
        phase: Phase,
    ) -> None:
        self._storage = storage
        self._streams = streams
        self._checkpointers = checkpointers
        self._executor = executor
        self._user_loop = user_loop
        self._state = state
        self._neighbours = neighbours
        self._owner = owner
        self._run_timeout_seconds = run_timeout_seconds
        #: The worker's; it may change at any moment.
        self._phase = phase

    async def carry_out(self, active: ActiveRun) -> Run | None:
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

    async def _heed_cancel(self, active: ActiveRun) -> None:
        """Stop a run that was cancelled between its claim and its registration here."""
        run_id = active.run.run_id
        current = await self._storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        if current is not None and current.cancel_action is not None:
            active.ask_to_stop(current.cancel_action)

    async def _execute(self, active: ActiveRun, execution: Execution) -> Outcome:
        """Await the execution; stop it on request and on time-out; leave it if it does not."""
        handle = self._user_loop.submit(lambda: self._executor.execute(execution))
        stop = asyncio.ensure_future(active.stop.wait())
        try:
            limit = self._run_timeout_seconds
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

    async def _settle(
        self, active: ActiveRun, execution: Execution, outcome: Outcome
    ) -> Run | None:
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
        if self._phase.retired:
            self._neighbours.look()
        record_end(execution, active.start, end, outcome)
        return following

    async def _requeue(self, execution: Execution) -> None:
        """Give a run back; another process goes on with it, or the next one on this machine."""
        run_id = execution.run.run_id
        await execution.log.flush()
        moves = self._phase.retired and not self._phase.draining
        if moves:
            self._streams.hand_over(run_id)
        await self._storage.write(lambda tx: tx.runs.requeue(run_id, self._owner))
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
        ended = tx.runs.finish(run.run_id, self._owner, end)
        if ended is not None and ended.cancel_action == "rollback":
            end = replace(end, rollback=True)  # it was asked for too late to stop the run
        result = result_of(end, outcome, ended)
        if run.temporary and ended is not None:
            if self._neighbours.shared and not self._streams.is_awaited(run.run_id):
                tx.requests.name(run)  # somebody may wait for it in another process
            tx.requests.keep_result(run.run_id, result)
        if not self._phase.claims:
            return end, result, None
        return end, result, tx.runs.claim_next(run.thread_id, self._owner)

    def _timed_out(self, execution: Execution, outcome: Outcome) -> Outcome:
        """Turn a stopped run into a timed-out one, and tell its followers."""
        seconds = self._run_timeout_seconds
        message = f"The run exceeded its time limit of {seconds:g} s."
        error = jsonio.dumps({"error": "TimeoutError", "message": message})
        execution.log.append(*frame("error", error))
        return replace(outcome, error=error)
