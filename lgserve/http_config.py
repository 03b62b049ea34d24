"""The config's `http` block: the project's own app, and which headers go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lgserve.config_document import Document, did_you_mean
from lgserve.core.errors import ConfigurationError
from lgserve.core.header_rules import HeaderRules

#: What `http.disable_<group>` of the config can take away.
SWITCHES = (
    "disable_assistants", "disable_threads", "disable_runs", "disable_store", "disable_mcp",
    "disable_a2a", "disable_meta", "disable_webhooks", "disable_event_streaming", "disable_ui",
)  # fmt: skip
SERVED_HTTP_KEYS = (
    "app", "cors", "mount_prefix", "middleware_order", "enable_custom_route_auth",
    "configurable_headers", "logging_headers", *SWITCHES,
)  # fmt: skip
_ORDERS = ("middleware_first", "auth_first")
_RULE_KEYS = ("includes", "excludes", "include", "exclude")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """What the project says about HTTP, but for what is a setting too."""

    #: `./file.py:app` or `package.module:app`
    app: str | None = None
    #: File, line and key of the app, for the start of an error message.
    where: str = "http.app"
    #: Authenticate before the app's middleware runs, not after it.
    auth_first: bool = False
    #: Authenticate who asks for the app's own routes.
    route_auth: bool = False
    configurable_headers: HeaderRules = field(default_factory=HeaderRules)
    logging_headers: HeaderRules = field(default_factory=HeaderRules)


def read_http(document: Document) -> HttpConfig:
    """Check the block; raise `ConfigurationError` with file, line and key."""
    block = document.data.get("http")
    if block is None:
        return HttpConfig()
    if not isinstance(block, dict):
        raise ConfigurationError(f"{document.where('http')} must be a mapping of keys to values")
    for key in ("enable_custom_route_auth", *(key for key in block if key.startswith("disable_"))):
        _switch(document, block, key)
    return HttpConfig(
        app=_app(document, block.get("app")),
        where=document.where("http", "app"),
        auth_first=_order(document, block.get("middleware_order")) == "auth_first",
        route_auth=_switch(document, block, "enable_custom_route_auth"),
        configurable_headers=_rules(document, block, "configurable_headers"),
        logging_headers=_rules(document, block, "logging_headers"),
    )


def _switch(document: Document, block: Mapping[str, Any], key: str) -> bool:
    value = block.get(key, False)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{document.where('http', key)} must be true or false")
    return value


def _app(document: Document, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not all(value.rpartition(":")):
        where = document.where("http", "app")
        raise ConfigurationError(f'{where} must be "./file.py:app" or "package.module:app"')
    return value


def _order(document: Document, value: Any) -> str:
    if value is None:
        return _ORDERS[0]
    if value not in _ORDERS:
        where = document.where("http", "middleware_order")
        raise ConfigurationError(f"{where} must be {' or '.join(_ORDERS)}")
    return str(value)


def _rules(document: Document, block: Mapping[str, Any], key: str) -> HeaderRules:
    value = block.get(key)
    where = document.where("http", key)
    if value is None:
        return HeaderRules()
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where} must be a mapping with includes and excludes")
    for name in value:
        if name not in _RULE_KEYS:
            place = document.where("http", key, name)
            raise ConfigurationError(f"{place}: unknown key{did_you_mean(name, _RULE_KEYS)}")
    return HeaderRules(
        includes=_globs(where, value.get("includes", value.get("include"))),
        excludes=_globs(where, value.get("excludes", value.get("exclude"))),
    )


def _globs(where: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ConfigurationError(f"{where}: includes and excludes must be lists of header names")
    return tuple(value)
