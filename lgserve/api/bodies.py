"""The bodies of requests: each model is what one operation understands (core.md, 1 to 3)."""

from __future__ import annotations

import re
from itertools import count
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from lgserve.api.fields import (
    Body,
    Checkpoint,
    CheckpointId,
    CheckpointReference,
    Config,
    Given,
    Limit,
    NewAssistantId,
    NewThreadId,
    Object,
    Offset,
    Texts,
    TextsByName,
    ThreadIds,
    UuidText,
    UuidTexts,
    Values,
    Whole,
    checkpoint_id,
    no_config,
)
from lgserve.api.run_bodies import CancelMany, CancelOne, RunCreate, RunCreateStateless
from lgserve.api.thread_bodies import ThreadSuperstep, Ttl
from lgserve.core.errors import BadRequestError, InvalidRequestError
from lgserve.core.ids import new_id, parse_uuid
from lgserve.core.models import AssistantFilter, Page, ThreadFilter
from lgserve.core.vocabulary import IfExists, SortOrder, ThreadStatus, TtlStrategy
from lgserve.services.assistants import AssistantPatch
from lgserve.services.thread_state import StateUpdate

__all__ = [
    "AssistantCountBody", "AssistantCreateBody", "AssistantLatestBody", "AssistantPatchBody",
    "AssistantSearchBody", "AssistantVersionsBody", "CancelMany", "CancelOne", "HistoryBody",
    "RunCreate", "RunCreateStateless", "StateAtCheckpointBody", "StateUpdateBody",
    "ThreadCountBody", "ThreadCreateBody", "ThreadPatchBody", "ThreadPruneBody",
    "ThreadSearchBody", "check_state_select",
]  # fmt: skip

AssistantField = Literal[
    "assistant_id",
    "graph_id",
    "config",
    "context",
    "metadata",
    "name",
    "created_at",
    "updated_at",
    "version",
    "description",
]
ThreadField = Literal[
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "config",
    "status",
    "values",
    "interrupts",
]
_RESERVED = frozenset({*get_args(ThreadField), "error", "ttl", "extracted"})

_STATE_FIELDS = (
    "values",
    "next",
    "tasks",
    "checkpoint",
    "metadata",
    "created_at",
    "parent_checkpoint",
    "interrupts",
    "checkpoint_id",
    "parent_checkpoint_id",
)
_VALUES_KEY = re.compile(r"values\..")
_EXTRACT_ROOTS = ("config", "interrupts", "metadata", "values")
_EXTRACT_PATH = re.compile(r"\w+(?:\.[^.\[\]]+|\[-?[0-9]{1,9}\])*")
#: The same for clients, whose regular expressions know fewer letters.
_PATH_SCHEMA = rf"^({'|'.join(_EXTRACT_ROOTS)})(\.[A-Za-z0-9_ -]+|\[-?[0-9]{{1,9}}\])*$"
_MOST_EXTRACTS = 10


class AssistantCreateBody(Body):
    """POST /assistants."""

    graph_id: str
    assistant_id: Given[NewAssistantId] = None
    config: Config = Field(default_factory=no_config)
    context: Object = Field(default_factory=dict)
    metadata: Object = Field(default_factory=dict)
    if_exists: IfExists = "raise"
    name: Given[str] = None
    description: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return what `AssistantService.create` takes."""
        return {name: getattr(self, name) for name in type(self).model_fields}


class AssistantPatchBody(Body):
    """PATCH /assistants/{id}: what is left out stays."""

    graph_id: Given[str] = None
    config: Given[Config] = None
    context: Given[Object] = None
    metadata: Given[Object] = None
    name: Given[str] = None
    description: Given[str] = None

    def to_patch(self) -> AssistantPatch:
        """Return the change."""
        return AssistantPatch(**{name: getattr(self, name) for name in type(self).model_fields})


class AssistantCountBody(Body):
    """POST /assistants/count."""

    metadata: Given[Object] = None
    graph_id: Given[str] = None
    name: Given[str] = None

    def where(self) -> AssistantFilter:
        """Return which assistants are meant."""
        return AssistantFilter(metadata=self.metadata, graph_id=self.graph_id, name=self.name)


class AssistantSearchBody(AssistantCountBody):
    """POST /assistants/search."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["assistant_id", "created_at", "updated_at", "name", "graph_id"] = "created_at"
    sort_order: SortOrder = "desc"
    select: list[AssistantField] = Field(default_factory=list, fail_fast=True)

    def page(self) -> Page:
        """Return which part of the list is meant."""
        return _page(self)


class AssistantVersionsBody(Body):
    """POST /assistants/{id}/versions."""

    limit: Limit = 10
    offset: Offset = 0
    metadata: Given[Object] = None

    def page(self) -> Page:
        """Return which part of the list is meant."""
        return Page(limit=self.limit, offset=self.offset, sort_by="version")


class AssistantLatestBody(Body):
    """POST /assistants/{id}/latest."""

    version: Whole


class ThreadCreateBody(Body):
    """POST /threads."""

    thread_id: Given[NewThreadId] = None
    metadata: Object = Field(default_factory=dict)
    if_exists: IfExists = "raise"
    ttl: Ttl = None
    supersteps: list[ThreadSuperstep] = Field(default_factory=list, fail_fast=True)

    def value(self) -> dict[str, Any]:
        """Return what auth handlers see; they may change what it says."""
        value = {
            "thread_id": self.thread_id or new_id(),
            "metadata": self.metadata,
            "if_exists": self.if_exists,
        }
        return {**value, "ttl": self.ttl} if "ttl" in self.model_fields_set else value


class ThreadPatchBody(Body):
    """PATCH /threads/{id}."""

    metadata: Object = Field(default_factory=dict)
    ttl: Ttl = None

    def value(self, thread_id: str) -> dict[str, Any]:
        """Return what auth handlers see; they may change what it says."""
        value = {"thread_id": thread_id, "metadata": self.metadata}
        return {**value, "ttl": self.ttl} if "ttl" in self.model_fields_set else value


class ThreadPruneBody(Body):
    """POST /threads/prune."""

    thread_ids: ThreadIds
    strategy: TtlStrategy = "delete"

    def ids(self) -> list[str]:
        """Return the threads that are meant, each once."""
        return list(dict.fromkeys(self.thread_ids))


class ThreadCountBody(Body):
    """POST /threads/count."""

    metadata: Given[Object] = None
    values: Given[Object] = None
    status: Given[ThreadStatus] = None
    ids: Given[UuidTexts] = None

    def where(self) -> ThreadFilter:
        """Return which threads are meant."""
        return ThreadFilter(
            metadata=self.metadata,
            values=self.values,
            status=self.status,
            ids=tuple(map(_thread_id, count(), self.ids)) if self.ids else None,
        )


def _thread_id(index: int, text: str) -> str:
    found = parse_uuid(text)
    if found is None:
        raise BadRequestError(f"ids[{index}]: Invalid thread ID {text}")
    return found


def _extract_paths(paths: dict[str, str]) -> dict[str, str]:
    """Check what a search is to extract: `{alias: path into the row}`."""
    if len(paths) > _MOST_EXTRACTS:
        raise PydanticCustomError("extract", "Input should have at most 10 members")
    if reserved := sorted(_RESERVED & set(paths)):
        raise InvalidRequestError(f"Extract keys cannot use reserved field names: {reserved}")
    for alias, path in paths.items():
        if not alias.isidentifier():
            raise InvalidRequestError(
                f"Extract key '{alias}' must be a valid identifier (letters, digits, underscores)"
            )
        if re.split(r"[.\[]", path, maxsplit=1)[0] not in _EXTRACT_ROOTS:
            raise InvalidRequestError(
                f"Extract path '{path}' must start with one of: {', '.join(_EXTRACT_ROOTS)}"
            )
        if not _EXTRACT_PATH.fullmatch(path):
            raise InvalidRequestError(
                f"Extract path '{path}' must be names with dots and numbers in brackets"
            )
    return paths


_ALIAS = rf"^(?!({'|'.join(sorted(_RESERVED))})$)[A-Za-z_][A-Za-z0-9_]*$"
Extracts = Annotated[
    TextsByName,
    AfterValidator(_extract_paths),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": _MOST_EXTRACTS,
            "propertyNames": {"pattern": _ALIAS},
            "additionalProperties": {"type": "string", "pattern": _PATH_SCHEMA},
        }
    ),
]


class ThreadSearchBody(ThreadCountBody):
    """POST /threads/search."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] = (
        "updated_at"
    )
    sort_order: SortOrder = "desc"
    select: list[ThreadField] = Field(default_factory=list, fail_fast=True)
    extract: Extracts = Field(default_factory=dict)

    def page(self) -> Page:
        """Return which part of the list is meant."""
        return _page(self)

    @property
    def needs_values(self) -> bool:
        """Whether the answer shows anything of the threads' values."""
        if not self.select or "values" in self.select:
            return True
        return any(path.startswith("values") for path in self.extract.values())


def _page(body: AssistantSearchBody | ThreadSearchBody) -> Page:
    return Page(
        limit=body.limit, offset=body.offset, sort_by=body.sort_by, sort_order=body.sort_order
    )


def check_state_select(select: list[str]) -> list[str]:
    """Check which members of a state are asked for; `values.<key>` is one key of its values."""
    for name in select:
        if name not in _STATE_FIELDS and not _VALUES_KEY.match(name):
            raise InvalidRequestError(
                f"Invalid select: '{name}'. Expected values.<key> or one of:"
                f" {', '.join(_STATE_FIELDS)}"
            )
    return select


_STATE_PATHS = rf"^({'|'.join(_STATE_FIELDS)}|values\..+)$"
StateSelect = Annotated[
    Texts,
    AfterValidator(check_state_select),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": _STATE_PATHS}}),
]


class StateUpdateBody(Body):
    """POST /threads/{id}/state."""

    values: Values = None
    as_node: Given[str] = None
    checkpoint_id: CheckpointId = None
    checkpoint: Given[Checkpoint] = None

    def to_update(self) -> StateUpdate:
        """Return the update."""
        named = {"checkpoint_id": self.checkpoint_id} if self.checkpoint_id else {}
        return StateUpdate(
            values=self.values,
            as_node=self.as_node,
            checkpoint={**named, **(self.checkpoint or {})},
        )


class StateAtCheckpointBody(Body):
    """POST /threads/{id}/state/checkpoint."""

    checkpoint: Checkpoint
    subgraphs: bool = False
    select: StateSelect = Field(default_factory=list)


def _before(value: Any) -> Any:
    """Accept the three ways to name a checkpoint: its id, a reference to it, a config with one."""
    if isinstance(value, str):
        return {"checkpoint_id": checkpoint_id(value)}
    if isinstance(value, dict) and isinstance(value.get("configurable"), dict):
        return value["configurable"]
    return value


class _ConfigOfCheckpoint(TypedDict):
    configurable: CheckpointReference


Before = Annotated[
    Checkpoint,
    BeforeValidator(
        _before, json_schema_input_type=UuidText | CheckpointReference | _ConfigOfCheckpoint
    ),
]


class HistoryBody(Body):
    """POST /threads/{id}/history."""

    limit: Limit = 1
    before: Given[Before] = None
    metadata: Given[Object] = None
    checkpoint: Given[Checkpoint] = None
    select: StateSelect = Field(default_factory=list)

    def arguments(self) -> dict[str, Any]:
        """Return what `ThreadStateService.history` takes."""
        return {
            "limit": self.limit,
            "before": self.before,
            "metadata": self.metadata,
            "checkpoint": self.checkpoint or {},
            "select": self.select,
        }
