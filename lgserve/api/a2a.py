"""A2A over HTTP: calls and streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from lgserve.api import a2a_cards as cards
from lgserve.api import a2a_params as read
from lgserve.api import a2a_pushes as pushes
from lgserve.api.a2a_asked import Asked, in_time, told
from lgserve.api.a2a_rpc import STREAMING, Action, CallError, error_response, read_call
from lgserve.api.auth import permit_run, permit_search
from lgserve.api.http import json_response, user_of
from lgserve.api.keys import OPTIONS
from lgserve.api.run_headers import with_headers
from lgserve.api.sse import send_frames
from lgserve.core.a2a import TERMINAL, UNSUPPORTED, A2aTask, Object
from lgserve.core.a2a_views import task_view
from lgserve.core.errors import A2aError, LgserveError
from lgserve.core.models import Page, Scope, ThreadFilter
from lgserve.services.a2a_cards import without_legacy
from lgserve.services.a2a_events import task_events
from lgserve.services.a2a_requests import read_send

if TYPE_CHECKING:
    import asyncio

    from lgserve.core.models import RunResult
    from lgserve.core.ports import Follower
    from lgserve.services.a2a_plans import Plan
    from lgserve.services.a2a_requests import SendRequest
    from lgserve.services.run_requests import RunRequest

_WELL_KNOWN = ("/.well-known/agent-card.json", "/.well-known/agent.json")


def routes() -> list[web.RouteDef]:
    """Return the routes of A2A."""
    one = "/a2a/{assistant_id}"
    return [
        *(web.get(path, cards.default_card) for path in _WELL_KNOWN),
        web.get(one, cards.card),
        *(web.get(one + path, cards.card) for path in _WELL_KNOWN),
        web.post(one, call),
    ]


async def call(request: web.Request) -> web.StreamResponse:
    """Carry out a call."""
    try:
        asked = await read_call(request)
    except CallError as exc:
        return error_response(exc.error, exc.call_id)
    if refused := _not_accepted(request, asked.action):
        return refused
    try:
        a2a = Asked(request, asked, await cards.agent_of(request))
        return await _ACTIONS[asked.action](a2a)
    except Exception as exc:
        if request.writer.output_size:  # the answer has begun: it can only be broken off
            raise
        return error_response(exc, asked.call_id)


def _not_accepted(request: web.Request, action: Action) -> web.Response | None:
    """Refuse who does not want what is to come."""
    accepted = request.headers.get(hdrs.ACCEPT, "*/*").lower()
    kind, more = "application/json", ""
    if action in STREAMING:
        kind, more = "text/event-stream", " for streaming"
    if any(each in accepted for each in (kind, f"{kind.partition('/')[0]}/*", "*/*")):
        return None
    return json_response({"error": f"Accept header must include {kind}{more}"}, 400)


async def _send(a2a: Asked) -> web.StreamResponse:
    given = read_send(a2a.call.params, a2a.call.version)
    read.only_own_history(a2a.request.headers)
    plan, wanted, scope = await _planned(a2a, given, streams=False)
    if not given.blocking:
        task = await a2a.service.begin(plan, wanted, scope)
        view = a2a.view(task, await a2a.service.outcome(task), given.history_length)
        return a2a.answer(a2a.task(view, sent=True))
    task, result = await a2a.service.begin_and_wait(plan, wanted, scope)

    async def body() -> bytes:
        now, ended = await a2a.service.ended(task, result)
        view = a2a.view(now, await a2a.service.outcome(now, ended), given.history_length)
        return a2a.call.envelope(a2a.task(view, sent=True))

    return await in_time(a2a, body)


async def _planned(
    a2a: Asked, given: SendRequest, *, streams: bool
) -> tuple[Plan, RunRequest, Scope]:
    """Return what a message leads to, as its sender may have it."""
    request = a2a.request
    if given.push is not None:
        given = replace(given, push=await pushes.admitted(a2a, given.push))
    scope: Scope = {}
    if given.task_id is not None:
        scope = await a2a.scope("read", given.task_id)
    user = user_of(request)
    owner = "" if user is None else user.identity
    plan = await a2a.service.plan(a2a.agent, given, scope, owner, streams=streams)
    asked = replace(plan.request, request_id=request.headers.get("x-request-id"))
    wanted, scope = await permit_run(request, plan.thread_id, with_headers(request, asked))
    return plan, wanted, scope


async def _stream(a2a: Asked) -> web.StreamResponse:
    given = read_send(a2a.call.params, a2a.call.version)
    read.only_own_history(a2a.request.headers)
    plan, wanted, scope = await _planned(a2a, given, streams=True)
    task, follower, result = await a2a.service.begin_and_follow(plan, wanted, scope)
    shown = 1 if given.history_length is None else min(given.history_length, 1)
    return await _send_events(a2a, task, (follower, result), shown)


async def _subscribe(a2a: Asked) -> web.StreamResponse:
    task = await a2a.named_task("read")
    if task.state in TERMINAL:
        raise A2aError(UNSUPPORTED, "A terminal task has no more updates", taskId=task.task_id)
    return await _send_events(a2a, task, await a2a.service.follow(task), None)


async def _send_events(
    a2a: Asked,
    task: A2aTask,
    following: tuple[Follower, asyncio.Future[RunResult]] | None,
    history: int | None,
) -> web.StreamResponse:
    """Stream a task, from what it is now to where it stops."""

    async def frames() -> AsyncGenerator[bytes]:
        outcome = await a2a.service.outcome(task)
        yield a2a.event({"task": a2a.view(task, outcome, history)})
        if following is None:
            return
        try:
            async for events in task_events(a2a.service, task, *following):
                yield b"".join([a2a.event(event) for event in events])
        except LgserveError as exc:
            yield b"data: %b\r\n\r\n" % told(exc, a2a.call.call_id)

    heartbeat = a2a.request.app[OPTIONS].heartbeat_seconds
    try:
        return await send_frames(a2a.request, frames(), headers={}, heartbeat_seconds=heartbeat)
    finally:
        if following is not None:
            following[0].close()


async def _get(a2a: Asked) -> web.StreamResponse:
    history = read.history_length(a2a.call.params)
    task = await a2a.named_task("read")
    view = a2a.view(task, await a2a.service.outcome(task), history)
    return a2a.answer(a2a.task(view))


async def _cancel(a2a: Asked) -> web.StreamResponse:
    task = await a2a.service.cancel(await a2a.named_task("update"))
    return a2a.answer(a2a.task(a2a.view(task, await a2a.service.outcome(task), None)))


async def _list(a2a: Asked) -> web.StreamResponse:
    wanted = read.listing(a2a.call.params)
    page = Page(limit=wanted.size, sort_by="updated_at")
    threads, page, scope = await permit_search(a2a.request, "threads", ThreadFilter(), page)
    where = replace(wanted.where, metadata=threads.metadata)
    assistant = a2a.agent.assistant
    found, total = await a2a.service.search(assistant, where, wanted.size + 1, scope)
    shown = found[: wanted.size]
    tasks = [await _listed(a2a, task, wanted) for task in shown]
    following = read.page_token(shown[-1]) if len(found) > wanted.size else ""
    return a2a.answer(
        {
            "tasks": [a2a.task(task) for task in tasks],
            "nextPageToken": following,
            "pageSize": len(shown),
            "totalSize": total,
        }
    )


async def _listed(a2a: Asked, task: A2aTask, wanted: read.Listing) -> Object:
    outcome = read.NOTHING
    if wanted.history or wanted.artifacts:
        outcome = await a2a.service.outcome(task)
    only_own = read.only_own_history(a2a.request.headers)
    return task_view(
        task, outcome, history=wanted.history, only_own=only_own, artifacts=wanted.artifacts
    )


async def _extended_card(a2a: Asked) -> web.StreamResponse:
    card = cards.card_of(a2a.request, a2a.agent)
    return a2a.answer(card if a2a.call.version == "0.3" else without_legacy(card))


_ACTIONS: Mapping[Action, Callable[[Asked], Awaitable[web.StreamResponse]]] = {
    "send": _send,
    "stream": _stream,
    "get": _get,
    "list": _list,
    "cancel": _cancel,
    "subscribe": _subscribe,
    "card": _extended_card,
    "push_set": pushes.set_push,
    "push_get": pushes.get_push,
    "push_list": pushes.list_pushes,
    "push_delete": pushes.delete_push,
}
