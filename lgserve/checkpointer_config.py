"""The config's `checkpointer` block: how long threads are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lgserve.config_document import Document, did_you_mean
from lgserve.core.errors import ConfigurationError
from lgserve.core.models import ThreadTtl

#: Names file, line and key of a part of the block, for the start of an error message.
Where = Callable[..., str]

#: Replaces `checkpointer.ttl` where it is set.
ENVIRONMENT = "LANGGRAPH_THREAD_TTL"
_KEYS = ("ttl", "path", "backend", "uri", "serde")
_BACKENDS = ("default", "custom")
_TTL_KEYS = ("strategy", "default_ttl", "sweep_interval_minutes", "sweep_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointerConfig:
    """What the project says about its threads; times are minutes."""

    #: None keeps threads of which nobody says otherwise for good.
    default_ttl: ThreadTtl | None = None
    sweep_interval_minutes: float = 5.0
    #: How many threads one sweep takes care of.
    sweep_limit: int = 1000
    #: What makes the project's own saver: `./file.py:factory` or `package.module:factory`.
    path: str | None = None
    #: File, line and key, for the start of an error message.
    where: str = field(default="checkpointer.path", compare=False)


def read_checkpointer(document: Document) -> CheckpointerConfig:
    """Check the block; raise `ConfigurationError` with file, line and key."""
    block = document.data.get("checkpointer")
    if block is None:
        return CheckpointerConfig()

    def where(*keys: str) -> str:
        return document.where("checkpointer", *keys)

    known = _checked(block, _KEYS, where)
    config = _read_ttl(known.get("ttl"), lambda *keys: where("ttl", *keys))
    return replace(config, path=_path(document, known), where=where("path"))


def _path(document: Document, block: Mapping[str, Any]) -> str | None:
    path, backend = block.get("path"), block.get("backend")
    if path is not None and (not isinstance(path, str) or not all(path.rpartition(":"))):
        where = document.where("checkpointer", "path")
        raise ConfigurationError(f'{where} must be "./file.py:factory" or "module:factory"')
    if backend not in (None, *_BACKENDS):
        raise ConfigurationError(
            f"{document.where('checkpointer', 'backend')} must be {' or '.join(_BACKENDS)}",
            hint="for another database name a factory of its saver with `path`",
        )
    if backend == "custom" and path is None:
        raise ConfigurationError(f"{document.where('checkpointer')}: backend custom needs a path")
    return None if backend == "default" else path


def unserved_checkpointer_keys(document: Document) -> Iterator[str]:
    """Name what the block says without an effect."""
    for key in document.data.get("checkpointer") or {}:
        if key not in ("ttl", "path", "backend"):
            yield f"{document.where('checkpointer', key)} has no effect in this version of lgserve"


def with_environment(config: CheckpointerConfig, value: str | None) -> CheckpointerConfig:
    """Return the config as the variable `LANGGRAPH_THREAD_TTL` says: minutes, or JSON as in it."""
    if not value:
        return config
    try:
        given = json.loads(value)
    except ValueError:
        given = value
    ttl = given if isinstance(given, dict) else {"default_ttl": given}
    read = _read_ttl(ttl, lambda *keys: ".".join((ENVIRONMENT, *keys)))
    return replace(read, path=config.path, where=config.where)


def _read_ttl(given: Any, where: Where) -> CheckpointerConfig:
    ttl = _checked(given, _TTL_KEYS, where)
    strategy = ttl.get("strategy", "delete")
    if strategy not in ("delete", "keep_latest"):
        raise ConfigurationError(f"{where('strategy')} must be delete or keep_latest")
    minutes = _minutes(ttl, "default_ttl", where)
    interval = _minutes(ttl, "sweep_interval_minutes", where)
    return CheckpointerConfig(
        default_ttl=None if minutes is None else ThreadTtl(strategy=strategy, minutes=minutes),
        sweep_interval_minutes=5.0 if interval is None else interval,
        sweep_limit=_limit(ttl.get("sweep_limit"), where),
    )


def _checked(value: Any, valid: tuple[str, ...], where: Where) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where()} must be a mapping of keys to values")
    for key in value:
        if key not in valid:
            raise ConfigurationError(f"{where(key)}: unknown key{did_you_mean(key, valid)}")
    return value


def _minutes(ttl: Mapping[str, Any], name: str, where: Where) -> float | None:
    value = ttl.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ConfigurationError(f"{where(name)} must be a number of minutes greater than 0")
    return value


def _limit(value: Any, where: Where) -> int:
    if value is None:
        return 1000
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{where('sweep_limit')} must be a positive number")
    return value
