"""A2A: messages to assistants, the tasks they make, and what becomes of those.

A context is a thread. A task is a run, or several that follow one another; see `core.a2a`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from lgserve.core.a2a import (
    ACTIVE,
    NO_TASK,
    NOT_CANCELABLE,
    TERMINAL,
    A2aPush,
    A2aTask,
    A2aTaskFilter,
    A2aTurn,
)
from lgserve.core.errors import A2aError, NotFoundError
from lgserve.core.ids import new_id, parse_uuid
from lgserve.core.models import EVERYTHING, Assistant, Run, Scope, Thread
from lgserve.services.a2a_outcomes import ended_outcome, running_outcome
from lgserve.services.a2a_plans import (
    Noting,
    Plan,
    check_goes_on,
    named,
    position_of,
    put_push,
    task_of,
    thread_of,
    what_to_run,
)
from lgserve.services.run_requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.core.a2a_views import Outcome
    from lgserve.core.models import RunResult
    from lgserve.core.ports import Follower, RunLog, Storage, Transaction
    from lgserve.services.a2a_agents import Agent
    from lgserve.services.a2a_requests import SendRequest
    from lgserve.services.runs import RunService

T = TypeVar("T")

#: What a follower reads; LangGraph's own name for it is `messages`.
_MODES = ("messages-tuple",)


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aService:
    """The operations of A2A."""

    storage: Storage
    runs: RunService

    async def plan(
        self, agent: Agent, given: SendRequest, scope: Scope, owner: str, *, streams: bool
    ) -> Plan:
        """Return what a message leads to; `owner` is whose names contexts have.

        Raises:
            A2aError: there is no such task, it takes no message, or the graph takes no such one.
        """
        task = None if given.task_id is None else await self.find(agent, given.task_id, scope)
        if task is not None:
            check_goes_on(task, given.context_id)
        thread_id = thread_of(given.context_id, owner) if task is None else task.thread_id
        thread = await self.storage.lookup(lambda tx: tx.threads.find(thread_id, EVERYTHING))
        asked = what_to_run(agent, given, task, thread)
        request = RunRequest(
            assistant_id=agent.assistant.assistant_id,
            metadata=dict(given.metadata),
            run_id=new_id(),
            if_not_exists="create",
            stream_mode=_MODES,
            stream_subgraphs=True,
            stream_resumable=streams or not given.blocking,
            **asked,
        )
        return Plan(
            thread_id=thread_id,
            context_id=task.context_id if task else given.context_id or thread_id,
            agent=agent,
            given=given,
            request=request,
            task=task,
            position=position_of(thread),
        )

    async def begin(self, plan: Plan, request: RunRequest, scope: Scope) -> A2aTask:
        """Begin a turn and return its task at once."""
        task, _ = await self._begin(plan, request, scope, lambda _: None)
        return task

    async def begin_and_wait(
        self, plan: Plan, request: RunRequest, scope: Scope
    ) -> tuple[A2aTask, asyncio.Future[RunResult]]:
        """Begin a turn; what its run came to comes with the future."""
        return await self._begin(plan, request, scope, lambda log: log.result)

    async def begin_and_follow(
        self, plan: Plan, request: RunRequest, scope: Scope
    ) -> tuple[A2aTask, Follower, asyncio.Future[RunResult]]:
        """Begin a turn and read its run's log from the first event on."""

        def attach(log: RunLog) -> tuple[Follower, asyncio.Future[RunResult]]:
            return log.subscribe(0), log.result

        task, (follower, result) = await self._begin(
            plan, request, scope, attach, lambda attached: attached[0].close()
        )
        return task, follower, result

    async def _begin(
        self,
        plan: Plan,
        request: RunRequest,
        scope: Scope,
        attach: Callable[[RunLog], T],
        detach: Callable[[T], None] = lambda _: None,
    ) -> tuple[A2aTask, T]:
        first = request.run_id if plan.task is None else plan.task.first_run_id
        mark = {"task_start_id": first, "context_id": plan.context_id}
        request = replace(request, metadata={**request.metadata, "a2a": mark})
        run, attached = await self.runs.creator.create(
            plan.thread_id, request, scope, attach, detach, Noting(plan)
        )
        return task_of(plan, run), attached

    async def find(self, agent: Agent, task_id: str, scope: Scope) -> A2aTask:
        """Return a task of an assistant.

        Raises:
            A2aError: there is none of this name.
        """
        thread_text, _, run_text = task_id.partition(":")
        thread_id, run_id = parse_uuid(thread_text), parse_uuid(run_text)
        task = None
        if thread_id is not None and run_id is not None:
            task = await self.storage.lookup(lambda tx: tx.a2a.find(thread_id, run_id, scope))
        if task is None or task.assistant_id != agent.assistant.assistant_id:
            raise A2aError(NO_TASK, f"Task not found: {task_id}", taskId=task_id)
        return task

    async def again(self, task: A2aTask) -> A2aTask:
        """Return a task as it stands now; as it was last, if it is gone."""
        thread_id, first = task.thread_id, task.first_run_id
        found = await self.storage.lookup(lambda tx: tx.a2a.find(thread_id, first, EVERYTHING))
        return replace(task, state="canceled") if found is None else found

    async def outcome(self, task: A2aTask, result: RunResult | None = None) -> Outcome:
        """Return what a task has come to so far; `result` is what its latest run came to."""

        def work(tx: Transaction) -> tuple[Sequence[A2aTurn], Thread | None, Run | None]:
            thread = tx.threads.find(task.thread_id, EVERYTHING)
            return tx.a2a.turns(task), thread, tx.runs.find(task.run_id, EVERYTHING)

        turns, thread, run = await self.storage.read(work)
        if task.state in ACTIVE or run is None:
            return running_outcome(task, turns, None if thread is None else thread.values)
        return ended_outcome(task, turns, result or await self.runs.past_result(run))

    async def follow(self, task: A2aTask) -> tuple[Follower, asyncio.Future[RunResult]] | None:
        """Return a reader of what a task's latest run says, and its end; None if it has ended."""
        run = await self._run_of(task)
        if run is None or task.state not in ACTIVE:
            return None
        result = asyncio.ensure_future(self.runs.wait(run))
        return await self.runs.streams.follow(run, 0), result

    async def ended(self, task: A2aTask, result: Awaitable[RunResult]) -> tuple[A2aTask, RunResult]:
        """Return a task once nothing of it is at work, and what its latest run came to.

        `result` is that of the run that is its latest now.
        """
        while True:
            ended = await result
            task = await self.again(task)
            run = await self._run_of(task) if task.state in ACTIVE else None
            if run is None:
                return task, ended
            result = self.runs.wait(run)

    async def _run_of(self, task: A2aTask) -> Run | None:
        return await self.storage.lookup(lambda tx: tx.runs.find(task.run_id, EVERYTHING))

    async def cancel(self, task: A2aTask) -> A2aTask:
        """Stop a task.

        Raises:
            A2aError: it has ended.
        """
        if task.state in TERMINAL:
            raise _not_cancelable(task)
        if task.state == "input-required":
            await self.storage.write(lambda tx: _give_up(tx, task))
            return await self.again(task)
        stopped = False
        for run_id in await self._active_runs(task):
            with suppress(NotFoundError):  # it has ended meanwhile
                await self.runs.cancel(
                    task.thread_id, run_id, "interrupt", EVERYTHING, reason="user", wait=True
                )
                stopped = True
        task = await self.again(task)
        if not stopped and task.state != "canceled":
            raise _not_cancelable(task)
        return task

    async def _active_runs(self, task: A2aTask) -> list[str]:
        """Return a task's runs that have not ended, the latest first: none is to begin instead."""

        def work(tx: Transaction) -> list[str]:
            turns = {
                turn.run_id for turn in tx.a2a.turns(task) if turn.first_run_id == task.first_run_id
            }
            active = tx.runs.in_flight(task.thread_id)
            return [run.run_id for run in active if run.run_id in {*turns, task.run_id}][::-1]

        return await self.storage.lookup(work)

    async def search(
        self, assistant: Assistant, where: A2aTaskFilter, limit: int, scope: Scope
    ) -> tuple[list[A2aTask], int]:
        """Return a page of an assistant's tasks, and how many match in all."""
        assistant_id = assistant.assistant_id
        return await self.storage.read(
            lambda tx: (
                tx.a2a.search(assistant_id, where, limit, scope),
                tx.a2a.count(assistant_id, where, scope),
            )
        )

    async def add_push(self, task: A2aTask, push: A2aPush) -> A2aPush:
        """Have somebody told of a task."""
        push = named(push, task)

        def work(tx: Transaction) -> None:
            tx.a2a.adopt(task)
            put_push(tx, task.first_run_id, push)

        await self.storage.write(work)
        return push

    async def pushes(self, task: A2aTask) -> list[A2aPush]:
        """Return who is told of a task."""
        return await self.storage.lookup(lambda tx: tx.a2a.pushes(task.first_run_id))

    async def delete_push(self, task: A2aTask, config_id: str) -> None:
        """Tell somebody no more."""
        await self.storage.write(lambda tx: tx.a2a.delete_push(task.first_run_id, config_id))


def _give_up(tx: Transaction, task: A2aTask) -> None:
    now = tx.a2a.find(task.thread_id, task.first_run_id, EVERYTHING)
    if now is None or now.state != "input-required":
        raise _not_cancelable(task)
    tx.a2a.adopt(now)
    tx.a2a.give_up(now)


def _not_cancelable(task: A2aTask) -> A2aError:
    return A2aError(
        NOT_CANCELABLE,
        "Task is not cancelable in its current state",
        taskId=task.task_id,
        state=task.state,
    )
