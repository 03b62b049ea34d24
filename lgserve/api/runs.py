"""Runs over HTTP: with a thread, without one, and by their own id."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from lgserve.api.auth import permit, permit_run, permit_thread
from lgserve.api.bodies import CancelMany, CancelOne, RunCreate, RunCreateStateless
from lgserve.api.http import (
    checked,
    flag,
    integer,
    json_response,
    names,
    object_parameter,
    page_headers,
    read_array,
    read_body,
    services_of,
    uuid_of,
)
from lgserve.api.idempotency import REPLAYED, once_of
from lgserve.api.run_answers import (
    answer_result,
    await_result,
    following,
    location_of,
    result_headers,
    stream,
    wants_end,
)
from lgserve.api.run_headers import with_headers
from lgserve.api.sse import position
from lgserve.api.views import run_list_view, run_view
from lgserve.api.webhooks import admitted
from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import Page, Run, Scope
from lgserve.services.idempotency import AnsweredBeforeError
from lgserve.services.runs import as_pending

if TYPE_CHECKING:
    from lgserve.core.vocabulary import CancelAction
    from lgserve.services.run_requests import RunRequest


def routes() -> list[web.RouteDef]:
    """Return the routes of runs."""
    on_thread = "/threads/{thread_id}/runs"
    one = on_thread + "/{run_id}"
    return [
        web.post(on_thread, create),
        web.post(on_thread + "/wait", create_and_wait),
        web.post(on_thread + "/stream", create_and_stream),
        web.get(on_thread, list_runs),
        web.get(one, get),
        web.delete(one, delete),
        web.get(one + "/join", join),
        web.get(one + "/stream", join_stream),
        web.post(one + "/cancel", cancel),
        web.post("/runs", create),
        web.post("/runs/wait", create_and_wait),
        web.post("/runs/stream", create_and_stream),
        web.post("/runs/batch", create_many),
        web.post("/runs/cancel", cancel_many),
        web.get("/runs/{run_id}", get),
        web.get("/runs/{run_id}/join", join),
        web.get("/runs/{run_id}/stream", join_stream),
        web.post("/runs/{run_id}/cancel", cancel),
    ]


async def create(request: web.Request) -> web.StreamResponse:
    """Create a run in the background."""
    wanted, scope = await _run_request(request)
    once = await once_of(request, _created_view)
    try:
        run = await services_of(request).runs.create(_thread_id(request), wanted, scope, once)
    except AnsweredBeforeError as repeated:
        run = await services_of(request).runs.created_before(repeated.answered)
        headers = {"Content-Location": location_of(request, run), **REPLAYED}
        return json_response(repeated.answered.answer, headers=headers)
    headers = {"Content-Location": location_of(request, run)}
    return json_response(_created_view(run), headers=headers)


async def create_and_wait(request: web.Request) -> web.StreamResponse:
    """Create a run and answer with its result."""
    body, scope = await _run_request(request)
    runs, once = services_of(request).runs, await once_of(request, _created_view)
    wanted = body.on_disconnect == "cancel"
    try:
        run, result = await runs.create_and_wait(_thread_id(request), body, scope, once)
    except AnsweredBeforeError as repeated:
        run = await runs.created_before(repeated.answered)
        return await await_result(request, run, cancel_on_disconnect=wanted, headers=REPLAYED)
    return await answer_result(request, run, result, cancel_on_disconnect=wanted)


async def create_and_stream(request: web.Request) -> web.StreamResponse:
    """Create a run and stream its events."""
    body, scope = await _run_request(request)
    runs, once = services_of(request).runs, await once_of(request, _created_view)
    wanted = body.on_disconnect == "cancel"
    try:
        run, follower, result = await runs.create_and_follow(_thread_id(request), body, scope, once)
    except AnsweredBeforeError as repeated:
        run = await runs.created_before(repeated.answered)
        return await stream(
            request,
            run,
            await following(request, run, lambda runs: runs.follow_again(run)),
            cancel_on_disconnect=wanted,
            headers=REPLAYED,
        )
    if wants_end(request):
        follower = runs.tell_end(run, follower, asyncio.shield(result))
    return await stream(request, run, follower, cancel_on_disconnect=wanted)


async def create_many(request: web.Request) -> web.StreamResponse:
    """Create stateless runs in the background: all of them, or none."""
    bodies = await read_array(request, RunCreateStateless)
    request_id = request.headers.get("x-request-id")
    wanted = []
    for index, body in enumerate(bodies):
        try:
            asked = with_headers(request, body.to_request(request_id))
            asked = await admitted(request, asked)
        except InvalidRequestError as exc:
            raise InvalidRequestError(f"[{index}]: {exc.message}") from None
        wanted.append(await permit_run(request, None, asked))
    once = await once_of(request, _created_list_view)
    created = await services_of(request).runs.create_many(wanted, once)
    return json_response(_created_list_view(created))


def _created_view(run: Run) -> dict[str, Any]:
    return run_view(as_pending(run))


def _created_list_view(runs: list[Run]) -> list[dict[str, Any]]:
    return [_created_view(run) for run in runs]


async def list_runs(request: web.Request) -> web.StreamResponse:
    """List a thread's runs, newest first."""
    thread_id = uuid_of(request, "thread")
    limit = integer(request, "limit", 10, low=0)
    offset = integer(request, "offset", 0, low=0)
    runs, total = await services_of(request).runs.list_for_thread(
        thread_id,
        await permit_thread(request, "read"),
        status=request.query.get("status"),
        metadata=object_parameter(request, "metadata"),
        limit=limit,
        offset=offset,
    )
    page = Page(limit=limit, offset=offset, sort_by="created_at")
    return json_response(
        run_list_view(runs, names(request, "select")), headers=page_headers(page, len(runs), total)
    )


async def get(request: web.Request) -> web.StreamResponse:
    """Return a run."""
    return json_response(run_view(await _find(request)))


async def delete(request: web.Request) -> web.StreamResponse:
    """Delete a run and its checkpoints; it is stopped first."""
    thread_id, run_id = uuid_of(request, "thread"), uuid_of(request, "run")
    scope = await permit_thread(request, "delete", run_id=run_id)
    await services_of(request).runs.delete(thread_id, run_id, scope)
    return web.Response(status=204)


async def join(request: web.Request) -> web.StreamResponse:
    """Wait for a run and answer with its result."""
    run = await _find(request)
    return await await_result(
        request, run, cancel_on_disconnect=flag(request, "cancel_on_disconnect")
    )


async def join_stream(request: web.Request) -> web.StreamResponse:
    """Follow a run: from now, or from behind `Last-Event-ID`."""
    run = await _find(request)
    seen = position(request.headers.get("Last-Event-ID"), run.epoch)
    if seen is None and run.status == "pending":
        seen = 0
    follower = await following(
        request, run, lambda runs: runs.follow(run, seen, names(request, "stream_mode"))
    )
    wanted = flag(request, "cancel_on_disconnect")
    return await stream(request, run, follower, cancel_on_disconnect=wanted)


async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop a run."""
    wait, action = flag(request, "wait"), _action(request)
    thread_id, run_id = _thread_id(request), uuid_of(request, "run")
    reason = await _cancel_reason(request)
    scope = await _permit_cancel(request, thread_id, [run_id], None)
    run = await services_of(request).runs.cancel(
        thread_id, run_id, action, scope, reason=reason, wait=wait
    )
    if not wait:
        return web.Response(status=202)
    return json_response({}, headers=result_headers(location_of(request, run)))


async def cancel_many(request: web.Request) -> web.StreamResponse:
    """Stop runs by list or by status."""
    wanted = await read_body(request, CancelMany)
    reason = wanted.cancel_reason or _asked_reason(request)
    scope = await _permit_cancel(
        request, wanted.thread_id, wanted.run_ids, wanted.run_status or wanted.status
    )
    await services_of(request).runs.cancel_many(
        thread_id=wanted.thread_id,
        run_ids=wanted.run_ids,
        status=wanted.run_status,
        action=_action(request),
        reason=reason,
        scope=scope,
    )
    return web.Response(status=204)


async def _cancel_reason(request: web.Request) -> str | None:
    """Return why a run is to stop, as the body says, or the query."""
    if (await request.read()).strip() in (b"", b"null"):
        return _asked_reason(request)
    return (await read_body(request, CancelOne)).cancel_reason or _asked_reason(request)


def _asked_reason(request: web.Request) -> str | None:
    given = request.query.get("cancel_reason")
    return given and checked({"cancel_reason": given}, CancelOne).cancel_reason


async def _find(request: web.Request) -> Run:
    thread_id, run_id = _thread_id(request), uuid_of(request, "run")
    scope = await permit_thread(request, "read", run_id=run_id)
    return await services_of(request).runs.get(thread_id, run_id, scope)


async def _permit_cancel(
    request: web.Request, thread_id: str | None, run_ids: Sequence[str] | None, status: str | None
) -> Scope:
    value = {
        "thread_id": thread_id,
        "action": _action(request),
        "metadata": {"run_ids": run_ids, "status": status},
    }
    return await permit(request, "threads", "update", value)


async def _run_request(request: web.Request) -> tuple[RunRequest, Scope]:
    model = RunCreate if "thread_id" in request.match_info else RunCreateStateless
    body = await read_body(request, model)
    wanted = with_headers(request, body.to_request(request.headers.get("x-request-id")))
    wanted = await admitted(request, wanted)
    return await permit_run(request, _thread_id(request), wanted)


def _thread_id(request: web.Request) -> str | None:
    return uuid_of(request, "thread") if "thread_id" in request.match_info else None


def _action(request: web.Request) -> CancelAction:
    return "rollback" if request.query.get("action") == "rollback" else "interrupt"
