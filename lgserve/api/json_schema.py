"""Values against JSON schemas: the keywords that pydantic writes, and those that people add.

Draft 2020-12 without `if`, `contains`, `unevaluated*`, `dependent*` and references to other
documents: what is not known here holds. Formats only describe, as the draft has it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

Schema: TypeAlias = Mapping[str, Any] | bool

#: Deeper than any value that is said on purpose; a schema that refers to itself has no end.
_MAX_DEPTH = 100
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "number": lambda value: _is_number(value),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def first_error(value: Any, schema: Schema, place: str = "") -> str | None:
    """Return a sentence about the first thing that is wrong, which names its place, or None."""
    root = schema if isinstance(schema, Mapping) else {}
    return next(_errors(value, schema, place, root, 0), None)


def _errors(
    value: Any, schema: Schema, place: str, root: Mapping[str, Any], depth: int
) -> Iterator[str]:
    if depth > _MAX_DEPTH or schema is True or not isinstance(schema, Mapping | bool):
        return
    if not isinstance(schema, Mapping):
        yield f"{place or 'the value'}: nothing is allowed here"
        return
    for check in (_of_itself, _of_members, _of_entries, _of_choices):
        for part in check(value, schema, place):
            if isinstance(part, str):
                yield part
            else:
                yield from _inside(part, root, depth)


class _Inside(NamedTuple):
    """What is to be looked at next; a schema that is a text is a reference."""

    value: Any
    schema: Any
    place: str


class _AnyOf(NamedTuple):
    """What must match one of some schemas, or exactly one."""

    value: Any
    schemas: Sequence[Any]
    place: str
    exactly_one: bool


_Part: TypeAlias = str | _Inside | _AnyOf


def _inside(part: _Inside | _AnyOf, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    if isinstance(part, _Inside):
        value, schema, place = part
        if isinstance(schema, str):
            schema = _resolved(schema, root)
        yield from _errors(value, schema, place, root, depth + 1)
        return
    value, schemas, place, exactly_one = part
    found = [next(_errors(value, each, place, root, depth + 1), None) for each in schemas]
    matches = found.count(None)
    if not matches:
        yield _none_of(place, found)
    elif exactly_one and matches > 1:
        yield f"{_named(place)}matches more than one of the types it can have"


def _none_of(place: str, found: Sequence[str | None]) -> str:
    sentences = dict.fromkeys(each or "" for each in found[:6])
    told = "; or ".join(each.removeprefix(_named(place)) for each in sentences)
    return f"{_named(place)}{told}"


def _named(place: str) -> str:
    return f"{place}: " if place else ""


def _resolved(reference: str, root: Mapping[str, Any]) -> Schema:
    """Return what a reference into the document stands for; nobody is asked for another one."""
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name, True) if isinstance(found, Mapping) else True
    return found if reference.startswith("#") else True


def _of_itself(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[_Part]:
    """Check type, enumeration and limits."""
    wanted = schema.get("type")
    types = [wanted] if isinstance(wanted, str) else wanted or ()
    if types and not any(_TYPES.get(name, _anything)(value) for name in types):
        yield f"{_named(place)}must be {_listed(types)}, not {_kind(value)}"
        return
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        yield f"{_named(place)}must be one of {', '.join(map(repr, schema['enum']))}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{_named(place)}must be {schema['const']!r}"
    if _is_number(value):
        yield from _of_numbers(value, schema, place)
    elif isinstance(value, str):
        yield from _of_lengths(len(value), schema, place, "Length", "characters")
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not _compiled(pattern).search(value):
            yield f"{_named(place)}must match {pattern}"


def _anything(_: Any) -> bool:
    return True


def _kind(value: Any) -> str:
    return next(name for name, test in _TYPES.items() if test(value))


def _listed(names: Sequence[str]) -> str:
    return " or ".join(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names)


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error:  # written for another dialect
        return re.compile("")


def _of_numbers(value: float, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    limits: Mapping[str, tuple[Callable[[Any], bool], str]] = {
        "minimum": (lambda limit: value >= limit, "at least"),
        "maximum": (lambda limit: value <= limit, "at most"),
        "exclusiveMinimum": (lambda limit: value > limit, "more than"),
        "exclusiveMaximum": (lambda limit: value < limit, "less than"),
        "multipleOf": (lambda limit: _is_multiple(value, limit), "a multiple of"),
    }
    for name, (holds, words) in limits.items():
        limit = schema.get(name)
        if _is_number(limit) and not holds(limit):
            yield f"{_named(place)}must be {words} {limit}"


def _is_multiple(value: float, limit: float) -> bool:
    return limit > 0 and math.isclose(round(value / limit) * limit, value, abs_tol=1e-12)


def _of_lengths(
    length: int, schema: Mapping[str, Any], place: str, suffix: str, noun: str
) -> Iterator[str]:
    low, high = schema.get(f"min{suffix}", 0), schema.get(f"max{suffix}", length)
    if _is_number(low) and length < low:
        yield f"{_named(place)}must have at least {low} {noun}"
    if _is_number(high) and length > high:
        yield f"{_named(place)}must have at most {high} {noun}"


def _of_members(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[_Part]:
    """Check an object."""
    if not isinstance(value, dict):
        return
    for name in schema.get("required") or ():
        if name not in value:
            yield f"{_below(place, name)}: is required"
    yield from _of_lengths(len(value), schema, place, "Properties", "members")
    known = schema.get("properties") or {}
    patterns = schema.get("patternProperties") or {}
    for name, member in value.items():
        wanted = [patterns[each] for each in patterns if _compiled(each).search(name)]
        wanted += [known[name]] if name in known else []
        if not wanted and schema.get("additionalProperties") is False:
            yield f"{_below(place, name)}: is not known here"
        other = schema.get("additionalProperties", True)
        for each in wanted or [other]:
            yield _Inside(member, each, _below(place, name))


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _of_entries(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[_Part]:
    """Check an array."""
    if not isinstance(value, list):
        return
    yield from _of_lengths(len(value), schema, place, "Items", "entries")
    if schema.get("uniqueItems") is True and _repeats(value):
        yield f"{_named(place)}must not have an entry twice"
    first = schema.get("prefixItems") or ()
    rest = schema.get("items", True)
    if rest is True and not first:
        return
    for index, entry in enumerate(value):
        yield _Inside(entry, first[index] if index < len(first) else rest, f"{place}[{index}]")


def _repeats(entries: Sequence[Any]) -> bool:
    return any(_same(one, other) for at, one in enumerate(entries) for other in entries[:at])


def _of_choices(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[_Part]:
    """Check references and compositions."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield _Inside(value, reference, place)
    for each in schema.get("allOf") or ():
        yield _Inside(value, each, place)
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            yield _AnyOf(value, schema[keyword], place, keyword == "oneOf")
    negated = schema.get("not")
    if isinstance(negated, Mapping) and first_error(value, negated) is None:
        yield f"{_named(place)}must not be such a value"
