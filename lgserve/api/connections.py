"""Connections: what comes over one that is no HTTP is answered with JSON, like everything else."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack

from aiohttp import web

from lgserve.api.http import json_response

#: Bytes of a request line or a header; filters in a query can be long.
_LONGEST_LINE = 64 * 1024
#: How long a client may take to read what it was sent, when the server stops.
_READING_SECONDS = 0.5
#: How long a request under way may take when the server stops, and again once it is cancelled.
_SHUTDOWN_SECONDS = 2


class Connection(web.RequestHandler):
    """Answers by itself what never becomes a request that handlers could be asked about."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Log the error, and answer in a sentence; the connection ends with it."""
        super().handle_error(request, status, exc, message)
        line = (message or "").partition("\n")[0]
        response = _refusal(status, line.partition(": ")[0].rstrip(" :"))  # the rest shows bytes
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what aiohttp refuses before any handler is asked has none of ours."""
        if isinstance(resp, web.HTTPException):
            resp = _refusal(resp.status, resp.text or "")
        return await super().finish_response(request, resp, start_time)


def _refusal(status: int, text: str) -> web.Response:
    detail = text if status < 500 else ""
    return json_response({"detail": detail or web.Response(status=status).reason}, status)


async def ready_to_serve(app: web.Application, stack: AsyncExitStack) -> web.Server:
    """Return what serves an application's connections, until the stack is left.

    Streams that go on then are broken off.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        handler_cancellation=True,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )
    app.on_shutdown.append(lambda _: _cut_deaf(runner))
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None  # noqa: S101 - it is set up
    return runner.server


async def _cut_deaf(runner: web.AppRunner) -> None:
    """Cut the connections of clients that do not take what they were sent."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_READING_SECONDS):
            while _unread(runner):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_READING_SECONDS / 20)
    for transport in _unread(runner):
        transport.abort()


def _unread(runner: web.AppRunner) -> list[asyncio.Transport]:
    """Return the connections on which bytes wait to be sent."""
    connections = () if runner.server is None else runner.server.connections
    transports = [connection.transport for connection in connections]
    return [each for each in transports if each is not None and each.get_write_buffer_size()]
