"""What the project's app is: its routes and its middleware, where it is a Starlette application.

Starlette is the project's dependency, not ours: it is asked for by name, and only if the app is one
of its own.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from lgserve.api.asgi_scope import AsgiApp

_log = logging.getLogger("lgserve")

_PARAMETER = re.compile(r"{([^{}:]+)(?::[^{}]+)?}")
Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppShape:
    """What is known of an app before its first request."""

    #: Middleware of its own is around the API too.
    has_middleware: bool = False
    has_cors: bool = False
    #: It has a route for `/`.
    has_root: bool = False
    #: Routes that are never reached, because the API has them: method and path.
    shadowed: tuple[tuple[str, str], ...] = ()
    openapi: Mapping[str, Any] = field(default_factory=dict)


def is_starlette(app: Any) -> bool:
    """Tell whether an app is a Starlette application, a FastAPI one for instance."""
    return all(hasattr(app, name) for name in ("user_middleware", "router", "exception_handlers"))


def why_not(app: Any) -> str | None:
    """Return what is wrong with something that should be an ASGI app; None if nothing is."""
    if not callable(app):
        return f"is no ASGI app, it is a {type(app).__name__}"
    if inspect.isclass(app):
        return "is a class; name an app that it makes"
    if is_starlette(app):
        return None
    try:
        inspect.signature(app).bind({}, None, None)
    except (TypeError, ValueError):
        return "is no ASGI app: it cannot be called with scope, receive and send"
    return None


def shape_of(app: Any, taken: Sequence[tuple[str, str]]) -> AppShape:
    """Look at an app; `taken` are the API's routes."""
    if not is_starlette(app):
        return AppShape()
    routes = list(_routes(app.router.routes))
    patterns = [(method, _pattern(path)) for method, path in taken]
    shadowed = [
        (method, path)
        for method, path, route in routes
        if getattr(route, "include_in_schema", True)
        and path != "/"
        and any(method == other and found.fullmatch(_sample(path)) for other, found in patterns)
    ]
    names = [getattr(each.cls, "__name__", "") for each in _users_own(app)]
    return AppShape(
        has_middleware=bool(names),
        has_cors="CORSMiddleware" in names,
        has_root=_has_root(app.router.routes),
        shadowed=tuple(shadowed),
        openapi=_openapi(app, routes, set(shadowed)),
    )


def _routes(routes: Sequence[Any], above: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield method, path and route, those of mounted apps too."""
    for route in routes:
        path = above + getattr(route, "path", "")
        inside = getattr(route, "routes", None)
        if inside:
            yield from _routes(inside, path)
        for method in sorted(getattr(route, "methods", None) or ()):
            yield method, path, route


def _has_root(routes: Sequence[Any]) -> bool:
    return any(getattr(route, "path", None) in ("", "/") for route in routes)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"{[^{}]+}", path)
    return re.compile("[^/]+".join(map(re.escape, parts)))


def _sample(path: str) -> str:
    return _PARAMETER.sub("x", path)


# ---------------------------------------------------------------- what stands around it


def adapt(app: Any, inner: Callable[[AsgiApp], AsgiApp], fall_back: AsgiApp) -> AsgiApp:
    """Put `inner` behind the app's middleware, and `fall_back` behind its routes."""
    if not is_starlette(app):
        return inner(app)
    middleware: Any = importlib.import_module("starlette.middleware").Middleware

    def innermost(app: AsgiApp) -> AsgiApp:
        return inner(app)

    app.user_middleware[:] = [*_users_own(app), middleware(innermost)]
    app.middleware_stack = None  # one that was built before does not have it
    if getattr(app.router.default, "__name__", "") in ("not_found", fall_back.__name__):
        app.router.default = fall_back
    _answer_errors(app)
    return app  # type: ignore[no-any-return]


def _users_own(app: Any) -> list[Any]:
    """Return the app's middleware but for ours, which an earlier server of this process left."""
    return [
        each for each in app.user_middleware if getattr(each.cls, "__module__", None) != __name__
    ]


def _answer_errors(app: Any) -> None:
    """Answer with JSON what the app has no handler for."""
    exceptions: Any = importlib.import_module("starlette.exceptions")
    respond: Any = importlib.import_module("starlette.responses").JSONResponse

    async def refused(_: Any, exc: Any) -> Any:
        return respond({"detail": exc.detail}, exc.status_code, headers=exc.headers)

    async def invalid(_: Any, exc: Exception) -> Any:
        return respond({"detail": str(exc)}, 400)

    async def failed(_: Any, __: Exception) -> Any:
        return respond({"detail": "Internal Server Error"}, 500)

    handlers = app.exception_handlers
    handlers.setdefault(exceptions.HTTPException, refused)
    handlers.setdefault(ValueError, invalid)
    if 500 not in handlers:
        handlers.setdefault(Exception, failed)


# ---------------------------------------------------------------- what it says of itself


def _openapi(
    app: Any, routes: Sequence[tuple[str, str, Any]], shadowed: set[tuple[str, str]]
) -> Object:
    """Return the part of an OpenAPI document about the app; what it says wrongly is left out."""
    try:
        found = app.openapi() if hasattr(app, "openapi") else {"paths": _described(routes)}
        paths = {
            path: {
                method: about
                for method, about in methods.items()
                if (method.upper(), path) not in shadowed
            }
            for path, methods in found.get("paths", {}).items()
        }
    except Exception as exc:  # noqa: BLE001 - the user's code describes itself
        _log.warning("/openapi.json leaves out the custom app: %r", exc)
        return {}
    return {**found, "paths": {path: methods for path, methods in paths.items() if methods}}


def _described(routes: Sequence[tuple[str, str, Any]]) -> Object:
    paths: Object = {}
    for method, path, route in routes:
        endpoint = getattr(route, "endpoint", None)
        if method != "HEAD" and endpoint is not None and getattr(route, "include_in_schema", True):
            known = _PARAMETER.sub(r"{\1}", path)
            paths.setdefault(known, {})[method.lower()] = _operation(known, endpoint)
    return paths


def _operation(path: str, endpoint: Any) -> Object:
    """Describe an endpoint by its docstring: YAML below `---`, as Starlette reads it, or text."""
    text = inspect.getdoc(endpoint) or ""
    head, _, below = text.rpartition("---")
    try:
        found = yaml.safe_load(below)
    except yaml.YAMLError:
        found = None
    operation: Object = found if isinstance(found, dict) else {}
    if not operation and text:
        operation = {"summary": text.split("\n", 1)[0], "description": text}
    elif head.strip():
        operation.setdefault("description", head.strip())
    if names := _PARAMETER.findall(path):
        operation.setdefault(
            "parameters",
            [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in names
            ],
        )
    operation.setdefault("responses", {"200": {"description": "The app's answer."}})
    return operation
