"""What answers look like: the types from which the API's document describes them.

Nothing is checked against these while serving; `tests/e2e/test_fuzz.py` holds the answers of a
server against the schemas that are made of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from lgserve.core.vocabulary import MultitaskStrategy, RunStatus, ThreadStatus

Object = dict[str, Any]


class ErrorResponse(TypedDict):
    """What went wrong, in a sentence."""

    detail: str


class Assistant(TypedDict):
    """A graph with a configuration of its own."""

    assistant_id: UUID
    graph_id: str
    config: Object
    context: Object
    metadata: Object
    name: str
    created_at: datetime
    updated_at: datetime
    version: int
    description: str | None


class AssistantVersion(TypedDict):
    """An assistant as it was after one of its changes."""

    assistant_id: UUID
    version: int
    graph_id: str
    config: Object
    context: Object
    metadata: Object
    created_at: datetime
    name: str
    description: str | None


class GraphNode(TypedDict):
    """A node of a drawn graph."""

    id: str | int
    type: NotRequired[str]
    data: NotRequired[Any]
    metadata: NotRequired[Any]


class GraphEdge(TypedDict):
    """An edge of a drawn graph."""

    source: str | int
    target: str | int
    data: NotRequired[Any]
    conditional: NotRequired[bool]


class Graph(TypedDict):
    """A graph as it is drawn."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


class GraphSchemaNoId(TypedDict):
    """JSON schemas of what goes in and out of a graph; one that cannot be made is null."""

    input_schema: Object | None
    output_schema: Object | None
    state_schema: Object | None
    config_schema: Object | None
    context_schema: Object | None


class GraphSchema(GraphSchemaNoId):
    """JSON schemas of what goes in and out of an assistant's graph."""

    graph_id: str


class RaisedError(TypedDict):
    """What a run or a graph ended with."""

    error: str
    message: str


class Interrupt(TypedDict):
    """A question of a graph that waits for an answer."""

    id: str | None
    value: Any


class ThreadTtl(TypedDict):
    """How long a thread is kept."""

    strategy: Literal["delete", "keep_latest"]
    ttl_minutes: float
    expires_at: datetime


class Thread(TypedDict):
    """A conversation or a job: what runs share a state."""

    thread_id: UUID
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    metadata: Object
    status: ThreadStatus
    config: Object
    values: Any
    error: NotRequired[RaisedError | None]
    interrupts: NotRequired[dict[str, list[Interrupt]]]
    ttl: NotRequired[ThreadTtl | None]
    extracted: NotRequired[Object]


class CheckpointConfig(TypedDict, total=False):
    """A reference to a checkpoint."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    checkpoint_map: dict[str, str]


class ThreadTask(TypedDict):
    """A node that ran or is to run next."""

    id: str
    name: str
    path: list[Any]
    error: str | None
    interrupts: list[Interrupt]
    checkpoint: CheckpointConfig | None
    state: ThreadState | None
    result: Any


class ThreadState(TypedDict):
    """The state of a thread at a checkpoint."""

    values: Any
    next: list[str]
    tasks: list[ThreadTask]
    metadata: Object | None
    created_at: datetime | None
    checkpoint: CheckpointConfig | None
    parent_checkpoint: CheckpointConfig | None
    interrupts: list[Interrupt]
    checkpoint_id: str | None
    parent_checkpoint_id: str | None


class ThreadStateUpdateResponse(TypedDict):
    """The checkpoint that an update has made, said in three ways."""

    checkpoint: CheckpointConfig
    configurable: CheckpointConfig
    checkpoint_id: str | None


class ExportedThread(TypedDict):
    """A thread with all its checkpoints, for the import of another server."""

    format: Literal["lgserve.thread"]
    version: Literal[1]
    thread: Object
    checkpoints: list[Object]
    #: Encoding and base64 of each value; checkpoints name them by their places.
    blobs: list[list[str]]


class ThreadImportResponse(TypedDict):
    """What became of a thread that came from another server."""

    thread_id: UUID
    outcome: Literal["imported", "skipped", "replaced"]
    checkpoints: int


class ThreadPruneResponse(TypedDict):
    """How many threads were pruned."""

    pruned_count: int


class Measure(TypedDict):
    """How many rows, and how many bytes they take."""

    count: int
    bytes: int


class ChannelMeasure(TypedDict):
    """How many versions of a channel are kept, and how many bytes they take."""

    versions: int
    bytes: int


class ChannelValues(Measure):
    """What the values of channels take."""

    by_channel: dict[str, ChannelMeasure]


class ThreadStorage(TypedDict):
    """What a thread takes in the database."""

    thread_id: UUID
    total_bytes: int
    checkpoints: Measure
    channel_values: ChannelValues
    pending_writes: Measure


class Run(TypedDict):
    """One execution of an assistant."""

    run_id: UUID
    thread_id: UUID
    assistant_id: UUID
    metadata: Object
    status: RunStatus
    kwargs: Object
    multitask_strategy: MultitaskStrategy
    created_at: datetime
    updated_at: datetime
    langsmith_session_name: str | None
    cancel_reason: str | None


class Item(TypedDict):
    """An item of the store."""

    namespace: list[str]
    key: str
    value: Object
    metadata: Object
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


class SearchItem(Item):
    """An item that was found, and how near it is to the query."""

    score: float | None


class SearchItemsResponse(TypedDict):
    """Items that were found."""

    items: list[SearchItem]


class ItemsResponse(TypedDict):
    """Items whose keys begin with a prefix."""

    items: list[Item]


class ListNamespaceResponse(TypedDict):
    """Namespaces in which there are items."""

    namespaces: list[list[str]]


class ProtocolCommand(TypedDict):
    """A command to a thread: `run.start`, `input.respond`, `state.get` and so on."""

    id: Annotated[int, Field(ge=0, lt=2**63)]
    method: str
    params: NotRequired[Object | None]


class ProtocolMeta(TypedDict):
    """Up to which event a command has been applied."""

    applied_through_seq: int


class ProtocolSuccess(TypedDict):
    """The answer to a command that was carried out."""

    type: Literal["success"]
    id: int
    result: Object
    meta: NotRequired[ProtocolMeta]


class ProtocolError(TypedDict):
    """The answer to a command that was not."""

    type: Literal["error"]
    id: int | None
    error: str
    message: str
    meta: NotRequired[ProtocolMeta]


class Health(TypedDict):
    """The server is there."""

    ok: Literal[True]
    services: Object


class Readiness(TypedDict):
    """Whether the server takes runs."""

    ready: bool
    reason: NotRequired[str]


class HostInfo(TypedDict):
    """Where the server runs."""

    kind: str
    project_id: str | None
    host_revision_id: str | None
    revision_id: str | None
    tenant_id: str | None


class ServerInfo(TypedDict):
    """What this server is and can do."""

    version: str
    langgraph_py_version: str
    flags: dict[str, bool]
    host: HostInfo
    lgserve_version: str
    runtime: str
    build: Object
    uptime_seconds: float
    capabilities: dict[str, bool]
    auth: Object
    tiers: dict[str, str]
    encryption: Object | None
    graphs: list[str]
    graph_errors: dict[str, Any]
    storage: Object
    queue: Object
