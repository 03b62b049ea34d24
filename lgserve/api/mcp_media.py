"""Images, sounds and files of a graph's last message as content of MCP. Pure.

LangChain's blocks have them as base64; what is only named by an address stays in the JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_KINDS = {"image": "image/png", "audio": "audio/wav"}


def media_of(messages: Any) -> list[dict[str, Any]]:
    """Return the media in the last of messages, if a model or a tool sent it."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("type") not in ("ai", "tool"):
        return []
    blocks = last.get("content")
    return list(_converted(blocks)) if isinstance(blocks, list) else []


def _converted(blocks: Iterable[Any]) -> Iterable[dict[str, Any]]:
    for number, block in enumerate(blocks):
        if not isinstance(block, dict):
            continue
        kind, data = block.get("type"), block.get("base64", block.get("data"))
        media_type = block.get("mime_type")
        if kind in _KINDS and isinstance(data, str):
            yield {"type": kind, "data": data, "mimeType": media_type or _KINDS[kind]}
        elif kind == "file" and isinstance(data, str):
            resource = {"uri": _uri(block, number), "blob": data}
            yield _resource(resource, media_type or "application/octet-stream")
        elif kind == "text-plain" and isinstance(block.get("text"), str):
            resource = {"uri": _uri(block, number), "text": block["text"]}
            yield _resource(resource, media_type or "text/plain")


def _resource(resource: dict[str, Any], media_type: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {**resource, "mimeType": media_type}}


def _uri(block: dict[str, Any], number: int) -> str:
    named = block.get("url") or block.get("file_id") or block.get("id") or number
    return str(named) if "://" in str(named) else f"message://last/{named}"
