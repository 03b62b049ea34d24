"""Is it there, is it ready, what is it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from aiohttp import web

from lgserve import __version__, jsonio
from lgserve.api.http import json_response, services_of
from lgserve.api.keys import ServerFacts
from lgserve.core.models import Json
from lgserve.core.vocabulary import API_LEVEL

_OK = Json(b'{"ok":true,"services":{}}')
_READY = Json(b'{"ready":true}')
_NOT_READY = Json(b'{"ready":false,"reason":"loading graphs"}')


def routes() -> list[web.RouteDef]:
    """Return the routes about the server itself."""
    return [*probe_routes(), web.get("/info", info)]


def probe_routes() -> list[web.RouteDef]:
    """Return the routes that those who watch a process ask."""
    return [
        web.get("/", ok),
        web.get("/ok", ok),
        web.get("/health", ok),
        web.get("/ready", ready),
    ]


async def ok(_request: web.Request) -> web.Response:
    """Say that the process is up."""
    return json_response(_OK)


async def ready(request: web.Request) -> web.Response:
    """Say whether the graphs are loaded and runs are taken."""
    if services_of(request).facts.ready:
        return json_response(_READY)
    return json_response(_NOT_READY, 503)


async def info(request: web.Request) -> web.Response:
    """Tell versions, graphs, and what is wrong with those that do not load."""
    facts = services_of(request).facts
    if facts.info_page is None:
        facts.info_page = jsonio.dumps_wire(_info(facts))
    return json_response(facts.info_page)


def _info(facts: ServerFacts) -> dict[str, Any]:
    """Return the reference's members, then our own."""
    return {
        "version": API_LEVEL,
        "langgraph_py_version": version("langgraph"),
        "flags": {
            "assistants": True,
            "crons": False,
            "langsmith": False,
            "langsmith_tracing_replicas": False,
            "langsmith_tracing_session_on_runs": False,
        },
        "host": {
            "kind": "self-hosted",
            "project_id": None,
            "host_revision_id": None,
            "revision_id": None,
            "tenant_id": None,
        },
        "lgserve_version": __version__,
        "graphs": facts.graph_ids,
        "graph_errors": facts.graph_errors,
        "storage": facts.storage,
        "queue": facts.queue,
    }
