"""JSON in and out: orjson first, and a second, careful pass for what orjson refuses.

The wire form of Python values follows the reference server (shared with orjson: dates, dataclasses,
NaN as null), without its two faults: an integer beyond 64 bits stays the number it is, both ways.
No value makes encoding fail: what has no JSON form becomes null.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import orjson
from langchain_core.messages import BaseMessage
from langgraph.types import Send
from pydantic import BaseModel

from lgserve.core.models import Json

#: Not orjson's own numpy support: it imports numpy at the first value it does not know.
_OPTIONS = orjson.OPT_NON_STR_KEYS
#: Deeper trees than this are cut: no client reads them, and the careful pass recurses.
_MAX_DEPTH = 200
_LONG_INTEGER = re.compile(rb"[0-9]{19,}")
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class InvalidJsonError(ValueError):
    """The text is not JSON."""


def dumps(value: Any) -> Json:
    """Encode any Python value as compact UTF-8 JSON."""
    try:
        text = orjson.dumps(value, default=_default, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        text = orjson.dumps(_careful(value, 0), default=_default, option=_OPTIONS)
    return Json(text)


def dumps_wire(value: Any) -> Json:
    """Encode for clients: as `dumps`, with NUL shown as U+FFFD, for their databases choke on it."""
    text = dumps(value)
    if text.find(b"\\u0000") >= 0:
        return Json(_NUL.sub(r"\1\\ufffd", text.decode()).encode())
    return text


def loads(text: bytes | str) -> Any:
    """Decode JSON text; integers keep their value at any size.

    Raises:
        InvalidJsonError: not JSON (NaN, Infinity and lone surrogates included).
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        # orjson takes bytes, but no subclass of it.
        value = orjson.loads(raw if type(raw) is bytes else memoryview(raw))
    except ValueError as exc:
        if not _LONG_INTEGER.search(raw):
            raise InvalidJsonError(str(exc)) from exc
    else:
        if not _LONG_INTEGER.search(raw):
            return value
    return _exactly(raw)


def _exactly(raw: bytes) -> Any:
    """Decode with integers of any size, and all else as strictly as orjson does."""
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
        return value
    except (ValueError, RecursionError) as exc:
        raise InvalidJsonError(str(exc)) from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _default(value: Any) -> Any:
    """Give orjson a form it knows; called for each value of a type it does not know."""
    if type(value) is Json:
        return orjson.Fragment(bytes(value))  # it takes no subclass
    if isinstance(value, BaseMessage):
        return _message(value)
    if isinstance(value, type) or (callable(value) and not hasattr(value, "model_dump")):
        return None
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    return value.tolist() if type(value).__module__ == "numpy" else None


def _message(message: BaseMessage) -> Any:
    """Encode a message by pydantic's own encoder, a third of the cost of `model_dump`."""
    if type(message.content) is str and not message.additional_kwargs:
        try:
            return orjson.Fragment(message.__pydantic_serializer__.to_json(message))
        except Exception:  # noqa: BLE001 - user-defined fields may refuse in any way; the plain form follows
            return message.model_dump()
    return message.model_dump()


def _model(model: BaseModel) -> Any:
    try:
        return model.model_dump()
    except Exception:  # noqa: BLE001 - a model's own serializer may raise anything
        return dict(model.__dict__)


def _decimal(value: Decimal) -> Any:
    if not value.is_finite():
        return None
    return int(value) if value.as_tuple().exponent == 0 else float(value)


_IP_TYPES = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)

_CONVERSIONS: tuple[tuple[Any, Any], ...] = (
    (BaseModel, _model),
    (tuple, lambda v: v._asdict() if hasattr(v, "_asdict") else list(v)),
    ((set, frozenset, deque), list),
    (Mapping, dict),
    ((bytes, bytearray, memoryview), lambda v: base64.b64encode(v).decode()),
    (timedelta, lambda v: v.total_seconds()),
    (Decimal, _decimal),
    (Send, lambda v: {"node": v.node, "args": v.arg}),
    ((PurePath, *_IP_TYPES), str),
    (re.Pattern, lambda v: v.pattern),
    (BaseException, lambda v: {"error": type(v).__name__, "message": str(v)}),
)


def _careful(value: Any, depth: int) -> Any:
    """Rebuild a tree so that orjson accepts it: big integers, surrogates, odd keys, great depth."""
    kind = type(value)
    if kind is str:
        return value.encode("utf-8", "replace").decode()
    if kind is int:
        return value if -(2**63) <= value < 2**64 else orjson.Fragment(_digits(value))
    if value is None or kind in (bool, float) or depth > _MAX_DEPTH:
        return value if depth <= _MAX_DEPTH else None
    if isinstance(value, Mapping):
        return {_key(k): _careful(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | set | frozenset | deque) or kind is tuple:
        return [_careful(v, depth + 1) for v in value]
    return _careful_other(value, depth)


def _careful_other(value: Any, depth: int) -> Any:
    """Encode a value that is no plain container, member by member if it refuses as a whole."""
    try:
        return orjson.Fragment(orjson.dumps(value, default=_default, option=_OPTIONS))
    except (TypeError, ValueError, RecursionError):
        pass
    members = getattr(value, "__dict__", None)
    if isinstance(value, tuple) or members is None:
        plain = _default(value)
        return None if plain is value else _careful(plain, depth + 1)
    plain = value.model_dump() if isinstance(value, BaseMessage) else members
    return _careful(plain, depth + 1)


def _digits(value: int) -> bytes:
    """Return an integer's decimal digits; Python refuses `str` beyond 4300 of them."""
    try:
        return b"%d" % value
    except ValueError:
        return b"null"


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key.encode("utf-8", "replace").decode()
    if key is None or isinstance(key, bool | int | float):
        return str(json.dumps(key)).strip('"')
    return str(key).encode("utf-8", "replace").decode()
