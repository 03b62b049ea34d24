"""Every setting of the server, from one frozen value; nothing else reads the environment.

A setting is taken from the first of these that has it:

    a flag                      --port 3000
    the environment             LGSERVE_PORT=3000, or LangGraph's own name where it has one
    the project's env           the same names in the config's `env`
    the config's `lgserve` key  lgserve: {port: 3000}
    the config's `http` key     for cors and mount_prefix
    the default
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from lgserve.auth_settings import read_auth
from lgserve.checkpointer_config import ENVIRONMENT as THREAD_TTL
from lgserve.checkpointer_config import with_environment
from lgserve.config_document import KeyPath, did_you_mean
from lgserve.core.errors import ConfigurationError
from lgserve.project_config import ProjectConfig, find_config, load_project, read_env_file
from lgserve.settings_schema import (
    NESTED,
    SPECS,
    Cors,
    Crons,
    SettingDoc,
    Settings,
    Spec,
    settings_table,
)
from lgserve.webhook_settings import read_webhooks

__all__ = [
    "HTTP_KEYS", "Cors", "Crons", "ServerFlags", "SettingDoc", "Settings", "export_environment",
    "load_settings", "settings_table",
]  # fmt: skip


#: Settings that langgraph.json has in its block `http`.
HTTP_KEYS = ("cors", "mount_prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFlags:
    """What the command line said; None and empty mean that it said nothing.

    `config` may be a folder; `env_files` add to the config's `env`.
    """

    config: Path | None = None
    env_files: tuple[Path, ...] = ()
    host: str | None = None
    port: int | None = None
    public_url: str | None = None
    data: str | None = None
    fresh: bool | None = None
    n_jobs_per_worker: int | None = None
    strict_blocking: bool | None = None
    grace_seconds: str | float | None = None
    log_format: str | None = None
    log_level: str | None = None
    access_log: str | None = None
    cors_allow_origins: tuple[str, ...] = ()
    reload: bool | None = None
    reload_dirs: tuple[Path, ...] = ()
    reload_include: tuple[str, ...] = ()
    reload_exclude: tuple[str, ...] = ()
    #: `lgserve serve`: what is convenient in development only is off.
    production: bool = False


class _Given(NamedTuple):
    """A value somebody gave, who did, and the folder its relative paths start from."""

    value: object
    origin: str
    base: Path


def load_settings(flags: ServerFlags, start: Path | None = None) -> Settings:
    """Find and read the project's config, and settle every setting; `start` is the current folder.

    Raises a `ConfigurationError` that names the flag, the variable or the line that is wrong.
    """
    here = start or Path.cwd()
    found = find_config(here, flags.config, os.environ.get("LGSERVE_CONFIG"))
    project = _with_env_files(load_project(found.path, found.how), flags.env_files, here)
    _refuse_unknown_keys(project)
    thread_ttl = os.environ.get(THREAD_TTL) or project.env.get(THREAD_TTL)
    project = replace(project, checkpointer=with_environment(project.checkpointer, thread_ttl))
    chosen = {spec.keys: _choose(spec, flags, project, here) for spec in SPECS}
    settled = {spec.keys: _settle(spec, chosen[spec.keys], project) for spec in SPECS}
    return Settings(
        project=project,
        auth=read_auth(project, lambda name: os.environ.get(name) or project.env.get(name)),
        webhooks=read_webhooks(
            project,
            lambda name: os.environ.get(name) or project.env.get(name),
            loopback=not flags.production,
        ),
        cors=Cors(**_nested("cors", settled)),
        crons=Crons(**_nested("crons", settled)),
        origins={".".join(keys): given.origin for keys, given in chosen.items() if given},
        **{keys[0]: value for keys, value in settled.items() if len(keys) == 1},
    )


def _nested(name: str, settled: Mapping[KeyPath, Any]) -> dict[str, Any]:
    return {keys[1]: value for keys, value in settled.items() if keys[0] == name}


def export_environment(project: ProjectConfig) -> None:
    """Give the project's `env` to the graphs of this process; it wins, as in `langgraph dev`."""
    os.environ.update(project.env)
    # Or the SDK would import the reference server, where it is installed, to find itself in it.
    os.environ["__LANGGRAPH_DEFER_LOOPBACK_TRANSPORT"] = "true"


def tracing_environment() -> dict[str, str]:
    """Return OpenTelemetry's own variables, which say whether anything is traced, and where to."""
    return {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}


def aes_key(project: ProjectConfig) -> str | None:
    """Return the key with which the database is encrypted, if there is one."""
    name = "LANGGRAPH_AES_KEY"
    return os.environ.get(name) or project.env.get(name) or None


def sdk_keys() -> frozenset[str]:
    """Return the API keys that the SDK's clients find in the environment, and send unasked."""
    found = (os.environ.get(f"{name}_API_KEY") for name in ("LANGGRAPH", "LANGSMITH", "LANGCHAIN"))
    return frozenset(key.strip().strip('"').strip("'") for key in found if key)


def _with_env_files(project: ProjectConfig, names: tuple[Path, ...], here: Path) -> ProjectConfig:
    env = dict(project.env)
    for name in names:
        file = here / name
        if not file.is_file():
            raise ConfigurationError(f"--env-file: the file {name} does not exist")
        env |= read_env_file(file)
    files = tuple(here / name for name in names)
    return replace(project, env=env, files=(*project.files, *files)) if names else project


def _refuse_unknown_keys(project: ProjectConfig) -> None:
    valid = {"auth", "webhooks", *(spec.keys[0] for spec in SPECS)}
    _refuse_keys_outside(project, project.lgserve, valid, ("lgserve",))
    for name, kind in NESTED.items():
        given = project.lgserve.get(name) or {}
        if not isinstance(given, dict):
            raise ConfigurationError(f"{project.where('lgserve', name)} must be a mapping")
        valid = {item.name for item in fields(kind)}
        _refuse_keys_outside(project, given, valid, ("lgserve", name))


def _refuse_keys_outside(
    project: ProjectConfig, given: Mapping[str, object], valid: set[str], parents: KeyPath
) -> None:
    for key in given:
        if key not in valid:
            where = project.where(*parents, key)
            raise ConfigurationError(f"{where}: unknown key{did_you_mean(key, valid)}")


def _choose(spec: Spec, flags: ServerFlags, project: ProjectConfig, here: Path) -> _Given | None:
    """Take the first source that says something; None, "" and an empty tuple say nothing."""
    sources = _sources(spec, flags, project, here)
    return next((given for given in sources if given.value not in (None, "", ())), None)


def _sources(
    spec: Spec, flags: ServerFlags, project: ProjectConfig, here: Path
) -> Iterator[_Given]:
    yield _Given(getattr(flags, "_".join(spec.keys), None), spec.flag, here)
    for name in spec.env:
        yield _Given(os.environ.get(name), name, here)
    for name in spec.env:
        # PORT in a project's env is as likely the port of the app it calls.
        if name != "PORT":
            yield _Given(project.env.get(name), f"{name} (in the project's env)", project.root)
    yield _written(project, project.lgserve, ("lgserve", *spec.keys), project.root)
    if spec.keys[0] in HTTP_KEYS:
        http = project.blocks.get("http", {})
        yield _written(project, http, ("http", *spec.keys), project.root)


def _written(project: ProjectConfig, block: Mapping[str, Any], keys: KeyPath, base: Path) -> _Given:
    value: Any = block
    for key in keys[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return _Given(value, project.where(*keys), base)


def _settle(spec: Spec, given: _Given | None, project: ProjectConfig) -> Any:
    if given is None:
        return _anchored(spec.default, project.root)
    try:
        return _anchored(spec.parse(given.value), given.base)
    except ValueError as error:
        raise ConfigurationError(f"{given.origin} {error}, not {given.value!r}") from None


def _anchored(value: object, base: Path) -> object:
    if isinstance(value, Path):
        return (base / value).resolve()
    if isinstance(value, tuple):
        return tuple(_anchored(item, base) for item in value)
    return value
