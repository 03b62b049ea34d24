"""How JSON objects are compared: containment for what is searched, filters for what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lgserve import jsonio
from lgserve.core.models import Scope
from lgserve.core.scopes import is_condition

#: What a search asks for is the same text for each row it looks at.
_parsed = lru_cache(maxsize=64)(jsonio.loads)


def json_contains(document: bytes | None, wanted: str) -> bool:
    """Tell whether a JSON document contains another: the SQL function `json_contains`.

    A document that cannot be read (an interpreter's limits differ) contains nothing.
    """
    if document is None:
        return False
    try:
        return contains(jsonio.loads(document), _parsed(wanted))
    except (ValueError, RecursionError):
        return False


def scope_allows(document: bytes | None, scope: str) -> bool:
    """Tell whether a row with this metadata is within a scope: the SQL function `scope_allows`."""
    return document is not None and allows(jsonio.loads(document), _parsed(scope))


def allows(metadata: Mapping[str, Any], scope: Scope) -> bool:
    """Tell whether metadata passes a filter: every member of it must hold.

    A member is a value to equal, or `{"$eq": value}`, `{"$contains": member(s) of a list}`;
    `$or` and `$and` join filters. What is not understood lets nothing through.
    """
    return all(_holds(metadata, name, wanted) for name, wanted in scope.items())


def _holds(metadata: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$or":
        return any(allows(metadata, each) for each in wanted)
    if name == "$and":
        return all(allows(metadata, each) for each in wanted)
    if name not in metadata:
        return False
    value = metadata[name]
    if not is_condition(wanted):
        return contains(value, wanted)
    return all(_compares(value, operator, operand) for operator, operand in wanted.items())


def _compares(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return type(value) is type(operand) and bool(value == operand)
    if operator == "$contains":
        members = operand if isinstance(operand, list) else [operand]
        return isinstance(value, list) and all(_is_among(member, value) for member in members)
    return False


def _is_among(member: Any, values: list[Any]) -> bool:
    return any(type(each) is type(member) and each == member for each in values)


def contains(value: Any, wanted: Any) -> bool:
    """Objects contain what all their wanted members contain; lists and scalars must be equal."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            key in value and contains(value[key], member) for key, member in wanted.items()
        )
    return _equal(value, wanted)


def _equal(value: Any, wanted: Any) -> bool:
    """Compare as JSON does: true is no number, at any depth."""
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_equal, value, wanted))
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(_equal(value[k], wanted[k]) for k in wanted)
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)
