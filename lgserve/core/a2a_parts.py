"""Parts of A2A's messages and content of LangChain's, each as the other. Pure.

A part is `{"text"}`, `{"raw"}` (base64), `{"url"}` or `{"data"}`, as in version 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lgserve.core.a2a import Object

_KINDS = ("image", "audio", "video")
_FILES = (*_KINDS, "file")
_AGENTS = ("ai", "assistant", "AIMessageChunk")
_USERS = ("human", "user")


def content_of(parts: Sequence[Object]) -> str | list[Object]:
    """Return text and files as the content of a message: a plain text if there is no file."""
    said = [part for part in parts if "data" not in part]
    if all("text" in part for part in said):
        return "\n".join(part["text"] for part in said)
    return [_block(part) for part in said]


def _block(part: Object) -> Object:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    media = part.get("mediaType") or ""
    kind = media.partition("/")[0]
    block: Object = {"type": kind if kind in _KINDS else "file"}
    block |= {"base64": part["raw"]} if "raw" in part else {"url": part["url"]}
    block |= {"mime_type": media} if media else {}
    return block | ({"filename": part["filename"]} if part.get("filename") else {})


def parts_of(content: Any) -> list[Object]:
    """Return what a message's content shows to others, as parts; texts in a row are one."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    parts: list[Object] = []
    for block in content if isinstance(content, list) else ():
        part = {"text": block} if isinstance(block, str) else _part(block)
        if part is None or part.get("text") == "":
            continue
        if "text" in part and parts and "text" in parts[-1]:
            parts[-1] = {"text": parts[-1]["text"] + part["text"]}
        else:
            parts.append(part)
    return parts


def text_of(content: Any) -> str:
    """Return the text in a message's content."""
    return "".join(part["text"] for part in parts_of(content) if "text" in part)


def _part(block: Any) -> Object | None:
    """Return a block of content; thoughts and calls of tools are nobody else's business."""
    if not isinstance(block, Mapping):
        return None
    kind = block.get("type")
    if kind == "text" and isinstance(block.get("text"), str):
        return {"text": block["text"]}
    if kind == "image_url":
        return _of_url(block.get("image_url"))
    return _file(block) if kind in _FILES else None


def _of_url(found: Any) -> Object | None:
    url = found.get("url") if isinstance(found, Mapping) else found
    if not isinstance(url, str):
        return None
    head, comma, raw = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return {"raw": raw, "mediaType": head.removeprefix("data:")}
    return {"url": url}


def _file(block: Mapping[str, Any]) -> Object | None:
    raw = block.get("base64", block.get("data"))
    url = block.get("url")
    if isinstance(raw, str):
        part: Object = {"raw": raw}
    elif isinstance(url, str):
        part = {"url": url}
    else:
        return None
    for name, given in (("mediaType", block.get("mime_type")), ("filename", block.get("filename"))):
        if isinstance(given, str) and given:
            part[name] = given
    return part


def kind_of(message: Any) -> str:
    """Return the type of a message of a state: `human`, `ai`, `tool` …; nothing if it is none."""
    if not isinstance(message, Mapping):
        return ""
    return str(message.get("type") or message.get("role") or "")


def is_agent(message: Any) -> bool:
    """Tell whether the agent said it."""
    return kind_of(message) in _AGENTS


def is_user(message: Any) -> bool:
    """Tell whether the user said it."""
    return kind_of(message) in _USERS


def messages_of(values: Any) -> list[Any]:
    """Return the messages of a state; none if it has no list of that name."""
    found = values.get("messages") if isinstance(values, Mapping) else None
    return found if isinstance(found, list) else []
