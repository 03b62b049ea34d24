"""Operations of the API that this release does not have: each is refused by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from lgserve.api.http import json_response

_MISSING: Mapping[str, tuple[tuple[str, str], ...]] = {}


def routes() -> list[web.RouteDef]:
    """Return a route for each operation that is missing."""
    return [
        web.route(method, path, _refusal(feature))
        for feature, operations in _MISSING.items()
        for method, path in operations
    ]


def operations() -> frozenset[tuple[str, str]]:
    """Return method and path of all of them."""
    return frozenset(each for group in _MISSING.values() for each in group)


def paths() -> frozenset[str]:
    """Return the paths that are here only to be refused."""
    return frozenset(path for operations in _MISSING.values() for _, path in operations)


def _refusal(feature: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return json_response({"detail": f"lgserve does not have {feature} yet"}, 501)

    return refuse
