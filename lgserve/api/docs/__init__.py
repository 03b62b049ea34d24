"""`/openapi.json`, and `/docs`: a page that shows it, complete in the package.

The page and its scripts come from this server alone, and the page's policy lets it ask nobody else.
Swagger UI is vendored as it is published: `assets/swagger-ui.LICENSE.txt`.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

from lgserve.api.auth import open_paths
from lgserve.api.custom_app import CUSTOM_APP
from lgserve.api.http import services_of
from lgserve.api.keys import OPTIONS
from lgserve.api.openapi import Described, document, served_routes
from lgserve.core.errors import NotFoundError

_ASSETS = Path(__file__).parent / "assets"
_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "favicon.png": "image/png",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}
#: The page asks this server only, runs no script that is written into it, and stands in no frame.
#: Swagger UI sets styles on its elements, and its icons are in its style sheet.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_REVALIDATED: dict[str, str] = {hdrs.CACHE_CONTROL: "no-cache"}


class _Kept:
    """The document of an application, built when it is first asked for."""

    def __init__(self) -> None:
        self._text = b""
        self._tag = ""
        self._building = asyncio.Lock()

    async def of(self, request: web.Request) -> tuple[bytes, str]:
        """Return the document and its tag; a tenth of a second that must not stop the others."""
        async with self._building:
            if not self._text:
                self._text = await asyncio.to_thread(document, _described(request))
                self._tag = hashlib.sha256(self._text).hexdigest()[:32]
        return self._text, self._tag


_DOCUMENT = web.AppKey("document", _Kept)


def routes() -> list[web.RouteDef]:
    """Return the routes of the API's documentation."""
    return [
        web.get("/openapi.json", openapi),
        web.get("/docs", page),
        web.get("/docs/{asset}", asset),
    ]


def prepare(app: web.Application) -> None:
    """Give an application a place for its document."""
    app[_DOCUMENT] = _Kept()


async def openapi(request: web.Request) -> web.Response:
    """Describe the API of this very server."""
    text, tag = await request.app[_DOCUMENT].of(request)
    response = web.Response(body=text, content_type="application/json", headers=_REVALIDATED)
    response.etag = tag
    if any(each.value in (tag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers={**_REVALIDATED, hdrs.ETAG: f'"{tag}"'})
    return response


async def page(_: web.Request) -> web.FileResponse:
    """Show the document to people."""
    headers = {**_SAFE, **_REVALIDATED, "Content-Security-Policy": _POLICY}
    return _file("page.html", "text/html; charset=utf-8", headers)


async def asset(request: web.Request) -> web.FileResponse:
    """Return a part of the page."""
    name = request.match_info["asset"]
    if name not in _TYPES:
        raise NotFoundError
    return _file(name, _TYPES[name], {**_SAFE, **_REVALIDATED})


def _file(name: str, content_type: str, headers: dict[str, str]) -> web.FileResponse:
    return web.FileResponse(_ASSETS / name, headers={**headers, hdrs.CONTENT_TYPE: content_type})


def _described(request: web.Request) -> Described:
    options = request.app[OPTIONS]
    auth: Any = services_of(request).facts.auth["type"]
    custom = request.app.get(CUSTOM_APP)
    return Described(
        routes=served_routes(request.app, options),
        prefix=options.mount_prefix,
        auth=auth,
        public=open_paths(options.protect),
        added=options.openapi,
        custom={} if custom is None else custom.openapi,
        custom_is_open=custom is None or not custom.asks_who,
    )
