"""Which authenticator guards the API, by the settings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lgserve.auth.api_key import ApiKeyAuthenticator
from lgserve.auth.custom import CustomAuthenticator
from lgserve.auth.owners import OWNER
from lgserve.core.errors import ConfigurationError, GraphLoadError
from lgserve.core.models import EVERYTHING, Scope
from lgserve.graphs.loader import ExportLoader

if TYPE_CHECKING:
    from collections.abc import Callable

    from lgserve.auth_settings import AuthSettings, AuthType
    from lgserve.core.ports import Authenticator, Clock, Storage, UserLoop
    from lgserve.settings import Settings

_log = logging.getLogger("lgserve")


def make_authenticator(
    settings: Settings, storage: Storage, clock: Clock, user_loop: UserLoop
) -> Authenticator | None:
    """Return the authenticator; None if everybody may call."""
    auth = settings.auth
    for warning in auth.warnings:
        _log.warning("%s", warning)
    if auth.type == "api_keys":
        return ApiKeyAuthenticator(storage, clock, auth.keys)
    if auth.type == "jwt":
        return _jwt(auth)
    return CustomAuthenticator(user_loop, auth.unmatched) if auth.type == "custom" else None


def _jwt(auth: AuthSettings) -> Authenticator:
    # Cryptography takes 10 MB that a server without tokens does not need.
    from lgserve.auth.jwt import JwtAuthenticator, JwtOptions

    return JwtAuthenticator(
        JwtOptions(
            secret=auth.secret,
            jwks=auth.jwks,
            algorithms=auth.algorithms,
            issuer=auth.issuer,
            audience=auth.audience,
            leeway_seconds=auth.leeway_seconds,
            owner_claim=auth.owner_claim,
        )
    )


def store_scope_of(kind: AuthType) -> Callable[[str], Scope]:
    """Return the scope in which a user's code finds the store, by the user's identity.

    The project's own handlers divide the store by namespaces: then it is one for all code.
    """
    if kind in ("api_keys", "jwt"):
        return lambda identity: {OWNER: identity}
    return lambda _: EVERYTHING


async def load_custom(
    settings: Settings, authenticator: Authenticator | None, user_loop: UserLoop
) -> None:
    """Import the project's `Auth`, if it has one: a server that cannot must not serve.

    Raises:
        ConfigurationError: it cannot be imported, or is no `Auth`.
    """
    if not isinstance(authenticator, CustomAuthenticator):
        return
    project, path = settings.project, settings.auth.path
    where = f'{project.where("auth", "path")}: "{path}"'

    async def load() -> None:
        authenticator.use(ExportLoader(project.root, project.import_paths).load(path))

    try:
        await user_loop.run(load)
    except ConfigurationError as exc:
        raise ConfigurationError(f"{where}: {exc.message}") from exc
    except GraphLoadError as exc:
        raise ConfigurationError(f"{where} cannot be loaded: {exc.message}") from exc
    except (Exception, SystemExit) as exc:
        raise ConfigurationError(f"{where} cannot be loaded: {exc!r}") from exc
    if open_to_all := authenticator.unmatched():
        verdict = "forbidden" if settings.auth.unmatched == "deny" else "allowed to every user"
        _log.warning("no auth handler decides about %s: %s", ", ".join(open_to_all), verdict)
