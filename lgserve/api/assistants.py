"""Assistants over HTTP. An assistant is named by its id or by that of its graph."""

from __future__ import annotations

from aiohttp import web

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
    scope_of,
    services_of,
)
from lgserve.api.views import assistant_list_view, assistant_view


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
    assistant = await services_of(request).assistants.create(
        **body.arguments(), scope=scope_of(request)
    )
    return json_response(assistant_view(assistant))


async def get(request: web.Request) -> web.Response:
    """Return an assistant."""
    assistant = await services_of(request).assistants.get(_id(request), scope_of(request))
    return json_response(assistant_view(assistant))


async def update(request: web.Request) -> web.Response:
    """Change an assistant, which makes a new version of it."""
    body = await read_body(request, AssistantPatchBody)
    assistant = await services_of(request).assistants.update(
        _id(request), body.to_patch(), scope_of(request)
    )
    return json_response(assistant_view(assistant))


async def delete(request: web.Request) -> web.Response:
    """Delete an assistant, with `delete_threads` also its threads."""
    await services_of(request).assistants.delete(
        _id(request), scope_of(request), delete_threads=flag(request, "delete_threads")
    )
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """List assistants."""
    body = await read_body(request, AssistantSearchBody)
    page = body.page()
    found, total = await services_of(request).assistants.search(
        body.where(), page, scope_of(request)
    )
    rows = assistant_list_view(found, body.select)
    return json_response(rows, headers=page_headers(page, len(found), total))


async def count(request: web.Request) -> web.Response:
    """Count assistants."""
    body = await read_body(request, AssistantCountBody)
    return json_response(
        await services_of(request).assistants.count(body.where(), scope_of(request))
    )


def _id(request: web.Request) -> str:
    return request.match_info["assistant_id"]
