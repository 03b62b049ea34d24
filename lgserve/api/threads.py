"""Threads over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from lgserve.api.auth import permit, permit_thread
from lgserve.api.bodies import (
    ThreadCountBody,
    ThreadCreateBody,
    ThreadPatchBody,
    ThreadSearchBody,
)
from lgserve.api.http import (
    json_response,
    page_headers,
    read_body,
    services_of,
    user_of,
    uuid_of,
)
from lgserve.api.views import thread_list_view, thread_view
from lgserve.core.ids import new_id
from lgserve.core.models import Page, Scope, ThreadFilter

#: The page of a count, as auth handlers see it.
_UNPAGED = Page(limit=0, sort_by="thread_id")


def routes() -> list[web.RouteDef]:
    """Return the routes of threads."""
    one = "/threads/{thread_id}"
    return [
        web.post("/threads", create),
        web.post("/threads/search", search),
        web.post("/threads/count", count),
        web.get(one, get),
        web.patch(one, update),
        web.delete(one, delete),
    ]


async def create(request: web.Request) -> web.Response:
    """Create a thread."""
    body = await read_body(request, ThreadCreateBody)
    wanted = body.arguments()
    wanted["thread_id"] = wanted["thread_id"] or new_id()
    value = dict(wanted)
    scope = await permit(request, "threads", "create", value)
    thread = await services_of(request).threads.create(
        **{**wanted, "metadata": value["metadata"]}, scope=scope
    )
    return json_response(thread_view(thread))


async def get(request: web.Request) -> web.Response:
    """Return a thread."""
    thread_id = uuid_of(request, "thread")
    scope = await permit_thread(request, "read")
    thread = await services_of(request).threads.get(thread_id, scope, user_of(request))
    return json_response(thread_view(thread))


async def update(request: web.Request) -> web.Response:
    """Merge metadata into a thread's."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, ThreadPatchBody)
    value: dict[str, Any] = {"thread_id": thread_id, "metadata": body.metadata}
    scope = await permit(request, "threads", "update", value)
    thread = await services_of(request).threads.update(
        thread_id, value["metadata"], scope, user_of(request)
    )
    return json_response(thread_view(thread))


async def delete(request: web.Request) -> web.Response:
    """Delete a thread; what runs on it is stopped first."""
    thread_id = uuid_of(request, "thread")
    scope = await permit_thread(request, "delete")
    await services_of(request).threads.delete(thread_id, scope)
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """List threads."""
    body = await read_body(request, ThreadSearchBody)
    where, page, scope = await _permitted(request, body.where(), body.page())
    found, total = await services_of(request).threads.search(
        where, page, scope, values=body.needs_values, user=user_of(request)
    )
    rows = thread_list_view(found, body.select, body.extract)
    return json_response(rows, headers=page_headers(page, len(found), total))


async def count(request: web.Request) -> web.Response:
    """Count threads."""
    body = await read_body(request, ThreadCountBody)
    where, _, scope = await _permitted(request, body.where(), _UNPAGED)
    return json_response(await services_of(request).threads.count(where, scope))


async def _permitted(
    request: web.Request, where: ThreadFilter, page: Page
) -> tuple[ThreadFilter, Page, Scope]:
    """Return a search as it is allowed."""
    value: dict[str, Any] = {
        "metadata": dict(where.metadata or {}),
        "values": dict(where.values or {}),
        "status": where.status,
        "limit": page.limit,
        "offset": page.offset,
    }
    scope = await permit(request, "threads", "search", value)
    where = replace(
        where,
        metadata=value["metadata"] or None,
        values=value["values"] or None,
        status=value["status"],
    )
    return where, replace(page, limit=value["limit"], offset=value["offset"]), scope
