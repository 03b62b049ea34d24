"""Where an item stands, as columns: whose it is, and its namespace as bytes that sort by label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lgserve.core.items import Namespace
from lgserve.core.models import EVERYTHING, Scope


def owner_of(scope: Scope) -> str:
    """Return a scope as the column that says whose an item is."""
    if scope == EVERYTHING:
        return ""
    plain = {name: _equalled(wanted) for name, wanted in scope.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def _equalled(wanted: Any) -> Any:
    """Return what a member of a scope must equal; another condition stands for itself."""
    return wanted["$eq"] if isinstance(wanted, dict) and set(wanted) == {"$eq"} else wanted


def encode(namespace: Namespace) -> bytes:
    """Return a namespace as it is stored."""
    return "".join(f"{label}\x00" for label in namespace).encode()


def decode(namespace: bytes) -> Namespace:
    """Return a stored namespace."""
    return tuple(namespace.decode().split("\x00")[:-1])


def span(prefix: Namespace) -> tuple[bytes, bytes]:
    """Return where the namespaces that begin with a prefix start, and where they end."""
    low = encode(prefix)
    return low, low + b"\xff"


def common_start(prefixes: Sequence[Namespace]) -> Namespace:
    """Return labels that every namespace sought begins with."""
    path = prefixes[0] if prefixes else ()
    return path[: path.index("*")] if "*" in path else path


def begins(namespace: Namespace, path: Namespace) -> bool:
    """Tell whether a namespace begins with a path in which `*` is any label."""
    return len(namespace) >= len(path) and all(
        wanted in ("*", label) for label, wanted in zip(namespace, path, strict=False)
    )
