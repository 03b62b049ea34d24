"""A whole message as the events in which protocol v2 would have streamed it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import BaseMessage

_ROLES = {"human": "human", "ai": "ai", "system": "system"}
#: Content that is told piece by piece: what a piece is called, and the block before the first.
_PIECES = {"text": "text-delta", "reasoning": "reasoning-delta"}


def events_of_message(message: BaseMessage) -> Iterator[dict[str, Any]]:
    """Yield the events of a message that came whole; none for what nobody says, as a removal."""
    role = _ROLES.get(message.type)
    if role is None:
        return
    yield {"event": "message-start", "role": role, "id": message.id}
    for index, block in enumerate(_blocks(message)):
        yield from _events_of_block(index, block)
    usage = getattr(message, "usage_metadata", None)
    yield {"event": "message-finish", **({"usage": usage} if usage else {})}


def _blocks(message: BaseMessage) -> list[dict[str, Any]]:
    return [{k: v for k, v in block.items() if k != "index"} for block in message.content_blocks]


def _events_of_block(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = block.get("type", "")
    piece = _PIECES.get(kind)
    start = {**block, kind: ""} if piece is not None else block
    yield {"event": "content-block-start", "index": index, "content": start}
    if piece is not None:
        delta = {"type": piece, kind: block.get(kind, "")}
        yield {"event": "content-block-delta", "index": index, "delta": delta}
    yield {"event": "content-block-finish", "index": index, "content": block}
