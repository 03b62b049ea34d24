"""`GET /threads/{id}/stream`: everything that happens on a thread, as server-sent events.

Each frame has an id; a client that comes back with the last one it has seen gets exactly the rest.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, cast, get_args

from aiohttp import web

from lgserve.api.auth import permit_thread
from lgserve.api.http import names, services_of, uuid_of
from lgserve.api.keys import OPTIONS
from lgserve.api.sse import send_frames
from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import ThreadEvent, ThreadPosition
from lgserve.core.vocabulary import ThreadStreamMode

if TYPE_CHECKING:
    from lgserve.core.ports import ThreadFollower

_EVERYTHING = ThreadPosition(0, 0)
_ID = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)
_DONE = b'event: metadata\r\ndata: {"status":"run_done","run_id":"%b"}\r\n'


def routes() -> list[web.RouteDef]:
    """Return the route of the thread stream."""
    return [web.get("/threads/{thread_id}/stream", stream)]


async def stream(request: web.Request) -> web.StreamResponse:
    """Stream what happens on a thread, from now or from behind `Last-Event-ID`."""
    thread_id = uuid_of(request, "thread")
    modes = _modes(request)
    after = position(request.headers.get("Last-Event-ID"))
    scope = await permit_thread(request, "read")
    follower = await services_of(request).thread_streams.follow(thread_id, after, scope)
    try:
        return await send_frames(
            request,
            _frames(follower, modes),
            headers={"Location": _location(request, thread_id)},
            heartbeat_seconds=request.app[OPTIONS].heartbeat_seconds,
        )
    finally:
        follower.close()


def position(last_event_id: str | None) -> ThreadPosition | None:
    """Return the place a client has come to; None if it begins now.

    Raises:
        InvalidRequestError: this is no id of an event.
    """
    text = (last_event_id or "").strip()
    if not text:
        return None
    if text == "-1":
        return _EVERYTHING
    found = _ID.fullmatch(text)
    if found is None:
        raise InvalidRequestError(
            "Invalid last-event-id: must be the id of an event, -1 for everything that is stored"
        )
    return ThreadPosition(int(found[1]), int(found[2] or 0))


async def _frames(
    follower: ThreadFollower, modes: Sequence[ThreadStreamMode]
) -> AsyncGenerator[bytes]:
    async for batch in follower:
        yield encode(batch, modes)


def encode(batch: Sequence[ThreadEvent], modes: Sequence[ThreadStreamMode]) -> bytes:
    """Return the bytes of what these modes show of a batch."""
    return b"".join([_framed(item) for item in batch if _is_shown(item, modes)])


def _is_shown(item: ThreadEvent, modes: Sequence[ThreadStreamMode]) -> bool:
    if item.kind == "state":
        return "state_update" in modes
    if item.kind == "begin":
        return False
    if "run_modes" in modes:
        return True
    begins = item.event is None or item.event.name == "metadata"
    return begins and "lifecycle" in modes


def _framed(item: ThreadEvent) -> bytes:
    if item.event is not None:
        frame = item.event.frame
    else:
        frame = _DONE % (item.run.run_id.encode() if item.run is not None else b"")
    if item.position is None:
        return frame + b"\r\n"
    return b"%bid: %d-%d\r\n\r\n" % (frame, *item.position)


def _modes(request: web.Request) -> tuple[ThreadStreamMode, ...]:
    """Return the wanted modes; the SDK asks in the singular."""
    wanted = names(request, "stream_modes") + names(request, "stream_mode")
    for mode in wanted:
        if mode not in get_args(ThreadStreamMode):
            raise InvalidRequestError(f"Invalid stream mode: {mode}")
    return cast("tuple[ThreadStreamMode, ...]", wanted) or ("run_modes",)


def _location(request: web.Request, thread_id: str) -> str:
    """Return where a client that lost its connection goes on, below the address it calls."""
    query = request.rel_url.raw_query_string
    return f"/threads/{thread_id}/stream" + (f"?{query}" if query else "")
