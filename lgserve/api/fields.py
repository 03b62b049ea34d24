"""Types of body fields, as strict as JSON is, and the sentence that says what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError
from typing_extensions import TypedDict

from lgserve import jsonio
from lgserve.core.errors import InvalidRequestError
from lgserve.core.ids import parse_uuid
from lgserve.core.vocabulary import StreamMode

T = TypeVar("T")
Object = dict[str, Any]

#: What an error shows of a wrong value, in characters, and how many wrong values it shows.
_EXCERPT = 80
_WRONG_FIELDS = 3
#: JSON's integers that every client can write; more rows than any list has.
_LARGEST = 2**53
#: About 300 years: what can still be added to a date.
LONGEST = 10**10


class Body(BaseModel):
    """A JSON object from a client; members that the API does not know are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _not_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("null", "Input should not be null")
    return value


def _integral(value: Any) -> Any:
    """Let 2.0 be an integer: JSON knows one kind of number."""
    return int(value) if type(value) is float and value.is_integer() else value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number", "Input should be a number")
    if not -LONGEST <= value <= LONGEST:
        raise PydanticCustomError("number", "Input should be a number of at most 10 digits")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _node_names(value: Any) -> Any:
    if value == "*" or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        return value
    raise PydanticCustomError("nodes", "Input should be '*' or an array of node names")


def _values(value: Any) -> Any:
    if value is None or isinstance(value, dict | list):
        return value
    raise PydanticCustomError("values", "Input should be an object or an array")


def _texts_by_name(value: Any) -> Any:
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    raise PydanticCustomError("texts", "Input should be an object whose members are strings")


def checkpoint_id(value: Any) -> Any:
    """Return an id in its canonical form, None for an empty one: it stands for the latest."""
    found = parse_uuid(value) if isinstance(value, str) else None
    if value and found is None:
        raise PydanticCustomError("uuid", "Invalid checkpoint ID")
    return found


def _id_of(noun: Literal["thread", "run", "assistant"]) -> AfterValidator:
    """Return what brings an id into its canonical form."""

    def check(value: str) -> str:
        found = parse_uuid(value)
        if found is None:
            raise PydanticCustomError("uuid", f"Invalid {noun} ID: must be a UUID")
        return found

    return AfterValidator(check)


def _unless_empty(value: Any, check: Callable[[Any], Any]) -> Any:
    return None if value == "" else check(value)


class _NullRefused:
    """Leaves null out of the JSON schema of a type that has it only to mean: not given."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        rest = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
        if not rest:
            return schema
        return {**schema, "anyOf": rest} if len(rest) > 1 else rest[0]


def _in_given_order(value: Any, check: Callable[[Any], Any]) -> Any:
    """Keep the order of an object's members: the answer shows them as they were sent."""
    checked = check(value)
    return {name: checked[name] for name in value if name in checked}


#: May be left out, but not be null.
Given = Annotated[T | None, BeforeValidator(_not_null), _NullRefused]

Whole = Annotated[int, BeforeValidator(_integral)]
Number = Annotated[
    int | float,
    BeforeValidator(_number),
    WithJsonSchema({"type": "number", "minimum": -LONGEST, "maximum": LONGEST}),
]
Limit = Annotated[Whole, Field(ge=1, le=1000)]
Offset = Annotated[Whole, Field(ge=0, le=_LARGEST)]
#: One mistake is enough: a list of a million mistakes must not make a million sentences.
_FIRST_MISTAKE = Field(fail_fast=True)
Texts = Annotated[list[str], _FIRST_MISTAKE]
TextsByName = Annotated[dict[str, str], BeforeValidator(_texts_by_name)]
Nodes = Annotated[
    str | list[str] | None,
    BeforeValidator(_node_names, json_schema_input_type=Literal["*"] | list[str]),
]
Values = Annotated[Object | list[Any] | None, BeforeValidator(_values)]
StreamModes = Annotated[
    list[StreamMode],
    _FIRST_MISTAKE,
    BeforeValidator(_as_list, json_schema_input_type=StreamMode | list[StreamMode]),
]
#: A text of which the JSON schema says that it is an id; whether it is one is seen elsewhere.
UuidText = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
UuidTexts = Annotated[list[UuidText], _FIRST_MISTAKE]
ThreadId = Annotated[UuidText, _id_of("thread")]
ThreadIds = Annotated[list[ThreadId], _FIRST_MISTAKE]
RunId = Annotated[UuidText, _id_of("run")]
RunIds = Annotated[list[RunId], _FIRST_MISTAKE]
#: Ids that clients choose; an empty one leaves the choice to us.
NewThreadId = Annotated[ThreadId | None, WrapValidator(_unless_empty)]
NewAssistantId = Annotated[
    Annotated[UuidText, _id_of("assistant")] | None, WrapValidator(_unless_empty)
]
CheckpointId = Annotated[
    str | None,
    BeforeValidator(checkpoint_id, json_schema_input_type=UuidText | None),
]


#: Whether it may be called is decided later (`lgserve.services.webhooks`).
WebhookUrl = Annotated[str, Field(min_length=1, max_length=65_536)]


class _Config(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(strict=True, extra="allow")  # type: ignore[misc]

    tags: Texts
    metadata: Object
    recursion_limit: Whole
    max_concurrency: Whole | None
    run_name: str | None
    configurable: Object


class _Checkpoint(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(strict=True, extra="ignore")  # type: ignore[misc]

    checkpoint_id: CheckpointId
    checkpoint_ns: str | None
    checkpoint_map: TextsByName | None


#: LangChain's run configuration; members it does not list pass through.
Config = Annotated[_Config, WrapValidator(_in_given_order)]
#: A reference to a checkpoint: without an id the latest, with a namespace a subgraph's.
CheckpointReference: TypeAlias = _Checkpoint
Checkpoint = Annotated[CheckpointReference, WrapValidator(_in_given_order)]


_REFERENCE = TypeAdapter(_Checkpoint)


def checkpoint_reference(configurable: Mapping[str, Any]) -> Object:
    """Return the reference to a checkpoint that stands among a config's own members.

    Raises:
        InvalidRequestError: it is none.
    """
    named = {
        name: configurable[name] for name in _Checkpoint.__annotations__ if configurable.get(name)
    }
    try:
        return dict(_REFERENCE.validate_python(named)) if named else {}
    except ValidationError as exc:
        raise InvalidRequestError(f"config.configurable.{describe(exc)}") from None


def no_config() -> _Config:
    """Return the config of a body that has none."""
    return {}


def describe(error: ValidationError, within: tuple[int | str, ...] = ()) -> str:
    """Say in a sentence a field what is wrong with it: `limit: Input should … (got 0)`.

    `within` is the path of what was validated, where it is a part of the body.
    """
    wrong = error.errors(include_url=False, include_context=False)
    return "; ".join(_sentence(item, within) for item in wrong[:_WRONG_FIELDS])


_MESSAGES = {
    "dict_type": "Input should be an object",
    "model_type": "Input should be an object",
    "list_type": "Input should be an array",
    "string_type": "Input should be a string",
    "int_type": "Input should be an integer",
    "bool_type": "Input should be true or false",
}


def _sentence(item: ErrorDetails, within: tuple[int | str, ...]) -> str:
    message = f"{_path((*within, *item['loc']))}: {_MESSAGES.get(item['type'], item['msg'])}"
    return message if item["type"] == "missing" else f"{message} (got {_excerpt(item['input'])})"


def _path(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "request body"


def _excerpt(value: Any) -> str:
    """Return the beginning of a value as JSON."""
    text = jsonio.dumps(value).decode()
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
