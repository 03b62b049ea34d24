"""Scopes: filters on metadata that say which rows somebody sees, and what their own rows say."""

from __future__ import annotations

from typing import Any

from lgserve.core.models import Scope

#: What a member of a scope may ask of a value, besides to equal another.
OPERATORS = ("$eq", "$contains")
JOINTS = ("$or", "$and")


def is_condition(wanted: Any) -> bool:
    """Tell whether a scope's member is operators and their operands, not a value to equal."""
    return isinstance(wanted, dict) and bool(wanted) and all(key[:1] == "$" for key in wanted)


def stamp(scope: Scope) -> dict[str, Any]:
    """Return the metadata that makes a new row lie within a scope, as far as that is certain."""
    plain: dict[str, Any] = {}
    for name, wanted in scope.items():
        if name == "$and":
            for each in wanted:
                plain |= stamp(each)
        elif name == "$or":
            continue
        elif not is_condition(wanted):
            plain[name] = wanted
        elif "$eq" in wanted:
            plain[name] = wanted["$eq"]
    return plain


def check(scope: Scope) -> None:
    """Refuse a filter that cannot be applied.

    Raises:
        ValueError: an operator is unknown, or its operand is of the wrong type.
    """
    for name, wanted in scope.items():
        if name in JOINTS:
            if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
                raise ValueError(f"{name} needs a list of filters")
            for each in wanted:
                check(each)
        elif name[:1] == "$":
            raise ValueError(f"{name} is none of {', '.join(JOINTS)}")
        elif is_condition(wanted) and (unknown := [key for key in wanted if key not in OPERATORS]):
            raise ValueError(f"{name}: {unknown[0]} is none of {', '.join(OPERATORS)}")
