"""The JSON Schema of langgraph.yaml and langgraph.json, derived from the table of settings."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lgserve.cli.config_blocks import AUTH, BLOCKS, DURATION, TEXT, TEXTS, WEBHOOKS
from lgserve.project_config import IGNORED_KEYS
from lgserve.settings import Settings
from lgserve.settings_schema import NESTED, SPECS

_GRAPH = {
    "anyOf": [
        {"type": "string", "pattern": ":[A-Za-z_][A-Za-z0-9_]*$"},
        {
            "type": "object",
            "required": ["path"],
            "properties": {
                "path": {"type": "string", "pattern": ":[A-Za-z_][A-Za-z0-9_]*$"},
                "description": TEXT,
            },
        },
    ]
}


def config_schema() -> dict[str, Any]:
    """Return the schema of a config file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lgserve config",
        "description": "langgraph.yaml or langgraph.json of a project that lgserve serves.",
        "type": "object",
        "properties": {
            "graphs": {
                "type": "object",
                "description": 'What is served: "file.py:object" or "package.module:object".',
                "minProperties": 1,
                "additionalProperties": _GRAPH,
            },
            "dependencies": {
                "type": "array",
                "items": TEXT,
                "description": "Folders to import from.",
            },
            "env": {
                "description": "The name of an env file, or variables for the graphs.",
                "anyOf": [
                    TEXT,
                    {
                        "type": "object",
                        "additionalProperties": {"type": ["string", "number", "boolean"]},
                    },
                ],
            },
            "extends": {**TEXT, "description": "Another config file of this folder to add to."},
            "lgserve": _settings(),
            **BLOCKS,
            **{key: {} for key in IGNORED_KEYS if key not in BLOCKS},
        },
        "patternProperties": {r"^(\$|x-)": {}},
        "additionalProperties": False,
    }


def _settings() -> dict[str, Any]:
    """Return the schema of the key `lgserve`: a property for each setting."""
    properties: dict[str, Any] = {"auth": AUTH, "webhooks": WEBHOOKS}
    nested: dict[str, dict[str, Any]] = {name: {} for name in NESTED}
    hints: dict[tuple[str, ...], dict[str, Any]] = {(): get_type_hints(Settings)}
    hints |= {(name,): get_type_hints(kind) for name, kind in NESTED.items()}
    for spec in SPECS:
        *parents, name = spec.keys
        schema = {
            **_of_type(hints[tuple(parents)][name], name),
            "description": spec.about,
            "default": _plain(spec.default),
        }
        (nested[parents[0]] if parents else properties)[name] = schema
    for name, kind in NESTED.items():
        properties[name] = {
            "type": "object",
            "description": kind.__doc__,
            "properties": nested[name],
            "additionalProperties": False,
        }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of_type(hint: Any, name: str) -> dict[str, Any]:
    if get_origin(hint) in (Union, types.UnionType):
        inner = next(item for item in get_args(hint) if item is not type(None))
        return {"anyOf": [_of_type(inner, name), {"type": "null"}]}
    if get_origin(hint) is tuple:
        return dict(TEXTS)
    if hint is float:
        return dict(DURATION)
    if hint is int:  # sizes may be written as 100MB, and everything in quotes
        return {"type": ["integer", "string"]} if name.endswith("_bytes") else {"type": "integer"}
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    plain = {bool: {"type": "boolean"}, str: TEXT, Path: TEXT}
    return dict(plain.get(hint, {}))


def _plain(default: object) -> Any:
    if isinstance(default, tuple):
        return [_plain(item) for item in default]
    return str(default) if isinstance(default, Path) else default
