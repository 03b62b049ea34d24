"""How a run is answered: its result in one document, or its events as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from lgserve.api.http import names, services_of
from lgserve.api.keys import OPTIONS
from lgserve.api.sse import send_events
from lgserve.core.event_names import shown_in
from lgserve.core.models import Json, Run, RunResult
from lgserve.services.results import with_end

if TYPE_CHECKING:
    from lgserve.core.ports import Follower
    from lgserve.services.runs import RunService

#: Seconds after which a client that waits gets headers before there is a result.
_PROMPT_SECONDS = 0.25
_NO_HEADERS: Mapping[str, str] = {}


async def following(
    request: web.Request, run: Run, follow: Callable[[RunService], Awaitable[Follower]]
) -> Follower:
    """Return a reader of a run that was found; the end is looked for first, lest it is missed."""
    runs = services_of(request).runs
    if not wants_end(request):
        return await follow(runs)
    result = asyncio.ensure_future(runs.wait(run))
    return runs.tell_end(run, await follow(runs), result)


def wants_end(request: web.Request) -> bool:
    """Tell whether the client asks to be told how the run ended."""
    return "end" in names(request, "include")


async def await_result(
    request: web.Request,
    run: Run,
    *,
    cancel_on_disconnect: bool,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> web.StreamResponse:
    """Answer with the result of a run that was found."""
    result = asyncio.ensure_future(services_of(request).runs.wait(run))
    try:
        return await answer_result(
            request, run, result, cancel_on_disconnect=cancel_on_disconnect, headers=headers
        )
    finally:
        result.cancel()


async def answer_result(
    request: web.Request,
    run: Run,
    result: asyncio.Future[RunResult],
    *,
    cancel_on_disconnect: bool,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> web.StreamResponse:
    """Answer with a run's result: in one piece if it comes at once, else the headers first."""
    every = {**result_headers(_thread_location(run)), **headers}

    def body() -> Json:
        ended = result.result()
        return with_end(run.run_id, ended) if wants_end(request) else ended.body

    async def send() -> web.StreamResponse:
        await asyncio.wait((result,), timeout=_PROMPT_SECONDS)
        if result.done():
            return web.Response(body=body(), headers=every)
        return await _keep_alive(request, result, body, every)

    return await _watched(request, run, send, cancel=cancel_on_disconnect)


def result_headers(location: str) -> dict[str, str]:
    """Return the headers by which a client that lost its connection finds the result again."""
    return {
        "Content-Type": "application/json",
        "Location": f"{location}/join",
        "Content-Location": location,
    }


async def _keep_alive(
    request: web.Request,
    result: asyncio.Future[RunResult],
    body: Callable[[], Json],
    headers: dict[str, str],
) -> web.StreamResponse:
    """Send headers, then a newline now and then until the result is there."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    interval = request.app[OPTIONS].heartbeat_seconds
    await asyncio.wait((result,), timeout=interval - _PROMPT_SECONDS)
    while not result.done():
        await response.write(b"\n")
        await asyncio.wait((result,), timeout=interval)
    await response.write(body())
    await response.write_eof()
    return response


async def stream(
    request: web.Request,
    run: Run,
    follower: Follower,
    *,
    cancel_on_disconnect: bool,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> web.StreamResponse:
    """Answer with the events of a run as they come."""
    modes = names(request, "stream_mode")
    location = location_of(request, run)

    async def send() -> web.StreamResponse:
        return await send_events(
            request,
            follower,
            headers={"Location": f"{location}/stream", "Content-Location": location, **headers},
            ids=run.resumable,
            shown=(lambda name: shown_in(name, modes)) if modes else None,
            heartbeat_seconds=request.app[OPTIONS].heartbeat_seconds,
        )

    try:
        return await _watched(request, run, send, cancel=cancel_on_disconnect)
    finally:
        follower.close()


async def _watched(
    request: web.Request,
    run: Run,
    send: Callable[[], Awaitable[web.StreamResponse]],
    *,
    cancel: bool,
) -> web.StreamResponse:
    """Send; a client that goes cancels the handler, and with `cancel` the run as well."""
    try:
        return await send()
    except (asyncio.CancelledError, ConnectionError):
        transport = request.transport
        if cancel and (transport is None or transport.is_closing()):
            await services_of(request).runs.leave(run)
        raise


def location_of(request: web.Request, run: Run) -> str:
    """Return the path of a run, below the address clients call; without a thread a short one."""
    if "thread_id" in request.match_info:
        return _thread_location(run)
    return f"/runs/{run.run_id}"


def _thread_location(run: Run) -> str:
    return f"/threads/{run.thread_id}/runs/{run.run_id}"
