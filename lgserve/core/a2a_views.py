"""What A2A's clients are shown of a task, in the JSON of version 1.0. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lgserve.core.a2a import ACTIVE, A2aTask, A2aTurn, Object
from lgserve.core.a2a_parts import is_agent, is_user, messages_of, parts_of

_ROLES = {True: "ROLE_AGENT", False: "ROLE_USER"}
_CANCELED = "Task was canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A client's message, decoded, and the task whose turn it began."""

    message: Object | None
    task_id: str
    position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task has come to so far; `values` are None where nobody has looked."""

    values: Any = None
    #: What waits for an answer: `{"id", "value"}` each.
    interrupts: Sequence[Mapping[str, Any]] = ()
    error: Mapping[str, Any] | None = None
    #: All turns of the thread up to this, oldest first.
    said: Sequence[Said] = field(default_factory=tuple)


def said_of(task: A2aTask, turns: Sequence[A2aTurn], decode: Callable[[bytes], Any]) -> list[Said]:
    """Return what clients said in a task's thread, decoded."""
    return [
        Said(
            message=None if turn.message is None else decode(turn.message),
            task_id=f"{task.thread_id}:{turn.first_run_id}",
            position=turn.position,
        )
        for turn in turns
    ]


def task_view(
    task: A2aTask,
    outcome: Outcome,
    *,
    history: int | None = None,
    only_own: bool = False,
    artifacts: bool = True,
) -> Object:
    """Return a task; `history` is how many of its last messages to show, `only_own` no others."""
    view: Object = {
        "id": task.task_id,
        "contextId": task.context_id,
        "status": status_view(task, outcome),
    }
    made = artifacts_of(task, outcome) if artifacts else []
    if made:
        view["artifacts"] = made
    messages = [] if history == 0 else history_of(task, outcome)
    if only_own:
        messages = [each for each in messages if each.get("taskId") == task.task_id]
    if history is not None:
        messages = messages[-history:] if history else []
    return view | ({"history": messages} if messages else {})


def status_view(task: A2aTask, outcome: Outcome) -> Object:
    """Return how a task stands, with what there is to say of it."""
    status: Object = {"state": state_name(task.state), "timestamp": moment(task.status_at)}
    parts = _remark(task, outcome)
    if parts:
        status["message"] = agent_message(task, f"{task.run_id}:{task.state}", parts)
    return status


def state_name(state: str) -> str:
    """Return a state in the words of 1.0."""
    return "TASK_STATE_" + state.upper().replace("-", "_")


def moment(text: str) -> str:
    """Return a moment as A2A writes it."""
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def agent_message(task: A2aTask, message_id: str, parts: Sequence[Object]) -> Object:
    """Return something the agent says."""
    return {"messageId": message_id, **task.ids, "role": "ROLE_AGENT", "parts": list(parts)}


def _remark(task: A2aTask, outcome: Outcome) -> list[Object]:
    """Return what is said with a state: the question, or what went wrong."""
    if task.state == "input-required":
        return [_question(item.get("value")) for item in outcome.interrupts]
    if task.state == "canceled":
        return [{"text": _CANCELED}]
    if task.state == "failed" and outcome.error is not None:
        name, message = outcome.error.get("error"), outcome.error.get("message")
        return [{"text": ": ".join(str(each) for each in (name, message) if each)}]
    return []


def _question(value: Any) -> Object:
    return {"text": value} if isinstance(value, str) else {"data": value}


def artifacts_of(task: A2aTask, outcome: Outcome) -> list[Object]:
    """Return what a task's latest turn has made."""
    if task.state in ACTIVE:
        return []
    if task.state == "input-required":
        return [interrupt_artifact(task, outcome)] if outcome.interrupts else []
    parts = response_parts(outcome) if task.state == "completed" else []
    return [response_artifact(task, parts)] if parts else []


def interrupt_artifact(task: A2aTask, outcome: Outcome) -> Object:
    """Return the questions of a task, with the ids by which they are answered."""
    return {
        "artifactId": f"{task.run_id}:interrupt",
        "name": "Interrupt",
        "description": "Agent requires input to continue",
        "parts": [
            {"data": {"id": item.get("id"), "value": item.get("value")}}
            for item in outcome.interrupts
        ],
    }


def response_artifact(task: A2aTask, parts: Sequence[Object]) -> Object:
    """Return the answer of a task."""
    return {
        "artifactId": task.run_id,
        "name": "Assistant Response",
        "description": f"Response from assistant {task.assistant_id}",
        "parts": list(parts),
    }


def response_parts(outcome: Outcome) -> list[Object]:
    """Return the answer: the agent's last message of this turn; of graphs without, all values."""
    values = outcome.values
    if values is None:
        return []
    if not isinstance(values, Mapping) or "messages" not in values:
        return [] if values in ({}, []) else [{"data": values}]
    messages = messages_of(values)
    for message in reversed(messages[_turn_start(messages, outcome.said) :]):
        if is_agent(message) and (parts := parts_of(message.get("content"))):
            return parts
    return []


def _turn_start(messages: Sequence[Any], said: Sequence[Said]) -> int:
    """Return where in a state's messages the latest turn begins."""
    turn = said[-1] if said else None
    named = turn.message["messageId"] if turn is not None and turn.message is not None else None
    for index in range(len(messages) - 1, -1, -1):
        if named is not None and _id(messages[index]) == named:
            return index
    if turn is not None and turn.position is not None and turn.position <= len(messages):
        return turn.position
    return 0


def history_of(task: A2aTask, outcome: Outcome) -> list[Object]:
    """Return what was said in a task's context: the state's messages, and what is not in there."""
    return _History(task, outcome).messages()


def _id(message: Any) -> Any:
    return message.get("id") if isinstance(message, Mapping) else None


class _History:
    """Puts a state's messages and those that clients sent into one order."""

    def __init__(self, task: A2aTask, outcome: Outcome) -> None:
        self._task = task
        self._state = messages_of(outcome.values)
        self._said = list(outcome.said)
        self._there = {_id(message) for message in self._state}
        self._next = 0
        self._now: str | None = None if self._said else task.task_id
        self._shown: list[Object] = []

    def messages(self) -> list[Object]:
        for index, message in enumerate(self._state):
            while self._next < len(self._said) and self._stands_before(index):
                self._tell_until(self._next + 1)
            place = self._place_of(message)
            if place is None:
                self._show(index, message)
            else:
                self._tell_until(place + 1)
        self._tell_until(len(self._said))
        return self._shown

    def _stands_before(self, index: int) -> bool:
        """Tell whether the next turn, of which the state says nothing, came before a message."""
        turn = self._said[self._next]
        in_state = turn.message is not None and turn.message["messageId"] in self._there
        return not in_state and turn.position is not None and turn.position <= index

    def _place_of(self, message: Any) -> int | None:
        found = _id(message)
        for place in range(self._next, len(self._said)):
            own = self._said[place].message
            if found is not None and own is not None and own["messageId"] == found:
                return place
        return None

    def _tell_until(self, end: int) -> None:
        for turn in self._said[self._next : end]:
            self._now = turn.task_id
            if turn.message is not None:
                ids = {"contextId": self._task.context_id, "taskId": turn.task_id}
                self._shown.append({**turn.message, **ids})
        self._next = max(self._next, end)

    def _show(self, index: int, message: Any) -> None:
        if not (is_agent(message) or is_user(message)):
            return
        parts = parts_of(message.get("content"))
        if not parts:
            return
        shown: Object = {
            "messageId": _id(message) or f"{self._task.thread_id}:{index}",
            "contextId": self._task.context_id,
            "role": _ROLES[is_agent(message)],
            "parts": parts,
        }
        self._shown.append(shown if self._now is None else {**shown, "taskId": self._now})


def status_update(task: A2aTask, outcome: Outcome) -> Object:
    """Return the event that tells how a task stands now."""
    return {"statusUpdate": {**task.ids, "status": status_view(task, outcome)}}


def artifact_update(
    task: A2aTask, artifact: Mapping[str, Any], *, append: bool = False, last: bool = False
) -> Object:
    """Return the event that tells of something a task has made, or of more of it."""
    event: Object = {**task.ids, "artifact": dict(artifact)}
    event |= {"append": True} if append else {}
    return {"artifactUpdate": event | ({"lastChunk": True} if last else {})}


def push_view(task_id: str, push: Any) -> Object:
    """Return somebody who is told of a task."""
    view: Object = {"id": push.config_id, "taskId": task_id, "url": push.url}
    if push.token is not None:
        view["token"] = push.token
    if push.scheme is not None:
        credentials = {} if push.credentials is None else {"credentials": push.credentials}
        view["authentication"] = {"scheme": push.scheme, **credentials}
    return view
