"""LangGraph's serializer, with a second pass for values that msgpack refuses.

A run must not die because a tool returned broken Unicode, a number beyond 64 bits, or because a
state holds a class. Nothing is pickled: classes and functions are stored by name.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG, JsonPlusSerializer
from langgraph.types import Send
from pydantic import BaseModel

_REFUSED = (ormsgpack.MsgpackEncodeError, UnicodeEncodeError, OverflowError)

#: LangGraph warns of each type it rebuilds; this database is written by this server alone.
logging.getLogger("langgraph.checkpoint.serde.jsonplus").addFilter(
    lambda record: not record.getMessage().startswith("Deserializing unregistered type")
)

_NAMED = (type, FunctionType, BuiltinFunctionType)


class CheckpointSerializer(JsonPlusSerializer):
    """Encodes what LangGraph's serializer encodes, and in the same form; and some values more.

    Types of the project's own come back as such: what this database holds, the server wrote.
    """

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=True)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the encoding's kind and bytes.

        Raises:
            TypeError: the value holds something that has no stored form, such as a lock.
        """
        try:
            return super().dumps_typed(obj)
        except _REFUSED:
            return super().dumps_typed(_storable(obj))


def load_by_name(name: str) -> Any:
    """Return the class or function `module:qualified.name`; None if it is no longer there."""
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found


def load_integer(text: str) -> int:
    """Return an integer of any size from its hexadecimal form."""
    return int(text, 16)


def _storable(value: Any) -> Any:
    """Rebuild a value so that msgpack takes it."""
    for kind, rebuild in _REBUILD:
        if isinstance(value, kind):
            return rebuild(value)
    if dataclasses.is_dataclass(value):
        return _dataclass(value)
    return value


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


def _integer(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return value
    return _call("load_integer", hex(value))


def _named(value: Any) -> Any:
    name = f"{value.__module__}:{value.__qualname__}"
    # A local one cannot be found again: it is stored as nothing rather than refused.
    return _call("load_by_name", name) if load_by_name(name) is value else None


def _call(function: str, argument: str) -> ormsgpack.Ext:
    """Return the stored form of a call of this module, which LangGraph's serializer makes."""
    packed = ormsgpack.packb((__name__, function, argument))
    return ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, packed)


def _tuple(value: tuple[Any, ...]) -> Any:
    items = [_storable(item) for item in value]
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


def _mapping(value: Mapping[Any, Any]) -> Any:
    return {_storable(key): _storable(item) for key, item in value.items()}


def _model(value: BaseModel) -> Any:
    return value.model_copy(update={k: _storable(v) for k, v in value.__dict__.items()})


def _dataclass(value: Any) -> Any:
    changes = {
        f.name: _storable(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init
    }
    return dataclasses.replace(value, **changes)


_REBUILD: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (_NAMED, _named),
    (bool, bool),
    (str, _text),
    (int, _integer),
    (tuple, _tuple),
    (dict, _mapping),
    (list, lambda v: [_storable(item) for item in v]),
    ((set, frozenset), lambda v: type(v)(_storable(item) for item in v)),
    (deque, lambda v: deque((_storable(item) for item in v), v.maxlen)),
    (BaseModel, _model),
    (Send, lambda v: Send(v.node, _storable(v.arg))),
)


SERIALIZER = CheckpointSerializer()
