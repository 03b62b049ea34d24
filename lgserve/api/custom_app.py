"""The project's own ASGI app (`http.app`): where it stands among the API's routes.

The API's routes come first, then the app's: no route of an app can take the place of one that asks
who calls. The app's middleware is around both, as in the reference. What runs in the app runs on
the user loop. A server without an app has none of this in its way.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from lgserve import jsonio
from lgserve.api.asgi_api import Chain, answer_from_api, request_of
from lgserve.api.asgi_bridge import AppSilentError, Exchange, HttpExchange, Spawn, run_exchange
from lgserve.api.asgi_lifespan import Lifespan
from lgserve.api.asgi_scope import (
    AsgiApp,
    Message,
    Receive,
    Scope,
    Send,
    headers_of,
    http_scope,
    is_untouched,
    websocket_scope,
)
from lgserve.api.asgi_socket import SocketExchange
from lgserve.api.cors import Cors
from lgserve.api.custom_routes import AppShape, adapt, shape_of
from lgserve.api.keys import OPTIONS, OWN_CORS, PRINCIPAL
from lgserve.core.errors import LgserveError, PayloadTooLargeError, UnavailableError
from lgserve.core.principals import Principal

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from lgserve.core.ports import UserLoop

#: Where an application has the project's app, if there is one.
CUSTOM_APP = web.AppKey["CustomApp"]("custom_app")
#: Where a scope has its exchange.
_EXCHANGE = "lgserve.exchange"
#: Files that are the same for everybody, sent by the kernel.
_BY_ITSELF = frozenset({"/docs", "/docs/{asset}"})
#: Who watches a process must hear of it even if user code blocks: then the app is passed over.
_PROBES = frozenset({"/ok", "/health", "/ready", "/metrics", "/metrics/json"})
_PROBE_SECONDS = 0.1
#: How long a request waits for the app to start.
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomAppOptions:
    """How an app stands in the API's way."""

    auth_first: bool = False
    route_auth: bool = False
    #: The project says itself which pages may call: then the app's own CORS does not.
    cors_configured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an app's requests need of the server."""

    user_loop: UserLoop
    spawn: Spawn
    #: Lets code within call the API as a user.
    calls_as: Callable[[Principal | None], AbstractContextManager[None]]
    #: Tells by a request's headers whether code of this process sends it.
    from_here: Callable[[Mapping[str, str]], bool]
    #: Says what went wrong in the user's code, and where.
    trim: Callable[[BaseException], str]


class _Permissions:
    """What Starlette calls the credentials of a request."""

    def __init__(self, principal: Principal) -> None:
        self.scopes = principal.permissions


class CustomApp:
    """The app of one server; until it is started, nothing of it is reached."""

    def __init__(self, options: CustomAppOptions, around: Surroundings) -> None:
        self._options = options
        self._around = around
        self._shape: AppShape | None = None
        self._lifespan: Lifespan | None = None
        self._started = asyncio.Event()
        self._inner: Sequence[Middleware] = ()
        self._let_in: Callable[[web.Request], Any] | None = None
        self._prefix = ""
        self._cors: Cors | None = None
        self._sockets: set[SocketExchange] = set()

    # ------------------------------------------------------------ its life

    def stand_in(
        self,
        app: web.Application,
        inner: Sequence[Middleware],
        let_in: Callable[[web.Request], Any] | None,
        cors: Cors,
    ) -> None:
        """Learn what the API is: its middleware by which each request is guarded."""
        self._inner, self._let_in, self._cors = inner, let_in, cors
        self._prefix = app[OPTIONS].mount_prefix
        app.on_shutdown.append(self._part)

    async def _part(self, _: web.Application) -> None:
        """Tell the clients of the app's sockets that the server goes away."""
        await asyncio.gather(*(socket.part() for socket in self._sockets))

    async def start(self, app: Any, routes: Sequence[tuple[str, str]]) -> AppShape:
        """Start the app and serve it; `routes` are those of the API, which it cannot have.

        Raises:
            LifespanError: it cannot start.
        """
        shape = await self._around.user_loop.run(functools.partial(self._prepare, app, routes))
        self._shape = shape
        self._started.set()
        return shape

    async def _prepare(self, app: Any, routes: Sequence[tuple[str, str]]) -> AppShape:
        shape = shape_of(app, routes)
        endpoint = adapt(app, functools.partial(_Inner, self), self.fall_back)
        self._lifespan = Lifespan(endpoint)
        await self._lifespan.startup()
        self._entry: AsgiApp = endpoint
        return shape

    async def stop(self) -> None:
        """End the app's lifespan."""
        if self._lifespan is not None:
            await self._around.user_loop.run(self._lifespan.shutdown)

    @property
    def asks_who(self) -> bool:
        """Whether the app's own routes are for known users only."""
        return self._options.route_auth and self._let_in is not None

    @property
    def openapi(self) -> Mapping[str, Any]:
        """What the app says of its routes."""
        return {} if self._shape is None else self._shape.openapi

    # ------------------------------------------------------------ on the API's loop

    @web.middleware
    async def preflights(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the app answer browsers where its own middleware does that."""
        assert self._cors is not None  # noqa: S101 - stand_in comes first
        if self._shape is None or not self._shape.has_cors or self._options.cors_configured:
            return await self._cors.answer_preflights(request, handler)
        request[OWN_CORS] = True
        return await handler(request)

    @web.middleware
    async def front(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through the app, if it is one that the app has to do with."""
        if not self._is_below_prefix(request):
            return await handler(request)
        path = _path_of(request)
        matched = path is not None
        if not matched:
            await self._until_started()
        shape = self._shape
        if shape is None or (matched and not self._concerns(shape, request, path)):
            return await handler(request)
        if (request.content_length or 0) > (largest := request.app[OPTIONS].max_body_bytes):
            raise PayloadTooLargeError(f"The request body is larger than {largest} bytes")
        patience = _PROBE_SECONDS if matched and self._below(path) in _PROBES else None
        try:
            return await self._pass(request, handler, patience)
        except AppSilentError:
            return await handler(request)

    def _concerns(self, shape: AppShape, request: web.Request, path: str | None) -> bool:
        """Tell whether a request for one of the API's routes goes through the app."""
        below = self._below(path)
        if below == "/" and shape.has_root:
            return True
        if not shape.has_middleware or below in _BY_ITSELF:
            return False
        return not self._around.from_here(request.headers)

    def _below(self, path: str | None) -> str:
        return (path or "").removeprefix(self._prefix) or "/"

    def _is_below_prefix(self, request: web.Request) -> bool:
        prefix = self._prefix
        return not prefix or request.path == prefix or request.path.startswith(f"{prefix}/")

    async def _until_started(self) -> None:
        if self._started.is_set():
            return
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._started.wait()
        except TimeoutError:
            raise UnavailableError from None

    async def _pass(
        self, request: web.Request, handler: Handler, patience: float | None
    ) -> web.StreamResponse:
        if self._options.auth_first and self._let_in is not None and self._asks_first(request):
            await self._let_in(request)
        largest = request.app[OPTIONS].max_body_bytes
        state = None if self._lifespan is None else self._lifespan.state
        if _is_handshake(request):
            socket = SocketExchange(request, self._around.trim, largest)
            scope = websocket_scope(request, self._prefix, state)
            return await self._hold(socket, scope, functools.partial(_take_over, request, handler))
        exchange = HttpExchange(request, self._around.trim, largest)
        self._claim_root(exchange)
        scope = http_scope(request, self._prefix, state)
        return await self._run(exchange, scope, lambda: exchange.answer(patience))

    async def _hold(
        self,
        socket: SocketExchange,
        scope: Scope,
        take_over: Callable[[Message], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Serve a socket until it is closed."""
        self._claim_root(socket)
        self._sockets.add(socket)
        try:
            return await self._run(socket, scope, lambda: socket.answer(take_over))
        finally:
            self._sockets.discard(socket)

    def _asks_first(self, request: web.Request) -> bool:
        return self._options.route_auth or request.match_info.http_exception is None

    def _claim_root(self, exchange: Exchange) -> None:
        """Give `/` to an app that has it: of the API's routes it is one more name of `/ok`."""
        shape, path = self._shape, _path_of(exchange.request)
        if shape is not None and shape.has_root and path is not None and self._below(path) == "/":
            exchange.matched = False

    async def _run(
        self, exchange: Exchange, scope: Scope, answer: Callable[[], Any]
    ) -> web.StreamResponse:
        scope[_EXCHANGE] = exchange
        if (principal := exchange.request.get(PRINCIPAL)) is not None:
            _introduce(scope, principal)
        run = functools.partial(exchange.run, self._entry, scope)

        def start() -> None:
            _ = self._around.spawn(self._around.user_loop.run(run), "custom app")

        return await run_exchange(exchange, answer, start)

    async def _answer_inside(self, request: web.Request) -> web.StreamResponse:
        """Answer a request that has come through the app's middleware: the API's inner part."""
        handler: Chain = request.match_info.handler
        for middleware in reversed(self._inner):
            handler = functools.partial(middleware, handler=handler)
        return await handler(request)

    async def _authenticate(self, exchange: Exchange, scope: Scope) -> Principal | None:
        if self._let_in is None:
            return None
        request = await request_of(scope, exchange.request)
        await self._let_in(request)
        return request.get(PRINCIPAL)

    # ------------------------------------------------------------ on the user loop

    async def is_api(self, exchange: Exchange, scope: Scope) -> bool:
        """Tell whether a scope asks for one of the API's routes."""
        if is_untouched(scope, exchange.request):
            return exchange.matched

        async def look() -> bool:
            found = await request_of(scope, exchange.request)
            return found.match_info.http_exception is None

        return await exchange.at_home(look)

    async def fall_back(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the API answer."""
        exchange = scope[_EXCHANGE]
        if isinstance(exchange, SocketExchange):
            await exchange.hand_over(scope)
            return
        await answer_from_api(
            exchange, self._around.spawn, self._answer_inside, scope, receive, send
        )

    def calls_as(self, principal: Principal | None) -> AbstractContextManager[None]:
        """Let code within call the API as a user."""
        return self._around.calls_as(principal)

    async def identify(self, exchange: Exchange, scope: Scope) -> Principal | None:
        """Return who asks for a route of the app, where that matters."""
        if not self._options.route_auth or "user" in scope:
            return exchange.request.get(PRINCIPAL)
        principal = await exchange.at_home(lambda: self._authenticate(exchange, scope))
        if principal is not None:
            _introduce(scope, principal)
        return principal


class _Inner:
    """Stands behind all of an app's middleware: the API's routes, then the app's own."""

    def __init__(self, custom: CustomApp, app: AsgiApp) -> None:
        self._custom = custom
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        custom, exchange = self._custom, scope.get(_EXCHANGE)
        if exchange is None:  # the lifespan
            await self._app(scope, receive, send)
            return
        if await custom.is_api(exchange, scope):
            await custom.fall_back(scope, receive, send)
            return
        try:
            principal = await custom.identify(exchange, scope)
        except LgserveError as exc:
            await _refuse(scope, send, exc)
            return
        with custom.calls_as(principal):
            await self._app(scope, receive, send)


def _introduce(scope: Scope, principal: Principal) -> None:
    scope["user"] = principal
    scope["auth"] = _Permissions(principal)


async def _refuse(scope: Scope, send: Send, error: LgserveError) -> None:
    """Answer with an error of the API, whatever is asked for."""
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    body = jsonio.dumps_wire({"detail": error.message})
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    headers |= {name.lower(): value for name, value in error.headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": f"{kind}.response.start", "status": error.status, "headers": raw})
    await send({"type": f"{kind}.response.body", "body": bytes(body), "more_body": False})


async def _take_over(
    request: web.Request, handler: Handler, message: Message
) -> web.StreamResponse:
    """Serve a socket by the API's own route, with the headers that the middleware has left."""
    own = request.clone(headers=headers_of(message["headers"]))
    for key, value in request.items():
        own[key] = value
    return await handler(own)


def _path_of(request: web.Request) -> str | None:
    """Return the path of the API's route that is asked for; None if there is none."""
    if request.match_info.http_exception is not None:
        return None
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


def _is_handshake(request: web.Request) -> bool:
    upgrade = request.headers.get(hdrs.UPGRADE, "").lower()
    return upgrade == "websocket" and web.WebSocketResponse().can_prepare(request).ok
