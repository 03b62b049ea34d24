"""A2A's nouns: tasks, their turns, and who is told of them; JSON is that of version 1.0."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lgserve.core.models import Json

#: A JSON object.
Object: TypeAlias = dict[str, Any]
Version: TypeAlias = Literal["1.0", "0.3"]
TaskState: TypeAlias = Literal[
    "submitted", "working", "input-required", "completed", "canceled", "failed"
]

VERSIONS: tuple[Version, ...] = ("1.0", "0.3")
#: States that a task never leaves.
TERMINAL: frozenset[TaskState] = frozenset({"completed", "canceled", "failed"})
#: States in which a run of the task is waiting or at work.
ACTIVE: frozenset[TaskState] = frozenset({"submitted", "working"})


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aTask:
    """A piece of work that a client asked for: a run, and those that go on with it."""

    #: Of its first run.
    first_run_id: str
    #: Of its latest one.
    run_id: str
    thread_id: str
    assistant_id: str
    #: The name that its client gave to the thread, or the thread's id.
    context_id: str
    state: TaskState
    #: When it came to be in this state, as far as that is known.
    status_at: str
    #: False of a run that was not asked for over A2A.
    known: bool = True

    @property
    def task_id(self) -> str:
        """The name that clients have for it."""
        return f"{self.thread_id}:{self.first_run_id}"

    @property
    def ids(self) -> Object:
        """The members by which everything of the task names it."""
        return {"taskId": self.task_id, "contextId": self.context_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aTurn:
    """What a client said, and the run that it led to."""

    run_id: str
    first_run_id: str
    #: The message as it came; None if there was none.
    message: Json | None
    #: How many messages the thread's state had then; None if that is not known.
    position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aPush:
    """Somebody who is to be told what becomes of a task."""

    config_id: str
    #: In which words it is told.
    version: Version
    url: str
    token: str | None = field(default=None, repr=False)
    scheme: str | None = None
    credentials: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """By which the receiver knows who tells."""
        headers = {} if self.token is None else {"X-A2A-Notification-Token": self.token}
        if self.scheme and self.credentials:
            headers["Authorization"] = f"{self.scheme} {self.credentials}"
        return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aTaskFilter:
    """Which tasks of an assistant: each given member must hold."""

    context_id: str | None = None
    state: TaskState | None = None
    #: ISO-8601 UTC text: in their state since then.
    since: str | None = None
    #: What their threads' metadata must contain.
    metadata: Mapping[str, Any] | None = None
    #: Those behind this place in the list, newest first: `(status_at, first_run_id)`.
    behind: tuple[str, str] | None = None


# What can go wrong, as JSON-RPC and A2A number it.
NOT_JSON, BAD_REQUEST, NO_METHOD, BAD_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
NO_TASK, NOT_CANCELABLE, NO_PUSHES = -32001, -32002, -32003
UNSUPPORTED, BAD_CONTENT = -32004, -32005
NO_VERSION = -32009

#: The longest list of those who are told of one task.
MOST_PUSHES = 100
