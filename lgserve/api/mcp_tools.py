"""Assistants as tools of MCP: their names, what they take, what they give. Pure.

The state of a graph has messages as LangChain makes them; a model that calls a tool only has text.
So an argument that is a list of messages is described as text, and a list is taken as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from lgserve import jsonio
from lgserve.api.json_schema import first_error
from lgserve.api.mcp_media import media_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lgserve.core.models import Assistant, Json, RunResult

Object: TypeAlias = dict[str, Any]

#: An assistant whose metadata has it as false is no tool.
OPT_OUT = "mcp"
_LONGEST_NAME = 128
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")
#: The argument of a graph whose input is no object.
WRAPPED = "input"
_MESSAGE_ABOUT = "The user message to send to the agent."
#: What any of the definitions of a list of LangChain's messages is called.
_MESSAGE_NAMES = frozenset({"BaseMessage", "HumanMessage", "AIMessage"})
_ANNOTATIONS = {
    "readOnlyHint": False,
    "destructiveHint": False,
    "idempotentHint": False,
    "openWorldHint": True,
}
#: It would have clients repeat arguments in headers.
_HEADER_MARK = "x-mcp-header"
_MAX_DEPTH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a tool takes and gives."""

    input_schema: Object
    #: None if what it gives is no object, or nobody knows.
    output_schema: Object | None
    #: Arguments that are lists of messages.
    messages: frozenset[str]
    #: Whether the graph's input is the one argument `WRAPPED`.
    wrapped: bool
    #: Members of what it gives that are lists of messages.
    given_messages: frozenset[str] = frozenset()


#: Of a graph of which nobody knows what it takes.
ANY_SHAPE = Shape(
    input_schema={"type": "object"}, output_schema=None, messages=frozenset(), wrapped=False
)


def tool_name(assistant: Assistant) -> str:
    """Return the name of an assistant as that of a tool, as the reference makes it."""
    for text in (assistant.name, assistant.graph_id, "assistant"):
        cleaned = _NOT_IN_A_NAME.sub("", text.replace(" ", "_"))[:_LONGEST_NAME]
        if cleaned.strip("_.-"):
            return cleaned
    return "assistant"


def by_name(assistants: Iterable[Assistant]) -> dict[str, Assistant]:
    """Return tools by their names; who comes later to a name gets a part of its id with it."""
    found: dict[str, Assistant] = {}
    for assistant in assistants:
        name = tool_name(assistant)
        for digits in (8, 32):
            if name not in found:
                break
            suffix = "_" + assistant.assistant_id.replace("-", "")[:digits]
            name = tool_name(assistant)[: _LONGEST_NAME - len(suffix)] + suffix
        found.setdefault(name, assistant)
    return found


def is_tool(assistant: Assistant) -> bool:
    """Tell whether an assistant is to be a tool."""
    if assistant.metadata.find(b'"mcp"') < 0:
        return True
    return jsonio.loads(assistant.metadata).get(OPT_OUT) is not False


def described(name: str, assistant: Assistant, shape: Shape, *, structured: bool) -> Object:
    """Return a tool as it is listed."""
    about = assistant.description or f"Tool based on the {assistant.name} assistant"
    tool = {
        "name": name,
        "title": assistant.name,
        "description": about,
        "inputSchema": shape.input_schema,
        "annotations": _ANNOTATIONS,
    }
    if structured and shape.output_schema is not None:
        tool["outputSchema"] = shape.output_schema
    return tool


@lru_cache(maxsize=256)
def shape_of(schemas: Json) -> Shape:
    """Return what a graph's schemas, as the API shows them, mean for a tool."""
    found = jsonio.loads(schemas)
    given, taken = found.get("output_schema"), found.get("input_schema")
    output = None if given is None else _object_schema(given)
    if taken is None:
        return Shape(
            input_schema={"type": "object"},
            output_schema=output and _of_output(output),
            messages=frozenset(),
            wrapped=False,
            given_messages=_message_names(output),
        )
    root = _object_schema(taken)
    schema = root or _wrapped(taken)
    names = _message_names(schema)
    return Shape(
        input_schema=_of_input(schema, names),
        output_schema=output and _of_output(output),
        messages=names,
        wrapped=root is None,
        given_messages=_message_names(output),
    )


def _message_names(schema: Object | None) -> frozenset[str]:
    """Return the members that are lists of messages."""
    members = _properties(schema or {})
    return frozenset(name for name, each in members.items() if _is_messages(each, schema or {}))


def _object_schema(schema: Mapping[str, Any]) -> Object | None:
    """Return the schema with its root spelled out, None if it is not of an object."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        root = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
        schema = {**schema, **root}
        schema.pop("$ref")
    if schema.get("type") != "object":
        return None
    return {name: part for name, part in schema.items() if name != "default" or part is not None}


def _wrapped(schema: Mapping[str, Any]) -> Object:
    """Return the schema of an object that has what is no object as its one member."""
    inner = {name: part for name, part in schema.items() if name != "$defs"}
    wrapper: Object = {
        "type": "object", "properties": {WRAPPED: inner}, "required": [WRAPPED],
    }  # fmt: skip
    return {"$defs": schema["$defs"], **wrapper} if "$defs" in schema else wrapper


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _is_messages(member: Any, root: Mapping[str, Any]) -> bool:
    """Tell whether a member is a list of LangChain's messages."""
    if not isinstance(member, dict):
        return False
    choices = [member, *member.get("anyOf", ())]
    entries = [each.get("items") for each in choices if each.get("type") == "array"]
    return any(_is_message(each, root) for each in entries)


def _is_message(entry: Any, root: Mapping[str, Any]) -> bool:
    if not isinstance(entry, dict):
        return False
    choices = [entry, *entry.get("oneOf", ()), *entry.get("anyOf", ())]
    known = root.get("$defs", {})
    named = [str(each.get("$ref", "")).rpartition("/")[2] for each in choices]
    return any(name in _MESSAGE_NAMES and name in known for name in named)


def _of_input(schema: Object, messages: frozenset[str]) -> Object:
    """Return a schema with lists of messages as text, and without what nothing refers to now."""
    members = {
        name: _as_text(each) if name in messages else each
        for name, each in _properties(schema).items()
    }
    return _pruned({**schema, "properties": members} if members else schema)


def _as_text(member: Mapping[str, Any]) -> Object:
    about = member.get("description") or _MESSAGE_ABOUT
    return {"type": "string", "title": member.get("title", "Messages"), "description": about}


def _of_output(schema: Object) -> Object:
    """Return a schema that results match: a graph that stopped half-way has written half of it.

    Messages are objects: LangChain's own schemas of them are longer than all else together.
    """
    members = {
        name: _as_objects(each) if _is_messages(each, schema) else each
        for name, each in _properties(schema).items()
    }
    kept = {name: part for name, part in schema.items() if name != "required"}
    return _pruned({**kept, "properties": members} if members else kept)


def _as_objects(member: Mapping[str, Any]) -> Object:
    schema: Object = {"type": "array", "items": {"type": "object"}}
    return {**schema, "title": member["title"]} if "title" in member else schema


def _pruned(schema: Object) -> Object:
    """Return a schema without the definitions of messages that nothing refers to now."""
    bare: Object = _without_marks({name: part for name, part in schema.items() if name != "$defs"})
    known = schema.get("$defs")
    if not isinstance(known, dict):
        return bare
    own = [each for each in known.values() if not _is_langchain(each)]
    wanted: set[str] = set()
    more = _references([bare, *own])
    while more:
        wanted |= more
        more = _references([known.get(name) for name in more]) - wanted
    kept = {
        name: _without_marks(each)
        for name, each in known.items()
        if name in wanted or not _is_langchain(each)
    }
    return {"$defs": kept, **bare} if kept else bare


def _is_langchain(definition: Any) -> bool:
    """Tell a definition that LangChain's messages brought from one that somebody wrote."""
    return isinstance(definition, dict) and definition.get("title") in _LANGCHAIN


_LANGCHAIN = frozenset(
    {
        "AIMessage", "AIMessageChunk", "BaseMessage", "ChatMessage", "ChatMessageChunk",
        "FunctionMessage", "FunctionMessageChunk", "HumanMessage", "HumanMessageChunk",
        "InputTokenDetails", "InvalidToolCall", "OutputTokenDetails", "SystemMessage",
        "SystemMessageChunk", "ToolCall", "ToolCallChunk", "ToolMessage", "ToolMessageChunk",
        "UsageMetadata",
    }
)  # fmt: skip


def _references(value: Any) -> set[str]:
    """Return the names of the definitions that something refers to."""
    found: set[str] = set()
    if isinstance(value, dict):
        reference = value.get("$ref")
        found = {reference.rpartition("/")[2]} if isinstance(reference, str) else set()
        value = list(value.values())
    if isinstance(value, list):
        found = found.union(*map(_references, value))
    return found


def _without_marks(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {
            name: _without_marks(part, depth + 1)
            for name, part in value.items()
            if name != _HEADER_MARK
        }
    return [_without_marks(part, depth + 1) for part in value] if isinstance(value, list) else value


def wrong_argument(arguments: Mapping[str, Any], shape: Shape) -> str | None:
    """Return a sentence about the first argument that is wrong, or None."""
    texts = {
        name: _text_of(value) if name in shape.messages else value
        for name, value in arguments.items()
    }
    return first_error(texts, shape.input_schema)


def _text_of(value: Any) -> Any:
    """Return a text in place of messages that are given as such."""
    entries = value if isinstance(value, list) else [value]
    listed = all(isinstance(each, dict | str) for each in entries)
    return "" if isinstance(value, list | dict) and listed else value


def graph_input(arguments: Mapping[str, Any], shape: Shape) -> Any:
    """Return the input of a graph for the arguments of its tool."""
    found = {
        name: _as_messages(value) if name in shape.messages else value
        for name, value in arguments.items()
    }
    return found.get(WRAPPED) if shape.wrapped else found


def _as_messages(value: Any) -> list[Any]:
    return [
        {"type": "human", "content": each} if isinstance(each, str) else each
        for each in (value if isinstance(value, list) else [value])
    ]


def failure(sentence: str) -> Object:
    """Return the result of a call that failed."""
    return {"content": [_text(sentence)], "isError": True}


def _text(text: str) -> Object:
    return {"type": "text", "text": text}


def outcome(result: RunResult, shape: Shape, *, structured: bool) -> Object:
    """Return the result of a call whose run ended without an error."""
    content = [_text(result.body.decode())]
    if result.interrupted:
        content.append(_text(_about_interrupts(interrupts_of(result))))
    if not (structured or shape.given_messages):
        return {"content": content, "isError": False}
    values = jsonio.loads(result.body)
    if not isinstance(values, dict):
        return {"content": content, "isError": False}
    content += [each for name in shape.given_messages for each in media_of(values.get(name))]
    if not structured:
        return {"content": content, "isError": False}
    body, wrong = _structured(result, values, shape.output_schema)
    if wrong is not None:
        sentence = f"The result does not match the graph's own output schema: {wrong}"
        return {"content": [*content, _text(sentence)], "isError": True}
    return {"content": content, "structuredContent": body, "isError": False}


def _structured(result: RunResult, values: Object, schema: Object | None) -> tuple[Any, str | None]:
    """Return the values of a result, and what is wrong with them, if anything is."""
    wrong = None if schema is None else first_error(values, schema)
    if schema is None or wrong is None or not result.interrupted:
        return result.body, wrong
    # A closed schema knows of no interrupts.
    bare = {name: part for name, part in values.items() if name != INTERRUPT}
    return bare, first_error(bare, schema)


INTERRUPT = "__interrupt__"


def interrupts_of(result: RunResult) -> Sequence[Mapping[str, Any]]:
    """Return what a run that was interrupted asks; nothing if it only paused."""
    values = jsonio.loads(result.body)
    found = values.get(INTERRUPT) if isinstance(values, dict) else None
    return found if isinstance(found, list) else []


def _about_interrupts(interrupts: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence for the model: what is asked, and where it can be answered."""
    asked = "; ".join(f'"{question(each.get("value"))}"' for each in interrupts)
    told = f"stopped to ask for input: {asked}" if asked else "stopped before it was done"
    return (
        f"The graph {told}. This call has no thread that could go on: give the answer with the"
        " arguments of a new call, or run the assistant on a thread (POST"
        " /threads/{thread_id}/runs/wait) and resume that with a command."
    )


def question(value: Any) -> str:
    """Return what an interrupt asks, for people."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for name in ("message", "question", "description"):
            if isinstance(value.get(name), str):
                return str(value[name])
    return jsonio.dumps(value).decode()
