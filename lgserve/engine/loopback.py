"""The SDK's clients without a URL, in code of this process: they call the server they run in.

A call goes over the server's own socket, so that it streams, is cancelled and is recorded like any
other. Who calls is the user of the run whose code calls, unless the code gives credentials of its
own: a graph can do no more here than its user could. A ticket that is good for one request, and
is known to this process only, tells the server so. While a run waits for another one, its slot
executes others: graphs that call graphs cannot take all slots and wait for ever.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import langgraph_sdk
import langgraph_sdk._async.client as sdk_async
import langgraph_sdk._sync.client as sdk_sync
import langgraph_sdk.client as sdk_client
from langgraph_sdk._shared.utilities import _registered_transports
from langgraph_sdk.client import SyncLangGraphClient

from lgserve.core.models import Run
from lgserve.core.principals import Principal
from lgserve.engine.tickets import TICKET, TicketAuthenticator

if TYPE_CHECKING:
    from lgserve.core.ports import Authenticator
    from lgserve.engine.user_loop import UserLoopThread

_RUN_CREATION = re.compile(r"/threads/([^/]+)/runs/(?:wait|stream)")
#: Requests that are answered when a run has ended, or as it goes on.
_WAITING = re.compile(r"/(?:wait|join|stream|events)$")
#: The address that the SDK's clients believe in.
_NOMINAL = "http://api"
_KEEP = httpx.Limits(max_connections=None, max_keepalive_connections=20)
#: Loops of user code end soon: their connections must not outlive them.
_KEEP_NOTHING = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class Lender(Protocol):
    """What others may have while it waits, and takes back then."""

    def lend(self) -> None: ...  # noqa: D102 - the name says it
    def take_back(self) -> None: ...  # noqa: D102


@dataclass(slots=True, eq=False)
class _Caller:
    """A run whose code may call, or a request to the project's own app.

    A run's slot is lent while it waits.
    """

    server: Loopback
    run: Run | None
    principal: Principal | None
    _waiting: int = 0
    _left: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lend(self) -> None:
        """Lend the slot, if this is the first wait; from any thread."""
        with self._lock:
            self._waiting += 1
            if self._waiting == 1 and not self._left and self.run is not None:
                self.server.lend_slot()

    def take_back(self) -> None:
        """Take the slot back after the last wait; from any thread."""
        with self._lock:
            self._waiting -= 1
            if self._waiting == 0 and not self._left and self.run is not None:
                self.server.take_slot_back()

    def leave(self) -> None:
        """End: the slot is as it was, whatever the run's code left open."""
        with self._lock:
            self._left = True
            if self._waiting and self.run is not None:
                self.server.take_slot_back()


#: The run whose code runs here.
_calling: ContextVar[_Caller | None] = ContextVar("lgserve_calling", default=None)
#: The servers of this process: one, but in tests. Code outside of runs calls the newest.
_servers: list[Loopback] = []


class Loopback:
    """The way from code of this process to the API of a server in it."""

    def __init__(
        self,
        *,
        url: str,
        prefix: str,
        user_loop: UserLoopThread,
        environment_keys: Callable[[], Collection[str]],
        trace_headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._url = httpx.URL(url)
        self._prefix = prefix.encode()
        self._home = asyncio.get_running_loop()
        self._user_loop = user_loop
        #: The keys that the SDK finds in the environment and sends unasked.
        self._environment_keys = environment_keys
        #: What puts a call into the trace of the run that calls.
        self._trace_headers = trace_headers
        self._tickets: dict[str, Principal | None] = {}
        self._slots: Lender | None = None
        self._pool: httpx.AsyncHTTPTransport | None = None
        self._sync_pool = _sync_transport()

    def open(self, slots: Lender) -> None:
        """Take the calls of the SDK's clients; before any user code is imported."""
        _teach_sdk()
        self._slots = slots
        _servers.append(self)

    async def close(self) -> None:
        """Take no more calls; on the user loop."""
        _servers.remove(self)
        self._sync_pool.close()
        if self._pool is not None:
            await self._pool.aclose()

    @contextmanager
    def called_by(self, run: Run | None, principal: Principal | None) -> Iterator[None]:
        """Let the code that runs within call as a user: that of the run, if there is one."""
        caller = _Caller(self, run, principal)
        token = _calling.set(caller)
        try:
            yield
        finally:
            _calling.reset(token)
            caller.leave()

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request with these headers is one of code of this process."""
        return headers.get(TICKET, "") in self._tickets

    def guarded(self, authenticator: Authenticator) -> Authenticator:
        """Return an authenticator that knows who calls from here."""
        return TicketAuthenticator(authenticator, self._tickets)

    def lend_slot(self) -> None:
        """Let another run have a caller's slot; from any thread."""
        if self._slots is not None:
            self._at_home(self._slots.lend)

    def take_slot_back(self) -> None:
        """Count a caller's slot as taken again; from any thread."""
        if self._slots is not None:
            self._at_home(self._slots.take_back)

    def _at_home(self, change: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the server has gone
            self._home.call_soon_threadsafe(change)

    async def send(self, request: httpx.Request, caller: _Caller | None) -> httpx.Response:
        """Send a request of the SDK's client; on any loop."""
        with self._sending(request, caller, caller) as (own, wait):
            response = await self._pool_here().handle_async_request(own)
            assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - as promised
            response.stream = _Stream(response.stream, wait)
            return response

    def send_sync(self, request: httpx.Request, caller: _Caller | None) -> httpx.Response:
        """Send a request of the SDK's client; from any thread but the user loop's."""
        self._refuse_to_block()
        with self._sending(request, caller, caller, self._user_loop.threads) as (own, wait):
            response = self._sync_pool.handle_request(own)
            assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - as promised
            response.stream = _SyncStream(response.stream, wait)
            return response

    @contextmanager
    def _sending(
        self, request: httpx.Request, caller: _Caller | None, *lenders: Lender | None
    ) -> Iterator[tuple[httpx.Request, _Wait]]:
        """Hold what one request needs: a ticket until it is answered, a wait beyond that."""
        wait = _Wait(lenders if _WAITING.search(request.url.path) else ())
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = None if caller is None else caller.principal
        try:
            yield self._own(request, caller, ticket), wait
        except BaseException:
            wait.end()
            raise
        finally:
            del self._tickets[ticket]

    def _own(self, request: httpx.Request, caller: _Caller | None, ticket: str) -> httpx.Request:
        """Return a request as it is sent: to this server, below its prefix, with a ticket."""
        headers = request.headers.copy()
        headers["host"] = self._url.netloc.decode()
        headers[TICKET] = ticket
        for name, value in self._trace_headers().items():
            headers.setdefault(name, value)
        if caller is not None and headers.get("x-api-key") in self._environment_keys():
            del headers["x-api-key"]
        return httpx.Request(
            request.method,
            self._url.copy_with(raw_path=self._prefix + request.url.raw_path),
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )

    def _pool_here(self) -> httpx.AsyncHTTPTransport:
        """Return what connects: on the user loop, one that all clients share."""
        if asyncio.get_running_loop() is not self._user_loop.loop:
            return _transport(_KEEP_NOTHING)
        if self._pool is None:
            self._pool = _transport(_KEEP)
        return self._pool

    def _refuse_to_block(self) -> None:
        """Raise on the thread of the user loop: what it waited for would need that loop."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            return
        if here is self._user_loop.loop:
            raise RuntimeError(
                "get_sync_client() in an async node would block all runs of the server:"
                " use get_client() there, or a node that is not async"
            )


def _transport(limits: httpx.Limits) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(verify=False, limits=limits, retries=1)


def _sync_transport() -> httpx.HTTPTransport:
    return httpx.HTTPTransport(verify=False, limits=_KEEP, retries=1)


class _Wait:
    """One wait: what it lends is taken back once."""

    def __init__(self, lenders: Iterable[Lender | None]) -> None:
        self._lenders = [lender for lender in lenders if lender is not None]
        for lender in self._lenders:
            lender.lend()

    def end(self) -> None:
        """End it; a second time does nothing."""
        while self._lenders:
            self._lenders.pop().take_back()


class _Stream(httpx.AsyncByteStream):
    """An answer's body; whoever reads it waits."""

    def __init__(self, inner: httpx.AsyncByteStream, wait: _Wait) -> None:
        self._inner = inner
        self._wait = wait

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        """Let go of the connection."""
        self._wait.end()
        await self._inner.aclose()


class _SyncStream(httpx.SyncByteStream):
    """An answer's body; whoever reads it waits."""

    def __init__(self, inner: httpx.SyncByteStream, wait: _Wait) -> None:
        self._inner = inner
        self._wait = wait

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        """Let go of the connection."""
        self._wait.end()
        self._inner.close()


# ---------------------------------------------------------------- the SDK's clients


class LoopbackTransport(httpx.AsyncBaseTransport):
    """What `get_client()` sends through; made as the SDK makes its ASGI transports."""

    def __init__(self, app: Any = None, root_path: str = "") -> None:
        del root_path  # where the reference switches authentication off
        #: `configure_loopback_transports` sets it; the server is found at each call.
        self.app = app
        _forget_transports()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the server whose run this is, else to that of the process."""
        caller = _calling.get()
        await request.aread()
        if refusal := _refusal(request, caller):
            return refusal
        return await _server(caller).send(request, caller)


class SyncLoopbackTransport(httpx.BaseTransport):
    """What `get_sync_client()` sends through."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the server whose run this is, else to that of the process."""
        caller = _calling.get()
        request.read()
        return _refusal(request, caller) or _server(caller).send_sync(request, caller)


def _server(caller: _Caller | None) -> Loopback:
    if caller is not None:
        return caller.server
    if not _servers:
        raise httpx.ConnectError("a client without a URL works only where lgserve runs graphs")
    return _servers[-1]


def _refusal(request: httpx.Request, caller: _Caller | None) -> httpx.Response | None:
    """Return the answer to a run that would wait for one that waits for it: 409."""
    found = _RUN_CREATION.fullmatch(request.url.path)
    run = None if caller is None else caller.run
    if run is None or found is None or found[1] != run.thread_id:
        return None
    body: Any = json.loads(request.content)
    if body.get("multitask_strategy") not in (None, "enqueue"):
        return None
    detail = (
        f"Run {run.run_id} would wait for itself: it is the one that runs on thread"
        f" {found[1]}. Wait for a run on another thread, or on none."
    )
    return httpx.Response(409, json={"detail": detail})


@functools.cache
def _teach_sdk() -> None:
    """Make the SDK's clients without a URL send through here.

    The SDK asks `langgraph_api`, the reference server, for its transport, and falls back to one of
    httpx that holds a stream back until it has ended. Of its synchronous client it has none.
    """
    setattr(sdk_async, "get_asgi_transport", lambda: LoopbackTransport)  # noqa: B010 - not exported
    wrapped = _with_loopback(sdk_sync.get_sync_client)
    for module in (sdk_sync, sdk_client, langgraph_sdk):
        setattr(module, "get_sync_client", wrapped)  # noqa: B010 - to a type checker it is constant


def _with_loopback(
    get_sync_client: Callable[..., SyncLangGraphClient],
) -> Callable[..., SyncLangGraphClient]:
    @functools.wraps(get_sync_client)
    def wrapped(*, url: str | None = None, **options: Any) -> SyncLangGraphClient:
        if url is not None or not _servers:
            return get_sync_client(url=url, **options)
        with get_sync_client(url=_NOMINAL, **options) as plain:
            made = plain.http.client
        return SyncLangGraphClient(
            httpx.Client(
                base_url=_NOMINAL,
                transport=SyncLoopbackTransport(),
                timeout=made.timeout,
                headers=made.headers,
            )
        )

    return wrapped


def _forget_transports() -> None:
    """Drop the SDK's references to ours, which need no server given: they would be a leak."""
    _registered_transports[:] = [
        each for each in _registered_transports if not isinstance(each, LoopbackTransport)
    ]
