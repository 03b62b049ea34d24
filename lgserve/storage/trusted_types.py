"""Which values of a stranger's making may be decoded: data, never a way to call what they like.

LangGraph's serializer rebuilds objects by calling what the bytes name. What this server wrote
itself may name anything; what came over the API may only name types that hold data.
"""

from __future__ import annotations

import dataclasses
import sys
import sysconfig
from enum import Enum
from pathlib import Path
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_METHODS, SAFE_MSGPACK_TYPES
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG
from pydantic import BaseModel

from lgserve.core.errors import InvalidRequestError
from lgserve.storage import serializer

_CONSTRUCTORS = (0, 1, 2, 4, 5)
_METHOD, _ARRAY, _SNAPSHOT = 3, 6, 7
_PLAIN = ("null", "bytes", "bytearray")
_OPTION = ormsgpack.OPT_NON_STR_KEYS
_SERVER_OWN = {(serializer.__name__, "load_integer"), (serializer.__name__, "load_by_name")}
#: Where modules are that are not the project's: this package's among them.
_OTHERS = (
    *(
        Path(sysconfig.get_path(name)).resolve()
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    ),
    Path(__file__).resolve().parent.parent,
)


def check_blob(kind: str, data: bytes, where: str) -> None:
    """See to it that a value can be decoded and does nothing but be there.

    Raises:
        InvalidRequestError: it is broken, or names what this server does not know as data.
    """
    if kind in _PLAIN:
        return
    if kind != "msgpack":
        raise InvalidRequestError(f"{where}: a value is encoded as {kind!r}, which is not taken")
    refused: list[str] = []
    try:
        _unpack(data, refused)
    except (ValueError, TypeError, IndexError, RecursionError) as exc:
        raise InvalidRequestError(f"{where}: a value is broken: {exc}") from None
    if refused:
        raise InvalidRequestError(
            f"{where}: a value is of {refused[0]}, which is no data type that this server has"
            " loaded; serve the graph that it belongs to"
        )


def _unpack(data: bytes, refused: list[str]) -> Any:
    def look(code: int, inner: bytes) -> Any:
        _check_extension(code, _unpack(inner, refused), refused)

    return ormsgpack.unpackb(data, ext_hook=look, option=_OPTION)


def _check_extension(code: int, value: Any, refused: list[str]) -> None:
    if code in (_ARRAY, _SNAPSHOT):
        return
    if not isinstance(value, list) or len(value) < 3:
        raise ValueError(f"extension {code} is not one of LangGraph's")
    module, name = value[:2]
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError(f"extension {code} names nothing")
    if code == _METHOD:
        allowed = (module, name, value[3] if len(value) > 3 else None) in SAFE_MSGPACK_METHODS
    elif code in _CONSTRUCTORS:
        allowed = _is_data(code, module, name, value[2])
    else:
        allowed = False
    if not allowed:
        refused.append(f"{module}.{name}")


def _is_data(code: int, module: str, name: str, argument: Any) -> bool:
    if (module, name) in SAFE_MSGPACK_TYPES:
        return True
    if (module, name) in _SERVER_OWN:
        return code == EXT_CONSTRUCTOR_SINGLE_ARG and _is_own_argument(name, argument)
    return _holds_data(getattr(sys.modules.get(module), name, None))


def _is_own_argument(function: str, argument: Any) -> bool:
    """Tell what the server's own functions may be called with: a number, a data type's name."""
    if not isinstance(argument, str):
        return False
    if function == "load_integer":
        return len(argument) < 10_000
    module, _, path = argument.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    # It is only named, not called; the project's code may have its own functions in its state.
    return _holds_data(found) or (found is not None and _is_of_project(module, found))


def _is_of_project(module: str, found: Any) -> bool:
    """Tell whether something is of a module that no package and no standard library brought."""
    file = getattr(sys.modules[module], "__file__", None)
    if file is None or getattr(found, "__module__", None) != module:
        return False
    path = Path(file).resolve()
    return not any(path.is_relative_to(folder) for folder in _OTHERS)


def _holds_data(found: Any) -> bool:
    """Tell whether this is a class of data that some module of this process has defined."""
    if not isinstance(found, type):
        return False
    named_tuple = issubclass(found, tuple) and hasattr(found, "_fields")
    return named_tuple or issubclass(found, BaseModel | Enum) or dataclasses.is_dataclass(found)
