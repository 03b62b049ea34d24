"""A Starlette app with all that an app can have."""

import asyncio
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

from langgraph_sdk import get_client
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

events: list[str] = []


class Stamp(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next):
        if request.headers.get("x-refuse"):
            return JSONResponse({"refused": request.url.path}, 418)
        response = await call_next(request)
        response.headers["x-stamp"] = "yes"
        response.headers["x-saw"] = str(getattr(request.user, "identity", "?")) if "user" in request.scope else "-"
        return response


class Plain:
    """A middleware in plain ASGI: renames a header, and lets a cookie stand for a token."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            headers = dict(scope["headers"])
            if b"x-from-cookie" in headers:
                scope["headers"] = [*scope["headers"], (b"authorization", b"Bearer " + headers[b"x-from-cookie"])]
            if scope["path"] == "/old/threads/search":
                scope["path"] = "/threads/search"
                scope["raw_path"] = b"/threads/search"
        await self.app(scope, receive, send)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict]:
    assistants = None
    with contextlib.suppress(Exception):
        assistants = [each["name"] for each in await get_client().assistants.search()]
    app.state.thread = threading.current_thread().name
    events.append("up")
    yield {"answer": 42, "assistants": assistants}
    if folder := os.environ.get("LIFESPAN_FOLDER"):
        Path(folder, "lifespan-ended").write_text("down")


async def state(request: Request) -> Response:
    """Show the state.

    ---
    summary: What the lifespan yielded
    responses:
      200:
        description: The state.
    """
    return JSONResponse(
        {
            "answer": request.state.answer,
            "assistants": request.state.assistants,
            "loop": request.app.state.thread,
            "here": threading.current_thread().name,
            "path": request.scope["path"],
            "root_path": request.scope["root_path"],
            "url": str(request.url_for("state")),
        }
    )


async def upload(request: Request) -> Response:
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return JSONResponse({"size": size, "sha256": digest.hexdigest()})


async def form(request: Request) -> Response:
    async with request.form() as found:
        return JSONResponse({"name": found["file"].filename, "size": len(await found["file"].read())})


go_on = asyncio.Event()


async def stream(request: Request) -> Response:
    async def pieces():
        yield b"first\n"
        await asyncio.wait_for(go_on.wait(), 10)
        yield b"second\n"

    go_on.clear()
    return StreamingResponse(pieces(), media_type="text/plain")


async def proceed(request: Request) -> Response:
    go_on.set()
    return Response(status_code=204)


async def forever(request: Request) -> Response:
    async def pieces():
        events.append("forever began")
        try:
            while True:
                yield b"x" * 1024
                await asyncio.sleep(0.01)
        finally:
            events.append("forever ended")

    return StreamingResponse(pieces())


made = 0


async def flood(request: Request) -> Response:
    async def pieces():
        global made
        for _ in range(1000):
            made += 1
            yield b"x" * 65536

    return StreamingResponse(pieces())


async def seen(request: Request) -> Response:
    return JSONResponse({"events": events, "made": made})


async def until_gone(request: Request) -> Response:
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    events.append("is_disconnected")
    return PlainTextResponse("nobody reads this")


async def value_error(request: Request) -> Response:
    raise ValueError("that is no value")


async def teapot(request: Request) -> Response:
    raise HTTPException(418, "tea", headers={"x-tea": "green"})


async def broken(request: Request) -> Response:
    raise RuntimeError("a secret of the app")


async def half(request: Request) -> Response:
    async def pieces():
        yield b"half"
        raise RuntimeError("in the midst")

    return StreamingResponse(pieces())


async def empty(request: Request) -> Response:
    return Response(status_code=204)


async def later(request: Request) -> Response:
    async def work():
        await asyncio.sleep(0.2)
        events.append("background done")

    return PlainTextResponse("now", background=BackgroundTask(work))


async def run(request: Request) -> Response:
    client = get_client()
    thread = await client.threads.create()
    return JSONResponse(await client.runs.wait(thread["thread_id"], "show", input={}))


async def me(request: Request) -> Response:
    found = {"identity": None}
    if "user" in request.scope:
        found = {"identity": request.user.identity, "scopes": request.auth.scopes}
    return JSONResponse(found)


async def block(request: Request) -> Response:
    time.sleep(1.5)
    return PlainTextResponse("blocked")


async def shadow(request: Request) -> Response:
    return PlainTextResponse("shadow")


async def echo(socket: WebSocket) -> None:
    if socket.query_params.get("refuse"):
        await socket.close(4403)
        return
    await socket.accept(subprotocol="chat" if "chat" in socket.scope["subprotocols"] else None)
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                events.append(f"socket closed {message['code']}")
                return
            if message.get("text") == "bye":
                await socket.close(4000, "as you like")
                return
            if message.get("text") == "fail":
                raise RuntimeError("socket failed")
            if message.get("bytes") is not None:
                await socket.send_bytes(message["bytes"][::-1])
            else:
                await socket.send_text(f"{socket.state.answer}:{message['text']}")
    except WebSocketDisconnect:
        events.append("disconnect")


app = Starlette(
    lifespan=lifespan,
    middleware=[Middleware(Plain), Middleware(Stamp)],
    routes=[
        Route("/mine/state", state, name="state"),
        Route("/mine/upload", upload, methods=["POST"]),
        Route("/mine/form", form, methods=["POST"]),
        Route("/mine/stream", stream),
        Route("/mine/proceed", proceed, methods=["POST"]),
        Route("/mine/forever", forever),
        Route("/mine/flood", flood),
        Route("/mine/seen", seen),
        Route("/mine/until-gone", until_gone),
        Route("/mine/value-error", value_error),
        Route("/mine/teapot", teapot),
        Route("/mine/broken", broken),
        Route("/mine/half", half),
        Route("/mine/empty", empty),
        Route("/mine/later", later),
        Route("/mine/run", run),
        Route("/mine/me", me),
        Route("/mine/block", block),
        Route("/threads/search", shadow, methods=["POST"]),
        Route("/ok", shadow),
        Route("/threads", shadow, methods=["GET"]),
        WebSocketRoute("/mine/echo", echo),
    ],
)
bare = Starlette(lifespan=lifespan, routes=app.routes)


async def plain(scope, receive, send):
    """An app without any framework."""
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    body = f"plain {scope['root_path']} {scope['path']}?{scope['query_string'].decode()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
