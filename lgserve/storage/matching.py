"""Containment of JSON objects, the rule by which metadata and values are searched."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from lgserve import jsonio

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
