"""What a message to an agent leads to: which task, on which thread, with which input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from lgserve import jsonio
from lgserve.core.a2a import (
    ACTIVE,
    MOST_PUSHES,
    NO_TASK,
    TERMINAL,
    UNSUPPORTED,
    A2aPush,
    A2aTask,
    A2aTurn,
)
from lgserve.core.errors import A2aError
from lgserve.core.ids import new_id, parse_uuid
from lgserve.core.models import EVERYTHING, Json, Run, Thread
from lgserve.services.a2a_agents import Agent, check_takes
from lgserve.services.a2a_requests import SendRequest, answer_of, encoded, input_of, wrong

if TYPE_CHECKING:
    from lgserve.core.ports import Transaction
    from lgserve.services.run_requests import RunRequest

_CONTEXTS = UUID("4b1ad2fe-25e2-5d4b-8a3e-0a6a3f9f1c2d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a message leads to: a run on a thread, of a new task or of one that goes on."""

    thread_id: str
    context_id: str
    agent: Agent
    given: SendRequest
    request: RunRequest
    #: None: a new one.
    task: A2aTask | None
    #: How many messages the thread's state has now, if that is known.
    position: int | None


@dataclass(frozen=True, slots=True)
class Noting:
    """Notes the turn that a run is, in the transaction that creates the run."""

    plan: Plan

    def recall(self, tx: Transaction) -> None:
        """Refuse if the task does not stand any more as it stood when the run was planned."""
        task = self.plan.task
        if task is None:
            return
        now = tx.a2a.find(task.thread_id, task.first_run_id, EVERYTHING)
        if now is None:
            raise A2aError(NO_TASK, f"Task not found: {task.task_id}", taskId=task.task_id)
        check_goes_on(now, None)
        waited, waits = (each.state == "input-required" for each in (task, now))
        if waited != waits or (waits and task.run_id != now.run_id):
            raise A2aError(UNSUPPORTED, "The task has changed meanwhile", taskId=task.task_id)
        if now.state in ACTIVE and _is_answer(tx.runs.find(now.run_id, EVERYTHING)):
            raise A2aError(
                UNSUPPORTED, "Another answer to the task has been taken", taskId=task.task_id
            )

    def note(self, tx: Transaction, made: Run) -> None:
        """Store the turn, and who is to be told of its end."""
        plan, task = self.plan, task_of(self.plan, made)
        turn = A2aTurn(
            run_id=made.run_id,
            first_run_id=task.first_run_id,
            message=Json(encoded(plan.given.message)),
            position=plan.position,
        )
        if plan.task is None:
            tx.a2a.insert(task, turn)
        else:
            tx.a2a.adopt(plan.task)
            tx.a2a.add_turn(turn)
        if plan.given.push is not None:
            put_push(tx, task.first_run_id, named(plan.given.push, task))


def _is_answer(run: Run | None) -> bool:
    """Tell whether a run goes on with what somebody answered."""
    command = None if run is None else jsonio.loads(run.kwargs)["command"]
    return command is not None and command.get("resume") is not None


def task_of(plan: Plan, run: Run) -> A2aTask:
    """Return a task whose turn has just been created."""
    return A2aTask(
        first_run_id=run.run_id if plan.task is None else plan.task.first_run_id,
        run_id=run.run_id,
        thread_id=run.thread_id,
        assistant_id=run.assistant_id,
        context_id=plan.context_id,
        state="submitted" if plan.task is None else "working",
        status_at=run.updated_at,
    )


def check_goes_on(task: A2aTask, context_id: str | None) -> None:
    """Refuse a message to a task that is over, or that belongs elsewhere."""
    same = (task.context_id, task.thread_id)
    if context_id is not None and context_id not in same and parse_uuid(context_id) not in same:
        raise wrong(
            f"'message.contextId' is not that of the task: {task.context_id}", "message.contextId"
        )
    if task.state in TERMINAL:
        raise A2aError(
            UNSUPPORTED, "A terminal task cannot accept another message", taskId=task.task_id
        )


def thread_of(context_id: str | None, owner: str) -> str:
    """Return the thread that a client's name for a context means."""
    if context_id is None:
        return new_id()
    return parse_uuid(context_id) or str(uuid5(_CONTEXTS, f"{owner}\n{context_id}"))


def what_to_run(
    agent: Agent, given: SendRequest, task: A2aTask | None, thread: Thread | None
) -> Mapping[str, Any]:
    """Return the input of a run, or the command that has it go on."""
    if task is not None and task.state == "input-required":
        return {"command": {"resume": _resume(given, thread)}}
    check_takes(agent, given.message)
    return {"input": input_of(given.message)}


def _resume(given: SendRequest, thread: Thread | None) -> Any:
    answer = answer_of(given.message)
    if answer is None:
        raise wrong("'resume' must not be null", "message.parts")
    stored = {} if thread is None or thread.interrupts is None else jsonio.loads(thread.interrupts)
    waiting = [item["id"] for items in stored.values() for item in items]
    answers = set(answer) if isinstance(answer, dict) else set()
    if len(waiting) > 1 and not (answers and answers <= set(waiting)):
        raise wrong(
            "Several questions wait for an answer: send a data part with 'resume', an object of"
            f" answers by the ids of the questions: {', '.join(waiting)}",
            "message.parts",
        )
    return answer


def position_of(thread: Thread | None) -> int | None:
    """Return how many messages a thread's state has, if that is known without reading it."""
    if thread is None:
        return 0
    if thread.status == "busy" or thread.values_in_state:
        return None
    values = {} if thread.values is None else jsonio.loads(thread.values)
    found = values.get("messages") if isinstance(values, dict) else None
    return len(found) if isinstance(found, list) else 0


def named(push: A2aPush, task: A2aTask) -> A2aPush:
    """Return a push with a name; in 0.3 there is one that needs none."""
    if push.config_id:
        return push
    return replace(push, config_id=new_id() if push.version == "1.0" else task.task_id)


def put_push(tx: Transaction, first_run_id: str, push: A2aPush) -> None:
    """Have somebody told of a task, within bounds."""
    known = {each.config_id for each in tx.a2a.pushes(first_run_id)}
    if len(known | {push.config_id}) > MOST_PUSHES:
        raise wrong(f"A task has at most {MOST_PUSHES} push notification configs")
    tx.a2a.put_push(first_run_id, push)
