"""The routes of the project's own app in the API's OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

_PARTS = ("schemas", "responses", "parameters", "examples", "requestBodies", "headers")


def with_app(document: Object, app: Mapping[str, Any], *, is_open: bool) -> None:
    """Add to a document what an app says of itself; what the API has already stays as it is."""
    if not app.get("paths"):
        return
    renamed = _with_free_names(app, document["components"])
    for path, methods in renamed["paths"].items():
        there = document["paths"].setdefault(path, {})
        for method, operation in methods.items():
            if is_open and isinstance(operation, dict):
                operation.setdefault("security", [])
            there.setdefault(method, operation)
    for part, entries in (renamed.get("components") or {}).items():
        document["components"].setdefault(part, {}).update(entries)
    named = {tag["name"] for tag in document["tags"]}
    document["tags"] += [tag for tag in renamed.get("tags", ()) if tag.get("name") not in named]


def _with_free_names(app: Mapping[str, Any], components: Object) -> Object:
    """Return the app's document with other names for components that the API has too."""
    text = json.dumps({name: app[name] for name in ("paths", "components", "tags") if name in app})
    taken = [
        (part, name)
        for part in _PARTS
        for name in (app.get("components") or {}).get(part, {})
        if name in components.get(part, {})
    ]
    for part, name in taken:
        old, new = f"#/components/{part}/{name}", f"#/components/{part}/App{name}"
        text = text.replace(json.dumps(old), json.dumps(new))
    found: Object = json.loads(text)
    for part, name in taken:
        entries = found["components"][part]
        entries[f"App{name}"] = entries.pop(name)
    return found
