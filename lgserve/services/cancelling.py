"""Stopping runs: the wish is recorded first, then hurried, then its effect is awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgserve.core.models import EVERYTHING, Run
from lgserve.services.following import told_event
from lgserve.services.results import DELETED, error_of, unstarted_result

if TYPE_CHECKING:
    from lgserve.core.ports import RunStreams, Storage, Transaction, Worker
    from lgserve.core.vocabulary import CancelAction

#: Seconds a deletion waits for code that does not stop; its later writes are dropped anyway.
_STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceller:
    """Cancels runs, and waits until that is done."""

    storage: Storage
    streams: RunStreams
    worker: Worker

    async def cancel(
        self, run_ids: Sequence[str], action: CancelAction, reason: str | None
    ) -> list[Run]:
        """Ask active runs to stop; return those that were active. Pending ones end at once."""

        def work(tx: Transaction) -> list[Run]:
            asked = [tx.runs.request_cancel(run_id, action, reason) for run_id in run_ids]
            active = [run for run in asked if run is not None]
            for run in active:
                if run.temporary and run.status != "running":
                    tx.requests.keep_result(run.run_id, unstarted_result(run))
            return active

        cancelled = await self.storage.write(work)
        for run in cancelled:
            await self.hurry(run)
        return cancelled

    async def leave(self, run: Run) -> None:
        """Cancel a run because its client has gone."""
        await self.cancel([run.run_id], "interrupt", "disconnect")

    async def hurry(self, run: Run) -> None:
        """Carry out a recorded cancel: tell the worker, or those who wait for a pending run."""
        if run.status == "running":
            self.worker.cancel_requested(run)
        else:
            await self._end(run)
            self.worker.run_queued()

    async def _end(self, run: Run) -> None:
        """Tell those who wait for a pending run; one that goes has no other end to look up."""
        result = unstarted_result(run)
        error = error_of(result) if run.cancel_reason == DELETED else None
        if error is not None:
            told = told_event("error", error, 0)
            self.streams.open(run).append(told.name, told.frame)
        await self.streams.close(run.run_id, result)

    async def wait(self, runs: Sequence[Run], seconds: float) -> None:
        """Return when these runs have ended, at most after `seconds`."""
        pending = [self.streams.wait(run) for run in runs if run.status == "running"]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*pending)

    async def stop_thread(self, thread_id: str) -> None:
        """Stop all runs of a thread that is about to go."""
        active = await self.storage.lookup(lambda tx: tx.runs.in_flight(thread_id))
        await self._stop([run.run_id for run in active], "interrupt")

    def thread_deleted(self, thread_id: str) -> None:
        """Have those who follow a thread come to their end, now that it is gone."""
        self.streams.thread_deleted(thread_id)

    async def stop_run(self, run_id: str) -> None:
        """Stop a run that is about to go; its checkpoints go before the next run of its thread."""
        run = await self.storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        if run is not None and run.status in ("pending", "running"):
            await self._stop([run_id], "rollback")

    async def _stop(self, run_ids: Sequence[str], action: CancelAction) -> None:
        if run_ids:
            await self.wait(await self.cancel(run_ids, action, DELETED), _STOP_SECONDS)
