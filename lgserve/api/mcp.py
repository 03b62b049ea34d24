"""MCP at `/mcp`: the assistants as tools, over streamable HTTP, without sessions.

An answer is JSON, or an event stream where a client that takes one wants to hear of progress.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from lgserve import jsonio
from lgserve.api import mcp_calls as calls
from lgserve.api.cors import Cors
from lgserve.api.http import decode, json_response, read_raw
from lgserve.api.keys import OPTIONS
from lgserve.api.mcp_messages import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Call,
    Message,
    RpcError,
    check_batch,
    check_envelope,
    discovered,
    error_message,
    id_of,
    initialized,
    invalid_params,
    message_id_of,
    read_message,
    result_message,
    status_of,
    uncached,
    version_of,
)
from lgserve.api.mcp_progress import MODES, Progress, data_of
from lgserve.api.mcp_tools import Object, described
from lgserve.api.sse import send_frames
from lgserve.core.errors import ForbiddenError, InvalidRequestError, LgserveError

T = TypeVar("T")

_PATHS = ("/mcp", "/mcp/")
#: Tools on a page of their list, and messages in a batch.
_PAGE = 100
_BATCH = 100
#: Seconds after which a client that waits gets headers before there is a result.
_PROMPT_SECONDS = 0.25
_JSON, _EVENTS = "application/json", "text/event-stream"
#: What is refused as any other route would refuse it, not in the words of JSON-RPC.
_HTTP_ERRORS = (401, 403, 429, 503)


def routes() -> list[web.RouteDef]:
    """Return the routes of MCP; with a slash at the end they are the same."""
    return [
        web.route(method, path, handler)
        for path in _PATHS
        for method, handler in (("POST", post), ("GET", get), ("DELETE", delete))
    ]


def prepare(app: web.Application) -> None:
    """Give the application what calls of tools share."""
    app[calls.RUNNING] = calls.RunningCalls()


async def get(request: web.Request) -> web.StreamResponse:
    """Refuse the stream on which a server would say something unasked: this one never does."""
    _check_origin(request)
    return json_response({"detail": "Method Not Allowed"}, 405, {hdrs.ALLOW: "POST"})


async def delete(request: web.Request) -> web.StreamResponse:
    """Say that there is no session to end."""
    _check_origin(request)
    return json_response({"detail": "Session not found"}, 404)


async def post(request: web.Request) -> web.StreamResponse:
    """Take a message, or a batch of them, and answer what is to be answered."""
    _check_origin(request)
    version: str | None = None
    value: Any = None
    try:
        _check_media(request)
        value = await _body(request)
        if isinstance(value, list):
            return await _batch(request, value)
        message = read_message(value)
        version = version_of(message, request.headers)
        return await _single(request, message, version)
    except RpcError as exc:
        return _json(request, error_message(id_of(value), exc), status_of(exc, version))


def _check_origin(request: web.Request) -> None:
    """Refuse web pages of other sites: a name of theirs may lead here (DNS rebinding)."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or _is_loopback(_host_of(origin)):
        return
    cors = Cors(request.app[OPTIONS].cors)
    # On loopback a host of that name says nothing, and the default lets every page in.
    allowed = cors.names(origin) if _on_loopback(request) else cors.lets_connect(request)
    if not allowed:
        raise ForbiddenError(f"The origin {origin} may not call MCP here")


def _host_of(origin: str) -> str:
    """Return the host an origin names; empty if it names none."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _on_loopback(request: web.Request) -> bool:
    """Tell whether a request came by an address that only this machine has."""
    transport = request.transport
    here = None if transport is None else transport.get_extra_info("sockname")
    return isinstance(here, tuple) and _is_loopback(str(here[0]))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_media(request: web.Request) -> None:
    """Refuse a body that is not said to be JSON, and a client that takes no answer of ours."""
    sent = request.headers.get(hdrs.CONTENT_TYPE)
    if sent is not None and sent.partition(";")[0].strip().lower() != _JSON:
        raise RpcError(INVALID_REQUEST, f"Content-Type must be {_JSON}", status=415)
    if not (_accepts(request, _JSON) or _accepts(request, _EVENTS)):
        message = f"Accept header must include {_JSON} or {_EVENTS}"
        raise RpcError(INVALID_REQUEST, message, status=400)


def _accepts(request: web.Request, media: str) -> bool:
    """Tell whether a client takes a media type; who says nothing takes all."""
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT, ("*/*",))).lower().split(",")
    names = [each.partition(";")[0].strip() for each in accepted]
    return any(name in ("*/*", media, f"{media.partition('/')[0]}/*") for name in names)


async def _body(request: web.Request) -> Any:
    try:
        return decode(await read_raw(request))
    except InvalidRequestError:
        raise RpcError(PARSE_ERROR, "Invalid JSON", status=400) from None


async def _batch(request: web.Request, values: list[Any]) -> web.StreamResponse:
    """Answer a batch: what is to be answered, in one array."""
    check_batch(values, version_of(None, request.headers), _BATCH)
    answers = await asyncio.gather(*(_of_batch(request, value) for value in values))
    found = [answer for answer in answers if answer is not None]
    return _json(request, found) if found else web.Response(status=202)


async def _of_batch(request: web.Request, value: Any) -> Object | None:
    try:
        message = read_message(value)
        version = version_of(message, request.headers)
        if message.method == "initialize":
            raise RpcError(INVALID_REQUEST, "initialize cannot be part of a batch")
        if message.kind != "request":
            await _take(request, message)
            return None
        call = Call(message=message, version=version)
        return result_message(call, await _answer(request, call))
    except RpcError as exc:
        return error_message(id_of(value), exc)


async def _single(request: web.Request, message: Message, version: str) -> web.StreamResponse:
    """Answer a message."""
    call = Call(message=message, version=version)
    if message.kind != "request":
        if message.kind == "response" and call.stateless:
            raise RpcError(INVALID_REQUEST, "A client has nothing to respond to", status=400)
        await _take(request, message)
        return web.Response(status=202)
    if call.stateless:
        check_envelope(message, request.headers)
    if message.method != "tools/call":
        return _json(request, result_message(call, await _answer(request, call)))
    prepared = await _translated(calls.prepare(request, call))
    if not isinstance(prepared, calls.Prepared):
        return _json(request, result_message(call, prepared))
    if calls.progress_token(call) is not None and _EVENTS in request.headers.get(hdrs.ACCEPT, ""):
        return await _stream(request, prepared)
    return await _wait(request, prepared)


async def _take(request: web.Request, message: Message) -> None:
    """Heed a notification; those that mean nothing here are welcome too."""
    if message.method == "notifications/cancelled":
        await calls.cancel(request, message_id_of(message.params.get("requestId")))


async def _answer(request: web.Request, call: Call) -> Object:
    """Return the result of a request."""
    method, params = call.message.method, call.message.params
    if method == "tools/list":
        return await _translated(_list(request, call))
    if method == "tools/call":
        return await _translated(_call(request, call))
    if call.stateless and method == "server/discover":
        return discovered()
    if not call.stateless and method == "initialize":
        return initialized(params)
    if not call.stateless and method == "ping":
        return {}
    raise RpcError(METHOD_NOT_FOUND, f"Method not found: {method}")


async def _translated(work: Awaitable[T]) -> T:
    """Await what a service does; its errors become those of JSON-RPC, but for those of HTTP."""
    try:
        return await work
    except LgserveError as exc:
        if exc.status in _HTTP_ERRORS:
            raise
        if exc.status < 500:
            raise invalid_params(exc.message) from exc
        raise RpcError(INTERNAL_ERROR, exc.message) from exc


async def _list(request: web.Request, call: Call) -> Object:
    """List the tools: a page, from the cursor on."""
    begin = _position(call.message.params.get("cursor"))
    named = list((await calls.tools(request)).items())
    listed = []
    for name, assistant in named[begin : begin + _PAGE]:
        shape = await calls.tool_shape(request, assistant)
        if shape is not None:
            listed.append(described(name, assistant, shape, structured=call.structured))
    found: Object = {"tools": listed}
    if begin + _PAGE < len(named):
        found["nextCursor"] = str(begin + _PAGE)
    return {**found, **uncached()} if call.stateless else found


def _position(cursor: Any) -> int:
    if cursor is None:
        return 0
    text = str(cursor) if isinstance(cursor, int | str) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid_params("Invalid cursor")
    return int(text)


async def _call(request: web.Request, call: Call) -> Object:
    """Call a tool, and return its result when it is there."""
    prepared = await calls.prepare(request, call)
    if not isinstance(prepared, calls.Prepared):
        return prepared
    run, result = await calls.start(request, prepared)

    async def wait() -> None:
        await asyncio.wait((result,))

    await calls.awaited(request, prepared, run, wait)
    return await calls.result_of(request, prepared, run, result.result())


async def _wait(request: web.Request, prepared: calls.Prepared) -> web.StreamResponse:
    """Call a tool: the answer is in one piece if it comes at once, else headers come first."""
    run, result = await _translated(calls.start(request, prepared))
    response: web.StreamResponse | None = None

    async def wait() -> None:
        nonlocal response
        await asyncio.wait((result,), timeout=_PROMPT_SECONDS)
        if result.done():
            return
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: _JSON})
        if not _accepts(request, _JSON):
            response.headers[hdrs.CONTENT_TYPE] = _EVENTS
        await response.prepare(request)
        interval = request.app[OPTIONS].heartbeat_seconds
        while not result.done():
            await asyncio.wait((result,), timeout=interval)
            if not result.done():
                await response.write(b"\n")

    await calls.awaited(request, prepared, run, wait)
    told = await _told(request, prepared, run, result)
    if response is None:
        return _json(request, told)
    await response.write(_encoded(request, told))
    await response.write_eof()
    return response


async def _told(
    request: web.Request, prepared: calls.Prepared, run: Any, result: asyncio.Future[Any]
) -> Object:
    ended = await calls.result_of(request, prepared, run, result.result())
    return result_message(prepared.call, ended)


async def _stream(request: web.Request, prepared: calls.Prepared) -> web.StreamResponse:
    """Call a tool, and tell of its progress."""
    run, follower, result = await _translated(calls.start_followed(request, prepared))
    token = calls.progress_token(prepared.call)
    progress = Progress("" if token is None else token)
    responses: list[web.StreamResponse] = []

    async def frames() -> AsyncGenerator[bytes]:
        async for batch in follower:
            events = [(event.name, data_of(event.frame)) for event in batch if event.name in MODES]
            yield b"".join(_frame(notice) for notice in progress.notices(events))
        await asyncio.wait((result,))
        yield _frame(await _told(request, prepared, run, result))

    async def wait() -> None:
        responses.append(
            await send_frames(
                request,
                frames(),
                headers={},
                heartbeat_seconds=request.app[OPTIONS].heartbeat_seconds,
            )
        )

    try:
        await calls.awaited(request, prepared, run, wait)
    finally:
        follower.close()
    return responses[0]


def _frame(message: Mapping[str, Any]) -> bytes:
    return b"event: message\r\ndata: %b\r\n\r\n" % jsonio.dumps(message)


def _encoded(request: web.Request, message: Any) -> bytes:
    return jsonio.dumps(message) if _accepts(request, _JSON) else _frame(message)


def _json(request: web.Request, message: Any, status: int = 200) -> web.Response:
    """Answer with messages, as an event if a client takes nothing else."""
    events = status == 200 and not _accepts(request, _JSON)
    media = _EVENTS if events else _JSON
    body = _frame(message) if events else jsonio.dumps(message)
    return web.Response(body=body, status=status, headers={hdrs.CONTENT_TYPE: media})
