"""The JSON Schema of langgraph.yaml and langgraph.json, derived from the table of settings."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from lgserve.project_config import BLOCK_KEYS, IGNORED_KEYS
from lgserve.settings import Cors, Settings
from lgserve.settings_schema import SPECS

_TEXT = {"type": "string"}
_TEXTS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_DURATION = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*[0-9.]+\s*(ms|s|m|h|d)?\s*$"},
    ]
}
_GRAPH = {
    "anyOf": [
        {"type": "string", "pattern": ":[A-Za-z_][A-Za-z0-9_]*$"},
        {
            "type": "object",
            "required": ["path"],
            "properties": {
                "path": {"type": "string", "pattern": ":[A-Za-z_][A-Za-z0-9_]*$"},
                "description": _TEXT,
            },
        },
    ]
}
_BLOCK = {"type": ["object", "null"]}
_AUTH = {
    "type": "object",
    "description": "Who may call the API.",
    "properties": {
        "type": {"enum": ["none", "api_keys", "jwt"]},
        "keys": {"type": "object", "additionalProperties": _TEXT},
        "protect": _TEXTS,
        "unmatched": {"enum": ["allow", "deny"]},
        "secret": _TEXT,
        "secret_env": _TEXT,
        "jwks": _TEXT,
        "algorithms": _TEXTS,
        "issuer": _TEXTS,
        "audience": _TEXTS,
        "leeway": _DURATION,
        "owner_claim": _TEXT,
    },
    "additionalProperties": False,
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
                "items": _TEXT,
                "description": "Folders to import from.",
            },
            "env": {
                "description": "The name of an env file, or variables for the graphs.",
                "anyOf": [
                    _TEXT,
                    {
                        "type": "object",
                        "additionalProperties": {"type": ["string", "number", "boolean"]},
                    },
                ],
            },
            "extends": {**_TEXT, "description": "Another config file of this folder to add to."},
            "lgserve": _settings(),
            **dict.fromkeys(BLOCK_KEYS, _BLOCK),
            **{key: {} for key in IGNORED_KEYS if key not in BLOCK_KEYS},
        },
        "patternProperties": {r"^(\$|x-)": {}},
        "additionalProperties": False,
    }


def _settings() -> dict[str, Any]:
    """Return the schema of the key `lgserve`: a property for each setting."""
    properties: dict[str, Any] = {"auth": _AUTH}
    cors: dict[str, Any] = {}
    hints = {(): get_type_hints(Settings), ("cors",): get_type_hints(Cors)}
    for spec in SPECS:
        *parents, name = spec.keys
        schema = {
            **_of_type(hints[tuple(parents)][name], name),
            "description": spec.about,
            "default": _plain(spec.default),
        }
        (cors if parents else properties)[name] = schema
    properties["cors"] = {
        "type": "object",
        "description": "Which web pages of other origins may call the API.",
        "properties": cors,
        "additionalProperties": False,
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of_type(hint: Any, name: str) -> dict[str, Any]:
    if get_origin(hint) in (Union, types.UnionType):
        inner = next(item for item in get_args(hint) if item is not type(None))
        return {"anyOf": [_of_type(inner, name), {"type": "null"}]}
    if get_origin(hint) is tuple:
        return dict(_TEXTS)
    if hint is float:
        return dict(_DURATION)
    if hint is int:  # sizes may be written as 100MB, and everything in quotes
        return {"type": ["integer", "string"]} if name.endswith("_bytes") else {"type": "integer"}
    if hint is bool:
        return {"type": "boolean"}
    return dict(_TEXT) if hint in (str, Path) else {}


def _plain(default: object) -> Any:
    if isinstance(default, tuple):
        return [_plain(item) for item in default]
    return str(default) if isinstance(default, Path) else default
