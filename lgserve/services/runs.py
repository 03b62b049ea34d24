"""Runs: created, found, awaited, followed, cancelled, deleted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lgserve import jsonio
from lgserve.core.clock import to_iso
from lgserve.core.errors import (
    BadRequestError,
    ConflictError,
    InvalidRequestError,
    LgserveError,
    NotFoundError,
)
from lgserve.core.ids import is_system_assistant, new_id, parse_uuid, system_assistant_id
from lgserve.core.models import (
    EMPTY_OBJECT,
    EVERYTHING,
    Assistant,
    Run,
    RunResult,
    Scope,
    StreamEvent,
    Thread,
)
from lgserve.core.scopes import stamp
from lgserve.core.vocabulary import ACTIVE_RUN_STATUSES
from lgserve.services.following import LateFollower, told_event
from lgserve.services.results import error_result, rolled_back_result
from lgserve.services.run_requests import (
    PlannedRun,
    RunRequest,
    assistant_metadata,
    check_command,
    plan_run,
)
from lgserve.services.threads import new_thread, thread_not_found

if TYPE_CHECKING:
    from lgserve.core.ports import (
        Clock,
        Follower,
        Graphs,
        RunLog,
        RunStreams,
        Storage,
        Transaction,
        Worker,
    )
    from lgserve.core.vocabulary import CancelAction, RunStatus
    from lgserve.services.cancelling import Canceller
    from lgserve.services.thread_state import ThreadStateService

T = TypeVar("T")

_BUSY = (
    "Thread is already running a task. Wait for it to finish or choose a different multitask"
    " strategy."
)
_NO_PARENT = "Thread or assistant not found."

#: Seconds in which what was asked to stop should do so, so that the client's next look sees it.
_EFFECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunService:
    """The operations on runs."""

    storage: Storage
    streams: RunStreams
    worker: Worker
    graphs: Graphs
    clock: Clock
    canceller: Canceller
    state: ThreadStateService

    async def create(self, thread_id: str | None, request: RunRequest, scope: Scope) -> Run:
        """Create a run, started at once if it can be; no thread makes it a stateless one."""
        run, _ = await self._create(thread_id, request, scope, lambda _: None)
        return run

    async def create_and_wait(
        self, thread_id: str | None, request: RunRequest, scope: Scope
    ) -> tuple[Run, asyncio.Future[RunResult]]:
        """Create a run; its result comes with the future."""
        return await self._create(thread_id, request, scope, lambda log: log.result)

    async def create_and_follow(
        self, thread_id: str | None, request: RunRequest, scope: Scope
    ) -> tuple[Run, Follower]:
        """Create a run and read its log from the first event on."""
        return await self._create(
            thread_id, request, scope, lambda log: log.subscribe(0), lambda it: it.close()
        )

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
    ) -> list[Run]:
        """Return a thread's runs, newest first."""

        def work(tx: Transaction) -> list[Run] | None:
            if tx.threads.find(thread_id, scope) is None:
                return None
            return tx.runs.list_for_thread(
                thread_id, status=status, metadata=metadata, limit=limit, offset=offset
            )

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
        events = await self.streams.follow(run, after)
        if after is not None and run.resumable:
            return events  # who has come to the end of the log has seen how the run ended
        return LateFollower(events, lambda: self._ending(run.run_id, modes))

    async def past_result(self, run: Run) -> RunResult:
        """Return what a run that has ended came to: its own result, not its thread's of today."""
        run_id = run.run_id
        ended = await self.storage.lookup(lambda tx: tx.runs.find(run_id, EVERYTHING))
        if ended is None:
            return rolled_back_result()
        if ended.error is not None:
            return error_result(ended.error, ended.status)
        if ended.checkpoint_id is None:
            return RunResult(body=EMPTY_OBJECT, status=ended.status)
        body = await self.state.result_body(ended)
        return RunResult(body=body, status=ended.status)

    async def _ending(self, run_id: str, modes: Sequence[str]) -> list[StreamEvent]:
        """Return the events that tell how a run ended: its last values and its error."""
        run, seq = await self.storage.lookup(
            lambda tx: (tx.runs.find(run_id, EVERYTHING), tx.events.last_seq(run_id))
        )
        if run is None or is_active(run):
            return []
        events: list[StreamEvent] = []
        wanted = modes or jsonio.loads(run.kwargs)["stream_mode"]
        if "values" in wanted and run.checkpoint_id is not None:
            events.append(told_event("values", await self.state.result_body(run), seq))
        if run.error is not None:
            events.append(told_event("error", run.error, seq))
        return events

    async def cancel(
        self,
        thread_id: str | None,
        run_id: str,
        action: CancelAction,
        scope: Scope,
        *,
        wait: bool,
    ) -> Run:
        """Stop a run; returns when it has stopped, or, without `wait`, soon."""
        run = await self.storage.lookup(lambda tx: tx.runs.find(run_id, scope))
        if run is None or (thread_id is not None and run.thread_id != thread_id):
            raise NotFoundError("No runs found to cancel.")
        await self._cancel([run_id], action, wait=wait)
        return run

    async def leave(self, run: Run) -> None:
        """Cancel a run because its client has gone, even if the caller is cancelled too."""
        await _to_its_end(self.canceller.cancel([run.run_id], "interrupt", "disconnect"))

    async def cancel_many(
        self,
        *,
        thread_id: str | None,
        run_ids: Sequence[str] | None,
        status: RunStatus | None,
        action: CancelAction,
        scope: Scope,
    ) -> None:
        """Stop active runs: the named ones, or all with a status, of one thread or of all."""
        found = await self.storage.read(
            lambda tx: tx.runs.search_active(status=status, thread_id=thread_id, scope=scope)
        )
        chosen = [run.run_id for run in found if run_ids is None or run.run_id in run_ids]
        if not chosen:
            raise NotFoundError("No runs found to cancel.")
        await self._cancel(chosen, action, wait=False)

    async def _cancel(self, run_ids: Sequence[str], action: CancelAction, *, wait: bool) -> None:
        cancelled = await self.canceller.cancel(run_ids, action, "user")
        if not cancelled:
            raise NotFoundError(
                "No matching runs to cancel. Please verify the thread ID and run IDs are correct,"
                " and the runs haven't been deleted or completed."
            )
        await self.canceller.wait(cancelled, 3600.0 if wait else _EFFECT_SECONDS)

    async def _create(
        self,
        thread_id: str | None,
        request: RunRequest,
        scope: Scope,
        attach: Callable[[RunLog], T],
        detach: Callable[[T], None] = lambda _: None,
    ) -> tuple[Run, T]:
        """Create a run, come what may of the caller: a claimed run must be started."""
        creating = asyncio.ensure_future(self._create_now(thread_id, request, scope, attach))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            await _to_its_end(self._abandon(creating, request, detach))
            raise

    async def _abandon(
        self,
        creating: asyncio.Future[tuple[Run, T]],
        request: RunRequest,
        detach: Callable[[T], None],
    ) -> None:
        """Let go of a run whose client left while it was being made."""
        with contextlib.suppress(LgserveError):  # then there is no run
            run, attached = await creating
            detach(attached)
            if request.on_disconnect == "cancel":
                await self.leave(run)

    async def _create_now(
        self,
        thread_id: str | None,
        request: RunRequest,
        scope: Scope,
        attach: Callable[[RunLog], T],
    ) -> tuple[Run, T]:
        """Insert and claim the run in one transaction; `attach` gets its log before it starts."""
        assistant_id = self._resolve(request.assistant_id)
        check_command(request.command, stateless=thread_id is None)
        owner = self.worker.reserve()
        try:
            run, replaced = await self.storage.write(
                lambda tx: self._insert(tx, thread_id, assistant_id, request, scope, owner)
            )
        except BaseException:
            if owner is not None:
                self.worker.release()
            raise
        attached = attach(self.streams.open(run))
        if run.status == "running":
            self.worker.start(run)
        else:
            if owner is not None:
                self.worker.release()
            self.worker.run_queued()
        for other in replaced:
            await self.canceller.hurry(other)
        await self.canceller.wait(replaced, _EFFECT_SECONDS)
        return run, attached

    def _insert(
        self,
        tx: Transaction,
        thread_id: str | None,
        assistant_id: str,
        request: RunRequest,
        scope: Scope,
        owner: str | None,
    ) -> tuple[Run, list[Run]]:
        """Do all of a creation that needs the database; return the run and those it replaces."""
        readable = scope if request.assistant_scope is None else request.assistant_scope
        assistant = tx.assistants.find(assistant_id, readable) or self._system(tx, assistant_id)
        if assistant is None:
            raise NotFoundError(_NO_PARENT)
        now = self.clock.now()
        thread = self._thread(tx, thread_id, assistant, request, scope)
        _check_checkpoint(tx, thread.thread_id, request.checkpoint)
        _check_resumable(thread, request)
        replaced = _make_way(tx, thread, request)
        plan = plan_run(request, assistant, thread, now, stateless=thread_id is None)
        return _inserted(tx, plan, owner), replaced

    def _thread(
        self,
        tx: Transaction,
        thread_id: str | None,
        assistant: Assistant,
        request: RunRequest,
        scope: Scope,
    ) -> Thread:
        """Return the run's thread, made if it is stateless or the request allows it."""
        if thread_id is not None:
            found = tx.threads.find(thread_id, scope)
            if found is not None:
                return found
            if request.if_not_exists != "create":
                raise NotFoundError(_NO_PARENT)
        of_config = request.config.get("metadata") or {}
        given = {**assistant_metadata(assistant), **of_config, **request.metadata}
        metadata = {**given, **stamp(scope)}
        made = new_thread(thread_id or new_id(), metadata, to_iso(self.clock.now()))
        if not tx.threads.insert(made):
            raise NotFoundError(_NO_PARENT)
        return made

    def _system(self, tx: Transaction, assistant_id: str) -> Assistant | None:
        """Return a system assistant: it belongs to nobody and everybody may run it."""
        if not is_system_assistant(assistant_id, self.graphs.ids()):
            return None
        return tx.assistants.find(assistant_id, {"created_by": "system"})

    def _resolve(self, assistant_id: str) -> str:
        found = parse_uuid(assistant_id)
        if found is not None:
            return found
        known = self.graphs.ids()
        if assistant_id in known:
            return system_assistant_id(assistant_id)
        raise InvalidRequestError(
            f"Invalid assistant: '{assistant_id}'. Must be either:\n- A valid assistant UUID, or\n"
            f"- One of the registered graphs: {', '.join(known)}"
        )


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    """Carry something out, even if who awaits it is cancelled meanwhile (again)."""
    await asyncio.shield(asyncio.ensure_future(work))


def _check_checkpoint(tx: Transaction, thread_id: str, checkpoint: Mapping[str, Any]) -> None:
    checkpoint_id = checkpoint.get("checkpoint_id")
    namespace = checkpoint.get("checkpoint_ns") or ""
    if checkpoint_id and not tx.threads.has_checkpoint(thread_id, namespace, checkpoint_id):
        raise NotFoundError(f"Checkpoint {checkpoint_id} not found")


def _check_resumable(thread: Thread, request: RunRequest) -> None:
    """Refuse to resume where nothing has ever run: LangGraph would start without input."""
    resumes = (request.command or {}).get("resume") is not None
    if resumes and thread.interrupts is None and thread.status != "busy":
        raise BadRequestError("There is nothing to resume: the thread has not run yet.")


def _make_way(tx: Transaction, thread: Thread, request: RunRequest) -> list[Run]:
    """Apply the multitask strategy; return the runs that were asked to stop."""
    strategy = request.multitask_strategy
    if strategy == "enqueue" or thread.status != "busy":
        return []
    active = tx.runs.in_flight(thread.thread_id)
    if not active:
        return []
    if strategy == "reject":
        raise ConflictError(_BUSY)
    asked = [tx.runs.request_cancel(run.run_id, strategy, strategy) for run in active]
    return [run for run in asked if run is not None]


def _inserted(tx: Transaction, plan: PlannedRun, owner: str | None) -> Run:
    return tx.runs.insert(
        plan.run, config=plan.thread_config, metadata=plan.thread_metadata, owner=owner
    )


def is_active(run: Run) -> bool:
    """Tell whether a run has not ended."""
    return run.status in ACTIVE_RUN_STATUSES


def as_pending(run: Run) -> Run:
    """Return a new run as its creator sees it: pending, even if it has been claimed already."""
    return replace(run, status="pending")
