"""Runs: created, found, awaited, followed, cancelled, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lgserve import jsonio
from lgserve.core.errors import NotFoundError
from lgserve.core.models import (
    EMPTY_OBJECT,
    EVERYTHING,
    Answered,
    Run,
    RunResult,
    Scope,
    StreamEvent,
)
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES
from lgserve.services.creating import EFFECT_SECONDS, RunCreator, to_its_end
from lgserve.services.following import EndingFollower, LateFollower, told_event
from lgserve.services.protocol_logs import readable_log
from lgserve.services.results import end_reason, error_of, error_result, gone_result
from lgserve.services.threads import thread_not_found

if TYPE_CHECKING:
    from lgserve.core.ports import Follower, RunLog, RunStreams, Storage, Transaction
    from lgserve.core.vocabulary import CancelAction, RunStatus
    from lgserve.services.cancelling import Canceller
    from lgserve.services.idempotency import Once
    from lgserve.services.run_requests import RunRequest
    from lgserve.services.thread_state import ThreadStateService


@dataclass(frozen=True, slots=True, kw_only=True)
class RunService:
    """The operations on runs."""

    storage: Storage
    streams: RunStreams
    creator: RunCreator
    canceller: Canceller
    state: ThreadStateService

    async def create(
        self,
        thread_id: str | None,
        request: RunRequest,
        scope: Scope,
        once: Once[Run] | None = None,
    ) -> Run:
        """Create a run, started at once if it can be; no thread makes it a stateless one."""
        run, _ = await self.creator.create(thread_id, request, scope, lambda _: None, once=once)
        return run

    async def create_and_wait(
        self,
        thread_id: str | None,
        request: RunRequest,
        scope: Scope,
        once: Once[Run] | None = None,
    ) -> tuple[Run, asyncio.Future[RunResult]]:
        """Create a run; its result comes with the future."""
        return await self.creator.create(
            thread_id, request, scope, lambda log: log.result, once=once
        )

    async def create_and_follow(
        self,
        thread_id: str | None,
        request: RunRequest,
        scope: Scope,
        once: Once[Run] | None = None,
    ) -> tuple[Run, Follower, asyncio.Future[RunResult]]:
        """Create a run and read its log from the first event on; its result comes with the future.

        A run that may be asked for again keeps its log, so that it can be read from the start.
        """
        if once is not None:
            request = replace(request, stream_resumable=True)

        def attach(log: RunLog) -> tuple[Follower, asyncio.Future[RunResult]]:
            return log.subscribe(0), log.result

        run, (follower, result) = await self.creator.create(
            thread_id, request, scope, attach, lambda attached: attached[0].close(), once
        )
        return run, follower, result

    async def create_many(
        self, wanted: Sequence[tuple[RunRequest, Scope]], once: Once[list[Run]] | None = None
    ) -> list[Run]:
        """Create stateless runs: all of them, or none if one cannot be; the error says which."""
        return await self.creator.create_many(wanted, once)

    async def get(self, thread_id: str | None, run_id: str, scope: Scope) -> Run:
        """Return a run; a `thread_id` must be that of its thread."""
        run = await self.storage.lookup(lambda tx: tx.runs.find(run_id, scope))
        if run is None:
            raise NotFoundError
        if thread_id is not None and run.thread_id != thread_id:
            raise thread_not_found(thread_id)
        return run

    async def list_for_thread(
        self,
        thread_id: str,
        scope: Scope,
        *,
        status: str | None,
        metadata: Mapping[str, Any] | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Run], int]:
        """Return a thread's runs, newest first, and how many there are in all."""

        def work(tx: Transaction) -> tuple[list[Run], int] | None:
            if tx.threads.find(thread_id, scope) is None:
                return None
            found = tx.runs.list_for_thread(
                thread_id, status=status, metadata=metadata, limit=limit, offset=offset
            )
            return found, tx.runs.count_for_thread(thread_id, status=status, metadata=metadata)

        found = await self.storage.read(work)
        if found is None:
            raise thread_not_found(thread_id)
        return found

    async def delete(self, thread_id: str, run_id: str, scope: Scope) -> None:
        """Stop a run if it is active, delete it with its checkpoints; the state goes back."""
        run = await self.storage.lookup(lambda tx: tx.runs.find(run_id, scope))
        if run is None or run.thread_id != thread_id:
            raise NotFoundError("Run not found")
        await self.canceller.stop_run(run_id)
        await self.storage.write(lambda tx: tx.runs.delete(run_id))
        await self.state.refresh(thread_id, EVERYTHING)

    async def wait(self, run: Run) -> RunResult:
        """Return what a run comes to, or came to."""
        result = await self.streams.wait(run)
        return result if result is not None else await self.past_result(run)

    async def follow(self, run: Run, after: int | None, modes: Sequence[str]) -> Follower:
        """Return a reader of a run's log; one who comes too late for it is told the run's end."""
        events = readable_log(run, await self.streams.follow(run, after))
        if after is not None and run.resumable:
            return events  # who has come to the end of the log has seen how the run ended
        return LateFollower(events, lambda: self._ending(run, modes))

    async def follow_again(self, run: Run) -> Follower:
        """Return a reader of a run's whole log, or of what is left of it."""
        events = readable_log(run, await self.streams.follow(run, 0))
        return LateFollower(events, lambda: self._ending(run, ()))

    def tell_end(self, run: Run, events: Follower, result: Awaitable[RunResult]) -> Follower:
        """Return a reader that is also told how the run ended, when it has."""
        return EndingFollower(events, run.run_id, result)

    async def created_before(self, answered: Answered) -> Run:
        """Return the run that a repeated request created; it may have been deleted since."""
        created = jsonio.loads(answered.answer)
        run_id = created["run_id"]
        found = await self.storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        return found if found is not None else _deleted(created)

    async def past_result(self, run: Run) -> RunResult:
        """Return what a run that has ended came to: its own result, not its thread's of today."""
        ended, kept = await self._ended(run.run_id)
        if ended is None:
            return kept or gone_result()
        reason = end_reason(ended)
        if ended.error is not None:
            return error_result(ended.error, ended.status, reason)
        body = EMPTY_OBJECT
        if ended.checkpoint_id is not None:
            body = await self.state.result_body(ended)
        return RunResult(body=body, status=ended.status, reason=reason)

    async def _ended(self, run_id: str) -> tuple[Run | None, RunResult | None]:
        """Return a run as it is stored, or what was kept of one that is gone."""

        def work(tx: Transaction) -> tuple[Run | None, RunResult | None]:
            found = tx.runs.find(run_id, EVERYTHING)
            return found, tx.requests.find_result(run_id) if found is None else None

        return await self.storage.lookup(work)

    async def _ending(self, run: Run, modes: Sequence[str]) -> list[StreamEvent]:
        """Return the events that tell how a run ended: its last values and its error."""
        run_id = run.run_id
        ended, kept = await self._ended(run_id)
        if ended is None:
            return _told(run, kept) if kept is not None else []
        if is_active(ended):
            return []
        seq = await self.storage.lookup(lambda tx: tx.events.last_seq(run_id))
        events: list[StreamEvent] = []
        wanted = modes or jsonio.loads(ended.kwargs)["stream_mode"]
        if "values" in wanted and ended.checkpoint_id is not None:
            events.append(told_event("values", await self.state.result_body(ended), seq))
        if ended.error is not None:
            events.append(told_event("error", ended.error, seq))
        return events

    async def cancel(
        self,
        thread_id: str | None,
        run_id: str,
        action: CancelAction,
        scope: Scope,
        *,
        reason: str | None,
        wait: bool,
    ) -> Run:
        """Stop a run; returns when it has stopped, or, without `wait`, soon."""
        run = await self.storage.lookup(lambda tx: tx.runs.find(run_id, scope))
        if run is None or (thread_id is not None and run.thread_id != thread_id):
            raise NotFoundError("No runs found to cancel.")
        await self._cancel([run_id], action, reason, wait=wait)
        return run

    async def leave(self, run: Run) -> None:
        """Cancel a run because its client has gone, even if the caller is cancelled too."""
        await to_its_end(self.canceller.leave(run))

    async def cancel_many(
        self,
        *,
        thread_id: str | None,
        run_ids: Sequence[str] | None,
        status: RunStatus | None,
        action: CancelAction,
        reason: str | None,
        scope: Scope,
    ) -> None:
        """Stop active runs: the named ones, or all with a status, of one thread or of all."""
        found = await self.storage.read(
            lambda tx: tx.runs.search_active(status=status, thread_id=thread_id, scope=scope)
        )
        chosen = [run.run_id for run in found if run_ids is None or run.run_id in run_ids]
        if not chosen:
            raise NotFoundError("No runs found to cancel.")
        await self._cancel(chosen, action, reason, wait=False)

    async def _cancel(
        self, run_ids: Sequence[str], action: CancelAction, reason: str | None, *, wait: bool
    ) -> None:
        cancelled = await self.canceller.cancel(run_ids, action, reason or "user")
        if not cancelled:
            raise NotFoundError(
                "No matching runs to cancel. Please verify the thread ID and run IDs are correct,"
                " and the runs haven't been deleted or completed."
            )
        await self.canceller.wait(cancelled, 3600.0 if wait else EFFECT_SECONDS)


def _told(run: Run, result: RunResult) -> list[StreamEvent]:
    """Return the log of a run of which nothing but the result is left."""
    error = error_of(result)
    name, data = ("values", result.body) if error is None else ("error", error)
    begun = jsonio.dumps({"run_id": run.run_id, "attempt": 1})
    return [told_event("metadata", begun, 1), told_event(name, data, 2)]


def _deleted(created: Mapping[str, Any]) -> Run:
    """Return a run that is gone, as far as the answer to its creation tells of it."""
    moment = created["created_at"]
    return Run(
        run_id=created["run_id"],
        thread_id=created["thread_id"],
        assistant_id=created["assistant_id"],
        graph_id="",
        status="interrupted",
        metadata=jsonio.dumps(created["metadata"]),
        kwargs=jsonio.dumps(created["kwargs"]),
        multitask_strategy=created["multitask_strategy"],
        created_at=moment,
        updated_at=moment,
        due_at=moment,
        attempt=1,
        epoch=0,
    )


def is_active(run: Run) -> bool:
    """Tell whether a run has not ended."""
    return run.status in ACTIVE_RUN_STATUSES


def as_pending(run: Run) -> Run:
    """Return a new run as its creator sees it: pending, even if it has been claimed already."""
    return replace(run, status="pending")
