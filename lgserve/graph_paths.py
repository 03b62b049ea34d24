"""What a graph's entry in the config names: an object in a file, or in a module."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lgserve.config_document import Document, did_you_mean
from lgserve.core.errors import ConfigurationError

_GRAPH_KEYS = ("path", "description")
_JAVASCRIPT = {".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"}
_UNSEARCHED = {"node_modules", "site-packages", "venv", "__pycache__"}
_SEARCH_LIMIT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    """One graph of the config: the object `attribute` in either `file` or `module`."""

    graph_id: str
    path: str
    attribute: str
    file: Path | None = None
    module: str | None = None
    description: str | None = None
    line: int = 0


def read_graph(document: Document, graph_id: str) -> GraphSpec:
    """Check one entry of `graphs`: `"path:object"`, or a mapping with `path` and `description`."""
    entry = document.data["graphs"][graph_id]
    where = document.where("graphs", graph_id)
    if not graph_id.strip():
        raise ConfigurationError(f"{where}: a graph must have a name")
    if isinstance(entry, dict):
        _refuse_near_misses(document, graph_id, entry)
        path, description = entry.get("path"), entry.get("description")
    else:
        path, description = entry, None
    if not isinstance(path, str) or not isinstance(description, str | None):
        raise ConfigurationError(
            f'{where} must be "path:object", or a mapping with path and description'
        )
    place = document.places.get(("graphs", graph_id))
    return _resolve(
        document.file.parent, graph_id, path, description, where, place.line if place else 0
    )


def _refuse_near_misses(document: Document, graph_id: str, entry: dict[str, Any]) -> None:
    """Other keys are ignored, as langgraph-cli ignores them; a misspelt one would go unnoticed."""
    for key in entry:
        if key not in _GRAPH_KEYS and difflib.get_close_matches(key, _GRAPH_KEYS, n=1):
            where = document.where("graphs", graph_id, key)
            raise ConfigurationError(f"{where}: unknown key{did_you_mean(key, _GRAPH_KEYS)}")


def _resolve(
    root: Path, graph_id: str, path: str, description: str | None, where: str, line: int
) -> GraphSpec:
    target, colon, attribute = path.rpartition(":")
    if not colon or not target or not attribute.isidentifier():
        example = path.rstrip(":") if not colon or not attribute else target
        raise ConfigurationError(
            f'{where}: "{path}" names no object; write "{example or path}:graph"'
        )
    is_file = "/" in target or "\\" in target or Path(target).suffix in {".py", *_JAVASCRIPT}
    return GraphSpec(
        graph_id=graph_id,
        path=path,
        attribute=attribute,
        file=_existing_file(root, target, where) if is_file else None,
        module=None if is_file else _module_name(target, where),
        description=description,
        line=line,
    )


def _module_name(target: str, where: str) -> str:
    if not all(part.isidentifier() for part in target.split(".")):
        raise ConfigurationError(
            f'{where}: "{target}" is neither a module (package.module) nor a file (./agent.py)'
        )
    return target


def _existing_file(root: Path, target: str, where: str) -> Path:
    if Path(target).suffix in _JAVASCRIPT:
        raise ConfigurationError(f'{where}: "{target}" is JavaScript; lgserve runs Python graphs')
    file = Path(os.path.normpath(root / target.replace("\\", "/")))
    if file.is_file():
        return file
    if file.is_dir():
        raise ConfigurationError(f'{where}: "{target}" is a folder; name a Python file in it')
    nearest = _nearest_file(root, target)
    guess = f", did you mean {nearest}?" if nearest else ""
    raise ConfigurationError(f'{where}: the file "{target}" does not exist{guess}')


def _nearest_file(root: Path, target: str) -> str | None:
    """Find the project's file of the same name, else the one whose path is most alike."""
    wanted = PurePosixPath(os.path.normpath(target.replace("\\", "/")))
    files = list(_python_files(root))
    same_name = [file for file in files if file.name == wanted.name]
    if same_name:
        return f"./{min(same_name, key=lambda file: (len(file.parts), str(file)))}"
    nearest = difflib.get_close_matches(str(wanted), [str(file) for file in files], n=1)
    return f"./{nearest[0]}" if nearest else None


def _python_files(root: Path) -> Iterator[PurePosixPath]:
    seen = 0
    for folder, names, files in os.walk(root):
        names[:] = [n for n in names if not n.startswith(".") and n not in _UNSEARCHED]
        here = Path(folder).relative_to(root)
        yield from (PurePosixPath(here / name) for name in files if name.endswith(".py"))
        seen += len(files) + len(names)
        if seen > _SEARCH_LIMIT:
            return
