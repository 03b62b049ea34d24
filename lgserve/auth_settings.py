"""Who may call: what the config's `auth` and `lgserve.auth` say, checked and settled.

`auth: {path: ./auth.py:auth}` names the project's own `langgraph_sdk.Auth`; `lgserve.auth` with a
`type` one of our authenticators. Nothing here shows a key or a secret in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lgserve import setting_values as values
from lgserve.config_document import did_you_mean
from lgserve.core.errors import ConfigurationError
from lgserve.project_config import ProjectConfig

AuthType: TypeAlias = Literal["none", "api_keys", "jwt", "custom"]

_TYPES = ("none", "api_keys", "jwt")
_BLOCK_KEYS = ("path", "disable_studio_auth", "openapi", "cache")
_COMMON_KEYS = ("type", "protect")
_KEYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "api_keys": ("keys",),
    "jwt": (
        "secret", "secret_env", "jwks", "algorithms", "issuer", "audience", "leeway", "owner_claim",
    ),
    "custom": ("unmatched",),
}  # fmt: skip
_SHARED = ("HS256", "HS384", "HS512")
_PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: Shorter keys are guessed; those that `lgserve auth key create` makes have 60 characters.
_SHORTEST_SECRET = 32

_Block: TypeAlias = Mapping[str, Any]
Lookup: TypeAlias = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """How callers are known; `none` lets everybody in."""

    type: AuthType = "none"
    #: Routes that are open by default and shall not be, such as /metrics.
    protect: tuple[str, ...] = ()
    #: Keys by owner, for development.
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str | None = field(default=None, repr=False)
    #: A file, or an http(s) URL.
    jwks: str | None = None
    algorithms: tuple[str, ...] = ()
    issuer: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    leeway_seconds: float = 0.0
    owner_claim: str = "sub"
    #: Where the project's `Auth` is.
    path: str = ""
    #: What happens to what no handler of it decides about.
    unmatched: Literal["allow", "deny"] = "allow"
    #: What it adds to `/openapi.json`.
    openapi: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_auth(project: ProjectConfig, environment: Lookup) -> AuthSettings:
    """Read the project's auth; `environment` looks up variables that secrets are taken from.

    Raises:
        ConfigurationError: something is wrong; the message names the line.
    """
    own = project.lgserve.get("auth")
    if own is not None and not isinstance(own, dict):
        raise ConfigurationError(f"{project.where('lgserve', 'auth')} must be a mapping")
    reader = _Reader(project, own or {}, environment)
    block = project.blocks.get("auth", {})
    return reader.custom(block) if block.get("path") is not None else reader.built_in(block)


def _member(value: Any, name: str, default: Any) -> Any:
    return value.get(name, default) if isinstance(value, dict) else None


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


class _Reader:
    def __init__(self, project: ProjectConfig, own: _Block, environment: Lookup) -> None:
        self._project = project
        self._own = own
        self._environment = environment

    def custom(self, block: _Block) -> AuthSettings:
        """Read the settings of the project's own authentication."""
        self._refuse_near_misses(block)
        path = block["path"]
        if not isinstance(path, str) or not path.rpartition(":")[0]:
            raise self._wrong('must be "path:object"', "path", block="auth")
        if "type" in self._own:
            raise self._wrong("and auth.path exclude each other: name one of them", "type")
        self._refuse_unknown("custom")
        return AuthSettings(
            type="custom",
            path=path,
            protect=self._texts("protect"),
            unmatched=self._parsed("unmatched", values.choice("allow", "deny"), "allow"),
            openapi=self._openapi(block.get("openapi") or {}),
        )

    def _openapi(self, found: Any) -> Mapping[str, Any]:
        schemes, paths = (_member(found, name, {}) for name in ("securitySchemes", "paths"))
        security = _member(found, "security", [])
        methods = paths.values() if isinstance(paths, dict) else [None]
        well = isinstance(schemes, dict) and isinstance(security, list)
        if not well or not all(_is_table(each) for each in methods):
            text = "must have securitySchemes and paths (mappings), and security (a list)"
            raise self._wrong(text, "openapi", block="auth")
        return dict(found)

    def built_in(self, block: _Block) -> AuthSettings:
        """Read the settings of one of our authenticators."""
        self._refuse_near_misses(block)
        if block:
            raise self._wrong('needs a path: "path:object"', block="auth")
        if not self._own:
            return AuthSettings()
        if "type" not in self._own:
            raise self._wrong(f"needs a type: {', '.join(_TYPES)}")
        kind: AuthType = self._parsed("type", values.choice(*_TYPES), "none")
        self._refuse_unknown(kind)
        if kind == "api_keys":
            return AuthSettings(type=kind, protect=self._texts("protect"), keys=self._keys())
        return self._jwt() if kind == "jwt" else AuthSettings()

    def _keys(self) -> dict[str, str]:
        keys = self._own.get("keys") or {}
        if not isinstance(keys, dict):
            raise self._wrong("must be a mapping of owners to keys", "keys")
        for owner, key in keys.items():
            if not isinstance(key, str) or not key.strip() or key != key.strip():
                raise self._wrong("must be text: put the key in quotes", "keys", owner)
            if list(keys.values()).count(key) > 1:
                raise self._wrong("has the key of another owner", "keys", owner)
        return dict(keys)

    def _jwt(self) -> AuthSettings:
        secret, jwks = self._secret(), self._jwks()
        if (secret is None) is (jwks is None):
            raise self._wrong("of type jwt needs either a secret or jwks")
        known = _PUBLIC if secret is None else _SHARED
        algorithms = self._texts("algorithms") or (known if secret is None else ("HS256",))
        for name in algorithms:
            if name not in known:
                source = "jwks" if secret is None else "a secret"
                raise self._wrong(f"with {source} can be {', '.join(known)}", "algorithms")
        return AuthSettings(
            type="jwt",
            protect=self._texts("protect"),
            secret=secret,
            jwks=jwks,
            algorithms=algorithms,
            issuer=self._texts("issuer"),
            audience=self._texts("audience"),
            leeway_seconds=self._parsed("leeway", values.seconds_or_zero, 0.0),
            owner_claim=self._parsed("owner_claim", values.text, "sub"),
            warnings=self._weak(secret),
        )

    def _secret(self) -> str | None:
        named = self._own.get("secret_env")
        if named is None:
            secret = self._own.get("secret")
            if secret is not None and (not isinstance(secret, str) or not secret):
                raise self._wrong("must be text", "secret")
            return secret
        found = self._environment(named) if isinstance(named, str) else None
        if not found:
            raise self._wrong("names an environment variable that is not set", "secret_env")
        return found

    def _weak(self, secret: str | None) -> tuple[str, ...]:
        if secret is None or len(secret.encode()) >= _SHORTEST_SECRET:
            return ()
        where = self._project.where("lgserve", "auth")
        return (f"{where}: the secret is shorter than {_SHORTEST_SECRET} bytes: it can be guessed",)

    def _jwks(self) -> str | None:
        source: str | None = self._parsed("jwks", values.text, None)
        if source is None or source.startswith(("https://", "http://")):
            return source
        file = Path(self._project.root / source).resolve()
        if not file.is_file():
            raise self._wrong(f'the file "{source}" does not exist', "jwks")
        return str(file)

    def _texts(self, key: str) -> tuple[str, ...]:
        found: tuple[str, ...] = self._parsed(key, values.texts, ())
        return found

    def _parsed(self, key: str, parse: values.Parser, default: Any) -> Any:
        value = self._own.get(key)
        if value is None:
            return default
        try:
            return parse(value)
        except ValueError as error:
            raise self._wrong(str(error), key) from None

    def _refuse_unknown(self, kind: str) -> None:
        valid = (*_COMMON_KEYS, *_KEYS[kind])
        for key in self._own:
            if key not in valid:
                raise self._wrong(f"unknown key{did_you_mean(key, valid)}", key, colon=True)

    def _refuse_near_misses(self, block: _Block) -> None:
        for key in block:
            if key not in _BLOCK_KEYS:
                guess = did_you_mean(key, _BLOCK_KEYS)
                raise self._wrong(f"unknown key{guess}", key, block="auth", colon=True)

    def _wrong(
        self, text: str, *keys: str, block: str | None = None, colon: bool = False
    ) -> ConfigurationError:
        parents = (block,) if block else ("lgserve", "auth")
        where = self._project.where(*parents, *keys)
        return ConfigurationError(f"{where}{':' if colon else ''} {text}")
