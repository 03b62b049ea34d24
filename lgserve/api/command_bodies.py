"""The params of commands of protocol v2, and the body that asks for events (platform.md, 9)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lgserve.api.fields import Body, Limit, Object, Offset, RunId, WebhookUrl, Whole
from lgserve.core.ids import canonical
from lgserve.core.vocabulary import MultitaskStrategy

CHANNELS = (
    "values", "updates", "messages", "tools", "custom", "lifecycle", "input", "tasks",
    "checkpoints",
)  # fmt: skip
_MOST_NAMESPACES = 1000


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


def _or_no_path(value: Any) -> Any:
    return [] if value is None else value


_InCanonicalForm = Annotated[str, AfterValidator(canonical)]
_Members = Annotated[Object, BeforeValidator(_or_empty)]
Namespace = Annotated[list[str], BeforeValidator(_or_no_path)]


class RunStart(Body):
    """`run.start`."""

    assistant_id: str
    input: Any = None
    config: _Members = Field(default_factory=dict)
    metadata: _Members = Field(default_factory=dict)
    multitask_strategy: MultitaskStrategy | None = None
    webhook: WebhookUrl | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_either_case(cls, value: Any) -> Any:
        if isinstance(value, dict) and "multitaskStrategy" in value:
            return {**value, "multitask_strategy": value["multitaskStrategy"]}
        return value


class _Answer(Body):
    interrupt_id: str
    response: Any = None
    namespace: Namespace = Field(default_factory=list)


class Respond(Body):
    """`input.respond`: one answer, or several."""

    interrupt_id: str | None = None
    response: Any = None
    namespace: Namespace = Field(default_factory=list)
    responses: list[_Answer] = Field(default_factory=list)
    update: Any = None
    goto: Any = None
    config: _Members = Field(default_factory=dict)
    metadata: _Members = Field(default_factory=dict)

    def answers(self) -> dict[str, Any]:
        """Return the answers by interrupt."""
        many = {one.interrupt_id: one.response for one in self.responses}
        return many if self.interrupt_id is None else {**many, self.interrupt_id: self.response}


class _Message(Body):
    role: Literal["user", "system"]
    content: str
    name: str | None = None


class Inject(Body):
    """`input.inject`."""

    namespace: Namespace = Field(default_factory=list)
    message: _Message


class GetTree(Body):
    """`agent.getTree`."""

    run_id: RunId | None = None


class GetState(Body):
    """`state.get`."""

    namespace: Namespace = Field(default_factory=list)
    keys: list[str] | None = None


class ListCheckpoints(Body):
    """`state.listCheckpoints`."""

    namespace: Namespace = Field(default_factory=list)
    limit: Limit = 10
    before: _InCanonicalForm | None = None


class Fork(Body):
    """`state.fork`."""

    checkpoint_id: _InCanonicalForm
    input: Any = None
    config: _Members = Field(default_factory=dict)


def _channels(value: Any) -> Any:
    if not isinstance(value, list) or not value:
        raise PydanticCustomError("channels", "channels is required and must be a non-empty array")
    unknown = [str(item) for item in value if not _is_channel(item)]
    if unknown:
        raise PydanticCustomError(
            "channels",
            "channels contains unsupported entries: {unknown}. Allowed: {known}, or any"
            " `custom:<name>`.",
            {"unknown": ", ".join(unknown)[:200], "known": ", ".join(CHANNELS)},
        )
    return value


def _is_channel(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    return value in CHANNELS or (value.startswith("custom:") and value != "custom:")


_CHANNEL = {"type": "string", "anyOf": [{"enum": list(CHANNELS)}, {"pattern": "^custom:."}]}


class Wanted(Body):
    """Which events: by channel, and by place in the tree of graphs."""

    model_config = ConfigDict(json_schema_extra={"required": ["channels"]})

    channels: Annotated[
        list[str],
        BeforeValidator(_channels),
        WithJsonSchema({"type": "array", "minItems": 1, "items": _CHANNEL}),
    ] = Field(default_factory=list, validate_default=True)
    namespaces: list[list[str]] | None = Field(default=None, max_length=_MOST_NAMESPACES)
    depth: Annotated[Whole, Field(ge=0)] | None = None
    #: The last number that was seen.
    since: Offset = 0

    @field_validator("since", mode="before")
    @classmethod
    def _from_the_start(cls, value: Any) -> Any:
        return 0 if value is None else value


class Unsubscribe(Body):
    """`subscription.unsubscribe`."""

    subscription_id: str


class Reconnect(Wanted):
    """`subscription.reconnect`: as subscribing, from behind an event."""

    channels: list[str] = Field(default_factory=list)
    run_id: str | None = None
    last_event_id: str | None = None
    subscriptions: list[str] = Field(default_factory=list)
