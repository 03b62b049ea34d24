"""Connections that a server gives away, and those that it takes over from another process.

A client that keeps its connection never notices that another process answers its next request:
nothing is closed under it. Only an idle connection can be given away. Whether one is idle is known
to aiohttp alone, and not said in public: should what is asked here be gone one day, connections
count as busy, and are closed after their next answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.web_protocol import RequestHandler

from lgserve.api import connections


class Connection(connections.Connection):
    """A client's connection that knows whether it could be given away."""

    __slots__ = ("_begun", "_body", "_mixed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Bytes have come that are no whole request yet.
        self._begun = False
        #: The body of the request that came last.
        self._body: StreamReader | None = None
        #: Bytes have come while a request was answered: some of them may wait in the parser.
        self._mixed = False

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client; none, when aiohttp goes on with what it has kept."""
        is_body = self._body is not None and not self._body.is_eof()
        self._mixed = self._mixed or (bool(data) and self._is_answering())
        known = self._request_count
        super().data_received(data)
        if self._request_count > known:
            self._body, self._begun = self._messages[-1][1], False
        elif data and not is_body:
            self._begun = True

    def _is_answering(self) -> bool:
        """Tell whether a whole request has come whose answer has not ended."""
        request = self._current_request
        if request is None or not request.content.is_eof():
            return False
        return not getattr(request.writer, "_eof", False)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request is here: the next byte can go to another process."""
        return not (self.is_busy or self._mixed or self._upgraded or self._close)

    @property
    def is_busy(self) -> bool:
        """Whether a request is here, in whole or in part, or an answer that is not all sent."""
        if self.transport is None:
            return False
        waiting = self._waiter is not None and not self._waiter.done()
        clean = not (self._messages or self._begun or self._current_request)
        return not (waiting and clean) or self.transport.get_write_buffer_size() > 0

    def give_away(self) -> socket.socket | None:
        """Stop reading and return the connection; None if the client has gone."""
        transport = self.transport
        found = None if transport is None else transport.get_extra_info("socket")
        if transport is None or found is None or transport.is_closing():
            return None
        transport.pause_reading()
        kept = socket.socket(fileno=os.dup(found.fileno()))
        self.force_close()  # of this process's copy: the connection itself stays open
        return kept


class Doors:
    """Where connections come in: listeners, and other processes that give theirs away."""

    def __init__(self) -> None:
        self._server: web.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._leaving = False
        #: Gives away what was not seen before, when all is about to be closed.
        self._last_sweep: Callable[[], object] = int
        self._listening: dict[socket.socket, asyncio.Server] = {}

    def lead_to(self, server: web.Server) -> None:
        """Learn what serves the connections."""
        self._server = server

    async def open(self, listener: socket.socket) -> None:
        """Accept connections."""
        own = listener.dup()  # the loop closes what it listens on
        server = await self._loop.create_server(self._connect, sock=own, backlog=1024)
        self._listening[listener] = server

    async def close(self, *listeners: socket.socket) -> None:
        """Accept no more, of these listeners or of all; what is connected stays so."""
        for listener in listeners or tuple(self._listening):
            server = self._listening.pop(listener, None)
            if server is not None:
                server.close()
        if not listeners:
            self._last_sweep()

    async def prepare(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Have a client come again over a new connection: others answer there by now."""
        if self._leaving:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    async def take_over(self, descriptor: int) -> None:
        """Serve a connection that another process gave away."""
        connection = socket.socket(fileno=descriptor)
        connection.setblocking(False)  # noqa: FBT003 - its signature
        try:
            await self._loop.connect_accepted_socket(self._connect, connection)
        except OSError:
            connection.close()

    def give_away_idle(self, port: int, give: Callable[[int], object]) -> int:
        """Give away what is idle of the connections to a port; return how many are in use."""
        self._leaving = True
        self._last_sweep = lambda: self.give_away_idle(port, give)
        busy = 0
        for connection in self._server.connections if self._server else ():
            if not isinstance(connection, Connection) or _port_of(connection) != port:
                continue
            kept = connection.give_away() if connection.is_idle else None
            if kept is None:
                busy += connection.is_busy
                continue
            with kept:
                give(kept.fileno())
        return busy

    def _connect(self) -> Connection:
        server = self._server
        assert server is not None  # noqa: S101 - before anything is opened
        return Connection(server, loop=self._loop, **server._kwargs)  # noqa: SLF001


def _port_of(connection: RequestHandler) -> int | None:
    name = connection.transport and connection.transport.get_extra_info("sockname")
    return name[1] if isinstance(name, tuple) else None
