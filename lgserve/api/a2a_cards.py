"""Agent cards over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from lgserve.api.a2a_urls import base_url
from lgserve.api.auth import permit_assistant
from lgserve.api.http import json_response, services_of, user_of
from lgserve.api.keys import OPTIONS
from lgserve.core.a2a import BAD_PARAMS, Object
from lgserve.core.errors import A2aError
from lgserve.services.a2a_cards import agent_card

if TYPE_CHECKING:
    from lgserve.services.a2a_agents import Agent


_NOBODY_NAMED = (
    "Missing required query parameter: assistant_id. This server has {0} graphs, and nothing says"
    " whose card this is: set lgserve.a2a_assistant in the config (or DEFAULT_A2A_ASSISTANT_ID in"
    " the environment) to the id of a graph or of an assistant, such as {1}; or ask for"
    " /a2a/{1}/.well-known/agent-card.json"
)


async def default_card(request: web.Request) -> web.StreamResponse:
    """Return the card of the agent that the query names; it need not where there is only one."""
    graphs = services_of(request).facts.graph_ids
    only = graphs[0] if len(graphs) == 1 else None
    named = request.query.get("assistant_id") or request.app[OPTIONS].default_agent or only
    if not named:
        return _no_card(_NOBODY_NAMED.format(len(graphs), graphs[0] if graphs else "GRAPH"))
    request.match_info["assistant_id"] = named
    return await card(request)


async def card(request: web.Request) -> web.StreamResponse:
    """Return an agent's card."""
    try:
        return json_response(card_of(request, await agent_of(request)))
    except A2aError as exc:
        return _no_card(exc.message)


def _no_card(message: str) -> web.Response:
    return json_response({"error": {"code": BAD_PARAMS, "message": message}}, 400)


def card_of(request: web.Request, agent: Agent) -> Object:
    """Return an agent's card, as whoever asks sees it."""
    services = services_of(request)
    return agent_card(
        agent,
        f"{base_url(request)}/a2a/{agent.assistant.assistant_id}",
        pushes=services.webhooks.gate.enabled,
        auth=services.facts.auth["type"],
    )


async def agent_of(request: web.Request) -> Agent:
    """Return the agent in the path.

    Raises:
        A2aError: there is none.
    """
    scope = await permit_assistant(request, "read")
    named = request.match_info["assistant_id"]
    return await services_of(request).agents.find(named, scope, user_of(request))
