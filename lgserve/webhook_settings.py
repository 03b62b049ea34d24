"""Webhooks: what the config's `webhooks` and `lgserve.webhooks` say, checked and settled.

`webhooks` is the block of langgraph.json: which addresses are allowed, and which headers and
members are sent. `lgserve.webhooks` says how they are signed and how long they are tried. Nothing
here shows a secret in a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from lgserve import setting_values as values
from lgserve.config_document import did_you_mean
from lgserve.core.errors import ConfigurationError
from lgserve.core.webhook_signing import read_secret
from lgserve.core.webhooks import WebhookPolicy
from lgserve.project_config import ProjectConfig

Lookup: TypeAlias = Callable[[str], str | None]
_Block: TypeAlias = Mapping[str, Any]

_BLOCK_KEYS = ("env_prefix", "headers", "url", "allowed_fields")
_URL_KEYS = (
    "require_https", "allowed_domains", "allowed_ports", "max_url_length", "disable_loopback",
    "disable_private_ips",
)  # fmt: skip
_OWN_KEYS = ("secret", "secret_env", "timeout", "retry_for", "keep", "allow_loopback")
_TEMPLATE = re.compile(r"\$\{\{\s*(?:env\.)?([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DOMAIN = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
#: Said by the server alone.
_RESERVED = ("host", "content-length", "transfer-encoding", "connection", "content-type")
_SECRET_ENV = "LGSERVE_WEBHOOKS_SECRET"  # noqa: S105 - the name of a variable
#: The longest address once there are rules for addresses.
_LONGEST_WITH_RULES = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """How webhooks are sent; times are seconds."""

    policy: WebhookPolicy = field(default_factory=partial(WebhookPolicy, allow_loopback=True))
    #: Headers of each message about a run, with the variables that their templates name.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The members that are sent; empty sends all.
    allowed_fields: tuple[str, ...] = ()
    #: Each signs: while receivers change over, there are two.
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    timeout_seconds: float = 15.0
    retry_seconds: float = 86_400.0
    #: How long what became of a delivery is remembered.
    keep_seconds: float = 7 * 86_400.0


def read_webhooks(
    project: ProjectConfig, environment: Lookup, *, loopback: bool
) -> WebhookSettings:
    """Read the project's webhooks; `loopback` says whether this machine may be called by default.

    Raises:
        ConfigurationError: something is wrong; the message names the line.
    """
    own = project.lgserve.get("webhooks")
    if own is not None and not isinstance(own, dict):
        raise ConfigurationError(f"{project.where('lgserve', 'webhooks')} must be a mapping")
    reader = _Reader(project, own or {}, environment)
    return reader.read(project.blocks.get("webhooks", {}), loopback=loopback)


class _Reader:
    def __init__(self, project: ProjectConfig, own: _Block, environment: Lookup) -> None:
        self._project = project
        self._own = own
        self._environment = environment

    def read(self, block: _Block, *, loopback: bool) -> WebhookSettings:
        self._refuse_unknown(self._own, _OWN_KEYS, "lgserve", "webhooks")
        self._refuse_unknown(block, _BLOCK_KEYS, "webhooks")
        loopback = self._own_value("allow_loopback", values.switch, loopback)
        return WebhookSettings(
            policy=self._policy(block.get("url"), loopback=loopback),
            headers=self._headers(block),
            allowed_fields=self._parsed(
                block, "allowed_fields", values.texts, (), "webhooks", "allowed_fields"
            ),
            secrets=self._secrets(),
            timeout_seconds=self._own_value("timeout", values.seconds, 15.0),
            retry_seconds=self._own_value("retry_for", values.seconds, 86_400.0),
            keep_seconds=self._own_value("keep", values.seconds, 7 * 86_400.0),
        )

    def _policy(self, url: Any, *, loopback: bool) -> WebhookPolicy:
        if url is None:
            return WebhookPolicy(allow_loopback=loopback)
        if not isinstance(url, dict):
            raise self._wrong("must be a mapping of keys to values", "webhooks", "url")
        self._refuse_unknown(url, _URL_KEYS, "webhooks", "url")

        def parsed(name: str, parse: values.Parser, default: Any) -> Any:
            return self._parsed(url, name, parse, default, "webhooks", "url", name)

        off = parsed("disable_loopback", values.switch, None)
        return WebhookPolicy(
            require_https=parsed("require_https", values.switch, default=True),
            allowed_domains=parsed("allowed_domains", _domains, ()),
            allowed_ports=parsed("allowed_ports", _ports, ()),
            max_url_length=parsed("max_url_length", values.whole(1, 65_536), _LONGEST_WITH_RULES),
            allow_loopback=loopback if off is None else not off,
            allow_relative=off is False,
            allow_private=not parsed("disable_private_ips", values.switch, default=False),
        )

    def _headers(self, block: _Block) -> Mapping[str, str]:
        prefix = self._parsed(
            block, "env_prefix", values.text, "LG_WEBHOOK_", "webhooks", "env_prefix"
        )
        found = block.get("headers") or {}
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise self._wrong("must be a mapping of names to texts", "webhooks", "headers")
        return {name: self._header(name, text, prefix) for name, text in found.items()}

    def _header(self, name: str, text: str, prefix: str) -> str:
        keys = ("webhooks", "headers", name)
        low = name.lower()
        if not _HEADER_NAME.fullmatch(name) or low in _RESERVED or low.startswith("webhook-"):
            raise self._wrong("is no header that can be set", *keys)

        def filled(found: re.Match[str]) -> str:
            variable = found[1]
            if not variable.startswith(prefix):
                raise self._wrong(f"names {variable}, which does not begin with {prefix}", *keys)
            value = self._environment(variable)
            if value is None:
                raise ConfigurationError(
                    f"{self._project.where(*keys)}: webhook headers: missing required environment"
                    f" variable '{variable}'"
                )
            return value

        value = _TEMPLATE.sub(filled, text).strip()
        if "${{" in value or not value.isprintable():
            raise self._wrong("must be one line, with variables as ${{ env.NAME }}", *keys)
        return value

    def _secrets(self) -> tuple[bytes, ...]:
        given, keys = self._own.get("secret"), ("lgserve", "webhooks", "secret")
        if given is not None and "secret_env" in self._own:
            raise self._wrong("and secret_env exclude each other: name one of them", *keys)
        named = self._own_value("secret_env", values.text, _SECRET_ENV)
        given = self._environment(named) or given
        if given is None and named != _SECRET_ENV:
            where = self._project.where("lgserve", "webhooks", "secret_env")
            raise ConfigurationError(f"{where}: the variable {named} is not set")
        try:
            texts = [] if given is None else values.texts(given)
            return tuple(read_secret(text) for text in texts)
        except ValueError as error:
            raise self._wrong(str(error), *keys) from None

    def _own_value(self, name: str, parse: values.Parser, default: Any) -> Any:
        return self._parsed(self._own, name, parse, default, "lgserve", "webhooks", name)

    def _parsed(
        self, block: _Block, name: str, parse: values.Parser, default: Any, *keys: str
    ) -> Any:
        if block.get(name) is None:
            return default
        try:
            return parse(block[name])
        except ValueError as error:
            raise self._wrong(str(error), *keys) from None

    def _refuse_unknown(self, block: _Block, valid: tuple[str, ...], *parents: str) -> None:
        for key in block:
            if key not in valid:
                where = self._project.where(*parents, key)
                raise ConfigurationError(f"{where}: unknown key{did_you_mean(key, valid)}")

    def _wrong(self, text: str, *keys: str) -> ConfigurationError:
        return ConfigurationError(f"{self._project.where(*keys)} {text}")


def _domains(value: object) -> tuple[str, ...]:
    found = tuple(text.lower() for text in values.texts(value))
    if not all(_DOMAIN.fullmatch(text) for text in found):
        raise ValueError("must be names such as hooks.example.com or *.example.com")
    return found


def _ports(value: object) -> tuple[int, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    parse = values.whole(1, 65_535)
    try:
        return tuple(parse(item) for item in items)  # type: ignore[misc]
    except ValueError:
        raise ValueError("must be a list of ports") from None
