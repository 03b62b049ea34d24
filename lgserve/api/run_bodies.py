"""The bodies of requests about runs (core.md, section 3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from lgserve.api.fields import (
    Body,
    Checkpoint,
    CheckpointId,
    Config,
    Given,
    Nodes,
    Number,
    Object,
    RunId,
    RunIds,
    StreamModes,
    Texts,
    ThreadId,
    WebhookUrl,
    checkpoint_reference,
    no_config,
)
from lgserve.core.errors import InvalidRequestError
from lgserve.core.vocabulary import (
    Durability,
    IfNotExists,
    MultitaskStrategy,
    OnCompletion,
    OnDisconnect,
    RunStatus,
)
from lgserve.services.run_requests import RunRequest

_COMMANDS = ("update", "resume", "goto")


def _known_command(value: Any) -> Any:
    if isinstance(value, dict) and value and not any(name in value for name in _COMMANDS):
        raise PydanticCustomError("command", "Input should have update, resume or goto")
    return value


def _updates(value: Any) -> Any:
    """Accept an object, or an array of `[key, value]` pairs: one key may be written twice."""
    if value is None or isinstance(value, dict):
        return value
    if isinstance(value, list) and all(_is_pair(item) for item in value):
        return value
    raise PydanticCustomError("update", "Input should be an object or an array of [key, value]")


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str)


def _targets(value: Any) -> Any:
    """Accept a node, a node with its own input, or an array of these."""
    targets = value if isinstance(value, list) else [value]
    if value is None or all(_is_target(item) for item in targets):
        return value
    raise PydanticCustomError(
        "goto", "Input should be a node name, an object with node and input, or an array of these"
    )


def _is_target(item: Any) -> bool:
    if isinstance(item, dict):
        return isinstance(item.get("node"), str) and "input" in item
    return isinstance(item, str)


def _with_a_command(schema: Object) -> None:
    schema["anyOf"] = [{"required": [name]} for name in _COMMANDS] + [{"maxProperties": 0}]


class Send(TypedDict):
    """A node that is to run with an input of its own."""

    node: str
    input: Any


_Update = Annotated[
    list[Any],
    WithJsonSchema(
        {"type": "array", "prefixItems": [{"type": "string"}, {}], "minItems": 2, "maxItems": 2}
    ),
]
_Updates = Object | list[_Update] | None
_Targets = str | Send | list[str | Send] | None


class _Command(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(  # type: ignore[misc]
        strict=True, extra="ignore", json_schema_extra=_with_a_command
    )

    update: Annotated[Any, BeforeValidator(_updates, json_schema_input_type=_Updates)]
    resume: Any
    goto: Annotated[Any, BeforeValidator(_targets, json_schema_input_type=_Targets)]


Command = Annotated[_Command, BeforeValidator(_known_command)]


class RunCreate(Body):
    """POST /threads/{id}/runs, with /wait and /stream."""

    assistant_id: str
    input: Any = None
    command: Command | None = None
    metadata: Object = Field(default_factory=dict)
    config: Config = Field(default_factory=no_config)
    context: Object = Field(default_factory=dict)
    checkpoint: Given[Checkpoint] = None
    checkpoint_id: CheckpointId = None
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    stream_mode: StreamModes = Field(default_factory=list)
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    on_disconnect: OnDisconnect | None = None
    multitask_strategy: MultitaskStrategy = "enqueue"
    if_not_exists: IfNotExists = "reject"
    after_seconds: Number = 0
    durability: Given[Durability] = None
    #: Deprecated: False is durability `exit`.
    checkpoint_during: Given[bool] = None
    #: Told of the run's end.
    webhook: Given[WebhookUrl] = None
    #: Fail if the command answers no interrupt that waits for an answer.
    strict_resume: bool | None = None
    #: The id it gets; left out, the server chooses one.
    run_id: RunId | None = None
    #: Both are about LangSmith, which this server does not need and does not call.
    feedback_keys: Given[Texts] = None
    langsmith_tracer: Object | None = None

    def to_request(self, request_id: str | None) -> RunRequest:
        """Return the run that is asked for."""
        return RunRequest(**self._members(), request_id=request_id)

    def _members(self) -> dict[str, Any]:
        config, checkpoint = self._config_and_checkpoint()
        return {
            "assistant_id": self.assistant_id,
            "input": self.input,
            "command": self.command,
            "metadata": self.metadata,
            "config": config,
            "context": self.context,
            "checkpoint": checkpoint,
            "interrupt_before": self.interrupt_before,
            "interrupt_after": self.interrupt_after,
            "stream_mode": tuple(self.stream_mode) or ("values",),
            "stream_subgraphs": self.stream_subgraphs,
            "stream_resumable": self.stream_resumable,
            "on_disconnect": self.on_disconnect or "continue",
            "multitask_strategy": self.multitask_strategy,
            "if_not_exists": self.if_not_exists,
            "after_seconds": self.after_seconds,
            "durability": self.durability
            or ("exit" if self.checkpoint_during is False else "async"),
            "strict_resume": bool(self.strict_resume),
            "run_id": self.run_id,
            "webhook": self.webhook,
            "feedback_keys": None if self.feedback_keys is None else tuple(self.feedback_keys),
        }

    def _config_and_checkpoint(self) -> tuple[Object, Object]:
        """Return the config, and the checkpoint that it or a field of its own names."""
        configurable = dict(self.config.get("configurable") or {})
        named = {"checkpoint_id": self.checkpoint_id, **(self.checkpoint or {})}
        checkpoint = checkpoint_reference(configurable) | {
            name: value for name, value in named.items() if value is not None
        }
        if not checkpoint:
            return dict(self.config), checkpoint
        rest = {name: value for name, value in configurable.items() if name not in checkpoint}
        return {**self.config, "configurable": rest}, checkpoint


class RunCreateStateless(RunCreate):
    """POST /runs, with /wait and /stream."""

    on_completion: OnCompletion | None = None

    def _members(self) -> dict[str, Any]:
        return {**super()._members(), "on_completion": self.on_completion or "delete"}


#: Said to those who wait for the run, and shown on it.
CancelReason = Annotated[str, Field(min_length=1, max_length=1000)]


class CancelOne(Body):
    """POST /runs/{id}/cancel, with or without a thread; may be left out."""

    cancel_reason: CancelReason | None = None


class CancelMany(Body):
    """POST /runs/cancel: all runs with a status, or some runs of a thread."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["status"]}, {"required": ["thread_id", "run_ids"]}],
            "dependentSchemas": {"status": {"properties": {"thread_id": False, "run_ids": False}}},
        }
    )

    status: Given[Literal["pending", "running", "all"]] = None
    thread_id: Given[ThreadId] = None
    run_ids: Given[RunIds] = None
    cancel_reason: CancelReason | None = None

    @model_validator(mode="after")
    def _check_forms(self) -> Self:
        runs = self.thread_id is not None and self.run_ids is not None
        if self.status is not None and (self.thread_id is not None or self.run_ids is not None):
            raise InvalidRequestError(
                "status cannot be combined with thread_id and run_ids: it stands for all runs"
                " that have it"
            )
        if self.status is None and not runs:
            raise InvalidRequestError("Give either status, or thread_id and run_ids")
        return self

    @property
    def run_status(self) -> RunStatus | None:
        """The status that is meant; None for every run that has not ended."""
        return None if self.status == "all" else self.status
