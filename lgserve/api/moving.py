"""Threads between servers over HTTP: one goes out whole, one comes in whole."""

from __future__ import annotations

import asyncio
from typing import Any, cast, get_args

from aiohttp import web

from lgserve import jsonio
from lgserve.api.auth import permit, permit_thread
from lgserve.api.http import json_response, read_body, services_of, user_of, uuid_of
from lgserve.api.moving_bodies import ThreadImportBody, export_view
from lgserve.core.errors import InvalidRequestError
from lgserve.core.ids import parse_uuid
from lgserve.core.models import Json
from lgserve.core.moving import OnConflict


def routes() -> list[web.RouteDef]:
    """Return the routes by which threads move."""
    return [
        web.get("/threads/{thread_id}/export", export),
        web.post("/threads/import", take_in),
    ]


async def export(request: web.Request) -> web.Response:
    """Return a thread with all its checkpoints, for `take_in` of another server."""
    thread_id = uuid_of(request, "thread")
    scope = await permit_thread(request, "read")
    found = await services_of(request).moving.export(thread_id, scope, user_of(request))
    # A long history takes its time; others are served meanwhile.
    text = await asyncio.to_thread(lambda: jsonio.dumps(export_view(*found)))
    return json_response(Json(text))


async def take_in(request: web.Request) -> web.Response:
    """Store a thread that another server gave away: all of it, or nothing."""
    on_conflict = _on_conflict(request)
    body = await read_body(request, ThreadImportBody)
    named = parse_uuid(body.thread.thread_id)
    value: dict[str, Any] = {
        "thread_id": named,
        "metadata": body.thread.metadata,
        "if_exists": "do_nothing" if on_conflict == "skip" else "raise",
    }
    scope = await permit(request, "threads", "create", value)
    if on_conflict == "replace":
        await permit(request, "threads", "delete", {"thread_id": named})
    thread = body.thread.thread(value["metadata"])
    checkpoints = await asyncio.to_thread(body.moved)
    outcome = await services_of(request).moving.take_in(thread, checkpoints, scope, on_conflict)
    answer = {"thread_id": thread.thread_id, "outcome": outcome, "checkpoints": len(checkpoints)}
    return json_response(answer)


def _on_conflict(request: web.Request) -> OnConflict:
    text = request.query.get("on_conflict", "fail")
    if text not in get_args(OnConflict):
        raise InvalidRequestError(f"Invalid on_conflict {text}: must be fail, skip or replace")
    return cast("OnConflict", text)
