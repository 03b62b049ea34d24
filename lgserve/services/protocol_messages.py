"""Messages inside state as protocol v2 shows them: few members, content as it is, nothing empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage

_TYPES = {
    "human": "human", "ai": "ai", "system": "system", "tool": "tool", "function": "function",
    "remove": "remove", "HumanMessageChunk": "human", "AIMessageChunk": "ai",
    "SystemMessageChunk": "system", "ToolMessageChunk": "tool",
}  # fmt: skip
#: Empty on everything that is no stream of tokens.
_OF_CHUNKS = ("tool_call_chunks", "chunk_position", "example")
#: Deeper values than this are passed on as they are: no state holds messages there.
_DEEPEST = 6


def with_plain_messages(value: Any, depth: int = 0) -> Any:
    """Return a state with each of its messages in protocol v2's form, objects and JSON alike."""
    if isinstance(value, BaseMessage):
        return plain_message(value.model_dump())
    if depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        if _is_message(value):
            return plain_message(value)
        return {key: with_plain_messages(item, depth + 1) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [with_plain_messages(item, depth + 1) for item in value]
    return value


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message without members that say nothing."""
    kept = {
        name: value
        for name, value in message.items()
        if name not in _OF_CHUNKS and value not in (None, "", [], {}, False)
    }
    head = {"type": _TYPES.get(message["type"], message["type"]), "content": message["content"]}
    return {**head, **{name: kept[name] for name in kept if name not in head}}


def _is_message(value: Mapping[str, Any]) -> bool:
    """Tell whether a JSON object is a message: all its members are a message's."""
    kind = value.get("type")
    return (
        isinstance(kind, str)
        and kind in _TYPES
        and "content" in value
        and "additional_kwargs" in value
        and "response_metadata" in value
    )
