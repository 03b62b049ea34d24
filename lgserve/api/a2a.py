"""A2A over HTTP: cards, calls, streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from lgserve import jsonio
from lgserve.api import a2a_params as read
from lgserve.api.a2a_rpc import (
    STREAMING,
    Action,
    Call,
    CallError,
    error_body,
    error_response,
    read_call,
)
from lgserve.api.a2a_urls import base_url
from lgserve.api.auth import permit, permit_assistant, permit_run, permit_search
from lgserve.api.http import json_response, services_of, user_of
from lgserve.api.keys import OPTIONS
from lgserve.api.run_headers import with_headers
from lgserve.api.sse import send_frames
from lgserve.core.a2a import NO_PUSHES, NO_TASK, TERMINAL, UNSUPPORTED, A2aTask, Object
from lgserve.core.a2a_legacy import legacy_event, legacy_push, legacy_task
from lgserve.core.a2a_views import push_view, task_view
from lgserve.core.errors import A2aError, LgserveError
from lgserve.core.models import Page, Scope, ThreadFilter
from lgserve.services.a2a_cards import agent_card
from lgserve.services.a2a_events import task_events
from lgserve.services.a2a_requests import read_push, read_send

if TYPE_CHECKING:
    from lgserve.core.a2a_views import Outcome
    from lgserve.core.models import RunResult
    from lgserve.core.ports import Follower
    from lgserve.core.principals import Action as Permission
    from lgserve.services.a2a import A2aService
    from lgserve.services.a2a_agents import Agent

_WELL_KNOWN = ("/.well-known/agent-card.json", "/.well-known/agent.json")
#: Seconds after which a client that waits gets headers before there is a result.
_PROMPT_SECONDS = 0.25
_JSON = {hdrs.CONTENT_TYPE: "application/json"}


def routes() -> list[web.RouteDef]:
    """Return the routes of A2A."""
    one = "/a2a/{assistant_id}"
    return [
        *(web.get(path, default_card) for path in _WELL_KNOWN),
        web.get(one, card),
        *(web.get(one + path, card) for path in _WELL_KNOWN),
        web.post(one, call),
    ]


async def default_card(request: web.Request) -> web.StreamResponse:
    """Return the card of the agent that the query names; it need not where there is only one."""
    graphs = services_of(request).facts.graph_ids
    only = graphs[0] if len(graphs) == 1 else None
    named = request.query.get("assistant_id") or request.app[OPTIONS].default_agent or only
    if not named:
        return _no_card("Missing required query parameter: assistant_id")
    request.match_info["assistant_id"] = named
    return await card(request)


async def card(request: web.Request) -> web.StreamResponse:
    """Return an agent's card."""
    try:
        return json_response(_card(request, await _agent(request)))
    except A2aError as exc:
        return _no_card(exc.message)


def _no_card(message: str) -> web.Response:
    return json_response({"error": {"code": -32602, "message": message}}, 400)


def _card(request: web.Request, agent: Agent) -> Object:
    services = services_of(request)
    return agent_card(
        agent,
        f"{base_url(request)}/a2a/{agent.assistant.assistant_id}",
        pushes=services.webhooks.gate.enabled,
        auth=services.facts.auth["type"],
    )


async def _agent(request: web.Request) -> Agent:
    scope = await permit_assistant(request, "read")
    named = request.match_info["assistant_id"]
    return await services_of(request).agents.find(named, scope, user_of(request))


async def call(request: web.Request) -> web.StreamResponse:
    """Carry out a call."""
    try:
        asked = await read_call(request)
    except CallError as exc:
        return error_response(exc.error, exc.call_id)
    if refused := _not_accepted(request, asked.action):
        return refused
    try:
        a2a = _Asked(request, asked, await _agent(request))
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call, the agent it is for, and the words its client understands."""

    request: web.Request
    call: Call
    agent: Agent

    @property
    def service(self) -> A2aService:
        return services_of(self.request).a2a

    def answer(self, result: Any) -> web.Response:
        return web.Response(body=self.call.envelope(result), headers=_JSON)

    def task(self, view: Object, *, sent: bool = False) -> Object:
        """Return a task in the words of the call's version."""
        if self.call.version == "0.3":
            return legacy_task(view)
        return {"task": view} if sent else view

    def event(self, event: Object) -> bytes:
        """Return an event of a stream, as a frame."""
        told = legacy_event(event) if self.call.version == "0.3" else event
        return b"data: %b\r\n\r\n" % self.call.envelope(told)

    def view(self, task: A2aTask, outcome: Outcome, history: int | None) -> Object:
        only_own = read.only_own_history(self.request.headers)
        return task_view(task, outcome, history=history, only_own=only_own)

    async def scope(self, action: Permission, task_id: str) -> Scope:
        """Return the scope for the thread of a task."""
        value = {"thread_id": task_id.partition(":")[0]}
        return await permit(self.request, "threads", action, value)

    async def named_task(self, action: Permission, *names: str) -> A2aTask:
        """Return the task that the call names."""
        task_id = read.task_id(self.call.params, *(names or ("id",)))
        return await self.service.find(self.agent, task_id, await self.scope(action, task_id))


async def _send(a2a: _Asked) -> web.StreamResponse:
    given = read_send(a2a.call.params, a2a.call.version)
    read.only_own_history(a2a.request.headers)
    plan, wanted, scope = await _planned(a2a, streams=False)
    if not given.blocking:
        task = await a2a.service.begin(plan, wanted, scope)
        view = a2a.view(task, await a2a.service.outcome(task), given.history_length)
        return a2a.answer(a2a.task(view, sent=True))
    task, result = await a2a.service.begin_and_wait(plan, wanted, scope)

    async def body() -> bytes:
        ended = await result
        now = await a2a.service.again(task)
        view = a2a.view(now, await a2a.service.outcome(now, ended), given.history_length)
        return a2a.call.envelope(a2a.task(view, sent=True))

    return await _in_time(a2a, body)


async def _planned(a2a: _Asked, *, streams: bool) -> Any:
    """Return what a message leads to, as its sender may have it."""
    request, given = a2a.request, read_send(a2a.call.params, a2a.call.version)
    if given.push is not None:
        given = replace(given, push=await _admitted(a2a, given.push))
    scope: Scope = {}
    if given.task_id is not None:
        scope = await a2a.scope("read", given.task_id)
    user = user_of(request)
    owner = "" if user is None else user.identity
    plan = await a2a.service.plan(a2a.agent, given, scope, owner, streams=streams)
    asked = replace(plan.request, request_id=request.headers.get("x-request-id"))
    return plan, *await permit_run(request, plan.thread_id, with_headers(request, asked))


async def _in_time(a2a: _Asked, body: Callable[[], Awaitable[bytes]]) -> web.StreamResponse:
    """Answer when there is an answer; sooner with headers and spaces, so that no proxy gives up."""
    coming = asyncio.ensure_future(body())
    try:
        await asyncio.wait((coming,), timeout=_PROMPT_SECONDS)
        if coming.done():
            return web.Response(body=coming.result(), headers=_JSON)
        response = web.StreamResponse(headers=_JSON)
        await response.prepare(a2a.request)
        interval = a2a.request.app[OPTIONS].heartbeat_seconds
        while not (await asyncio.wait((coming,), timeout=interval))[0]:
            await response.write(b"\n")
        await response.write(_said(a2a, coming))
        await response.write_eof()
        return response
    finally:
        coming.cancel()


def _said(a2a: _Asked, coming: asyncio.Future[bytes]) -> bytes:
    """Return an answer whose headers are gone: it can only be told in JSON-RPC what went wrong."""
    error = coming.exception()
    if error is None:
        return coming.result()
    return _told(error, a2a.call.call_id)


def _told(error: BaseException, call_id: Any) -> bytes:
    plain = RuntimeError(str(error)) if not isinstance(error, Exception) else error
    try:
        return jsonio.dumps_wire(error_body(plain, call_id))
    except LgserveError as exc:
        return jsonio.dumps_wire(error_body(A2aError(-32603, exc.message), call_id))


async def _stream(a2a: _Asked) -> web.StreamResponse:
    given = read_send(a2a.call.params, a2a.call.version)
    read.only_own_history(a2a.request.headers)
    plan, wanted, scope = await _planned(a2a, streams=True)
    task, follower, result = await a2a.service.begin_and_follow(plan, wanted, scope)
    outcome = await a2a.service.outcome(task)
    shown = 1 if given.history_length is None else min(given.history_length, 1)
    first = {"task": a2a.view(task, outcome, shown)}
    return await _send_events(a2a, first, task, (follower, result))


async def _subscribe(a2a: _Asked) -> web.StreamResponse:
    task = await a2a.named_task("read")
    if task.state in TERMINAL:
        raise A2aError(
            UNSUPPORTED, "A terminal task has no more updates", taskId=task.task_id
        )
    following = await a2a.service.follow(task)
    first = {"task": a2a.view(task, await a2a.service.outcome(task), None)}
    return await _send_events(a2a, first, task, following)


async def _send_events(
    a2a: _Asked,
    first: Object,
    task: A2aTask,
    following: tuple[Follower, asyncio.Future[RunResult]] | None,
) -> web.StreamResponse:
    """Stream a task, from what it is now to where it stops."""

    async def frames() -> AsyncGenerator[bytes]:
        yield a2a.event(first)
        if following is None:
            return
        try:
            async for events in task_events(a2a.service, task, *following):
                yield b"".join([a2a.event(event) for event in events])
        except LgserveError as exc:
            yield b"data: %b\r\n\r\n" % _told(exc, a2a.call.call_id)

    heartbeat = a2a.request.app[OPTIONS].heartbeat_seconds
    try:
        return await send_frames(
            a2a.request, frames(), headers={}, heartbeat_seconds=heartbeat
        )
    finally:
        if following is not None:
            following[0].close()


async def _get(a2a: _Asked) -> web.StreamResponse:
    history = read.history_length(a2a.call.params)
    task = await a2a.named_task("read")
    view = a2a.view(task, await a2a.service.outcome(task), history)
    return a2a.answer(a2a.task(view))


async def _cancel(a2a: _Asked) -> web.StreamResponse:
    task = await a2a.service.cancel(await a2a.named_task("update"))
    return a2a.answer(a2a.task(a2a.view(task, await a2a.service.outcome(task), None)))


async def _list(a2a: _Asked) -> web.StreamResponse:
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


async def _listed(a2a: _Asked, task: A2aTask, wanted: read.Listing) -> Object:
    outcome = read.NOTHING
    if wanted.history or wanted.artifacts:
        outcome = await a2a.service.outcome(task)
    only_own = read.only_own_history(a2a.request.headers)
    return task_view(
        task, outcome, history=wanted.history, only_own=only_own, artifacts=wanted.artifacts
    )


async def _extended_card(a2a: _Asked) -> web.StreamResponse:
    return a2a.answer(_card(a2a.request, a2a.agent))


async def _admitted(a2a: _Asked, push: Any) -> Any:
    """Return a push whose address may be called."""
    gate = services_of(a2a.request).webhooks.gate
    _check_pushes(a2a)
    return replace(push, url=await gate.admitted(push.url))


def _check_pushes(a2a: _Asked) -> None:
    if not services_of(a2a.request).webhooks.gate.enabled:
        raise A2aError(NO_PUSHES, "Push Notification is not supported")


async def _set_push(a2a: _Asked) -> web.StreamResponse:
    params, version = a2a.call.params, a2a.call.version
    given = read.push_config(params) if version == "0.3" else params
    push = await _admitted(a2a, read_push(given, version))
    task = await a2a.named_task("update", "taskId")
    push = await a2a.service.add_push(task, push)
    return a2a.answer(_push(a2a, push_view(task.task_id, push)))


def _push(a2a: _Asked, view: Object) -> Object:
    return legacy_push(view) if a2a.call.version == "0.3" else view


async def _pushes(a2a: _Asked) -> tuple[A2aTask, list[Object]]:
    _check_pushes(a2a)
    names = ("id",) if a2a.call.version == "0.3" else ("taskId",)
    task = await a2a.named_task("read", *names)
    pushes = await a2a.service.pushes(task)
    return task, [_push(a2a, push_view(task.task_id, push)) for push in pushes]


async def _get_push(a2a: _Asked) -> web.StreamResponse:
    task, found = await _pushes(a2a)
    wanted = read.push_id(a2a.call.params, a2a.call.version)
    shown = [each for each in found if wanted in (None, _id_of(each))]
    if not shown:
        raise A2aError(
            NO_TASK, f"Push notification config not found: {wanted or ''}", taskId=task.task_id
        )
    return a2a.answer(shown[0])


def _id_of(push: Mapping[str, Any]) -> Any:
    return push["id"] if "id" in push else push["pushNotificationConfig"]["id"]


async def _list_pushes(a2a: _Asked) -> web.StreamResponse:
    _, found = await _pushes(a2a)
    legacy = a2a.call.version == "0.3"
    return a2a.answer(found if legacy else {"configs": found, "nextPageToken": ""})


async def _delete_push(a2a: _Asked) -> web.StreamResponse:
    _check_pushes(a2a)
    legacy = a2a.call.version == "0.3"
    config_id = read.push_id(a2a.call.params, a2a.call.version, required=True)
    task = await a2a.named_task("update", "id" if legacy else "taskId")
    await a2a.service.delete_push(task, config_id or "")
    return a2a.answer(None if legacy else {})


_ACTIONS: Mapping[Action, Callable[[_Asked], Awaitable[web.StreamResponse]]] = {
    "send": _send,
    "stream": _stream,
    "get": _get,
    "list": _list,
    "cancel": _cancel,
    "subscribe": _subscribe,
    "card": _extended_card,
    "push_set": _set_push,
    "push_get": _get_push,
    "push_list": _list_pushes,
    "push_delete": _delete_push,
}
