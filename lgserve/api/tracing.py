"""A span for each request; needs the extra `otel`, and is imported only when tracing is on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from opentelemetry import context as contexts
from opentelemetry import propagate
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lgserve.core.trace_context import CURRENT

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Asked every few seconds by those who watch a process: no traces of their own.
_PROBES = frozenset({"/", "/ok", "/health", "/ready", "/metrics", "/metrics/json"})
_W3C = TraceContextTextMapPropagator()


def traced(tracer: Tracer, prefix: str = "") -> Middleware:
    """Return what gives each request a span, in the trace of who asks; runs go on with it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.removeprefix(prefix) in _PROBES:
            return await handler(request)
        parent = propagate.extract(request.headers, context=contexts.Context())
        span = _started(tracer, request, parent)
        here = set_span_in_context(span, parent)
        kept: dict[str, str] = {}
        _W3C.inject(kept, here)
        before, token = contexts.attach(here), CURRENT.set(kept)
        try:
            return await _watched(span, request, handler)
        finally:
            CURRENT.reset(token)
            contexts.detach(before)
            span.end()

    return middleware


def _started(tracer: Tracer, request: web.Request, parent: contexts.Context) -> Span:
    method = request.method if request.method in hdrs.METH_ALL else "_OTHER"
    resource = request.match_info.route.resource
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "server.address": request.url.host or "",
        "network.protocol.version": f"{request.version.major}.{request.version.minor}",
    }
    if request.url.port is not None:
        attributes["server.port"] = request.url.port
    if request.remote:
        attributes["client.address"] = request.remote
    if agent := request.headers.get(hdrs.USER_AGENT):
        attributes["user_agent.original"] = agent
    name = "HTTP" if method == "_OTHER" else method
    if resource is not None:
        attributes["http.route"] = resource.canonical
        name = f"{name} {resource.canonical}"
    return tracer.start_span(name, parent, SpanKind.SERVER, attributes)


async def _watched(span: Span, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Await the answer, and note how it went."""
    try:
        response = await handler(request)
    except asyncio.CancelledError:
        span.set_attribute("error.type", "client_disconnected")
        raise
    except BaseException as exc:
        span.set_attribute("error.type", type(exc).__qualname__)
        span.set_status(StatusCode.ERROR)
        raise
    span.set_attribute("http.response.status_code", response.status)
    if response.status >= 500:
        span.set_attribute("error.type", str(response.status))
        span.set_status(StatusCode.ERROR)
    return response
