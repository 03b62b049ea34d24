"""What models and tools are told and say, as the GenAI semantic conventions write it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from lgserve import jsonio

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


def written(value: Any) -> str:
    """Return a value as JSON; one that JSON has no words for as it shows itself."""
    if isinstance(value, str):
        return value
    return jsonio.dumps_wire(value).decode()


def input_messages(messages: Iterable[BaseMessage]) -> str:
    """Return what a chat model is given."""
    return written([_message(message) for message in messages])


def input_texts(prompts: Sequence[str]) -> str:
    """Return what a completion model is given."""
    return written([{"role": "user", "parts": [_text(prompt)]} for prompt in prompts])


def output_messages(generations: Iterable[Any]) -> str:
    """Return what a model answers, each of its choices."""
    return written([_choice(generation) for generation in generations])


def _choice(generation: Any) -> dict[str, Any]:
    message = getattr(generation, "message", None)
    if isinstance(message, BaseMessage):
        return {**_message(message), "finish_reason": finish_reason(generation) or "stop"}
    parts = [_text(generation.text)]
    return {"role": "assistant", "parts": parts, "finish_reason": "stop"}


def finish_reason(generation: Any) -> str | None:
    """Return why a model ended an answer, in its own word."""
    told = {
        **(getattr(generation, "generation_info", None) or {}),
        **(getattr(getattr(generation, "message", None), "response_metadata", None) or {}),
    }
    names = ("finish_reason", "stop_reason", "done_reason")
    return next((str(told[name]) for name in names if told.get(name)), None)


def _message(message: BaseMessage) -> dict[str, Any]:
    role = _ROLES.get(message.type, message.type)
    if isinstance(message, ToolMessage):
        response = {
            "type": "tool_call_response", "id": message.tool_call_id, "response": message.content,
        }  # fmt: skip
        return {"role": role, "parts": [response]}
    parts = _parts(message.content)
    if isinstance(message, AIMessage):
        parts += [
            {"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["args"]}
            for call in message.tool_calls
        ]
    return {"role": role, "parts": parts}


def _parts(content: str | list[Any]) -> list[Any]:
    if isinstance(content, str):
        return [_text(content)] if content else []
    return [_text(part) if isinstance(part, str) else _block(part) for part in content]


def _block(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") == "text":
        return _text(str(part.get("text", "")))
    return part


def _text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}
