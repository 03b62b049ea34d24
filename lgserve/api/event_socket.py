"""Commands and events of protocol v2 on one WebSocket.

Each subscription reads the thread's log on its own; one lock keeps messages whole. A client that
does not read stops its subscriptions' readers, not the server: a log waits in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from lgserve import jsonio
from lgserve.api.auth import permit_thread
from lgserve.api.command_bodies import Reconnect, Unsubscribe, Wanted
from lgserve.api.commands import (
    HANDLERS,
    Call,
    Handler,
    answered,
    failure,
    malformed,
    no_such_subscription,
    with_meta,
)
from lgserve.api.cors import Cors
from lgserve.api.event_filters import EventFilter, filter_of
from lgserve.api.http import decode, json_response, services_of, uuid_of
from lgserve.api.keys import AUTHENTICATOR, OPTIONS
from lgserve.core.errors import (
    CommandError,
    ForbiddenError,
    InvalidRequestError,
    LgserveError,
    StorageError,
    UnavailableError,
)
from lgserve.core.ids import new_id
from lgserve.services.event_feed import EventFeed, EventFeeds
from lgserve.services.event_views import ProtocolEvent

_log = logging.getLogger("lgserve")
Object = dict[str, Any]

#: Seconds a client may take to agree to the end.
_CLOSE_SECONDS = 1.0
#: Each costs a reader.
_MOST_SUBSCRIPTIONS = 64
#: Seconds in which a client has to take what it was sent: then it is given up.
_SEND_SECONDS = 60.0

_SOCKETS = web.AppKey("event_sockets", WeakSet[web.WebSocketResponse])


@dataclass(slots=True, kw_only=True)
class _Subscription:
    subscription_id: str
    feed: EventFeed
    chosen: EventFilter
    pump: asyncio.Future[None] | None = None

    def stop(self) -> None:
        if self.pump is not None:
            self.pump.cancel()
        self.feed.close()


async def connect(request: web.Request) -> web.StreamResponse:
    """Serve a WebSocket until one side closes it; who may not is refused before it opens."""
    thread_id = uuid_of(request, "thread")
    socket = web.WebSocketResponse(
        timeout=_CLOSE_SECONDS,
        max_msg_size=request.app[OPTIONS].max_body_bytes,
        autoping=True,
        compress=False,
    )
    if not Cors(request.app[OPTIONS].cors).lets_connect(request):
        raise ForbiddenError("This page's origin may not connect")
    scope = await permit_thread(request, "read")
    if request.app.get(AUTHENTICATOR) is not None:
        await services_of(request).feeds.check(thread_id, scope)
    if not socket.can_prepare(request):
        return json_response({"detail": "Upgrade Required"}, 426, {"Upgrade": "websocket"})
    await socket.prepare(request)
    request.app[_SOCKETS].add(socket)
    await _Conversation(request=request, socket=socket, thread_id=thread_id).hold()
    return socket


def prepare(app: web.Application) -> None:
    """Keep account of open sockets, so that each is told when the server stops."""
    app[_SOCKETS] = WeakSet()
    app.on_shutdown.append(_close_all)


async def _close_all(app: web.Application) -> None:
    """Tell every client that the server goes away."""
    closings = [
        socket.close(code=WSCloseCode.SERVICE_RESTART, message=b"server restarting")
        for socket in app[_SOCKETS]
    ]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2 * _CLOSE_SECONDS):
            await asyncio.gather(*closings, return_exceptions=True)


@dataclass(slots=True, kw_only=True)
class _Conversation:
    """What is said on one socket."""

    request: web.Request
    socket: web.WebSocketResponse
    thread_id: str
    _subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: The greatest number of an event that was sent.
    _seen: int = 0

    async def hold(self) -> None:
        """Answer commands, one after the other, until the client or the server leaves."""
        beating = asyncio.ensure_future(self._beat())
        try:
            async for message in self.socket:
                await self._hear(message)
        except (ConnectionError, TimeoutError):
            self._give_up()
        finally:
            beating.cancel()
            for subscription in self._subscriptions.values():
                subscription.stop()

    async def _hear(self, message: WSMessage) -> None:
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        raw = message.data.encode() if isinstance(message.data, str) else message.data
        try:
            body = decode(raw)
        except InvalidRequestError:
            text = "Protocol commands must be valid JSON."
            await self._say(failure(None, "invalid_argument", text))
            return
        answer = malformed(body)
        if answer is None:
            answer = await self._carry_out(body)
        await self._say(with_meta(answer, self._seen))
        self._start_pumps()

    async def _carry_out(self, body: Object) -> Object:
        try:
            return await answered(self.request, body, self._handlers())
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - as over HTTP, where every error is answered
            _log.exception("the command %s failed", body["method"])
            return failure(body["id"], "unknown_error", "500: Internal Server Error")

    def _handlers(self) -> Mapping[str, Handler]:
        own: dict[str, Handler] = {
            "subscription.subscribe": self._subscribe,
            "subscription.unsubscribe": self._unsubscribe,
            "subscription.reconnect": self._reconnect,
        }
        return {**HANDLERS, **own}

    # ---------------------------------------------------------------- subscriptions

    async def _subscribe(self, call: Call) -> Object:
        """Send what is stored, then answer; what comes later follows."""
        wanted = call.checked(Wanted)
        subscription, replayed = await self._open(wanted, wanted.since)
        return {"subscription_id": subscription.subscription_id, "replayed_events": replayed}

    async def _unsubscribe(self, call: Call) -> Object:
        wanted = call.checked(Unsubscribe)
        subscription = self._subscriptions.pop(wanted.subscription_id, None)
        if subscription is None:
            raise no_such_subscription(wanted.subscription_id)
        subscription.stop()
        return {}

    async def _reconnect(self, call: Call) -> Object:
        """Go on behind an event that was seen on an earlier connection."""
        wanted = call.checked(Reconnect)
        if not wanted.channels:
            call.checked(Wanted)  # says what is missing
        since: int | None = wanted.since
        if wanted.last_event_id is not None:
            since = await self._feeds.number_of(self.thread_id, wanted.last_event_id)
        if since is None:
            return {"restored": False, "missed_events": 0}
        subscription, missed = await self._open(wanted, since)
        return {
            "restored": True,
            "missed_events": missed,
            "subscription_id": subscription.subscription_id,
        }

    async def _open(self, wanted: Wanted, since: int) -> tuple[_Subscription, int]:
        """Begin a subscription, and send what of it is stored."""
        if len(self._subscriptions) >= _MOST_SUBSCRIPTIONS:
            raise CommandError(
                "invalid_argument",
                f"A connection has at most {_MOST_SUBSCRIPTIONS} subscriptions.",
            )
        subscription = _Subscription(
            subscription_id=new_id(),
            feed=self._feeds.feed(self.thread_id, since),
            chosen=filter_of(wanted),
        )
        self._subscriptions[subscription.subscription_id] = subscription
        if not await self._feeds.is_there(self.thread_id):
            return subscription, 0
        await subscription.feed.begin()
        sent = 0
        while subscription.feed.replaying:
            sent += await self._send(await anext(subscription.feed, ()), subscription.chosen)
        return subscription, sent

    def _start_pumps(self) -> None:
        """Let new subscriptions follow, now that their command is answered."""
        for subscription in self._subscriptions.values():
            if subscription.pump is None:
                subscription.pump = asyncio.ensure_future(self._pump(subscription))

    async def _pump(self, subscription: _Subscription) -> None:
        """Send a subscription's events until there is no more to follow."""
        feed = subscription.feed
        code, reason = WSCloseCode.GOING_AWAY, b"thread stream ended"
        try:
            if not feed.begun:
                await self._feeds.arrival(self.thread_id)
                await feed.begin()
            async for batch in feed:
                await self._send(batch, subscription.chosen)
        except UnavailableError:
            code, reason = WSCloseCode.SERVICE_RESTART, b"server restarting"
        except StorageError as exc:
            _log.warning("an event stream was cut off: %s", exc)
            code, reason = WSCloseCode.TRY_AGAIN_LATER, b"too slow"
            await self._say(failure(None, "unknown_error", exc.message))
        except (ConnectionError, TimeoutError):
            self._give_up()
            return
        except LgserveError as exc:
            code, reason = WSCloseCode.INTERNAL_ERROR, b"thread stream failed"
            await self._say(failure(None, "unknown_error", exc.message))
        with contextlib.suppress(ConnectionError):
            await self.socket.close(code=code, message=reason)

    def _give_up(self) -> None:
        """Cut the connection to a client that has gone, or takes nothing."""
        if self.request.transport is not None:
            self.request.transport.abort()

    # ---------------------------------------------------------------- saying

    async def _send(self, batch: Sequence[ProtocolEvent], chosen: EventFilter) -> int:
        """Send those events of a batch that were chosen; return how many."""
        shown = [event for event in batch if chosen.shows(event)]
        for event in shown:
            await self._write(event.encode().decode())
            self._seen = max(self._seen, event.seq)
        return len(shown)

    async def _say(self, message: Object) -> None:
        with contextlib.suppress(ConnectionError):
            await self._write(jsonio.dumps_wire(message).decode())

    async def _write(self, text: str) -> None:
        """Send a message whole; a client that takes nothing for long is given up."""
        async with asyncio.timeout(_SEND_SECONDS), self._sending:
            await self.socket.send_str(text)

    async def _beat(self) -> None:
        """Ping now and then, so that nobody takes the connection for dead."""
        seconds = self.request.app[OPTIONS].heartbeat_seconds
        while not self.socket.closed:
            await asyncio.sleep(seconds)
            with contextlib.suppress(ConnectionError):
                await self.socket.ping()

    @property
    def _feeds(self) -> EventFeeds:
        return services_of(self.request).feeds
