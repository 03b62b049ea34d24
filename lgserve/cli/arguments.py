"""What people write in place of JSON: a value, `@file` or `-`; dotted namespaces and paths."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lgserve.cli.errors import CliError, ExitCode, usage_error

_MISSING = object()
_PATH_PART = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")


def read_json(text: str | None, what: str) -> Any:
    """Read JSON from an argument, from a file as `@file`, from standard input as `-` or nothing."""
    source = read_text(text, what)
    try:
        return json.loads(source, parse_constant=_refuse_constant)
    except ValueError as exc:
        given = source.strip()
        raise usage_error(
            f"{what} is not JSON: {_problem(exc, given)}", _json_hint(given)
        ) from None


def read_text(text: str | None, what: str) -> str:
    """Read a text from an argument, from a file as `@file`, from standard input as `-`."""
    if text is None and sys.stdin.isatty():
        raise usage_error(f"{what} is missing", "give it as an argument, as @file, or pipe it in")
    if text is None or text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise usage_error(f"cannot read {text[1:]}: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise usage_error(f"{text[1:]} is not UTF-8 text") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} has no place in JSON")


def _problem(exc: ValueError, given: str) -> str:
    if not given:
        return "it is empty"
    return f"{exc.msg} at column {exc.colno}" if isinstance(exc, json.JSONDecodeError) else str(exc)


def _json_hint(given: str) -> str:
    if given and given[0] not in '{["':
        return 'write objects as \'{"key": "value"}\', files as @file, standard input as -'
    return "in a shell, put single quotes around it"


def parse_namespace(text: str) -> list[str]:
    r"""Read `users.42.prefs`; `\.` is a dot inside a label, and `["a.b"]` is taken as JSON."""
    if text.startswith("["):
        labels = read_json(text, "the namespace")
        if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
            return labels
        raise usage_error(f"{text} is not a list of texts")
    if not text:
        return []
    labels = [
        re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\\.|[^.\\])+|(?<=\.)$", text)
    ]
    if len(labels) != len(re.findall(r"(?<!\\)(?:\\\\)*\.", text)) + 1 or not all(labels):
        raise usage_error(f"{text!r} has an empty label", "write a namespace as users.42.prefs")
    return labels


def dotted(namespace: Sequence[str]) -> str:
    r"""Write a namespace so that `parse_namespace` reads it back."""
    return ".".join(re.sub(r"([\\.])", r"\\\1", label) for label in namespace)


def value_at(value: Any, path: str) -> Any:
    """Return what stands at `a.b[0].c`; a path that leads nowhere is not found."""
    found = value
    for index, name in _PATH_PART.findall(path):
        found = _step(found, name or int(index))
        if found is _MISSING:
            raise CliError(
                f"nothing at {path}", code="E_NOT_FOUND", exit_code=ExitCode.NOT_FOUND,
                hint=_known_keys(value),
            )  # fmt: skip
    return found


def _step(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(key), _MISSING)
    if isinstance(value, list) and str(key).lstrip("-").isdigit():
        return value[int(key)] if -len(value) <= int(key) < len(value) else _MISSING
    return _MISSING


def _known_keys(value: Any) -> str | None:
    keys = list(value)[:10] if isinstance(value, Mapping) else []
    return f"it has: {', '.join(map(str, keys))}" if keys else None


def raw(value: Any) -> str:
    """Write a text as it is, and everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
