"""The config's `store` block: semantic search, and how long items are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lgserve.config_document import Document, did_you_mean
from lgserve.core.errors import ConfigurationError

_KEYS = ("index", "ttl", "path")
_INDEX_KEYS = ("dims", "embed", "fields")
_TTL_KEYS = ("default_ttl", "refresh_on_read", "sweep_interval_minutes")
#: More numbers than any model's vectors have.
_MOST_DIMS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreIndex:
    """Semantic search: what embeds texts, how long its vectors are, what of a value is embedded."""

    #: `./file.py:object`, `package.module:object`, or `provider:model`
    embed: str
    dims: int
    fields: tuple[str, ...] = ("$",)
    #: File, line and key, for the start of an error message.
    where: str = "store.index.embed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """What the project says about its store; times are minutes."""

    index: StoreIndex | None = None
    default_ttl: float | None = None
    refresh_on_read: bool = True
    sweep_interval_minutes: float = 1.0
    #: What makes the project's own store: `./file.py:factory` or `package.module:factory`.
    path: str | None = None
    #: File, line and key, for the start of an error message.
    where: str = field(default="store.path", compare=False)


def read_store(document: Document) -> StoreConfig:
    """Check the block; raise `ConfigurationError` with file, line and key."""
    block = _mapping(document, ("store",), document.data.get("store"), _KEYS)
    ttl = _mapping(document, ("store", "ttl"), block.get("ttl"), _TTL_KEYS)
    default_ttl = _minutes(document, ttl, "default_ttl")
    interval = _minutes(document, ttl, "sweep_interval_minutes")
    refresh = ttl.get("refresh_on_read")
    if not isinstance(refresh, bool | None):
        where = document.where("store", "ttl", "refresh_on_read")
        raise ConfigurationError(f"{where} must be true or false")
    path = block.get("path")
    if path is not None and (not isinstance(path, str) or not all(path.rpartition(":"))):
        where = document.where("store", "path")
        raise ConfigurationError(f'{where} must be "./file.py:factory" or "module:factory"')
    if path is not None and (beside := next((key for key in block if key != "path"), None)):
        where = document.where("store", beside)
        raise ConfigurationError(f"{where}: a store of your own (store.path) decides that itself")
    return StoreConfig(
        path=path,
        where=document.where("store", "path"),
        index=_index(document, block.get("index")),
        default_ttl=default_ttl,
        refresh_on_read=refresh is not False,
        sweep_interval_minutes=1.0 if interval is None else interval,
    )


def _mapping(
    document: Document, keys: tuple[str, ...], value: Any, valid: tuple[str, ...]
) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{document.where(*keys)} must be a mapping of keys to values")
    for key in value:
        if key not in valid:
            where = document.where(*keys, key)
            raise ConfigurationError(f"{where}: unknown key{did_you_mean(key, valid)}")
    return value


def _minutes(document: Document, ttl: Mapping[str, Any], name: str) -> float | None:
    value = ttl.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        where = document.where("store", "ttl", name)
        raise ConfigurationError(f"{where} must be a number of minutes greater than 0")
    return float(value)


def _index(document: Document, value: Any) -> StoreIndex | None:
    keys = ("store", "index")
    index = _mapping(document, keys, value, _INDEX_KEYS)
    if not index:
        return None
    embed, dims, fields = index.get("embed"), index.get("dims"), index.get("fields")
    if not isinstance(embed, str) or not all(embed.rpartition(":")):
        raise ConfigurationError(
            f"{document.where(*keys, 'embed')} must name what embeds texts:"
            ' "./file.py:function", "package.module:object" or "provider:model"'
        )
    if type(dims) is not int or not 0 < dims <= _MOST_DIMS:
        raise ConfigurationError(
            f"{document.where(*keys, 'dims')} must be how many numbers a vector has"
        )
    if fields is not None and not (fields and _are_texts(fields)):
        raise ConfigurationError(f"{document.where(*keys, 'fields')} must be a list of paths")
    return StoreIndex(
        embed=embed,
        dims=dims,
        fields=tuple(fields or ("$",)),
        where=document.where(*keys, "embed"),
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
