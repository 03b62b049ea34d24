"""A request as ASGI describes it, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders: TypeAlias = Iterable[tuple[bytes, bytes]]

#: A client that has gone is told by `http.disconnect`; what is sent to it then is dropped (2.4
#: would raise in the app).
_SPEC_VERSION = "2.3"
_SAFE_IN_PATH = "/:@!$&'()*+,;=~-._"


def http_scope(
    request: web.Request, root_path: str, state: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the scope of an HTTP request, with a copy of what the lifespan yielded."""
    return {"type": "http", "method": request.method, **_common(request, root_path, state)}


def websocket_scope(
    request: web.Request, root_path: str, state: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the scope of a WebSocket."""
    named = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ())
    return {
        **_common(request, root_path, state),
        "type": "websocket",
        "scheme": "wss" if request.scheme == "https" else "ws",
        "subprotocols": [part.strip() for text in named for part in text.split(",")],
        "extensions": {"websocket.http.response": {}},
    }


def _common(
    request: web.Request, root_path: str, state: Mapping[str, Any] | None
) -> dict[str, Any]:
    url = request.rel_url
    scope = {
        "asgi": {"version": "3.0", "spec_version": _SPEC_VERSION},
        "http_version": f"{request.version.major}.{request.version.minor}",
        "scheme": request.scheme,
        "path": url.path,
        "raw_path": url.raw_path.encode("ascii", "replace"),
        "query_string": url.raw_query_string.encode("ascii", "replace"),
        "root_path": root_path,
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": _address(request, "peername"),
        "server": _address(request, "sockname"),
    }
    return scope if state is None else {**scope, "state": dict(state)}


def _address(request: web.Request, name: str) -> tuple[str, int] | None:
    found = request.get_extra_info(name)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None


def is_untouched(scope: Scope, request: web.Request) -> bool:
    """Tell whether a scope still asks for what its request asked for."""
    url = request.rel_url
    return bool(
        scope.get("method", request.method) == request.method
        and scope["path"] == url.path
        and scope["query_string"] == url.raw_query_string.encode("ascii", "replace")
    )


def message_of(scope: Scope, request: web.Request) -> RawRequestMessage:
    """Return a request line and headers as a scope, changed by whatever is around, has them."""
    raw = tuple((bytes(name), bytes(value)) for name, value in scope["headers"])
    url = request.rel_url if is_untouched(scope, request) else _url(scope)
    return RawRequestMessage(
        method=scope.get("method", request.method),
        path=str(url),
        version=request.version,
        headers=CIMultiDictProxy(headers_of(raw)),
        raw_headers=raw,
        should_close=not request.keep_alive,
        compression=None,
        upgrade=False,
        chunked=False,
        url=url,
    )


def _url(scope: Scope) -> URL:
    path = quote(scope["path"], safe=_SAFE_IN_PATH)
    query = bytes(scope["query_string"]).decode("ascii", "replace")
    return URL.build(path=path, query_string=query, encoded=True)


def headers_of(raw: RawHeaders) -> CIMultiDict[str]:
    """Return headers as text."""
    return CIMultiDict((_text(bytes(name)), _text(bytes(value))) for name, value in raw)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
