"""Threads over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from lgserve import jsonio
from lgserve.api.auth import permit, permit_search, permit_thread
from lgserve.api.bodies import (
    ThreadCountBody,
    ThreadCreateBody,
    ThreadPatchBody,
    ThreadPruneBody,
    ThreadSearchBody,
)
from lgserve.api.http import (
    json_response,
    names,
    page_headers,
    read_body,
    services_of,
    user_of,
    uuid_of,
)
from lgserve.api.idempotency import once_of
from lgserve.api.thread_bodies import checked_ttl, supersteps_of, ttl_wish
from lgserve.api.views import Row, space_view, thread_list_view, thread_view
from lgserve.core.ids import new_random_id
from lgserve.core.models import Thread
from lgserve.services.thread_ttl import TtlWish
from lgserve.services.threads import NewThread


def routes() -> list[web.RouteDef]:
    """Return the routes of threads."""
    one = "/threads/{thread_id}"
    return [
        web.post("/threads", create),
        web.post("/threads/search", search),
        web.post("/threads/count", count),
        web.post("/threads/prune", prune),
        web.get(one, get),
        web.patch(one, update),
        web.delete(one, delete),
        web.post(f"{one}/copy", copy),
        web.get(f"{one}/storage", storage),
    ]


async def create(request: web.Request) -> web.Response:
    """Create a thread; supersteps are carried out on it before anybody sees it."""
    body = await read_body(request, ThreadCreateBody)
    value = body.value()
    chosen = value["thread_id"]
    scope = await permit(request, "threads", "create", value)
    if body.supersteps:
        await permit(request, "threads", "update", {"thread_id": chosen})
    wanted = NewThread(
        thread_id=chosen,
        metadata=value["metadata"],
        if_exists=body.if_exists,
        ttl=_wish(value),
        supersteps=supersteps_of(body.supersteps),
    )
    view = _view(request)
    thread = await services_of(request).threads.create(
        wanted, scope, user_of(request), await once_of(request, view)
    )
    return json_response(view(thread))


async def get(request: web.Request) -> web.Response:
    """Return a thread."""
    thread_id = uuid_of(request, "thread")
    scope = await permit_thread(request, "read")
    thread = await services_of(request).threads.get(thread_id, scope, user_of(request))
    return json_response(_view(request)(thread))


async def update(request: web.Request) -> web.Response:
    """Merge metadata into a thread's, and set how long it is kept."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, ThreadPatchBody)
    value = body.value(thread_id)
    scope = await permit(request, "threads", "update", value)
    thread = await services_of(request).threads.update(
        thread_id, value["metadata"], _wish(value), scope, user_of(request)
    )
    if _wants_little(request):
        return web.Response(status=204)
    return json_response(_view(request)(thread))


async def copy(request: web.Request) -> web.Response:
    """Create a thread that stands where another one does."""
    thread_id = uuid_of(request, "thread")
    threads = services_of(request).threads
    source = await threads.find(thread_id, await permit_thread(request, "read"))
    copy_id = new_random_id()
    value = {"thread_id": copy_id, "metadata": jsonio.loads(source.metadata), "if_exists": "raise"}
    scope = await permit(request, "threads", "create", value)
    view = _view(request)
    once = await once_of(request, view)
    made = await threads.copy(source, copy_id, value["metadata"], scope, user_of(request), once)
    return json_response(view(made))


async def prune(request: web.Request) -> web.Response:
    """Delete threads, or their checkpoints but the latest; those not found are passed over."""
    body = await read_body(request, ThreadPruneBody)
    value: dict[str, Any] = {"thread_ids": body.ids()}
    of_all = await permit(request, "threads", "delete", value)
    pruned = 0
    for thread_id in value["thread_ids"]:
        of_one = await permit(request, "threads", "delete", {"thread_id": thread_id})
        scope = {"$and": [of_all, of_one]} if of_all else of_one
        pruned += await services_of(request).threads.prune(thread_id, body.strategy, scope)
    return json_response({"pruned_count": pruned})


async def storage(request: web.Request) -> web.Response:
    """Tell what a thread takes in the database."""
    thread_id = uuid_of(request, "thread")
    scope = await permit_thread(request, "read")
    space = await services_of(request).threads.space(thread_id, scope)
    return json_response(space_view(thread_id, space))


async def delete(request: web.Request) -> web.Response:
    """Delete a thread; what runs on it is stopped first."""
    thread_id = uuid_of(request, "thread")
    scope = await permit_thread(request, "delete")
    await services_of(request).threads.delete(thread_id, scope)
    return web.Response(status=204)


async def search(request: web.Request) -> web.Response:
    """List threads."""
    body = await read_body(request, ThreadSearchBody)
    where, page, scope = await permit_search(request, "threads", body.where(), body.page())
    found, total = await services_of(request).threads.search(
        where, page, scope, values=body.needs_values, user=user_of(request)
    )
    rows = thread_list_view(found, body.select, body.extract, names(request, "include"))
    return json_response(rows, headers=page_headers(page, len(found), total))


async def count(request: web.Request) -> web.Response:
    """Count threads."""
    body = await read_body(request, ThreadCountBody)
    where, _, scope = await permit_search(request, "threads", body.where())
    return json_response(await services_of(request).threads.count(where, scope))


def _view(request: web.Request) -> Callable[[Thread], Row]:
    """Return how this request wants to see a thread."""
    return partial(thread_view, include=names(request, "include"))


def _wants_little(request: web.Request) -> bool:
    """Tell whether the client does without an answer's body."""
    return "return=minimal" in request.headers.get("Prefer", "").replace(" ", "").lower()


def _wish(value: Mapping[str, Any]) -> TtlWish | None:
    """Return the TTL that is wished, as auth handlers left it; None leaves that as it is."""
    return ttl_wish(checked_ttl(value["ttl"])) if "ttl" in value else None
