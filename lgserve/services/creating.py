"""Runs come to be here: inserted and claimed in one transaction, then started, come what may."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lgserve.core.clock import to_iso
from lgserve.core.errors import (
    BadRequestError,
    ConflictError,
    InvalidRequestError,
    LgserveError,
    NotFoundError,
)
from lgserve.core.ids import is_system_assistant, new_id, parse_uuid, system_assistant_id
from lgserve.core.models import EVERYTHING, Assistant, Run, Scope, Thread
from lgserve.core.scopes import stamp
from lgserve.services.idempotency import Once, OnlyOnce, once_only
from lgserve.services.run_requests import (
    PlannedRun,
    RunRequest,
    assistant_metadata,
    check_command,
    plan_run,
)
from lgserve.services.threads import new_thread

if TYPE_CHECKING:
    from lgserve.core.ports import Clock, Graphs, RunLog, RunStreams, Storage, Transaction, Worker
    from lgserve.services.cancelling import Canceller

T = TypeVar("T")

_BUSY = (
    "Thread is already running a task. Wait for it to finish or choose a different multitask"
    " strategy."
)
_NO_PARENT = "Thread or assistant not found."
#: Why a run ended that another one was not to wait for.
_SUPERSEDED = "superseded"

#: Seconds in which what was asked to stop should do so, so that the client's next look sees it.
EFFECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A run that is asked for, as far as it can be checked without the database."""

    request: RunRequest
    scope: Scope
    assistant_id: str
    #: None asks for a stateless run.
    thread_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCreator:
    """Creates runs, one or many at once."""

    storage: Storage
    streams: RunStreams
    worker: Worker
    graphs: Graphs
    clock: Clock
    canceller: Canceller

    async def create(
        self,
        thread_id: str | None,
        request: RunRequest,
        scope: Scope,
        attach: Callable[[RunLog], T],
        detach: Callable[[T], None] = lambda _: None,
        once: OnlyOnce[Run] | None = None,
    ) -> tuple[Run, T]:
        """Create a run, come what may of the caller: a claimed run must be started.

        `attach` gets the run's log before it starts; `detach` lets go of what it returned.
        """
        wanted = self._checked(thread_id, request, scope)
        creating = asyncio.ensure_future(self._create(wanted, attach, once))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            await to_its_end(self._abandon(creating, request, detach))
            raise

    async def create_many(
        self,
        wanted: Sequence[tuple[RunRequest, Scope]],
        once: Once[list[Run]] | None = None,
    ) -> list[Run]:
        """Create stateless runs: all of them, or none if one cannot be; the error says which."""
        checked = []
        for index, (request, scope) in enumerate(wanted):
            with _naming(index):
                checked.append(self._checked(None, request, scope))
        return await asyncio.shield(asyncio.ensure_future(self._create_many(checked, once)))

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
                await self.canceller.leave(run)

    def _checked(self, thread_id: str | None, request: RunRequest, scope: Scope) -> _Wanted:
        assistant_id = self._resolve(request.assistant_id)
        check_command(request.command, stateless=thread_id is None)
        return _Wanted(request=request, scope=scope, assistant_id=assistant_id, thread_id=thread_id)

    async def _create(
        self, wanted: _Wanted, attach: Callable[[RunLog], T], once: OnlyOnce[Run] | None
    ) -> tuple[Run, T]:
        replaced: list[Run] = []
        with self._slots(1) as (owner,):
            run = await self.storage.write(
                once_only(lambda tx: self._insert(tx, wanted, owner, replaced), once)
            )
        attached = attach(self.streams.open(run))
        self._begin(run, owner)
        for other in replaced:
            await self.canceller.hurry(other)
        await self.canceller.wait(replaced, EFFECT_SECONDS)
        return run, attached

    async def _create_many(
        self, wanted: Sequence[_Wanted], once: Once[list[Run]] | None
    ) -> list[Run]:
        with self._slots(len(wanted)) as owners:

            def work(tx: Transaction) -> list[Run]:
                runs = []
                for index, (each, owner) in enumerate(zip(wanted, owners, strict=True)):
                    with _naming(index):
                        runs.append(self._insert(tx, each, owner, []))
                return runs

            runs = await self.storage.write(once_only(work, once))
        for run, owner in zip(runs, owners, strict=True):
            self.streams.open(run)
            self._begin(run, owner)
        return runs

    @contextmanager
    def _slots(self, count: int) -> Iterator[list[str | None]]:
        """Take as many slots as are free; give them back if the runs do not come to be."""
        owners = [self.worker.reserve() for _ in range(count)]
        try:
            yield owners
        except BaseException:
            for owner in owners:
                if owner is not None:
                    self.worker.release()
            raise

    def _begin(self, run: Run, owner: str | None) -> None:
        """Start a run that was claimed; another one has to wait, and needs no slot."""
        if run.status == "running":
            self.worker.start(run)
            return
        if owner is not None:
            self.worker.release()
        self.worker.run_queued()

    def _insert(
        self, tx: Transaction, wanted: _Wanted, owner: str | None, replaced: list[Run]
    ) -> Run:
        """Do all of a creation that needs the database; add the runs it replaces to `replaced`."""
        request, scope, thread_id = wanted.request, wanted.scope, wanted.thread_id
        readable = scope if request.assistant_scope is None else request.assistant_scope
        assistant = tx.assistants.find(wanted.assistant_id, readable)
        assistant = assistant or self._system(tx, wanted.assistant_id)
        if assistant is None:
            raise NotFoundError(_NO_PARENT)
        now = self.clock.now()
        thread = self._thread(tx, thread_id, assistant, request, scope)
        _check_run_id(tx, request.run_id)
        _check_checkpoint(tx, thread.thread_id, request.checkpoint)
        _check_resumable(thread, request)
        replaced += _make_way(tx, thread, request)
        plan = plan_run(request, assistant, thread, now, stateless=thread_id is None)
        return _inserted(tx, plan, owner)

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


async def to_its_end(work: Coroutine[Any, Any, object]) -> None:
    """Carry something out, even if who awaits it is cancelled meanwhile (again)."""
    await asyncio.shield(asyncio.ensure_future(work))


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Have an error say which of many entries it is about."""
    try:
        yield
    except (InvalidRequestError, BadRequestError, NotFoundError, ConflictError) as exc:
        raise type(exc)(f"[{index}]: {exc.message}") from exc


def _check_run_id(tx: Transaction, run_id: str | None) -> None:
    if run_id is not None and tx.runs.find(run_id, EVERYTHING) is not None:
        raise ConflictError(f"Run with ID {run_id} already exists")


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
    asked = [tx.runs.request_cancel(run.run_id, strategy, _SUPERSEDED) for run in active]
    return [run for run in asked if run is not None]


def _inserted(tx: Transaction, plan: PlannedRun, owner: str | None) -> Run:
    return tx.runs.insert(
        plan.run, config=plan.thread_config, metadata=plan.thread_metadata, owner=owner
    )
