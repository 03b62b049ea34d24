"""The web application: all routes, and what surrounds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from lgserve.api import (
    assistants,
    commands,
    docs,
    event_socket,
    event_stream,
    later,
    metrics,
    runs,
    state,
    store,
    system,
    thread_stream,
    threads,
)
from lgserve.api.auth import guard
from lgserve.api.cors import Cors
from lgserve.api.idempotency import answer_repeated
from lgserve.api.keys import AUTHENTICATOR, OPTIONS, SERVICES, ApiOptions, Services
from lgserve.api.middleware import access_log, json_errors, measured

if TYPE_CHECKING:
    from lgserve.core.ports import Authenticator

#: What `http.disable_<group>` of the config takes away; probes are always there.
GROUPS: Mapping[str, Sequence[Callable[[], list[web.RouteDef]]]] = {
    "meta": (system.info_routes, metrics.routes, docs.routes),
    "assistants": (assistants.routes,),
    "threads": (
        threads.routes,
        state.routes,
        thread_stream.routes,
        commands.routes,
        event_stream.routes,
    ),
    "runs": (runs.routes,),
    "store": (store.routes,),
}


def build_app(
    services: Services, options: ApiOptions, authenticator: Authenticator | None = None
) -> web.Application:
    """Return the application that serves the API; without an authenticator, to everybody."""
    cors = Cors(options.cors)
    around = [measured, cors.answer_preflights, json_errors, answer_repeated]
    if options.access_log != "off":
        around.insert(1, access_log)
    app = web.Application(middlewares=around, client_max_size=options.max_body_bytes)
    if authenticator is not None:  # innermost: what it refuses is answered and recorded as well
        app.middlewares.append(guard(authenticator, options.mount_prefix, options.protect))
    app[SERVICES] = services
    app[OPTIONS] = options
    if authenticator is not None:
        app[AUTHENTICATOR] = authenticator
    app.on_response_prepare.append(cors.mark)
    event_socket.prepare(app)
    app.add_routes(_routes(options))
    system.note_capabilities(app, options.mount_prefix)
    docs.prepare(app)
    return app


def _routes(options: ApiOptions) -> list[web.RouteDef]:
    """Return all routes below the prefix; those of who watches a process are at the root too."""
    groups = [parts for name, parts in GROUPS.items() if name not in options.disabled]
    probes = system.probe_routes()
    wanted = [*later.routes(), *(route for parts in groups for part in parts for route in part())]
    found = [*probes, *wanted]
    prefix = options.mount_prefix
    if not prefix:
        return found
    below = [web.route(route.method, prefix + route.path, route.handler) for route in found]
    watched = [] if "meta" in options.disabled else metrics.routes()
    return [*probes, *watched, *below]
