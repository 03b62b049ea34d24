"""The project: which config file serves this folder, and what it says about the graphs.

`langgraph.yaml`, `langgraph.yml` and `langgraph.json` have one schema: that of langgraph.json, and
the key `lgserve` for this server's own settings. Relative paths start at the config's folder.

`env` wins over variables the process already has, as it does in `langgraph dev`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from lgserve.checkpointer_config import (
    CheckpointerConfig,
    read_checkpointer,
    unserved_checkpointer_keys,
)
from lgserve.config_document import (
    Document,
    KeyPath,
    Place,
    describe_place,
    did_you_mean,
    read_document,
    shown,
)
from lgserve.core.errors import ConfigurationError
from lgserve.graph_paths import GraphSpec, read_graph
from lgserve.http_config import SERVED_HTTP_KEYS, HttpConfig, read_http
from lgserve.store_config import StoreConfig, read_store

CONFIG_NAMES = ("langgraph.yaml", "langgraph.yml", "langgraph.json")
#: Blocks that are mappings, kept as they are written.
BLOCK_KEYS = ("auth", "checkpointer", "encryption", "http", "priority", "store", "webhooks", "ui")
SERVED_KEYS = ("graphs", "dependencies", "env", "lgserve", "extends", *BLOCK_KEYS)
#: Known to langgraph-cli, without a meaning for a server that builds no image.
IGNORED_KEYS = (
    "python_version", "node_version", "api_version", "base_image", "image_distro", "source",
    "pip_config_file", "pip_installer", "dockerfile_lines", "keep_pkg_tools", "ui", "ui_config",
    "_INTERNAL_docker_tag", "project_root", "package", "disable_persistence",
)  # fmt: skip
#: Blocks of langgraph.json that this version reads but does not act upon.
UNSERVED_BLOCKS = ("priority",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundConfig:
    """A config file and how it was found."""

    path: Path
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectConfig:
    """A validated project config; every path in it is absolute."""

    path: Path
    root: Path
    found_how: str
    #: The files it was read from, the env file included: a change of any of them is a change of it.
    files: tuple[Path, ...]
    graphs: Mapping[str, GraphSpec]
    dependencies: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    blocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lgserve: Mapping[str, Any] = field(default_factory=dict)
    store: StoreConfig = field(default_factory=StoreConfig)
    checkpointer: CheckpointerConfig = field(default_factory=CheckpointerConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    ignored_keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    import_paths: tuple[Path, ...] = ()
    places: Mapping[KeyPath, Place] = field(default_factory=dict)

    def where(self, *keys: str) -> str:
        """Name the file, the line and the key, for the start of an error message."""
        return describe_place(self.places, self.path, *keys)


def find_config(start: Path, explicit: Path | None = None, env: str | None = None) -> FoundConfig:
    """Find the config file: the one named, else LGSERVE_CONFIG, else upward from `start`.

    The search ends with the folder that holds `.git`. A folder may be named in place of a file.
    """
    for named, how in ((explicit, "named by -c"), (env, "named by LGSERVE_CONFIG")):
        if named:
            return _named_config(start / named, how)
    searched = list(_folders_upward(start.resolve()))
    for depth, folder in enumerate(searched):
        if found := _config_in(folder):
            how = "found in the current folder" if depth == 0 else "found in a parent folder"
            return FoundConfig(path=found, how=how + _passed_over(found))
    raise ConfigurationError(
        f"no {', '.join(CONFIG_NAMES[:-1])} or {CONFIG_NAMES[-1]} in {searched[0]} or above it",
        hint="name one with -c, or write a langgraph.yaml with `graphs: {agent: ./agent.py:graph}`",
    )


def _named_config(path: Path, how: str) -> FoundConfig:
    if path.is_dir():
        found = _config_in(path)
        if found is None:
            raise ConfigurationError(f"no {' or '.join(CONFIG_NAMES)} in {shown(path)} ({how})")
        return FoundConfig(path=found, how=how + _passed_over(found))
    if not path.is_file():
        raise ConfigurationError(f"the config file {shown(path)} does not exist ({how})")
    return FoundConfig(path=path, how=how)


def _folders_upward(start: Path) -> Iterator[Path]:
    for folder in (start, *start.parents):
        yield folder
        if (folder / ".git").exists():
            return


def _config_in(folder: Path) -> Path | None:
    return next((folder / name for name in CONFIG_NAMES if (folder / name).is_file()), None)


def _passed_over(found: Path) -> str:
    later = CONFIG_NAMES[CONFIG_NAMES.index(found.name) + 1 :]
    ignored = [name for name in later if (found.parent / name).is_file()]
    return f"; {' and '.join(ignored)} ignored" if ignored else ""


def load_project(path: Path, found_how: str = "") -> ProjectConfig:
    """Read and check a project config; raise `ConfigurationError` with file, line and key."""
    path = path.parent.resolve() / path.name
    document = read_document(path)
    _refuse_unknown_keys(document)
    env, env_file, env_warnings = _read_env(document)
    dependencies = _read_dependencies(document)
    folders, folder_warnings = _dependency_folders(document, dependencies)
    return ProjectConfig(
        path=path,
        root=path.parent,
        found_how=found_how,
        files=(*document.files, *((env_file,) if env_file else ())),
        graphs=_read_graphs(document),
        dependencies=dependencies,
        env=env,
        blocks=_read_blocks(document),
        lgserve=_mapping(document, "lgserve"),
        store=read_store(document),
        checkpointer=read_checkpointer(document),
        http=read_http(document),
        ignored_keys=tuple(key for key in IGNORED_KEYS if key in document.data),
        warnings=(*env_warnings, *folder_warnings, *_unserved(document)),
        import_paths=_import_paths(path.parent, folders),
        places=document.places,
    )


def _refuse_unknown_keys(document: Document) -> None:
    for key in document.data:
        if key not in {*SERVED_KEYS, *IGNORED_KEYS} and not key.startswith(("$", "x-")):
            guess = did_you_mean(key, SERVED_KEYS, IGNORED_KEYS)
            place = document.where(key).removesuffix(f": {key}")
            raise ConfigurationError(f'{place}: unknown key "{key}"{guess}')


def _mapping(document: Document, key: str) -> Mapping[str, Any]:
    value = document.data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{document.where(key)} must be a mapping of keys to values")
    return value


def _read_graphs(document: Document) -> dict[str, GraphSpec]:
    if not _mapping(document, "graphs"):
        place = document.where("graphs") if "graphs" in document.data else shown(document.file)
        raise ConfigurationError(
            f'{place}: no graphs are named under the key "graphs"',
            hint='add for example `graphs: {agent: "./agent.py:graph"}`',
        )
    return {name: read_graph(document, name) for name in document.data["graphs"]}


def _read_blocks(document: Document) -> dict[str, Mapping[str, Any]]:
    return {
        key: _mapping(document, key) for key in BLOCK_KEYS if document.data.get(key) is not None
    }


def _unserved(document: Document) -> Iterator[str]:
    for key in UNSERVED_BLOCKS:
        if _mapping(document, key):
            yield f"{document.where(key)} has no effect in this version of lgserve"
    yield from unserved_checkpointer_keys(document)
    for key in _mapping(document, "http"):
        if key not in SERVED_HTTP_KEYS:
            yield f"{document.where('http', key)} has no effect in this version of lgserve"


def _read_env(document: Document) -> tuple[dict[str, str], Path | None, list[str]]:
    value = document.data.get("env")
    if isinstance(value, str) and value:
        return _read_env_file(document, document.file.parent / value)
    if value and not isinstance(value, dict):
        raise ConfigurationError(
            f"{document.where('env')} must name an env file, or be a mapping of names to texts"
        )
    return {name: _env_text(document, name) for name in value or {}}, None, []


def _env_text(document: Document, name: str) -> str:
    value = document.data["env"][name]
    if isinstance(value, str):
        return value
    place = document.places.get(("env", name))
    if isinstance(value, bool | int | float) and place is not None and place.text is not None:
        return place.text  # as it is written: 1.10 stays 1.10
    raise ConfigurationError(f"{document.where('env', name)} must be text, a number, true or false")


def _read_env_file(document: Document, file: Path) -> tuple[dict[str, str], Path, list[str]]:
    if not file.is_file():
        return {}, file, [f"{document.where('env')}: the file {shown(file)} does not exist"]
    try:
        return read_env_file(file), file, []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{document.where('env')}: {shown(file)}: {error}") from None


def read_env_file(file: Path) -> dict[str, str]:
    """Read KEY=VALUE lines; a key without a value is left out."""
    values = dotenv_values(file, encoding="utf-8-sig")
    return {name: value for name, value in values.items() if value is not None}


def _read_dependencies(document: Document) -> tuple[str, ...]:
    value = document.data.get("dependencies")
    if value is None:
        return (".",)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigurationError(f"{document.where('dependencies')} must be a list of texts")
    return tuple(value)


def _dependency_folders(
    document: Document, dependencies: tuple[str, ...]
) -> tuple[list[Path], list[str]]:
    """Take the dependencies that are folders; packages to install are none of our business."""
    folders, warnings = [], []
    for item in dependencies:
        folder = document.file.parent / item
        if folder.is_dir():
            folders.append(folder.resolve())
        elif item.startswith(".") and not folder.exists():
            where = document.where("dependencies")
            warnings.append(f'{where}: the folder "{item}" does not exist')
    return folders, warnings


def _import_paths(root: Path, folders: list[Path]) -> tuple[Path, ...]:
    paths = [root]
    for folder in folders:
        paths += [folder, folder / "src"]
    return tuple(dict.fromkeys(path for path in paths if path.is_dir()))
