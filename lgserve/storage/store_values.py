"""Values of store items: as JSON, and as the texts that semantic search embeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from langgraph.store.base import get_text_at_path

from lgserve import jsonio
from lgserve.core.models import Json


def to_json(value: Mapping[str, Any], path: str) -> Json:
    """Encode an object.

    Raises:
        TypeError: it has a member that JSON cannot hold; the message says where.
    """
    value = dict(value)
    try:
        return Json(orjson.dumps(value))
    except TypeError:  # not plain JSON: big integers, sets, messages, or what has no form at all
        _refuse_formless(value, path)
        return jsonio.dumps(value)


def texts_at(value: Mapping[str, Any], paths: Sequence[str]) -> list[str]:
    """Return the texts at paths, such as `title`, `chapters[*].title` or `$` for all of it."""
    plain = jsonio.loads(to_json(value, "value"))
    return [text for path in paths for text in get_text_at_path(plain, path) if text.strip()]


def _refuse_formless(value: Any, path: str) -> None:
    """Refuse members for which JSON would have null only: they would be lost without a word."""
    if isinstance(value, dict):
        for key, member in value.items():
            _refuse_formless(member, f"{path}.{key}")
    elif isinstance(value, list | tuple | set | frozenset):
        for index, member in enumerate(value):
            _refuse_formless(member, f"{path}[{index}]")
    elif value is not None and not isinstance(value, float) and jsonio.dumps(value) == b"null":
        raise TypeError(f"{path} is of type {type(value).__qualname__}, which JSON cannot hold")
