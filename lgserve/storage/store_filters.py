"""Filters of store searches: members of an item's value compared with what is wanted.

    {"kind": "note"}                  equal; a list element by element
    {"author": {"name": "Ann"}}       objects member by member
    {"author.name": "Ann"}            a path, unless the value has a member of that very name
    {"age": {"$gte": 18, "$lt": 65}}  operators, all of which must hold

A missing member is never an error: it equals null, and no order holds for it. Where the value has
no member `metadata`, a path that starts with it leads into the item's metadata.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from lgserve.core.errors import BadRequestError

_MISSING = object()


def matches(
    value: Mapping[str, Any],
    wanted: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """Tell whether an item's value has all wanted members."""
    if metadata is not None and "metadata" not in value and _mentions_metadata(wanted):
        value = {**value, "metadata": metadata}
    return all(_compare(_find(value, path), condition) for path, condition in wanted.items())


def _mentions_metadata(wanted: Mapping[str, Any]) -> bool:
    return any(path.split(".", 1)[0] == "metadata" for path in wanted)


def check(wanted: Mapping[str, Any]) -> None:
    """Refuse a filter with an operator that does not exist, or that stands where a name belongs.

    Raises:
        BadRequestError: names the operator.
    """
    for key, condition in wanted.items():
        if key.startswith("$"):
            raise BadRequestError(f"Unsupported operator: {key}")
        _check_condition(condition)


def _check_condition(condition: Any) -> None:
    if isinstance(condition, list | tuple):
        for element in condition:
            _check_condition(element)
    elif isinstance(condition, Mapping):
        operators = any(str(key).startswith("$") for key in condition)
        for key, operand in condition.items():
            if operators and key not in _OPERATORS:
                raise BadRequestError(f"Unsupported operator: {key}")
            if not operators:
                _check_condition(operand)


def superset_in_sql(
    of_value: Mapping[str, Any], of_metadata: Mapping[str, Any]
) -> tuple[str, list[Any]]:
    """Return SQL conditions that hold for every match, and for as little else as can be."""
    conditions: list[str] = []
    parameters: list[Any] = []
    for column, wanted in (("value", of_value), ("metadata", of_metadata)):
        for key, condition in wanted.items():
            operand = condition.get("$eq") if isinstance(condition, Mapping) else condition
            if _PLAIN_KEY.fullmatch(key) and _is_plain(operand):
                conditions.append(f"json_extract(CAST(store_items.{column} AS TEXT), ?) = ?")
                parameters += (f'$."{key}"', operand)
    return " AND ".join(conditions), parameters


#: Keys that JSON text spells as they are, and that are no paths.
_PLAIN_KEY = re.compile(r"[\w -]+")


def _is_plain(operand: Any) -> bool:
    if type(operand) is str:
        return "\x00" not in operand
    return type(operand) is int and -(2**63) <= operand < 2**63


def _find(value: Mapping[str, Any], path: str) -> Any:
    if path in value or "." not in path:
        return value.get(path, _MISSING)
    found: Any = value
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return _MISSING
        found = found.get(name, _MISSING)
    return found


def _compare(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if any(str(key).startswith("$") for key in wanted):
            return all(_OPERATORS[key](value, operand) for key, operand in wanted.items())
        return isinstance(value, Mapping) and all(
            _compare(value.get(key, _MISSING), condition) for key, condition in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(map(_compare, value, wanted))
        )
    return _equal(value, wanted)


def _equal(value: Any, wanted: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    if value is _MISSING:
        return wanted is None
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, operand: Any) -> bool:
        left, right = _number(value), _number(operand)
        if left is not None and right is not None:
            return holds(left, right)
        return isinstance(value, str) and isinstance(operand, str) and holds(value, operand)

    return compare


def _number(value: Any) -> int | float | None:
    """Return a number, also if it is written as text; None for anything else."""
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else value
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None


def _is_in(value: Any, operand: Any) -> bool:
    return isinstance(operand, list | tuple) and any(_equal(value, each) for each in operand)


def _contains(value: Any, operand: Any) -> bool:
    """Tell whether a list has the element, or all elements, of the operand; a text its part."""
    wanted = operand if isinstance(operand, list | tuple) else [operand]
    if isinstance(value, str):
        return all(isinstance(part, str) and part in value for part in wanted)
    return isinstance(value, list) and all(
        any(_equal(element, each) for element in value) for each in wanted
    )


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _equal,
    "$ne": lambda value, operand: not _equal(value, operand),
    "$gt": _ordered(operator.gt),
    "$gte": _ordered(operator.ge),
    "$lt": _ordered(operator.lt),
    "$lte": _ordered(operator.le),
    "$in": _is_in,
    "$nin": lambda value, operand: not _is_in(value, operand),
    "$exists": lambda value, operand: (value is not _MISSING) is bool(operand),
    "$contains": _contains,
}
