"""The web application: all routes, and what surrounds them."""

from __future__ import annotations

from aiohttp import web

from lgserve.api import assistants, later, runs, state, system, threads
from lgserve.api.cors import Cors
from lgserve.api.keys import OPTIONS, SERVICES, ApiOptions, Services
from lgserve.api.middleware import access_log, json_errors


def build_app(services: Services, options: ApiOptions) -> web.Application:
    """Return the application that serves the API."""
    cors = Cors(options.cors)
    around = [cors.answer_preflights, json_errors]
    if options.access_log != "off":
        around.insert(0, access_log)
    app = web.Application(middlewares=around, client_max_size=options.max_body_bytes)
    app[SERVICES] = services
    app[OPTIONS] = options
    app.on_response_prepare.append(cors.mark)
    app.add_routes(_routes(options.mount_prefix))
    return app


def _routes(prefix: str) -> list[web.RouteDef]:
    """Return all routes below the prefix; those of probes are at the root too."""
    nouns = (system, later, assistants, threads, state, runs)
    found = [route for noun in nouns for route in noun.routes()]
    if not prefix:
        return found
    below = [web.route(route.method, prefix + route.path, route.handler) for route in found]
    return [*system.probe_routes(), *below]
