"""What A2A's clients ask for, of both versions, checked. Pure.

Members are found by the names of both versions and by those of the protocol buffers.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lgserve import jsonio
from lgserve.core.a2a import BAD_CONTENT, BAD_PARAMS, A2aPush, Object, Version
from lgserve.core.a2a_parts import content_of
from lgserve.core.errors import A2aError

T = TypeVar("T")

_ROLES = {
    "user": "ROLE_USER", "agent": "ROLE_AGENT", "ROLE_USER": "ROLE_USER",
    "ROLE_AGENT": "ROLE_AGENT",
}  # fmt: skip
_UNSUPPORTED_PART = (
    "Unsupported part type. A2A agents support 'text', 'data', and 'file' parts only."
)
_KINDS = {"text": ("text",), "data": ("data",), "file": ("raw", "url")}
_CONTENT = ("text", "raw", "url", "data")
_UPPER = re.compile(r"(?<!^)([A-Z])")
_LONGEST_NAME = 512
_MOST_HISTORY = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """A message, and how its sender wants to be answered."""

    #: In the JSON of 1.0.
    message: Object
    context_id: str | None = None
    task_id: str | None = None
    history_length: int | None = None
    blocking: bool = True
    push: A2aPush | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def wrong(message: str, where: str | None = None, **about: str) -> A2aError:
    """Return the error of a parameter that is wrong."""
    return A2aError(BAD_PARAMS, message, field=where, **about)


def member(given: Mapping[str, Any], *names: str) -> Any:
    """Return the first of these members that is there."""
    for name in names:
        for each in (name, _UPPER.sub(r"_\1", name).lower()):
            if given.get(each) is not None:
                return given[each]
    return None


def _typed(
    given: Mapping[str, Any], names: tuple[str, ...], kind: type[T], what: str, where: str
) -> T | None:
    found = member(given, *names)
    if found is None:
        return None
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise wrong(f"'{where}{names[0]}' must be {what}", f"{where}{names[0]}")
    return found


def text(given: Mapping[str, Any], *names: str, where: str = "") -> str | None:
    """Return a text; an empty one is none, as in protocol buffers."""
    found = _typed(given, names, str, "a string", where)
    if found and len(found) > _LONGEST_NAME:
        name = f"{where}{names[0]}"
        raise wrong(f"'{name}' must have at most {_LONGEST_NAME} characters", name)
    return found or None


def switch(given: Mapping[str, Any], *names: str, where: str = "") -> bool | None:
    """Return a yes or no."""
    return _typed(given, names, bool, "true or false", where)


def mapping(given: Mapping[str, Any], *names: str, where: str = "") -> Object:
    """Return an object; an empty one if it is not there."""
    return _typed(given, names, dict, "an object", where) or {}


def whole(
    given: Mapping[str, Any], *names: str, low: int = 0, high: int = _MOST_HISTORY, where: str = ""
) -> int | None:
    """Return a whole number."""
    found = _typed(given, names, int, "an integer", where)
    if found is not None and not low <= found <= high:
        raise wrong(f"'{where}{names[0]}' must be {low} to {high}", f"{where}{names[0]}")
    return found


def texts(given: Mapping[str, Any], *names: str, where: str = "") -> list[str]:
    """Return a list of texts."""
    found = _typed(given, names, list, "an array", where) or []
    if not all(isinstance(each, str) for each in found):
        raise wrong(f"'{where}{names[0]}' must be an array of strings", f"{where}{names[0]}")
    return found


def read_send(params: Mapping[str, Any], version: Version) -> SendRequest:
    """Return what is asked for with a message."""
    given = params.get("message")
    if not isinstance(given, dict):
        raise wrong("Missing or invalid 'message' in params", "message")
    message = _message(given)
    how = mapping(params, "configuration")
    where = "configuration."
    later = switch(how, "returnImmediately", where=where)
    blocking = switch(how, "blocking", where=where)
    push = mapping(how, "taskPushNotificationConfig", "pushNotificationConfig", where=where)
    texts(how, "acceptedOutputModes", where=where)
    return SendRequest(
        message=message,
        context_id=text(given, "contextId", where="message."),
        task_id=text(given, "taskId", where="message."),
        history_length=whole(how, "historyLength", where=where),
        blocking=blocking is not False and not later,
        push=read_push(push, version, "configuration.pushNotificationConfig.") if push else None,
        metadata=mapping(params, "metadata"),
    )


def _message(given: Mapping[str, Any]) -> Object:
    where = "message."
    message_id = text(given, "messageId", where=where)
    if message_id is None:
        raise wrong("'messageId' is required in message", "message.messageId")
    role = member(given, "role") or "user"
    if not isinstance(role, str) or role not in _ROLES:
        raise wrong("'message.role' must be 'user' or 'agent'", "message.role")
    parts = given.get("parts")
    if not isinstance(parts, list) or not parts:
        raise wrong("'parts' in message must be an array that is not empty", "message.parts")
    message: Object = {
        "messageId": message_id,
        "role": _ROLES[role],
        "parts": [_part(part, f"message.parts[{index}]") for index, part in enumerate(parts)],
    }
    more: tuple[tuple[str, Callable[..., Any]], ...] = (
        ("metadata", mapping), ("extensions", texts), ("referenceTaskIds", texts)
    )  # fmt: skip
    found = {name: read(given, name, where=where) for name, read in more}
    return message | {name: value for name, value in found.items() if value}


def _part(given: Any, where: str) -> Object:
    """Return a part as 1.0 has it."""
    if not isinstance(given, dict):
        raise wrong(f"'{where}' must be an object", where)
    found = _flat(given, where)
    kinds = [name for name in _CONTENT if name in found]
    kind = given.get("kind", given.get("type"))
    if not kinds or (kind is not None and kinds[0] not in _KINDS.get(str(kind), ())):
        raise A2aError(BAD_CONTENT, _UNSUPPORTED_PART, field=where)
    if len(kinds) > 1:
        raise wrong(f"'{where}' must have one of {', '.join(_CONTENT)}", where)
    name = kinds[0]
    part: Object = {name: found[name]}
    if name != "data" and not isinstance(found[name], str):
        raise wrong(f"'{where}.{name}' must be a string", f"{where}.{name}")
    if name == "raw":
        part["raw"] = _base64(found["raw"], f"{where}.raw")
    for other in ("mediaType", "filename"):
        if value := text(found, other, where=f"{where}."):
            part[other] = value
    metadata = mapping(found, "metadata", where=f"{where}.")
    return part | ({"metadata": metadata} if metadata else {})


def _flat(given: Object, where: str) -> Object:
    """Return a part with what 0.3 has below `file` beside the rest."""
    file = given.get("file")
    if file is None:
        renamed = member(given, "mediaType", "mimeType")
        return given if renamed is None else {**given, "mediaType": renamed}
    if not isinstance(file, dict):
        raise wrong(f"'{where}.file' must be an object", f"{where}.file")
    names = {
        "raw": member(file, "bytes", "fileWithBytes"),
        "url": member(file, "uri", "fileWithUri"),
        "mediaType": member(file, "mimeType", "mediaType"),
        "filename": member(file, "name"),
        "metadata": given.get("metadata"),
    }
    return {name: value for name, value in names.items() if value is not None}


def _base64(raw: str, where: str) -> str:
    """Return the bytes of a file in the usual alphabet."""
    usual = raw.replace("-", "+").replace("_", "/")
    usual += "=" * (-len(usual) % 4)
    try:
        base64.b64decode(usual, validate=True)
    except (binascii.Error, ValueError):
        raise wrong(f"'{where}' must be base64", where) from None
    return usual


def read_push(given: Mapping[str, Any], version: Version, where: str = "") -> A2aPush:
    """Return who is to be told."""
    url = _typed(given, ("url",), str, "a string", where)
    if not url:
        raise wrong(f"'{where}url' is required", f"{where}url")
    auth = mapping(given, "authentication", where=where)
    schemes = texts(auth, "schemes", where=f"{where}authentication.")
    scheme = text(auth, "scheme", where=f"{where}authentication.") or next(iter(schemes), None)
    credentials = _typed(auth, ("credentials",), str, "a string", f"{where}authentication.")
    token = _typed(given, ("token",), str, "a string", where)
    for name, value in (("token", token), ("scheme", scheme), ("credentials", credentials)):
        if value and not (value.isascii() and value.isprintable()):
            raise wrong(f"'{where}{name}' must be printable ASCII", f"{where}{name}")
    return A2aPush(
        config_id=text(given, "id", where=where) or "",
        version=version,
        url=url,
        token=token or None,
        scheme=scheme or None,
        credentials=credentials or None,
    )


def answer_of(message: Object) -> Any:
    """Return what a message says to a question: its data's `resume`, else its text and data."""
    parts = message["parts"]
    data = [part["data"] for part in parts if "data" in part]
    for each in data:
        if isinstance(each, dict) and "resume" in each:
            return each["resume"]
    if not data:
        return content_of(parts)
    whole_data = data[0] if len(data) == 1 else data
    if len(data) == len(parts):
        return whole_data
    return {"text": content_of(parts), "data": whole_data}


def input_of(message: Object) -> Object:
    """Return what a message means to a graph: its data, and the rest as a message of LangChain."""
    given: Object = {}
    for part in message["parts"]:
        if "data" in part:
            if not isinstance(part["data"], dict):
                raise wrong("a 'data' part must be an object: it is input of the graph", "message")
            given |= part["data"]
    if all("data" in part for part in message["parts"]):
        return given
    role = "human" if message["role"] == "ROLE_USER" else "assistant"
    said = {"role": role, "content": content_of(message["parts"]), "id": message["messageId"]}
    before = given.get("messages")
    return {**given, "messages": [*(before if isinstance(before, list) else []), said]}


def encoded(message: Object) -> Any:
    """Return a message as it is stored."""
    return jsonio.dumps_wire(message)
