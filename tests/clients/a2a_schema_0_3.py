"""Reads `[kind, value]` lines, answers null or what is wrong: the types of A2A 0.3."""

from __future__ import annotations

import json
import sys

from a2a import types
from pydantic import TypeAdapter, ValidationError


def problem(kind: str, value: object) -> str | None:
    many = kind.endswith("[]")
    found = getattr(types, kind.removesuffix("[]"))
    adapter = TypeAdapter(list[found] if many else found)
    try:
        parsed = adapter.validate_python(value)
    except ValidationError as exc:
        return str(exc)
    again = adapter.dump_python(parsed, mode="json", by_alias=True, exclude_unset=True)
    return None if again == value else f"members that the type does not have: {again}"


for line in sys.stdin:
    print(json.dumps(problem(*json.loads(line))), flush=True)
