"""Assistants over HTTP. An assistant is named by its id or by that of its graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from lgserve.api.auth import assistant_id_of, permit, permit_assistant
from lgserve.api.bodies import (
    AssistantCountBody,
    AssistantCreateBody,
    AssistantPatchBody,
    AssistantSearchBody,
)
from lgserve.api.http import (
    flag,
    json_response,
    page_headers,
    read_body,
    services_of,
)
from lgserve.api.views import assistant_list_view, assistant_view
from lgserve.core.ids import new_random_id
from lgserve.core.models import AssistantFilter, Page, Scope

#: What auth handlers see of an assistant, and what they may change of a new one.
_MEMBERS = ("graph_id", "config", "context", "metadata", "name")
_CHANGEABLE = ("config", "context", "metadata", "name")
#: The page of a count, as auth handlers see it.
_UNPAGED = Page(limit=0, sort_by="assistant_id")


def routes() -> list[web.RouteDef]:
    """Return the routes of assistants."""
    one = "/assistants/{assistant_id}"
    return [
        web.post("/assistants", create),
        web.post("/assistants/search", search),
        web.post("/assistants/count", count),
        web.get(one, get),
        web.patch(one, update),
        web.delete(one, delete),
    ]


async def create(request: web.Request) -> web.Response:
    """Create an assistant."""
    body = await read_body(request, AssistantCreateBody)
    wanted = body.arguments()
    wanted["assistant_id"] = wanted["assistant_id"] or new_random_id()
    wanted["name"] = wanted["name"] or "Untitled"
    value = {name: wanted[name] for name in ("assistant_id", *_MEMBERS, "if_exists")}
    scope = await permit(request, "assistants", "create", value)
    changed = {name: value[name] for name in _CHANGEABLE}
    assistant = await services_of(request).assistants.create(**{**wanted, **changed}, scope=scope)
    return json_response(assistant_view(assistant))


async def get(request: web.Request) -> web.Response:
    """Return an assistant."""
    assistant_id = _id(request)
    scope = await permit_assistant(request, "read")
    assistant = await services_of(request).assistants.get(assistant_id, scope)
    return json_response(assistant_view(assistant))


async def update(request: web.Request) -> web.Response:
    """Change an assistant, which makes a new version of it."""
    body = await read_body(request, AssistantPatchBody)
    assistant_id, patch = _id(request), body.to_patch()
    value = {name: getattr(patch, name) for name in _MEMBERS}
    value |= {"assistant_id": assistant_id_of(request), "metadata": dict(patch.metadata or {})}
    scope = await permit(request, "assistants", "update", value)
    if patch.metadata is None and not value["metadata"]:
        value["metadata"] = None
    patch = replace(patch, **{name: value[name] for name in _CHANGEABLE})
    assistant = await services_of(request).assistants.update(assistant_id, patch, scope)
    return json_response(assistant_view(assistant))


async def delete(request: web.Request) -> web.Response:
    """Delete an assistant, with `delete_threads` also its threads."""
    assistant_id = _id(request)
    scope = await permit_assistant(request, "delete")
    threads = None
    if flag(request, "delete_threads"):
        threads = await permit(request, "threads", "delete", {})
    await services_of(request).assistants.delete(assistant_id, scope, delete_threads=threads)
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """List assistants."""
    body = await read_body(request, AssistantSearchBody)
    where, page, scope = await _permitted(request, body.where(), body.page())
    found, total = await services_of(request).assistants.search(where, page, scope)
    rows = assistant_list_view(found, body.select)
    return json_response(rows, headers=page_headers(page, len(found), total))


async def count(request: web.Request) -> web.Response:
    """Count assistants."""
    body = await read_body(request, AssistantCountBody)
    where, _, scope = await _permitted(request, body.where(), _UNPAGED)
    return json_response(await services_of(request).assistants.count(where, scope))


async def _permitted(
    request: web.Request, where: AssistantFilter, page: Page
) -> tuple[AssistantFilter, Page, Scope]:
    """Return a search as it is allowed."""
    value: dict[str, Any] = {
        "graph_id": where.graph_id,
        "metadata": dict(where.metadata or {}),
        "limit": page.limit,
        "offset": page.offset,
    }
    scope = await permit(request, "assistants", "search", value)
    where = replace(where, graph_id=value["graph_id"], metadata=value["metadata"] or None)
    return where, replace(page, limit=value["limit"], offset=value["offset"]), scope


def _id(request: web.Request) -> str:
    """Return the assistant in the path as it is named, which has to make sense."""
    named = request.match_info["assistant_id"]
    services_of(request).assistants.resolve(named)
    return named
