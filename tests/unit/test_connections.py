"""Connections that change hands: given away between requests, and never in the middle of one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from lgserve.connections import Connection, Doors

SECONDS = 20.0
LONG = 60_000  # less than aiohttp waits for, and more than fits between the two of a test
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n"


@dataclass(slots=True)
class Side:
    """A server that would give away its one connection, and the client's end of it."""

    doors: Doors
    server: web.Server
    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    given: list[int] = field(default_factory=list)
    handled: asyncio.Event = field(default_factory=asyncio.Event)

    def sweep(self) -> int:
        return self.doors.give_away_idle(self.port, lambda fd: self.given.append(os.dup(fd)))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        return await self.reader.readexactly(int(head.lower().split(b"content-length: ")[1][:5]))

    def connections(self) -> list[Connection]:
        return [each for each in self.server.connections if isinstance(each, Connection)]

    async def until_busy(self) -> None:
        """Wait until something of a request is here."""
        await until(lambda: any(each.is_busy for each in self.connections()))

    async def until_given(self) -> None:
        await until(lambda: self.sweep() == 0 and bool(self.given))


@asynccontextmanager
async def serving() -> AsyncIterator[Side]:
    """Serve one connection; the answer is 60,000 bytes, or less if something was posted."""
    side: Side

    async def handle(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        found = request.transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        size = 10_000 if await request.read() else LONG
        side.handled.set()
        return web.Response(body=b"x" * size)

    doors = Doors()
    server = web.Server(handle)
    doors.lead_to(server)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        await doors.open(listener)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        port = listener.getsockname()[1]
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=client, limit=2048)
        side = Side(doors, server, port, reader, writer)
        yield side
        await doors.close()
        await server.shutdown(0)
        writer.close()
        for descriptor in side.given:
            os.close(descriptor)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


async def test_a_connection_is_given_away_between_requests() -> None:
    async with serving() as side:
        await side.send(POST + b"0123456789")
        await side.answer()
        await side.until_given()


async def test_a_request_that_has_begun_to_come_is_answered_here() -> None:
    async with serving() as side:
        for begin in (POST[:20], POST, POST + b"01234"):
            request = POST + b"0123456789"
            await side.send(begin)
            await side.until_busy()
            assert (side.sweep(), side.given) == (1, [])
            await side.send(request[len(begin) :])
            await side.answer()
            await until(lambda: not side.connections()[0].is_busy)
        await side.until_given()


async def test_an_answer_is_sent_to_its_end_by_who_began_it() -> None:
    async with serving() as side:
        await side.send(GET)
        async with asyncio.timeout(SECONDS):
            await side.handled.wait()
        for _ in range(100):
            await asyncio.sleep(0)
            assert side.sweep() == 1
        assert side.given == []
        assert await side.answer() == b"x" * LONG
        await side.until_given()
