"""The events of a thread, by protocol v2, over SSE: the connection is the subscription."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence

from aiohttp import web
from pydantic import ValidationError

from lgserve import jsonio
from lgserve.api.auth import permit_thread
from lgserve.api.command_bodies import Wanted
from lgserve.api.commands import failure
from lgserve.api.event_filters import EventFilter, filter_of
from lgserve.api.event_socket import connect
from lgserve.api.fields import describe
from lgserve.api.http import decode, read_raw, services_of, uuid_of
from lgserve.api.keys import AUTHENTICATOR, OPTIONS
from lgserve.api.middleware import STARTED
from lgserve.api.sse import send_frames
from lgserve.core.errors import BadRequestError, InvalidRequestError, StorageError
from lgserve.services.event_feed import EventFeed, EventFeeds
from lgserve.services.event_views import ProtocolEvent

_log = logging.getLogger("lgserve")
_PATH = "/threads/{thread_id}/stream/events"


def routes() -> list[web.RouteDef]:
    """Return the routes of event streaming; a WebSocket begins as a GET."""
    return [web.post(_PATH, stream), web.get(_PATH, connect, allow_head=False)]


async def stream(request: web.Request) -> web.StreamResponse:
    """Send a thread's events as they come, after those that are stored."""
    thread_id = uuid_of(request, "thread")
    wanted = wanted_of(await _body(request))
    feeds = services_of(request).feeds
    scope = await permit_thread(request, "read")
    if request.app.get(AUTHENTICATOR) is not None:
        await feeds.check(thread_id, scope)
    feed = feeds.feed(thread_id, wanted.since or _seen(request))
    request.pop(STARTED, None)  # how long an event takes to come says nothing of the server
    try:
        return await send_frames(
            request,
            _frames(feeds, feed, filter_of(wanted)),
            headers={},
            heartbeat_seconds=request.app[OPTIONS].heartbeat_seconds,
        )
    finally:
        feed.close()


def _seen(request: web.Request) -> int:
    """Return the number a client that reconnects by itself has come to: its last event's id."""
    text = request.headers.get("Last-Event-ID", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


async def _body(request: web.Request) -> object:
    try:
        return decode(await read_raw(request))
    except InvalidRequestError as exc:
        raise BadRequestError(exc.message.replace("in request body", "body", 1)) from None


def wanted_of(body: object) -> Wanted:
    """Return what a subscriber asks for.

    Raises:
        BadRequestError: a member is wrong; the message names it.
    """
    try:
        return Wanted.model_validate(body if isinstance(body, dict) else {})
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        plain = first["type"] == "channels"
        raise BadRequestError(first["msg"] if plain else describe(exc)) from None


async def _frames(feeds: EventFeeds, feed: EventFeed, chosen: EventFilter) -> AsyncGenerator[bytes]:
    """Yield events as they come; a reader that was too slow is told so, and has to come back."""
    await feeds.arrival(feed.thread_id)
    await feed.begin()
    try:
        async for batch in feed:
            yield encode(batch, chosen)
    except StorageError as exc:
        _log.warning("an event stream was cut off: %s", exc)
        error = failure(None, "unknown_error", exc.message)
        yield b"event: error\r\ndata: %b\r\n\r\n" % jsonio.dumps(error)
        raise ConnectionResetError(exc.message) from exc


def encode(batch: Sequence[ProtocolEvent], chosen: EventFilter) -> bytes:
    """Return the bytes of those events of a batch that were chosen."""
    return b"".join(
        b"event: %b\r\ndata: %b\r\nid: %d\r\n\r\n"
        % (event.method.encode(), event.encode(), event.seq)
        for event in batch
        if chosen.shows(event)
    )
