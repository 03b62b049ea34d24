"""The state of threads over HTTP, now and in the past."""

from __future__ import annotations

from aiohttp import web

from lgserve.api.auth import permit_thread
from lgserve.api.bodies import (
    HistoryBody,
    StateAtCheckpointBody,
    StateUpdateBody,
    check_state_select,
)
from lgserve.api.http import (
    flag,
    integer,
    json_response,
    names,
    read_body,
    services_of,
    user_of,
    uuid_of,
)
from lgserve.core.ids import canonical


def routes() -> list[web.RouteDef]:
    """Return the routes of state and history."""
    state = "/threads/{thread_id}/state"
    history = "/threads/{thread_id}/history"
    return [
        web.get(state, get),
        web.get(state + "/{checkpoint_id}", get),
        web.post(state + "/checkpoint", get_at_checkpoint),
        web.post(state, update),
        web.get(history, get_history),
        web.post(history, search_history),
    ]


async def get(request: web.Request) -> web.Response:
    """Return the latest state, or the one at the checkpoint in the path."""
    named = request.match_info.get("checkpoint_id")
    return json_response(
        await services_of(request).state.get(
            uuid_of(request, "thread"),
            {"checkpoint_id": named and canonical(named)},
            await permit_thread(request, "read"),
            subgraphs=flag(request, "subgraphs"),
            select=_selected(request),
            user=user_of(request),
        )
    )


async def get_at_checkpoint(request: web.Request) -> web.Response:
    """Return the state at a checkpoint, a subgraph's too."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, StateAtCheckpointBody)
    return json_response(
        await services_of(request).state.get(
            thread_id,
            body.checkpoint,
            await permit_thread(request, "read"),
            subgraphs=body.subgraphs,
            select=body.select,
            user=user_of(request),
        )
    )


async def update(request: web.Request) -> web.Response:
    """Write to the state as if a node had."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, StateUpdateBody)
    scope = await permit_thread(request, "update")
    return json_response(
        await services_of(request).state.update(
            thread_id, body.to_update(), scope, user_of(request)
        )
    )


async def get_history(request: web.Request) -> web.Response:
    """Return past states, newest first."""
    before = request.query.get("before")
    return json_response(
        await services_of(request).state.history(
            uuid_of(request, "thread"),
            limit=integer(request, "limit", 1, low=0),
            before={"checkpoint_id": canonical(before)} if before else None,
            metadata=None,
            checkpoint={},
            scope=await permit_thread(request, "read"),
            select=_selected(request),
            user=user_of(request),
        )
    )


async def search_history(request: web.Request) -> web.Response:
    """Return past states that a body describes, newest first."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, HistoryBody)
    scope = await permit_thread(request, "read")
    return json_response(
        await services_of(request).state.history(
            thread_id, **body.arguments(), scope=scope, user=user_of(request)
        )
    )


def _selected(request: web.Request) -> list[str]:
    return check_state_select(list(names(request, "select")))
