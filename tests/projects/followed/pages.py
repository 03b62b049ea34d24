"""An app whose beginnings and ends are written down, with a WebSocket."""

import contextlib
import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from steps import VERSION

LOG = Path(__file__).parent / "lifespans.log"


def note(what):
    with LOG.open("a") as log:
        log.write(f"{what} {VERSION} {os.getpid()}\n")


@contextlib.asynccontextmanager
async def lifespan(app):
    note("up")
    yield
    note("down")


async def page(request):
    return PlainTextResponse(VERSION)


async def echo(socket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{VERSION}:{text}")


app = Starlette(lifespan=lifespan, routes=[Route("/page", page), WebSocketRoute("/echo", echo)])
