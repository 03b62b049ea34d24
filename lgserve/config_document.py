"""A config file, YAML or JSON, read once: its data, and the place of every key in it.

One loader reads both, because JSON is YAML. Scalars follow YAML 1.2 (`true` but not `on`, and `012`
is text), so that a value means the same in langgraph.yaml and langgraph.json.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lgserve.core.errors import ConfigurationError

KeyPath = tuple[str, ...]

#: Blocks of an extended file that are merged key by key; every other key replaces the whole value.
_MERGED_KEYS = ("graphs", "env", "lgserve")
_TAG = "tag:yaml.org,2002:"
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
)
_ODD_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Place(NamedTuple):
    """Where a key stands, and the text of its value when that is a scalar."""

    file: Path
    line: int
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The data of a config file and the places of its keys."""

    file: Path
    files: tuple[Path, ...]
    data: Mapping[str, Any]
    places: Mapping[KeyPath, Place]

    def where(self, *keys: str) -> str:
        """Name the file, the line and the key, for the start of an error message."""
        return describe_place(self.places, self.file, *keys)


def describe_place(places: Mapping[KeyPath, Place], file: Path, *keys: str) -> str:
    """Write `file, line N: a.b`; a key that is not written counts as its parent's line."""
    known = next((keys[:n] for n in range(len(keys), 0, -1) if keys[:n] in places), None)
    place = f"{shown(places[known].file)}, line {places[known].line}" if known else shown(file)
    return f"{place}: {'.'.join(keys)}" if keys else place


def shown(path: Path) -> str:
    """Write a path as short as it can be: relative when it lies below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def did_you_mean(given: str, valid: Iterable[str], also: Iterable[str] = ()) -> str:
    """End a sentence about an unknown key: the nearest valid one, or the list of them.

    The keys in `also` are valid too, but not worth listing.
    """
    valid = sorted(valid)
    nearest = difflib.get_close_matches(given, [*valid, *also], n=1)
    if nearest:
        return f', did you mean "{nearest[0]}"?'
    return f"; valid keys are {', '.join(valid)}"


def read_document(file: Path) -> Document:
    """Read a config file and the one it extends; raise `ConfigurationError` if one is not valid."""
    document = _read_one(file)
    if document.data.get("extends") is None:
        return document
    base = _read_one(_extended_file(document))
    if "extends" in base.data:
        raise ConfigurationError(f"{base.where('extends')}: a file that is extended cannot extend")
    return Document(
        file=file,
        files=(file, base.file),
        data=_merge(base.data, document.data),
        places={**base.places, **document.places},
    )


def _extended_file(document: Document) -> Path:
    name = document.data["extends"]
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{document.where('extends')} must be the name of a config file")
    base = document.file.parent / name
    where = document.where("extends")
    if base.parent.resolve() != document.file.parent.resolve():
        raise ConfigurationError(f'{where}: "{name}" must lie in the same folder as this file')
    if not base.is_file():
        raise ConfigurationError(f'{where}: the file "{name}" does not exist')
    return document.file.parent / base.name


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **own}
    for key in _MERGED_KEYS:
        if isinstance(base.get(key), dict) and isinstance(own.get(key), dict):
            merged[key] = {**base[key], **own[key]}
    return merged


def _read_one(file: Path) -> Document:
    text = _read_text(file)
    try:
        loader = _Loader(_json_as_yaml(text) if file.suffix == ".json" else text)
        node = loader.get_single_node()
        places = dict(_places(node, file))
        data = loader.construct_document(node) if node is not None else {}
    except yaml.YAMLError as error:
        raise ConfigurationError(_syntax_error(file, error)) from None
    if not isinstance(data, dict):
        raise ConfigurationError(f"{shown(file)}: the file must hold a mapping of keys to values")
    return Document(file=file, files=(file,), data=data, places=places)


def _json_as_yaml(text: str) -> str:
    """Rewrite the little that JSON allows and YAML does not: tabs, odd characters in strings."""
    return _ODD_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\t", " "))


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{shown(file)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{shown(file)} is not UTF-8 text: byte {error.start}") from None


def _syntax_error(file: Path, error: yaml.YAMLError) -> str:
    kind = "JSON" if file.suffix == ".json" else "YAML"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        place = f"{shown(file)}, line {mark.line + 1}, column {mark.column + 1}"
        return f"{place}: not valid {kind}: {error.problem}"
    return f"{shown(file)}: not valid {kind}: {' '.join(str(error).split())}"


def _places(root: yaml.Node | None, file: Path) -> Iterator[tuple[KeyPath, Place]]:
    """Yield the place of every key, a mapping at a time; refuse keys that clash or are not text."""
    waiting: list[tuple[KeyPath, yaml.Node | None]] = [((), root)]
    seen: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, yaml.SequenceNode) and id(node) not in seen:
            seen.add(id(node))
            waiting.extend((path, item) for item in node.value)
        if not isinstance(node, yaml.MappingNode) or id(node) in seen:
            continue
        seen.add(id(node))
        for key, line, value in _keys(node, file):
            text = value.value if isinstance(value, yaml.ScalarNode) else None
            yield (*path, key), Place(file, line, text)
            waiting.append(((*path, key), value))


def _keys(node: yaml.MappingNode, file: Path) -> Iterator[tuple[str, int, yaml.Node]]:
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag not in {_TAG + "str", _TAG + "merge"}:
            raise ConfigurationError(
                f"{shown(file)}, line {line}: the key {key.value} is not text; put it in quotes"
            )
        if key.value in lines:
            raise ConfigurationError(
                f'{shown(file)}, line {line}: the key "{key.value}" '
                f"is already on line {lines[key.value]}"
            )
        lines[key.value] = line
        if key.tag == _TAG + "str":
            yield key.value, line, value


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2."""

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Join the surrogate pairs by which JSON writes characters such as emoji."""
        text = str(self.construct_scalar(node))
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor(_TAG + "str", _Loader.construct_text)


class _Dumper(yaml.SafeDumper):
    """Quotes what either this loader or one of YAML 1.1 would not take for text."""


_Dumper.yaml_implicit_resolvers = {
    first: [*found] for first, found in yaml.SafeDumper.yaml_implicit_resolvers.items()
}
for _name, _pattern, _first in _SCALARS:
    _Dumper.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), list(_first))
_Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]


def as_yaml(data: Mapping[str, Any]) -> str:
    """Write data as YAML that `read_document` reads back as the same."""
    text = _dump(data, allow_unicode=True)
    # Some characters count as line breaks in YAML 1.1: then all but ASCII is written by number.
    return _dump(data, allow_unicode=False) if _ODD_IN_YAML.search(text) else text


def _dump(data: Mapping[str, Any], *, allow_unicode: bool) -> str:
    return str(
        yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=allow_unicode, width=100)
    )
