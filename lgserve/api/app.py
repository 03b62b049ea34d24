"""The web application: all routes, and what surrounds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from lgserve.api import (
    a2a,
    assistants,
    commands,
    crons,
    docs,
    event_socket,
    event_stream,
    mcp,
    metrics,
    moving,
    runs,
    state,
    store,
    system,
    thread_stream,
    threads,
    webhooks,
)
from lgserve.api.auth import door, guard
from lgserve.api.cors import Cors
from lgserve.api.custom_app import CUSTOM_APP, CustomApp
from lgserve.api.idempotency import answer_repeated
from lgserve.api.keys import AUTHENTICATOR, OPTIONS, SERVICES, ApiOptions, Services
from lgserve.api.middleware import access_log, json_errors, measured

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

    from lgserve.core.ports import Authenticator

#: What `http.disable_<group>` of the config takes away; probes are always there.
GROUPS: Mapping[str, Sequence[Callable[[], list[web.RouteDef]]]] = {
    "meta": (system.info_routes, metrics.routes, docs.routes),
    "assistants": (assistants.routes,),
    "threads": (
        threads.routes,
        moving.routes,
        state.routes,
        thread_stream.routes,
    ),
    "event_streaming": (commands.routes, event_stream.routes),
    "crons": (crons.routes,),
    "runs": (runs.routes,),
    "store": (store.routes,),
    "webhooks": (webhooks.routes,),
    "mcp": (mcp.routes,),
    "a2a": (a2a.routes,),
}


def build_app(
    services: Services,
    options: ApiOptions,
    authenticator: Authenticator | None = None,
    custom: CustomApp | None = None,
    outermost: Sequence[Middleware] = (),
) -> web.Application:
    """Return the application that serves the API; without an authenticator, to everybody."""
    cors = Cors(options.cors)
    inner: list[Middleware] = [answer_repeated]
    let_in = None
    if authenticator is not None:  # innermost: what it refuses is answered and recorded as well
        let_in = door(authenticator, options.mount_prefix, options.protect)
        inner.append(guard(let_in))
    preflights = cors.answer_preflights if custom is None else custom.preflights
    around = [measured, preflights, json_errors]
    if options.access_log != "off":
        around.insert(1, access_log)
    if custom is not None:
        around.append(custom.front)
    app = web.Application(
        middlewares=[*outermost, *around, *inner], client_max_size=options.max_body_bytes
    )
    app[SERVICES] = services
    app[OPTIONS] = options
    if custom is not None:
        custom.stand_in(app, (json_errors, *inner), let_in, cors)
        app[CUSTOM_APP] = custom
    if authenticator is not None:
        app[AUTHENTICATOR] = authenticator
    app.on_response_prepare.append(cors.mark)
    event_socket.prepare(app)
    mcp.prepare(app)
    app.add_routes(_routes(options))
    system.note_capabilities(app, options.mount_prefix)
    docs.prepare(app)
    return app


def _routes(options: ApiOptions) -> list[web.RouteDef]:
    """Return all routes below the prefix; those of who watches a process are at the root too."""
    groups = [parts for name, parts in GROUPS.items() if name not in options.disabled]
    probes = system.probe_routes()
    wanted = [route for parts in groups for part in parts for route in part()]
    if "crons" in options.disabled:  # first: else `crons` is taken for the id of a run
        wanted = [*crons.absent_routes(), *wanted]
    found = [*probes, *wanted]
    prefix = options.mount_prefix
    if not prefix:
        return found
    below = [web.route(route.method, prefix + route.path, route.handler) for route in found]
    watched = [] if "meta" in options.disabled else metrics.routes()
    return [*probes, *watched, *below]
