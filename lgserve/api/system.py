"""Is it there, is it ready, what is it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from aiohttp import web

from lgserve import __version__
from lgserve.api.auth import is_known
from lgserve.api.http import json_response, services_of
from lgserve.api.keys import ServerFacts
from lgserve.core.models import Json
from lgserve.core.vocabulary import API_LEVEL

_OK = Json(b'{"ok":true,"services":{}}')
_READY = Json(b'{"ready":true}')
_NOT_READY = Json(b'{"ready":false,"reason":"loading graphs"}')

#: A capability, and the route (below the mount prefix) without which it is not there.
_BY_ROUTE = {
    "assistants": "/assistants/search",
    "threads": "/threads/search",
    "runs": "/runs/wait",
    "streaming": "/runs/stream",
    "resumable_streams": "/runs/stream",
    "store": "/store/items",
    "semantic_search": "/store/items/search",
    "crons": "/runs/crons/{cron_id}",
    "a2a": "/a2a/{assistant_id}",
    "mcp": "/mcp",
    "protocol_v2": "/threads/{thread_id}/stream/events",
    "metrics": "/metrics",
    "thread_transfer": "/threads/import",
}
#: Capabilities that some part must vouch for, whatever routes there are.
_VOUCHED = ("auth", "resumable_streams", "semantic_search", "tracing", "webhooks")

_CAPABILITIES = web.AppKey("capabilities", dict[str, bool])


def routes() -> list[web.RouteDef]:
    """Return the routes about the server itself."""
    return [*probe_routes(), *info_routes()]


def probe_routes() -> list[web.RouteDef]:
    """Return the routes that those who watch a process ask."""
    return [
        web.get("/", ok),
        web.get("/ok", ok),
        web.get("/health", ok),
        web.get("/ready", ready),
    ]


def info_routes() -> list[web.RouteDef]:
    """Return the routes that tell what this server is."""
    return [web.get("/info", info)]


def note_capabilities(app: web.Application, prefix: str) -> None:
    """Remember what the routes of a complete application make possible."""
    known = {resource.canonical.removeprefix(prefix) for resource in app.router.resources()}
    app[_CAPABILITIES] = {name: path in known for name, path in _BY_ROUTE.items()}


async def ok(_request: web.Request) -> web.Response:
    """Say that the process is up."""
    return json_response(_OK)


async def ready(request: web.Request) -> web.Response:
    """Say whether the graphs are loaded and runs are taken."""
    if services_of(request).facts.ready:
        return json_response(_READY)
    return json_response(_NOT_READY, 503)


async def info(request: web.Request) -> web.Response:
    """Tell versions, what works, graphs, and what is wrong with those that do not load."""
    facts = services_of(request).facts
    capabilities = _capabilities(request.app[_CAPABILITIES], facts)
    return json_response(
        {
            **_reference(capabilities["assistants"], capabilities["crons"]),
            "lgserve_version": __version__,
            "runtime": "aiohttp",
            "build": facts.build,
            "uptime_seconds": round(facts.uptime_seconds, 3),
            "capabilities": capabilities,
            "auth": facts.auth,
            "tiers": facts.tiers,
            "encryption": facts.encryption,
            "tracing": facts.tracing(),
            "graphs": facts.graph_ids,
            "graph_errors": await _graph_errors(request, facts),
            "reload_error": await _reload_error(request, facts),
            **await _figures(facts),
        }
    )


async def _graph_errors(request: web.Request, facts: ServerFacts) -> dict[str, dict[str, Any]]:
    """Return what is wrong with graphs; messages and paths are for those who are known."""
    if facts.graph_errors and not await is_known(request):
        return facts.public_graph_errors
    return facts.graph_errors


async def _reload_error(request: web.Request, facts: ServerFacts) -> Mapping[str, Any] | None:
    """Return why the code of today is not what is served; likewise."""
    if facts.reload_error and not await is_known(request):
        return {"message": "the code was changed and does not load; the last good code is served"}
    return facts.reload_error


@cache
def _reference(assistants: bool, crons: bool) -> dict[str, Any]:  # noqa: FBT001 - cached
    """Return the members that the reference has; looking up a version reads files."""
    return {
        "version": API_LEVEL,
        "langgraph_py_version": version("langgraph"),
        "flags": {
            "assistants": assistants,
            "crons": crons,
            "langsmith": False,
            "langsmith_tracing_replicas": False,
            "langsmith_tracing_session_on_runs": False,
            "strict_resume": True,
        },
        "host": {
            "kind": "self-hosted",
            "project_id": None,
            "host_revision_id": None,
            "revision_id": None,
            "tenant_id": None,
        },
    }


def _capabilities(by_route: dict[str, bool], facts: ServerFacts) -> dict[str, bool]:
    """Say of each feature whether it is on and works now."""
    return {
        name: by_route.get(name, True) and _vouched(name, facts)
        for name in sorted({*by_route, *_VOUCHED, *facts.features})
    }


def _vouched(name: str, facts: ServerFacts) -> bool:
    asked = facts.features.get(name)
    return name not in _VOUCHED if asked is None else bool(asked())


async def _figures(facts: ServerFacts) -> dict[str, Any]:
    """Return storage and queue as they stand now."""
    statistics = facts.statistics
    if statistics is None:
        return {"storage": facts.storage, "queue": facts.queue}
    runs = (await statistics.totals()).runs
    counts = {"running": runs.get("running", 0), "pending": runs.get("pending", 0)}
    return {
        "storage": {**facts.storage, "bytes": statistics.database_bytes()},
        "queue": {**facts.queue, **counts},
    }
