"""The values the server keeps: frozen, keyword-only; a change is a new value.

JSON columns travel as `Json`: text that was encoded once and is copied, not parsed, on its way
from the database to a socket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lgserve.core.vocabulary import (
        CancelAction,
        MultitaskStrategy,
        RunStatus,
        SortOrder,
        ThreadStatus,
    )


class Json(bytes):
    """UTF-8 JSON text, already encoded; encoders copy it as it stands."""

    __slots__ = ()


EMPTY_OBJECT = Json(b"{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """A graph with a configuration; times are ISO-8601 UTC text as on the wire."""

    assistant_id: str
    graph_id: str
    config: Json
    context: Json
    metadata: Json
    name: str
    created_at: str
    updated_at: str
    version: int
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation's row; `values`, `interrupts` and `error` follow its last settled run."""

    thread_id: str
    created_at: str
    updated_at: str
    state_updated_at: str
    metadata: Json
    status: ThreadStatus
    config: Json
    #: None before the first run, or when too large to keep beside the checkpoint (see `in_state`).
    values: Json | None
    #: `{task_id: [{"id", "value"}]}`; None before the first run.
    interrupts: Json | None
    error: Json | None
    #: True if `values` must be read from the latest checkpoint.
    values_in_state: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of an assistant on a thread."""

    run_id: str
    thread_id: str
    assistant_id: str
    graph_id: str
    status: RunStatus
    metadata: Json
    kwargs: Json
    multitask_strategy: MultitaskStrategy
    created_at: str
    updated_at: str
    #: Not before this moment; equals `created_at` unless `after_seconds` was given.
    due_at: str
    attempt: int
    #: Milliseconds; set at the first claim and greater than that of every earlier run of the
    #: thread, so that `epoch-seq` orders all events of a thread.
    epoch: int
    cancel_action: CancelAction | None = None
    cancel_reason: str | None = None
    error: Json | None = None
    checkpoint_id: str | None = None
    #: Delete thread and run when it ends (a stateless run with `on_completion: delete`).
    temporary: bool = False
    resumable: bool = False
    #: True if this claim is not the run's first: it may have steps behind it.
    resumed: bool = False
    #: All that is known of who created it, for its own code only; None if there are no secrets.
    user: Json | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How a run ended, to be written together with its thread in one transaction."""

    status: RunStatus
    error: Json | None = None
    #: The thread's root values, encoded; None leaves the stored ones.
    values: Json | None = None
    #: `{task_id: [{"id", "value"}]}`; None leaves the stored ones.
    interrupts: Json | None = None
    #: Whether the last checkpoint has tasks left to do; None leaves the thread's status as it was.
    has_next: bool | None = None
    checkpoint_id: str | None = None
    #: Delete the run and its checkpoints; the thread keeps what it had before the run.
    rollback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list, in which order."""

    limit: int = 10
    offset: int = 0
    sort_by: str
    sort_order: SortOrder = "desc"


#: A metadata filter that every row must contain; the empty one is everybody's view.
Scope = dict[str, Any]
EVERYTHING: Scope = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One frame of a run's log: `seq` counts from 1 without gaps."""

    seq: int
    name: str
    #: `event:` and `data:` lines, each ended by CRLF; id and the blank line are added on sending.
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What `wait` and `join` answer: `body` is the JSON document."""

    body: Json
    status: RunStatus | Literal["deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How much there is, of all owners; each status is named, also with 0."""

    assistants: int
    threads: Mapping[str, int]
    runs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long runs that are due have been waiting, in seconds; None if none is."""

    longest: float | None = None
    median: float | None = None
    #: Of runs whose thread has no running run.
    longest_unblocked: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadFilter:
    """Which threads: each given member must hold."""

    metadata: Mapping[str, Any] | None = None
    values: Mapping[str, Any] | None = None
    status: ThreadStatus | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantFilter:
    """Which assistants: each given member must hold."""

    metadata: Mapping[str, Any] | None = None
    graph_id: str | None = None
    #: Part of the name, whatever its case.
    name: str | None = None
