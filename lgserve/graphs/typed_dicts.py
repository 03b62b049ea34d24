"""`typing.TypedDict` before Python 3.12, of which pydantic makes no schema: the same, rebuilt.

The class of `typing_extensions`, which pydantic wants there, has the same members.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Annotated, Any, NotRequired, Required, Union, cast, get_args, get_origin

from pydantic import TypeAdapter
from typing_extensions import TypedDict, get_type_hints, is_typeddict

#: Deeper than any state; a type that contains itself has no end.
_MAX_DEPTH = 30
_MARKERS: tuple[Any, ...] = (Required, NotRequired)
#: Called, not declared: the members are known only here.
_make_typed_dict: Any = TypedDict


def typed_dict_schema(kind: Any) -> dict[str, Any] | None:
    """Return the JSON schema of a TypedDict, rebuilt with those in it; None of other types."""
    return TypeAdapter(rebuilt(kind)).json_schema() if is_typeddict(kind) else None


def rebuilt(kind: Any, depth: int = 0) -> Any:
    """Return the type with each TypedDict in it as one of `typing_extensions`."""
    if depth > _MAX_DEPTH:
        raise RecursionError(f"{kind!r} contains itself, or too much")
    if is_typeddict(kind):
        return _typed_dict(kind, depth)
    arguments = get_args(kind)
    if get_origin(kind) is Annotated:
        return Annotated[(rebuilt(arguments[0], depth + 1), *arguments[1:])]
    return _generic(kind, lambda each: rebuilt(each, depth + 1)) if arguments else kind


def _typed_dict(kind: Any, depth: int) -> Any:
    members = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        given = get_args(hint)[0] if get_origin(hint) in _MARKERS else hint
        marker = _MARKERS[name not in kind.__required_keys__]
        members[name] = marker[rebuilt(given, depth + 1)]
    made = _make_typed_dict(kind.__name__, members)
    made.__doc__, made.__module__ = kind.__doc__, kind.__module__
    return made


def _generic(kind: Any, convert: Callable[[Any], Any]) -> Any:
    origin: Any = get_origin(kind)
    arguments = get_args(kind)
    converted = tuple(convert(each) if _is_type(each) else each for each in arguments)
    if converted == arguments:
        return kind
    if origin in (Union, types.UnionType):
        return Union[converted]  # noqa: UP007 - of a number of members known only here
    return cast("Any", origin)[converted] if isinstance(origin, type) else kind


def _is_type(argument: Any) -> bool:
    """Tell an argument that is a type from a list of those of a function, or a literal."""
    return isinstance(argument, type) or get_origin(argument) is not None
