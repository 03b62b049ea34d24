"""Threads over HTTP."""

from __future__ import annotations

from aiohttp import web

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
    scope_of,
    services_of,
    uuid_of,
)
from lgserve.api.views import thread_list_view, thread_view


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
    thread = await services_of(request).threads.create(**body.arguments(), scope=scope_of(request))
    return json_response(thread_view(thread))


async def get(request: web.Request) -> web.Response:
    """Return a thread."""
    thread = await services_of(request).threads.get(uuid_of(request, "thread"), scope_of(request))
    return json_response(thread_view(thread))


async def update(request: web.Request) -> web.Response:
    """Merge metadata into a thread's."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, ThreadPatchBody)
    thread = await services_of(request).threads.update(thread_id, body.metadata, scope_of(request))
    return json_response(thread_view(thread))


async def delete(request: web.Request) -> web.Response:
    """Delete a thread; what runs on it is stopped first."""
    await services_of(request).threads.delete(uuid_of(request, "thread"), scope_of(request))
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """List threads."""
    body = await read_body(request, ThreadSearchBody)
    page = body.page()
    found, total = await services_of(request).threads.search(
        body.where(), page, scope_of(request), values=body.needs_values
    )
    rows = thread_list_view(found, body.select, body.extract)
    return json_response(rows, headers=page_headers(page, len(found), total))


async def count(request: web.Request) -> web.Response:
    """Count threads."""
    body = await read_body(request, ThreadCountBody)
    return json_response(await services_of(request).threads.count(body.where(), scope_of(request)))
