"""Who calls, and what they may: every route but those of probes and of facts asks.

A handler gets the scope of what it does from `permit`, which asks the authenticator, or, where it
does not matter what is done, from `lgserve.api.http.scope_of`. On a server with an authenticator
neither gives one without an authenticated caller: a new route is closed until it asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from aiohttp import web

from lgserve.api.http import principal_of, services_of
from lgserve.api.keys import AUTHENTICATOR, PRINCIPAL
from lgserve.core.ids import parse_uuid, system_assistant_id
from lgserve.core.models import EVERYTHING, AssistantFilter, Page, Scope, ThreadFilter
from lgserve.core.principals import Action, IncomingRequest, Resource
from lgserve.services.permits import permitted_run

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from lgserve.core.ports import Authenticator
    from lgserve.services.run_requests import RunRequest

FilterT = TypeVar("FilterT", AssistantFilter, ThreadFilter)

#: Routes that show nothing of anybody; the setting `lgserve.auth.protect` closes some of them.
PUBLIC = frozenset(
    {
        "/", "/ok", "/health", "/ready", "/info", "/metrics", "/metrics/json", "/docs",
        "/docs/{asset}", "/openapi.json",
    }
)  # fmt: skip
#: What a handler sees of a search, besides its page; and which of that are objects.
_SEARCHED = {
    "assistants": ("graph_id", "metadata"),
    "threads": ("metadata", "values", "status"),
}
_OBJECTS = ("metadata", "values")
#: The page of a count.
_UNPAGED = Page(limit=0, sort_by="")


def _closed(path: str, protect: Collection[str]) -> bool:
    """Tell whether a route, or one that it stands below, is to be protected."""
    return any(path == each or (each != "/" and path.startswith(f"{each}/")) for each in protect)


def open_paths(protect: Collection[str]) -> frozenset[str]:
    """Return the public routes but for those that are to be protected."""
    return frozenset(each for each in PUBLIC if not _closed(each, protect))


def door(
    authenticator: Authenticator, prefix: str, protect: Collection[str]
) -> Callable[[web.Request], Awaitable[None]]:
    """Return what notes who makes a request, and lets nobody in who is not known.

    Public routes ask nobody.
    """
    public = {path for each in open_paths(protect) for path in (each, prefix + each)}

    async def let_in(request: web.Request) -> None:
        if PRINCIPAL in request:  # asked before the custom app
            return
        # The route decides, not the path: an odd spelling of a path must not open anything.
        resource = request.match_info.route.resource
        if resource is None or resource.canonical not in public:
            request[PRINCIPAL] = await authenticator.authenticate(_incoming(request))

    return let_in


def guard(let_in: Callable[[web.Request], Awaitable[None]]) -> Middleware:
    """Return the middleware that lets nobody in who is not known, but to public routes."""

    @web.middleware
    async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
        await let_in(request)
        return await handler(request)

    return authenticated


async def is_known(request: web.Request) -> bool:
    """Tell whether the caller of a public route may see more than everybody."""
    authenticator = request.app.get(AUTHENTICATOR)
    if authenticator is None or PRINCIPAL in request:
        return True
    try:
        await authenticator.authenticate(_incoming(request))
    except Exception:  # noqa: BLE001 - the project's handler may fail in any way: nobody is known
        return False
    return True


def _incoming(request: web.Request) -> IncomingRequest:
    return IncomingRequest(
        method=request.method,
        path=request.path,
        headers=request.headers,
        query=request.query,
        path_params=request.match_info,
        native=request,
    )


async def permit(
    request: web.Request, resource: Resource, action: Action, value: dict[str, Any]
) -> Scope:
    """Return the scope of what is asked for; `value` may be changed by the project's handler.

    Raises:
        ForbiddenError: the caller may not.
    """
    authenticator = request.app.get(AUTHENTICATOR)
    if authenticator is None:
        return EVERYTHING
    return await authenticator.authorize(principal_of(request), resource, action, value)


async def permit_thread(request: web.Request, action: Action, **more: Any) -> Scope:
    """Return the scope for the thread in the path."""
    thread_id = parse_uuid(request.match_info.get("thread_id", ""))
    return await permit(request, "threads", action, {"thread_id": thread_id, **more})


async def permit_assistant(request: web.Request, action: Action) -> Scope:
    """Return the scope for the assistant in the path, which a graph may stand for."""
    return await permit(request, "assistants", action, {"assistant_id": assistant_id_of(request)})


async def permit_search(
    request: web.Request,
    resource: Literal["assistants", "threads"],
    where: FilterT,
    page: Page = _UNPAGED,
) -> tuple[FilterT, Page, Scope]:
    """Return a search, or a count, as it is allowed."""
    members = {name: getattr(where, name) for name in _SEARCHED[resource]}
    objects = [name for name in members if name in _OBJECTS]
    value = {**members, **{name: dict(members[name] or {}) for name in objects}}
    value |= {"limit": page.limit, "offset": page.offset}
    scope = await permit(request, resource, "search", value)
    value |= {name: value[name] or None for name in objects}
    where = replace(where, **{name: value[name] for name in members})
    return where, replace(page, limit=value["limit"], offset=value["offset"]), scope


def assistant_id_of(request: web.Request) -> str:
    """Return the id of the assistant in the path."""
    named = request.match_info["assistant_id"]
    return parse_uuid(named) or system_assistant_id(named)


async def permit_run(
    request: web.Request, thread_id: str | None, wanted: RunRequest
) -> tuple[RunRequest, Scope]:
    """Return a run as it may be created, for its user, and the scope for its thread.

    A run needs its assistant to be readable too, unless that is one of the system's.
    """
    if request.app.get(AUTHENTICATOR) is None:
        return wanted, EVERYTHING
    return await permitted_run(
        lambda resource, action, value: permit(request, resource, action, value),
        principal_of(request),
        thread_id,
        wanted,
        is_system=services_of(request).assistants.is_system,
    )
