"""The JSON Schema of langgraph.yaml and langgraph.json, derived from the table of settings."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lgserve.project_config import BLOCK_KEYS, IGNORED_KEYS
from lgserve.settings import Settings
from lgserve.settings_schema import NESTED, SPECS

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
_WEBHOOKS = {
    "type": "object",
    "description": "How webhooks are signed, and how long they are tried.",
    "properties": {
        "secret": {
            "description": "whsec_ and a key in base64; several while receivers change over.",
            **_TEXTS,
        },
        "secret_env": _TEXT,
        "timeout": _DURATION,
        "retry_for": _DURATION,
        "keep": _DURATION,
        "allow_loopback": {"type": "boolean"},
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
    properties: dict[str, Any] = {"auth": _AUTH, "webhooks": _WEBHOOKS}
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
        return dict(_TEXTS)
    if hint is float:
        return dict(_DURATION)
    if hint is int:  # sizes may be written as 100MB, and everything in quotes
        return {"type": ["integer", "string"]} if name.endswith("_bytes") else {"type": "integer"}
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    plain = {bool: {"type": "boolean"}, str: _TEXT, Path: _TEXT}
    return dict(plain.get(hint, {}))


def _plain(default: object) -> Any:
    if isinstance(default, tuple):
        return [_plain(item) for item in default]
    return str(default) if isinstance(default, Path) else default
