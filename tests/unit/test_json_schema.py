"""Values against JSON schemas."""

from __future__ import annotations

from typing import Any

import pytest

from lgserve.api.json_schema import first_error

TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "inner": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name"],
        }
    },
    "$ref": "#/$defs/Node",
}
OPTIONAL = {"anyOf": [{"type": "string"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (3, True),
        (3, {}),
        (3.0, {"type": "integer"}),
        (3, {"type": "number"}),
        (None, OPTIONAL),
        ("x", OPTIONAL),
        (None, {"type": ["string", "null"]}),
        ({"name": "a", "inner": [{"name": "b", "inner": []}]}, TREE),
        ({"a": 1}, {"properties": {"b": {"type": "string"}}}),
        ([1, "x"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}),
        (0.3, {"multipleOf": 0.1}),
        ("x", {"format": "date-time"}),
        ("x", {"pattern": "["}),
        (1, {"$ref": "https://example.com/schema"}),
        (1, {"$ref": "#/$defs/none"}),
        (1, {"not": {"type": "string"}}),
        ({"x-a": 1}, {"patternProperties": {"^x-": {"type": "integer"}},
                      "additionalProperties": False}),
    ],
)  # fmt: skip
def test_what_is_right_is_right(value: Any, schema: Any) -> None:
    assert first_error(value, schema) is None


@pytest.mark.parametrize(
    ("value", "schema", "words"),
    [
        (3, False, "the value: nothing is allowed here"),
        (True, {"type": "integer"}, "must be an integer, not boolean"),
        (3.5, {"type": "integer"}, "must be an integer, not number"),
        ("x", {"type": ["array", "null"]}, "must be an array or a null, not string"),
        (3, OPTIONAL, "must be a string, not integer; or must be a null, not integer"),
        ({"name": "a", "inner": [{}]}, TREE, "inner[0].name: is required"),
        ({"a": 1}, {"additionalProperties": False}, "a: is not known here"),
        ({"a": 1}, {"additionalProperties": {"type": "null"}}, "a: must be a null, not integer"),
        (1, {"enum": [True, 2]}, "must be one of True, 2"),
        (1, {"const": 2}, "must be 2"),
        (1, {"minimum": 2}, "must be at least 2"),
        (3, {"maximum": 2}, "must be at most 2"),
        (2, {"exclusiveMinimum": 2}, "must be more than 2"),
        (2, {"exclusiveMaximum": 2}, "must be less than 2"),
        (3, {"multipleOf": 2}, "must be a multiple of 2"),
        ("", {"minLength": 1}, "must have at least 1 characters"),
        ("xx", {"maxLength": 1}, "must have at most 1 characters"),
        ("x", {"pattern": "^y"}, "must match ^y"),
        ([], {"minItems": 1}, "must have at least 1 entries"),
        ([1, 1], {"uniqueItems": True}, "must not have an entry twice"),
        ({}, {"minProperties": 1}, "must have at least 1 members"),
        (1, {"allOf": [{"type": "integer"}, {"minimum": 2}]}, "must be at least 2"),
        (1, {"oneOf": [{"type": "integer"}, {"type": "number"}]},
         "matches more than one of the types it can have"),
        (1, {"not": {"type": "integer"}}, "must not be such a value"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(value: Any, schema: Any, words: str) -> None:
    assert first_error(value, schema) == words


def test_a_schema_that_is_nothing_but_itself_ends() -> None:
    schema = {"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"}

    assert first_error(1, schema) is None
