"""Commands and events of protocol v2 on one WebSocket.

One reader of the thread's log serves all subscriptions: an event is sent once, in its order, if any
of them wants it. What is behind that reader when a subscription begins is replayed for it alone.
A client that does not read stops the reader, not the server: a log waits in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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

#: Seconds a client may take to agree to the end, and when the server stops.
_CLOSE_SECONDS = 1.0
_LEAVE_SECONDS = 0.5
#: Each costs a look at every event.
_MOST_SUBSCRIPTIONS = 64
#: Seconds in which a client has to take what it was sent: then it is given up.
_SEND_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subscription:
    subscription_id: str
    chosen: EventFilter
    since: int

    def wants(self, event: ProtocolEvent) -> bool:
        return event.seq > self.since and self.chosen.shows(event)


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
    conversation = _Conversation(request=request, socket=socket, thread_id=thread_id)
    request.app[_CONVERSATIONS].add(conversation)
    try:
        await conversation.hold()
    finally:
        request.app[_CONVERSATIONS].discard(conversation)
    return socket


def prepare(app: web.Application) -> None:
    """Keep account of open conversations, so that each is told when the server stops."""
    app[_CONVERSATIONS] = set()
    app.on_shutdown.append(_leave_all)


async def _leave_all(app: web.Application) -> None:
    """Tell every client that the server goes away."""
    await asyncio.gather(*(conversation.leave() for conversation in app[_CONVERSATIONS]))


@dataclass(eq=False, slots=True, kw_only=True)
class _Conversation:
    """What is said on one socket."""

    request: web.Request
    socket: web.WebSocketResponse
    thread_id: str
    _subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    #: What serves all subscriptions, while there are any, and the task that reads it.
    _feed: EventFeed | None = None
    _pump: asyncio.Future[None] | None = None
    #: Whose turn it is to send events: a subscription's that begins, or the pump's.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    #: The number that the feed has come to, and the greatest one of an event that was sent.
    _passed: int = 0
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
            self._stop_feed()
            self._over.set()

    async def leave(self) -> None:
        """Tell the client that the server goes away; one that does not listen is cut off."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self.socket.close(
                    code=WSCloseCode.SERVICE_RESTART, message=b"server restarting"
                )
                await self._over.wait()
        if not self._over.is_set():
            self._give_up()

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
        if answer is not None:
            await self._say(answer)
        elif body["method"] in self._own_handlers():
            async with self._turn:  # what comes later follows the answer
                await self._answer(body)
            self._start_pump()
        else:
            await self._answer(body)

    async def _answer(self, body: Object) -> None:
        answer = await self._carry_out(body)
        await self._say(with_meta(answer, self._seen))

    async def _carry_out(self, body: Object) -> Object:
        handlers = {**HANDLERS, **self._own_handlers()}
        try:
            return await answered(self.request, body, handlers)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - as over HTTP, where every error is answered
            _log.exception("the command %s failed", body["method"])
            return failure(body["id"], "unknown_error", "500: Internal Server Error")

    def _own_handlers(self) -> Mapping[str, Handler]:
        return {
            "subscription.subscribe": self._subscribe,
            "subscription.unsubscribe": self._unsubscribe,
            "subscription.reconnect": self._reconnect,
        }

    # ---------------------------------------------------------------- subscriptions

    async def _subscribe(self, call: Call) -> Object:
        """Send what is stored, then answer; what comes later follows."""
        wanted = call.checked(Wanted)
        subscription, replayed = await self._open(wanted, wanted.since)
        return {"subscription_id": subscription.subscription_id, "replayed_events": replayed}

    async def _unsubscribe(self, call: Call) -> Object:
        wanted = call.checked(Unsubscribe)
        if self._subscriptions.pop(wanted.subscription_id, None) is None:
            raise no_such_subscription(wanted.subscription_id)
        if not self._subscriptions:
            self._stop_feed()
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
        """Begin a subscription, and send what of it is behind."""
        if len(self._subscriptions) >= _MOST_SUBSCRIPTIONS:
            raise CommandError(
                "invalid_argument",
                f"A connection has at most {_MOST_SUBSCRIPTIONS} subscriptions.",
            )
        subscription = _Subscription(
            subscription_id=new_id(), chosen=filter_of(wanted), since=since
        )
        feed = self._feed
        sent = await (self._begin(subscription) if feed is None else self._replay(subscription))
        self._subscriptions[subscription.subscription_id] = subscription
        return subscription, sent

    async def _begin(self, first: _Subscription) -> int:
        """Open the feed for the first subscription, and come to the end of what is stored."""
        # A client may name a number that does not exist yet: others would miss what comes below.
        self._passed = min(first.since, await self._feeds.last_number(self.thread_id))
        feed = self._feeds.feed(self.thread_id, self._passed)
        try:
            sent = 0
            if await self._feeds.is_there(self.thread_id):
                await feed.begin()
            while feed.replaying:
                sent += await self._send(await anext(feed, ()), (first,))
        except BaseException:
            feed.close()
            raise
        self._feed = feed
        return sent

    async def _replay(self, subscription: _Subscription) -> int:
        """Send to a further subscription what the feed has passed already."""
        if subscription.since >= self._passed:
            return 0
        feed = self._feeds.feed(self.thread_id, subscription.since)
        sent, end = 0, self._passed
        try:
            await feed.begin()
            while feed.replaying:
                batch = await anext(feed, ())
                behind = [event for event in batch if event.seq <= end]
                sent += await self._send(behind, (subscription,))
                if len(behind) < len(batch):
                    break
        finally:
            feed.close()
        return sent

    def _start_pump(self) -> None:
        """Let the feed follow the thread, now that the first subscription is answered."""
        if self._feed is not None and self._pump is None:
            self._pump = asyncio.ensure_future(self._follow(self._feed))

    def _stop_feed(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()

    async def _follow(self, feed: EventFeed) -> None:
        """Send events until there is no more to follow."""
        code, reason = WSCloseCode.GOING_AWAY, b"thread stream ended"
        try:
            await self._pass_on(feed)
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

    async def _pass_on(self, feed: EventFeed) -> None:
        if not feed.begun:
            await self._feeds.arrival(self.thread_id)
            await feed.begin()
        async for batch in feed:
            async with self._turn:
                await self._send(batch, tuple(self._subscriptions.values()))

    def _give_up(self) -> None:
        """Cut the connection to a client that has gone, or takes nothing."""
        if self.request.transport is not None:
            self.request.transport.abort()

    # ---------------------------------------------------------------- saying

    async def _send(
        self, batch: Sequence[ProtocolEvent], subscriptions: Sequence[_Subscription]
    ) -> int:
        """Send those events of a batch that any of the subscriptions wants; return how many."""
        sent = 0
        for event in batch:
            self._passed = max(self._passed, event.seq)
            if any(subscription.wants(event) for subscription in subscriptions):
                await self._write(event.encode().decode())
                self._seen = max(self._seen, event.seq)
                sent += 1
        return sent

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


_CONVERSATIONS = web.AppKey("conversations", set[_Conversation])
