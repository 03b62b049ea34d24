"""The API as an ASGI endpoint: how its answers pass through the middleware of a custom app.

The app's middleware runs on the user loop, the API's handlers run where they always do. What they
write goes to the app's `send` instead of the socket; what they read comes from its `receive`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from lgserve.api.asgi_bridge import HttpExchange, Spawn
from lgserve.api.asgi_pipe import Ended, Pipe
from lgserve.api.asgi_scope import Message, Receive, Scope, Send, is_untouched, message_of
from lgserve.api.keys import OPTIONS, OWN_CORS, PRINCIPAL
from lgserve.api.middleware import STARTED

#: What is said of one connection, or is added where the answer leaves.
_HOP = frozenset(
    name.lower()
    for name in (hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.TRANSFER_ENCODING, hdrs.DATE, hdrs.SERVER)
)
#: Bytes of the body that wait to be read.
_LIMIT = 2**16

Chain = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def answer_from_api(
    exchange: HttpExchange, spawn: Spawn, chain: Chain, scope: Scope, receive: Receive, send: Send
) -> None:
    """Have the API answer what a scope asks for; on the user loop."""
    away = asyncio.get_running_loop()
    pipe: Pipe[Message] = Pipe(away)

    def start() -> None:
        if exchange.left:
            pipe.end()
            return
        work = _serve(exchange, chain, scope, _Body(exchange, receive, away), _Writer(pipe))
        exchange.running = spawn(work, "api behind the custom app")

    exchange.home.call_soon_threadsafe(start)
    try:
        while True:
            message = await pipe.get()
            await send(message)
            if message["type"] == "http.response.body" and not message["more_body"]:
                return
    except Ended as end:
        if not exchange.left:
            raise ConnectionResetError("the answer was broken off") from end.error
    finally:
        pipe.close()


async def _serve(
    exchange: HttpExchange, chain: Chain, scope: Scope, body: StreamReader, writer: _Writer
) -> None:
    """Run the API's handler for a request as the app's middleware has left it."""
    error: BaseException | None = None
    try:
        request = await request_of(scope, exchange.request, body, writer)
        response = await chain(request)
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError as exc:  # broken off: so is the app's answer
        error = exc
        exchange.broken = True
    finally:
        writer.pipe.end(error)


async def request_of(
    scope: Scope,
    original: web.Request,
    body: StreamReader | None = None,
    writer: AbstractStreamWriter | None = None,
) -> web.Request:
    """Return a request as a scope has it, with its route; without a body it is only looked at."""
    request = web.Request(
        message_of(scope, original),
        body if body is not None and original.body_exists else original.content,
        original.protocol,
        original.writer if writer is None else writer,
        original.task,
        asyncio.get_running_loop(),
        client_max_size=original.app[OPTIONS].max_body_bytes,
    )
    found = original.match_info
    if not is_untouched(scope, original):
        found = await original.app.router.resolve(request)
        found.add_app(original.app)
        found.freeze()
        found.current_app = original.app
    request._match_info = found  # noqa: SLF001 - as aiohttp's application does
    if STARTED in original:
        request[STARTED] = original[STARTED]
    if PRINCIPAL in original:
        request[PRINCIPAL] = original[PRINCIPAL]
    if OWN_CORS in original:
        request[OWN_CORS] = original[OWN_CORS]
    return request


class _Body(StreamReader):
    """A request's body, read from an app's `receive` when a handler reads it."""

    def __init__(
        self, exchange: HttpExchange, receive: Receive, away: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(exchange.request.protocol, _LIMIT, loop=asyncio.get_running_loop())
        self._receive = receive
        self._away = away

    async def readany(self) -> bytes:
        """Return the next piece; empty at the end."""
        while not self.is_eof():
            coroutine: Any = self._receive()
            asked = asyncio.run_coroutine_threadsafe(coroutine, self._away)
            message: Message = await asyncio.wrap_future(asked)
            if message["type"] == "http.disconnect":
                self.feed_eof()
                raise web.RequestPayloadError("the body ended too early")
            if not message.get("more_body"):
                self.feed_eof()
            if piece := message.get("body"):
                return bytes(piece)
        return b""


class _Writer(AbstractStreamWriter):
    """Where a handler's answer goes: into messages to an app's `send`."""

    def __init__(self, pipe: Pipe[Message]) -> None:
        self.pipe = pipe
        self.output_size = 0
        self.length = None

    async def write_headers(self, status_line: str, headers: Any) -> None:
        """Begin the answer."""
        raw = [
            (name.lower().encode(), value.encode())
            for name, value in headers.items()
            if name.lower() not in _HOP
        ]
        status = int(status_line.split(" ", 2)[1])
        self.output_size += 1  # the answer has begun
        start = {"type": "http.response.start", "status": status, "headers": raw}
        await self.pipe.put(start, 256)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Send a piece of the body; return when there is room for more."""
        await self._put(chunk, more=True)

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Send the last piece of the body."""
        await self._put(chunk, more=False)

    async def _put(self, chunk: bytes | bytearray | memoryview, *, more: bool) -> None:
        body = bytes(chunk)
        self.output_size += len(body)
        await self.pipe.put(
            {"type": "http.response.body", "body": body, "more_body": more}, len(body) + 64
        )

    async def drain(self) -> None:
        """Do nothing: each piece waits for room."""

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Leave compression to the app's middleware."""

    def enable_chunking(self) -> None:
        """Leave framing to the connection."""
