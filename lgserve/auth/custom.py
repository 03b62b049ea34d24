"""The project's own authentication: a `langgraph_sdk.Auth`, whose handlers run on the user loop.

One handler is asked: that of the resource and action, else of the resource, of the action, of all.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID

from langgraph_sdk.auth.types import AuthContext

from lgserve.auth.owners import refuse_system
from lgserve.auth.requests import BytesHeaders, RequestView
from lgserve.core import scopes
from lgserve.core.errors import (
    AuthHandlerError,
    BadRequestError,
    ConfigurationError,
    ForbiddenError,
    LgserveError,
    UnavailableError,
)
from lgserve.core.models import EVERYTHING, Scope
from lgserve.core.principals import Action, IncomingRequest, Principal, Resource

if TYPE_CHECKING:
    from lgserve.core.ports import UserLoop

T = TypeVar("T")
_AskHandler = Callable[..., Awaitable[Any]]
_Given = Mapping[str, Any]

#: What an authenticate handler may ask for, by the names of its parameters.
_PARAMETERS: dict[str, Callable[[IncomingRequest, asyncio.AbstractEventLoop], Any]] = {
    "request": RequestView,
    "authorization": lambda request, _: request.headers.get("authorization"),
    "headers": lambda request, _: BytesHeaders.of(request.headers),
    "method": lambda request, _: request.method,
    "path": lambda request, _: request.path,
    "path_params": lambda request, _: dict(request.path_params),
    "query_params": lambda request, _: dict(request.query),
}
#: What there is to be authorized.
_ACTIONS: dict[Resource, tuple[Action, ...]] = {
    "threads": ("create", "read", "update", "delete", "search", "create_run"),
    "assistants": ("create", "read", "update", "delete", "search"),
    "crons": ("create", "read", "update", "delete", "search"),
    "store": ("put", "get", "search", "delete", "list_namespaces"),
}
_NO_USER = "Expected a BaseUser instance with required property: identity (str)"


class CustomAuthenticator:
    """Asks the project's handlers; see `lgserve.core.ports.Authenticator`."""

    def __init__(self, user_loop: UserLoop, unmatched: Literal["allow", "deny"]) -> None:
        self._user_loop = user_loop
        self._deny = unmatched == "deny"
        self._auth: Any = None
        self._wanted: tuple[str, ...] = ()

    def use(self, auth: Any) -> None:
        """Ask the handlers of this `Auth` from now on.

        Raises:
            ConfigurationError: it is none, or its authenticate handler cannot be called.
        """
        handler = getattr(auth, "_authenticate_handler", None)
        if not hasattr(auth, "_global_handlers") or not hasattr(auth, "_handlers"):
            raise ConfigurationError(f"it must be a langgraph_sdk.Auth, not {type(auth).__name__}")
        if handler is None:
            raise ConfigurationError("it has no handler: write one under @auth.authenticate")
        self._wanted = _wanted(handler)
        self._auth = auth

    def unmatched(self) -> list[str]:
        """Name what no handler decides about; with `unmatched: deny` it is forbidden."""
        return [
            f"{resource}.{action}"
            for resource, actions in _ACTIONS.items()
            for action in actions
            if self._handler(resource, action) is None
        ]

    async def authenticate(self, request: IncomingRequest) -> Principal:
        """Return the user that the project's handler knows."""
        if self._auth is None:
            raise UnavailableError
        home = asyncio.get_running_loop()
        given = {name: _PARAMETERS[name](request, home) for name in self._wanted}
        handler = self._auth._authenticate_handler  # noqa: SLF001 - the SDK promises its name
        return await self._user_loop.run(lambda: _http_errors(_authenticated(handler, given)))

    async def authorize(
        self, principal: Principal, resource: Resource, action: Action, value: dict[str, Any]
    ) -> Scope:
        """Ask the handler that is closest to what is done."""
        refuse_system(resource, action, value)
        handler = self._handler(resource, action)
        if handler is None:
            if self._deny:
                raise ForbiddenError
            return EVERYTHING
        _with_uuids(value)
        context = AuthContext(
            permissions=principal.permissions,
            user=principal,
            resource=resource,
            action=action,
        )
        answer = await self._user_loop.run(
            lambda: _http_errors(_asserted(handler(ctx=context, value=value)))
        )
        return _scope(answer, resource, action)

    def scope(self, principal: Principal) -> Scope:
        """Refuse: what a user may see depends on what is done, and its handler was not asked."""
        del principal
        raise ForbiddenError

    def _handler(self, resource: str, action: str) -> _AskHandler | None:
        handlers = self._auth._handlers  # noqa: SLF001 - the SDK promises its name
        for place in ((resource, action), (resource, "*"), ("*", action), ("*", "*")):
            if place in handlers:
                found: _AskHandler = handlers[place][-1]
                return found
        everything = self._auth._global_handlers  # noqa: SLF001 - as above
        return everything[-1] if everything else None


def _wanted(handler: Callable[..., Any]) -> tuple[str, ...]:
    wanted = []
    for parameter in inspect.signature(handler).parameters.values():
        if parameter.name in _PARAMETERS:
            wanted.append(parameter.name)
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            raise ConfigurationError(
                f"its authenticate handler asks for {parameter.name!r};"
                f" it can have {', '.join(_PARAMETERS)}"
            )
    return tuple(wanted)


async def _authenticated(handler: Callable[..., Any], given: _Given) -> Principal:
    if inspect.iscoroutinefunction(handler):
        user = await handler(**given)
    else:
        user = await asyncio.to_thread(handler, **given)
        if inspect.isawaitable(user):
            user = await user
    return to_principal(user)


def to_principal(user: Any) -> Principal:
    """Return what an authenticate handler returned as a user.

    Raises:
        BadRequestError: it has no identity.
    """
    members = {"identity": user} if isinstance(user, str) else _members(user)
    if not isinstance(members.get("identity"), str) or not members["identity"]:
        raise BadRequestError(f"{_NO_USER}. Got {type(user).__name__}")
    return Principal(members)


def _members(user: Any) -> dict[str, Any]:
    """Return the members of a user: of a mapping, a pydantic model, or any object."""
    if isinstance(user, Mapping):
        return dict(user)
    dump = getattr(user, "model_dump", None) or getattr(user, "to_dict", None)
    known = dict(dump()) if callable(dump) else dict(getattr(user, "__dict__", {}))
    found = {name: member for name, member in known.items() if not name.startswith("_")}
    for name in ("identity", "display_name", "is_authenticated", "permissions"):
        if hasattr(user, name):
            found[name] = getattr(user, name)
    return found


def _with_uuids(value: dict[str, Any]) -> None:
    """Give handlers ids as UUIDs, as the reference does."""
    for name in ("thread_id", "assistant_id", "run_id", "cron_id"):
        if isinstance(value.get(name), str):
            value[name] = UUID(value[name])


async def _asserted(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except AssertionError as exc:
        raise ForbiddenError(str(exc) or None) from exc


async def _http_errors(asked: Awaitable[T]) -> T:
    """Await a handler; an HTTP error it raises, the SDK's or a framework's, is the answer."""
    try:
        return await asked
    except LgserveError:
        raise
    except Exception as exc:
        status, detail = getattr(exc, "status_code", None), getattr(exc, "detail", None)
        if not isinstance(status, int) or detail is None:
            raise
        raise AuthHandlerError(status, str(detail), getattr(exc, "headers", None)) from exc


def _scope(answer: Any, resource: str, action: str) -> Scope:
    if answer is None or answer is True:
        return EVERYTHING
    if answer is False:
        raise ForbiddenError
    where = f"the auth handler of {resource}.{action}"
    if not isinstance(answer, Mapping):
        raise LgserveError(f"{where} returned a {type(answer).__name__}: None, a bool or a filter")
    try:
        scopes.check(dict(answer))
    except ValueError as exc:
        raise LgserveError(f"{where} returned a filter that cannot be applied: {exc}") from exc
    return dict(answer)
