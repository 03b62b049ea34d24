"""One HTTP request that an ASGI app answers on the user loop, while its socket stays here.

Bodies cross between the loops in pieces: of a large upload no more is read than the app asks for,
of a large answer no more is made than the client takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import hdrs, web

from lgserve.api.asgi_pipe import Ended, Pipe
from lgserve.api.asgi_scope import AsgiApp, Message, Scope, headers_of
from lgserve.core.errors import LgserveError, PayloadTooLargeError

T = TypeVar("T")
#: Starts a coroutine as a task that has an owner.
Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]

_log = logging.getLogger("lgserve")

#: Statuses whose answers have no body.
_BODILESS = (204, 304)


class AppError(LgserveError):
    """Internal Server Error"""


class AppSilentError(LgserveError):
    """The custom app did not begin to answer in time."""


class Exchange(ABC):
    """What HTTP and WebSocket have in common: an app that runs, and a client that may leave."""

    def __init__(self, request: web.Request, trim: Callable[[BaseException], str]) -> None:
        self.request = request
        self._trim = trim
        #: The API's own loop.
        self.home = asyncio.get_running_loop()
        #: Whether an API route stands for what is asked for.
        self.matched = request.match_info.http_exception is None
        #: Nobody waits for the app any more.
        self.left = False
        #: The API has broken its answer off; middleware might end it as if it were whole.
        self.broken = False
        #: What runs here for the app, and ends with the exchange.
        self.running: asyncio.Task[Any] | None = None
        self._away: asyncio.AbstractEventLoop | None = None
        self._gone = asyncio.Event()
        self._answer: Pipe[Message] = Pipe(self.home)

    async def run(self, app: AsgiApp, scope: Scope) -> None:
        """Run the app to its end; on the user loop. What it raises ends the answer."""
        self._away = asyncio.get_running_loop()
        if self.left:
            self._gone.set()
        error: BaseException | None = None
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError as exc:
            error = exc
            raise
        except Exception as exc:  # noqa: BLE001 - whatever the user's code raises
            error = exc
            self._tell(exc)
        finally:
            self._answer.end(error)

    def _tell(self, error: Exception) -> None:
        if self.is_over:  # Starlette's ClientDisconnect, above all
            _log.debug("the custom app: %r, after its client had gone", error)
            return
        request = self.request
        text = self._trim(error)
        _log.error("%s %s failed in the custom app:\n%s", request.method, request.path, text)

    @property
    def is_over(self) -> bool:
        """Whether it does not matter any more what the app says."""
        return self.left

    @abstractmethod
    async def receive(self) -> Message:
        """Return what comes from the client; on the user loop."""

    async def send(self, message: Message) -> None:
        """Send something to the client; on the user loop."""
        if not self.left:
            await self._answer.put(message, len(message.get("body") or b"") + 64)

    def leave(self) -> None:
        """End: the app is told that its client has gone; it goes on if it has more to do."""
        self.left = True
        self._answer.close()
        if self.running is not None:
            self.running.cancel()
        if self._away is not None:
            with contextlib.suppress(RuntimeError):  # the user loop was closed
                self._away.call_soon_threadsafe(self._gone.set)

    async def at_home(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function on the API's loop; called on the user loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self.home))


class HttpExchange(Exchange):
    """One HTTP request and its answer."""

    def __init__(
        self, request: web.Request, trim: Callable[[BaseException], str], largest: int
    ) -> None:
        super().__init__(request, trim)
        self._largest = largest
        self._read = 0
        self._whole = not request.body_exists
        self._told_whole = False
        self._too_large = False
        self._reading: asyncio.Future[tuple[bytes, bool]] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it does not matter any more what the app says."""
        return self.left or self._too_large

    # ------------------------------------------------------------ on the user loop

    async def receive(self) -> Message:
        """Return the next piece of the body; after the last one wait until the client has gone."""
        if self._whole and not self._told_whole:
            self._told_whole = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._whole or self.left:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        # A receive that is cancelled loses nothing: the next one takes over what it waits for.
        self._reading = self._reading or asyncio.ensure_future(self.at_home(self._read_piece))
        try:
            piece, more = await asyncio.shield(self._reading)
        except (OSError, web.RequestPayloadError, PayloadTooLargeError):
            self._whole = self._told_whole = True
            return {"type": "http.disconnect"}
        self._reading = None
        if not more:
            self._whole = self._told_whole = True
        return {"type": "http.request", "body": piece, "more_body": more}

    # ------------------------------------------------------------ on the API's loop

    async def _read_piece(self) -> tuple[bytes, bool]:
        content = self.request.content
        piece = await content.readany()
        self._read += len(piece)
        if self._read > self._largest:
            self._too_large = True
            raise PayloadTooLargeError
        return piece, not content.at_eof()

    async def answer(self, patience: float | None) -> web.StreamResponse:
        """Send the app's answer to the client as it comes.

        Raises:
            AppSilentError: it has not begun to answer in `patience` seconds.
            AppError: the app failed, or returned, before it had begun to answer.
            ConnectionResetError: it did so afterwards.
        """
        try:
            start = await asyncio.wait_for(self._next(), patience)
        except Ended as end:
            raise self._failure(end) from end.error
        except TimeoutError:
            raise AppSilentError from None
        if self._too_large:  # the app takes it for a client that has gone
            raise self._failure(Ended(None))
        headers = headers_of(start.get("headers", ()))
        for name in (hdrs.TRANSFER_ENCODING, hdrs.CONNECTION):
            headers.popall(name, None)
        status = int(start["status"])
        try:
            # With a length known, a body follows at once: then headers and body go out together.
            first = await self._next() if hdrs.CONTENT_LENGTH in headers else None
            if first is not None and not first.get("more_body"):
                return await self._send_whole(status, headers, first)
            return await self._stream(web.StreamResponse(status=status, headers=headers), first)
        except Ended as end:
            raise ConnectionResetError("the custom app ended in the midst of its answer") from (
                end.error
            )

    def _failure(self, end: Ended) -> LgserveError:
        if self._too_large:
            return PayloadTooLargeError(f"The request body is larger than {self._largest} bytes")
        if end.error is None:
            _log.error("%s: the custom app returned without an answer", self.request.path)
        return AppError()

    async def _next(self) -> Message:
        """Return the next message of the app that means something over HTTP."""
        while True:
            message = await self._answer.get()
            if self.broken:
                raise Ended(None)
            if message["type"] in ("http.response.start", "http.response.body"):
                return message

    async def _send_whole(self, status: int, headers: Any, message: Message) -> web.StreamResponse:
        body = bytes(message.get("body") or b"")
        if self._is_bodiless(status):
            body = b""
        elif headers[hdrs.CONTENT_LENGTH] != str(len(body)):
            del headers[hdrs.CONTENT_LENGTH]
        response = web.Response(status=status, headers=headers, body=body)
        await response.prepare(self.request)
        await response.write_eof()
        return response

    async def _stream(
        self, response: web.StreamResponse, message: Message | None
    ) -> web.StreamResponse:
        await response.prepare(self.request)
        bodiless = self._is_bodiless(response.status)
        while True:
            message = message or await self._next()
            if (body := message.get("body")) and not bodiless:
                await response.write(bytes(body))
            if not message.get("more_body"):
                break
            message = None
        await response.write_eof()
        return response

    def _is_bodiless(self, status: int) -> bool:
        return self.request.method == hdrs.METH_HEAD or status in _BODILESS


async def run_exchange(
    exchange: Exchange,
    answer: Callable[[], Awaitable[web.StreamResponse]],
    start: Callable[[], None],
) -> web.StreamResponse:
    """Start an app and return what it answered; however that ends, the app hears of it."""
    start()
    try:
        return await answer()
    finally:
        exchange.leave()
