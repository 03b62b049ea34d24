"""What handlers of `langgraph_sdk.Auth` are given of a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from lgserve.core.principals import IncomingRequest

#: Headers may hold bytes that are no text.
_ODD = ("utf-8", "surrogateescape")


class BytesHeaders(dict[bytes, bytes]):
    """Headers as ASGI has them, in bytes; who asks with text is answered with text."""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> BytesHeaders:
        """Return the headers of a request."""
        return cls(
            (name.lower().encode(*_ODD), value.encode(*_ODD)) for name, value in headers.items()
        )

    def __getitem__(self, name: Any) -> Any:
        if isinstance(name, str):
            return super().__getitem__(name.lower().encode()).decode("utf-8", "replace")
        return super().__getitem__(name)

    def __contains__(self, name: Any) -> bool:
        return super().__contains__(name.lower().encode() if isinstance(name, str) else name)

    def get(self, name: Any, default: Any = None) -> Any:
        """Return a header, or the default."""
        try:
            return self[name]
        except KeyError:
            return default


class TextHeaders(dict[str, str]):
    """Headers by name, whatever its case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header, or the default."""
        try:
            return self[name]
        except KeyError:
            return default


class RequestView:
    """A request in the shape of Starlette's, for handlers that take `request`."""

    def __init__(self, request: IncomingRequest, home: asyncio.AbstractEventLoop) -> None:
        self._native = request.native
        self._home = home
        self.method = request.method
        self.headers = TextHeaders({name.lower(): value for name, value in request.headers.items()})
        self.query_params = dict(request.query)
        self.path_params = dict(request.path_params)
        self.cookies = dict(request.native.cookies)
        self.url = SimpleNamespace(path=request.path, query=request.native.query_string)
        self.client = SimpleNamespace(host=request.native.remote, port=None)
        self.state = SimpleNamespace()

    async def body(self) -> bytes:
        """Return the body; the loop that serves the API reads it, and keeps it for itself."""
        reading = asyncio.run_coroutine_threadsafe(self._native.read(), self._home)
        found: bytes = await asyncio.wrap_future(reading)
        return found

    async def json(self) -> Any:
        """Return the body's value."""
        return json.loads(await self.body())
