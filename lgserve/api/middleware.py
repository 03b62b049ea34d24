"""What surrounds every handler: errors become JSON, requests leave a record."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from aiohttp import hdrs, web
from prometheus_client import Counter, Histogram

from lgserve import metrics
from lgserve.api.http import json_response, services_of
from lgserve.api.keys import OPTIONS
from lgserve.core.errors import LgserveError, UnavailableError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("lgserve")
_access = logging.getLogger("lgserve.access")

#: What is answered before the graphs are loaded.
_ALWAYS = frozenset(
    {
        "/", "/ok", "/health", "/ready", "/info", "/metrics", "/metrics/json", "/openapi.json",
        "/docs",
    }
)  # fmt: skip
#: How long a request waits for the graphs to load.
_LOAD_SECONDS = 30.0
#: What the record of a request says when the client did not wait for the answer.
_GONE = 499

#: When a request came, by the monotonic clock.
STARTED = web.RequestKey("started", float)

#: Labels have few values, whatever is asked for.
_METHODS = hdrs.METH_ALL
_UNKNOWN = "unknown"
_ERROR_TYPES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    422: "invalid_request",
    500: "internal",
    501: "not_implemented",
    503: "unavailable",
}


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count each request and the time it took; the outermost, so that it sees every answer."""
    started = request[STARTED] = time.perf_counter()
    status = _GONE
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        path = await _template(request)
        _measure(request, path, status, time.perf_counter() - started)


async def _template(request: web.Request) -> str:
    """Return the template of the route that was asked for, also if not with a method it has."""
    resource = request.match_info.route.resource
    wrong = request.match_info.http_exception
    if resource is not None or not isinstance(wrong, web.HTTPMethodNotAllowed):
        return _UNKNOWN if resource is None else resource.canonical
    resolve = request.app.router.resolve
    asked = [await resolve(request.clone(method=name)) for name in sorted(wrong.allowed_methods)]
    found = [match.route.resource.canonical for match in asked if match.route.resource is not None]
    # `/threads/search` is one of `/threads/{thread_id}` too, in other methods.
    return min(found, key=lambda path: path.count("{"), default=_UNKNOWN)


def _measure(request: web.Request, path: str, status: int, seconds: float) -> None:
    method = request.method if request.method in _METHODS else _UNKNOWN
    requests, duration = _instruments(method, path, status)
    requests.inc()
    duration.observe(seconds)
    if status >= 400 and status != _GONE:
        _errors(status).inc()


@cache
def _instruments(method: str, path: str, status: int) -> tuple[Counter, Histogram]:
    """Return the series of one kind of request, found once."""
    return (
        metrics.REQUESTS.labels(method, path, str(status)),
        metrics.REQUEST_DURATION_SECONDS.labels(method, path),
    )


@cache
def _errors(status: int) -> Counter:
    other = "client_error" if status < 500 else "server_error"
    return metrics.REQUEST_ERRORS.labels(_ERROR_TYPES.get(status, other))


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with JSON and keep the connection; log what nobody expected."""
    try:
        await _until_ready(request)
        return await handler(request)
    except Exception as exc:
        if request.transport is None or request.transport.is_closing():
            return web.Response(status=_GONE)
        if request.writer.output_size:  # the answer has begun: it can only be broken off
            raise _broken_off(exc) from exc
        return await _answer(request, exc)


def _broken_off(exc: Exception) -> Exception:
    """Return what ends a connection: quietly, if it is clear why."""
    return ConnectionResetError(exc.message) if isinstance(exc, LgserveError) else exc


async def _until_ready(request: web.Request) -> None:
    """Hold what needs the graphs until they are loaded: a reload is a pause, not an error."""
    facts = services_of(request).facts
    if facts.ready or request.match_info.http_exception is not None:
        return
    path = request.path.removeprefix(request.app[OPTIONS].mount_prefix)
    if path in _ALWAYS or path.startswith("/docs/") or facts.lets_in(request.headers):
        return
    try:
        async with asyncio.timeout(_LOAD_SECONDS):
            await facts.became_ready.wait()
    except TimeoutError:
        raise UnavailableError from None


async def _answer(request: web.Request, exc: Exception) -> web.StreamResponse:
    if isinstance(exc, web.HTTPException):
        return await _http_error(request, exc)
    if isinstance(exc, LgserveError):
        return _known_error(request, exc)
    _log.error("%s %s failed", request.method, request.path, exc_info=exc)
    return json_response({"detail": "Internal Server Error"}, 500)


def _known_error(request: web.Request, error: LgserveError) -> web.Response:
    headers = {"Retry-After": "1"} if error.status == 503 else dict(error.headers) or None
    if error.status == 500:
        _log.warning("%s %s: %s", request.method, request.path, error.message)
    return json_response({"detail": error.message}, error.status, headers)


async def _http_error(request: web.Request, exc: web.HTTPException) -> web.StreamResponse:
    """Answer what aiohttp raises: unknown routes and methods, above all."""
    if exc.status == 404 and (there := await _without_slash(request)):
        return web.Response(status=307, headers={hdrs.LOCATION: there})
    allow = exc.headers.get(hdrs.ALLOW)
    return json_response({"detail": exc.reason}, exc.status, {"Allow": allow} if allow else None)


async def _without_slash(request: web.Request) -> str | None:
    """Return the address of the route that was asked for with a slash at its end, if any."""
    path = request.rel_url.raw_path
    if not path.endswith("/") or path.startswith("//"):
        return None
    there = request.rel_url.with_path(path.rstrip("/"), encoded=True, keep_query=True)
    found = (await request.app.router.resolve(request.clone(rel_url=there))).http_exception
    return str(there) if found is None or found.status == 405 else None


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Leave a record of each request, or of each that failed."""
    started = time.perf_counter()
    status = _GONE
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        if status >= 400 or request.app[OPTIONS].access_log == "all":
            _access.info("request", extra={"access": _record(request, status, started)})


def _record(request: web.Request, status: int, started: float) -> dict[str, Any]:
    shown = request.app[OPTIONS].logging_headers.chosen(request.headers)
    return {
        "method": request.method,
        "path": request.path,
        "status": status,
        "seconds": round(time.perf_counter() - started, 6),
        "client": request.remote,
        **({"req_header": shown} if shown else {}),
    }
