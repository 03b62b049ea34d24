"""The values the server keeps: frozen, keyword-only; a change is a new value.

JSON columns travel as `Json`: text that was encoded once and is copied, not parsed, on its way
from the database to a socket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lgserve.core.vocabulary import (
        CancelAction,
        FiringOutcome,
        MultitaskStrategy,
        OnCompletion,
        RunStatus,
        SortOrder,
        ThreadStatus,
        TtlStrategy,
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
class ThreadTtl:
    """How long a thread is kept after its last change, and what happens to it then."""

    strategy: TtlStrategy = "delete"
    #: None: for good.
    minutes: float | None
    #: Known of what is stored.
    expires_at: str | None = None


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
    #: None if nobody said anything: then the project's default applies from the next run on.
    ttl: ThreadTtl | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """How many there are of something, and the bytes they take."""

    count: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSpace:
    """What a thread takes, as stored: each byte counts once; blobs it shares with copies too."""

    #: Checkpoints with their metadata, without values.
    checkpoints: Space
    #: Versions of each channel's value.
    channels: Mapping[str, Space]
    writes: Space


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

    @property
    def goes_on(self) -> bool:
        """Whether it stopped in good order and goes on behind its last step: nothing was lost."""
        return self.resumed and self.attempt == 1


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
    #: The run was refused before it did anything: the thread stays as it was, whatever the status.
    refused: bool = False


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


#: How many numbers of its thread's events a run has (see `0007_event_stream.sql`).
EVENTS_OF_RUN = 1_000_000_000


class ThreadPosition(NamedTuple):
    """A place in a thread's log: `<epoch>-<seq>` on the wire; all events of a thread sort by it.

    An event of a run has the run's epoch and its own `seq`; the end of the run stands at
    `(epoch + 1, 0)`; an event of the thread itself has an epoch of its own and `seq` 1.
    """

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEvent:
    """What a reader of a thread's log meets: a run begins, says something, ends; or its state.

    `begin` is met on coming to a run, also in its middle, and `end` on leaving it: what is between
    them is of that run. `run` is then the run as it stands, on `end` with its final status.
    """

    kind: Literal["begin", "event", "end", "state"]
    #: Where a reader goes on behind this; None if it has no place in the order (see `state`).
    position: ThreadPosition | None
    #: None for `state`.
    run: Run | None = None
    #: The frame of `event` and `state`; `end` has none.
    event: StreamEvent | None = None
    #: How the run ended; `deleted` if nothing is left of it.
    status: RunStatus | Literal["deleted"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What `wait` and `join` answer: `body` is the JSON document."""

    body: Json
    status: RunStatus | Literal["deleted"]
    #: Why it ended before its graph did: `timeout`, or the reason of its cancel.
    reason: str | None = None
    #: Whether its graph stopped half-way to ask: `__interrupt__` in the body is the server's word.
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The name a client gave to a request that creates something, so that it may repeat it."""

    owner: str
    name: str
    #: A digest of all that the request asks for.
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was answered to a request that named itself."""

    fingerprint: bytes
    answer: Json
    #: The run it created, if it created one.
    run_id: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Runs that recur: of an assistant, on a thread or each on a new one, by a schedule."""

    cron_id: str
    assistant_id: str
    #: None: each firing makes a thread.
    thread_id: str | None
    #: The identity of who created it; empty on a server that does not ask who calls.
    user_id: str
    schedule: str
    #: An IANA name; None is UTC.
    timezone: str | None
    #: The run that is created at each firing, as it was asked for.
    payload: Json
    metadata: Json
    #: What happens to a thread that a firing made; None for a cron that has a thread.
    on_run_completed: OnCompletion | None
    enabled: bool
    #: As it was given.
    end_time: str | None
    #: The moment that `end_time` means: the last at which it fires.
    ends_at: str | None
    #: None: it does not fire any more.
    next_run_date: str | None
    created_at: str
    updated_at: str
    #: What may be shown of the user as whom its runs are created; None: nobody was asked.
    user: Json | None = field(default=None, repr=False)


#: Firings of a cron that are remembered.
FIRINGS_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CronFiring:
    """What became of a moment at which a cron was due, or at which somebody fired it."""

    due_at: str
    outcome: FiringOutcome
    fired_at: str
    manual: bool = False
    run_id: str | None = None
    thread_id: str | None = None
    #: `{"error", "message"}`: why there is no run.
    error: Json | None = None
    #: Known of what is stored, while there is the run.
    run_status: RunStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CronFilter:
    """Which crons: each given member must hold."""

    assistant_id: str | None = None
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: Mapping[str, Any] | None = None
