"""The state of threads over HTTP, now and in the past."""

from __future__ import annotations

from aiohttp import web

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
    scope_of,
    services_of,
    uuid_of,
)


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
    return json_response(
        await services_of(request).state.get(
            uuid_of(request, "thread"),
            {"checkpoint_id": request.match_info.get("checkpoint_id")},
            scope_of(request),
            subgraphs=flag(request, "subgraphs"),
            select=_selected(request),
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
            scope_of(request),
            subgraphs=body.subgraphs,
            select=body.select,
        )
    )


async def update(request: web.Request) -> web.Response:
    """Write to the state as if a node had."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, StateUpdateBody)
    return json_response(
        await services_of(request).state.update(thread_id, body.to_update(), scope_of(request))
    )


async def get_history(request: web.Request) -> web.Response:
    """Return past states, newest first."""
    before = request.query.get("before")
    return json_response(
        await services_of(request).state.history(
            uuid_of(request, "thread"),
            limit=integer(request, "limit", 1, low=0),
            before={"checkpoint_id": before} if before else None,
            metadata=None,
            checkpoint={},
            scope=scope_of(request),
            select=_selected(request),
        )
    )


async def search_history(request: web.Request) -> web.Response:
    """Return past states that a body describes, newest first."""
    thread_id = uuid_of(request, "thread")
    body = await read_body(request, HistoryBody)
    return json_response(
        await services_of(request).state.history(
            thread_id, **body.arguments(), scope=scope_of(request)
        )
    )


def _selected(request: web.Request) -> list[str]:
    return check_state_select(list(names(request, "select")))
