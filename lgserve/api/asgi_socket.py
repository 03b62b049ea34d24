"""One WebSocket that an ASGI app serves on the user loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import WSCloseCode, WSMessage, WSMsgType, hdrs, web

from lgserve.api.asgi_bridge import AppError, Exchange
from lgserve.api.asgi_pipe import Ended, Pipe
from lgserve.api.asgi_scope import AsgiApp, Message, Scope, headers_of

_ABNORMAL = 1006
_REFUSED = 403
#: Seconds a client may take to agree to the end when the server stops.
_PART_SECONDS = 0.5


class SocketExchange(Exchange):
    """One WebSocket, from its handshake to its end."""

    def __init__(
        self, request: web.Request, trim: Callable[[BaseException], str], largest: int
    ) -> None:
        super().__init__(request, trim)
        self._largest = largest
        self._incoming: Pipe[Message] | None = None
        self._connected = False
        self._socket: web.WebSocketResponse | None = None
        #: An API route was reached: it takes the socket over, and this is done when it has ended.
        self._taken_over: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ on the user loop

    async def run(self, app: AsgiApp, scope: Scope) -> None:
        """Run the app to its end."""
        self._incoming = Pipe(asyncio.get_running_loop())
        await super().run(app, scope)

    async def receive(self) -> Message:
        """Return the client's next message."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        assert self._incoming is not None  # noqa: S101 - the app runs
        try:
            return await self._incoming.get()
        except Ended:
            return _disconnected(_ABNORMAL)

    async def hand_over(self, scope: Scope) -> None:
        """Let the API's own route serve the socket; return when it has."""
        message = {"type": "lgserve.take_over", "headers": list(scope["headers"])}
        await self.send(message)
        await self._gone.wait()

    # ------------------------------------------------------------ on the API's loop

    async def answer(
        self, take_over: Callable[[Message], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Serve the socket until one side closes it.

        Raises:
            AppError: the app failed before it had accepted or refused.
        """
        try:
            message = await self._answer.get()
        except Ended as end:
            raise AppError from end.error
        kind = message["type"]
        if kind == "lgserve.take_over":
            return await take_over(message)
        if kind == "websocket.accept":
            return await self._serve(message)
        if kind == "websocket.http.response.start":
            return await self._refuse(message)
        return web.json_response({"detail": "Forbidden"}, status=_REFUSED)

    async def _refuse(self, start: Message) -> web.StreamResponse:
        """Answer the handshake with what the app says instead of a socket."""
        body = b""
        with contextlib.suppress(Ended):
            while True:
                message = await self._answer.get()
                body += bytes(message.get("body") or b"")
                if not message.get("more_body"):
                    break
        headers = headers_of(start.get("headers", ()))
        headers.popall(hdrs.CONTENT_LENGTH, None)
        return web.Response(status=int(start["status"]), headers=headers, body=body)

    async def _serve(self, accept: Message) -> web.StreamResponse:
        chosen = accept.get("subprotocol")
        socket = web.WebSocketResponse(
            protocols=(chosen,) if chosen else (), max_msg_size=self._largest, timeout=5.0
        )
        socket.headers.extend(headers_of(accept.get("headers", ())))
        await socket.prepare(self.request)
        self._socket = socket
        self.running = asyncio.ensure_future(self._listen(socket))
        try:
            await self._speak(socket)
        except Ended as end:
            failed = end.error is not None
            code = WSCloseCode.INTERNAL_ERROR if failed else WSCloseCode.OK
            await socket.close(code=code)
        return socket

    async def _speak(self, socket: web.WebSocketResponse) -> None:
        """Send what the app sends; return when it has closed the socket."""
        while True:
            message = await self._answer.get()
            if message["type"] == "websocket.close":
                reason = str(message.get("reason") or "").encode()
                await socket.close(code=int(message.get("code", 1000)), message=reason)
                return
            if socket.closed or message["type"] != "websocket.send":
                continue
            with contextlib.suppress(ConnectionError):
                if (data := message.get("bytes")) is not None:
                    await socket.send_bytes(bytes(data))
                else:
                    await socket.send_str(message["text"])

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        """Pass on what the client sends, and that it has gone."""
        assert self._incoming is not None  # noqa: S101 - the app runs
        try:
            async for message in socket:
                if found := _received(message):
                    await self._incoming.put(found, len(message.data) + 64)
        finally:
            await self._incoming.put(_disconnected(socket.close_code or _ABNORMAL), 64)
            self._incoming.end()

    async def part(self) -> None:
        """Tell the client, and by that the app, that the server goes away."""
        if self._socket is not None:
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(_PART_SECONDS):
                    code = WSCloseCode.SERVICE_RESTART
                    await self._socket.close(code=code, message=b"server restarting")

    def leave(self) -> None:
        """End: the app is told that its client has gone."""
        if self._incoming is not None and self._socket is None:
            self._incoming.end()
        super().leave()


def _received(message: WSMessage) -> Message | None:
    if message.type is WSMsgType.TEXT:
        return {"type": "websocket.receive", "text": message.data}
    if message.type is WSMsgType.BINARY:
        return {"type": "websocket.receive", "bytes": bytes(message.data)}
    return None


def _disconnected(code: int) -> Message:
    return {"type": "websocket.disconnect", "code": code, "reason": ""}
