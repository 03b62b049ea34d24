"""Which web pages may call the API: preflights, and the headers of every other answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from aiohttp import hdrs, web

from lgserve.api.keys import OWN_CORS, CorsPolicy

_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
#: Browsers send these without asking.
_SAFE_HEADERS = ("Accept", "Accept-Language", "Content-Language", "Content-Type")
_ASKED_NETWORK = "Access-Control-Request-Private-Network"
_VARY_PREFLIGHT = (
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers,"
    " Access-Control-Request-Private-Network"
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Cors:
    """Answers browsers by a policy."""

    policy: CorsPolicy

    @web.middleware
    async def answer_preflights(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the question of a browser that first asks what it may do."""
        if request.method == hdrs.METH_OPTIONS and _is_preflight(request):
            return self._preflight(request)
        return await handler(request)

    def _preflight(self, request: web.Request) -> web.Response:
        """Say what a page may do; 400 names what it may not."""
        refused = self._refusals(request)
        headers: dict[str, str] = {
            hdrs.VARY: _VARY_PREFLIGHT,
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: self._methods,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(self.policy.max_age),
        }
        if allowed := self._allowed_headers(request):
            headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = allowed
        if request.headers.get(_ASKED_NETWORK, "").lower() == "true" and not refused:
            headers["Access-Control-Allow-Private-Network"] = "true"
        text = f"Disallowed CORS {', '.join(refused)}" if refused else "OK"
        return web.Response(text=text, status=400 if refused else 200, headers=headers)

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers a page of another origin needs to read an answer."""
        if request.get(OWN_CORS):
            return
        headers = response.headers
        if hdrs.VARY not in headers:
            headers[hdrs.VARY] = hdrs.ORIGIN
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or not self._allows(origin):
            return
        policy = self.policy
        everyone = "*" in policy.allow_origins and not policy.allow_credentials
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*" if everyone else origin
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = self._exposed
        if policy.allow_credentials:
            headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"

    def lets_connect(self, request: web.Request) -> bool:
        """Tell whether the page that opens a WebSocket may: browsers do not ask that themselves."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or origin.partition("://")[2] == request.host:
            return True
        return self._allows(origin)

    @cached_property
    def _exposed(self) -> str:
        return ", ".join(self.policy.expose_headers)

    @cached_property
    def _methods(self) -> str:
        methods = self.policy.allow_methods
        return _METHODS if "*" in methods else ", ".join(methods)

    @cached_property
    def _origins(self) -> re.Pattern[str] | None:
        pattern = self.policy.allow_origin_regex
        return re.compile(pattern) if pattern else None

    def names(self, origin: str) -> bool:
        """Tell whether the policy names an origin; to let all of them in names none."""
        if origin in self.policy.allow_origins:
            return True
        return self._origins is not None and self._origins.fullmatch(origin) is not None

    def _allows(self, origin: str) -> bool:
        return "*" in self.policy.allow_origins or self.names(origin)

    def _allowed_headers(self, request: web.Request) -> str:
        if "*" in self.policy.allow_headers:
            return request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
        return ", ".join(sorted({*_SAFE_HEADERS, *self.policy.allow_headers}))

    def _refusals(self, request: web.Request) -> list[str]:
        """Return what of a preflight is not allowed."""
        headers = request.headers
        method = headers[hdrs.ACCESS_CONTROL_REQUEST_METHOD]
        allowed = {name.strip().lower() for name in self._allowed_headers(request).split(",")}
        asked = headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "").lower().split(",")
        checks = {
            "origin": self._allows(headers[hdrs.ORIGIN]),
            "method": method in self._methods.replace(" ", "").split(","),
            "headers": all(name.strip() in allowed for name in asked if name.strip()),
        }
        return [name for name, passed in checks.items() if not passed]


def _is_preflight(request: web.Request) -> bool:
    headers = request.headers
    return hdrs.ORIGIN in headers and hdrs.ACCESS_CONTROL_REQUEST_METHOD in headers
