"""The card of an agent: one document for clients of 0.3 and of 1.0. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgserve.core.a2a import VERSIONS, Object
from lgserve.core.vocabulary import API_LEVEL

if TYPE_CHECKING:
    from lgserve.services.a2a_agents import Agent

HISTORY_SCOPES = ("context", "task")
HISTORY_HEADER = "LangGraph-A2A-History-Scope"
HISTORY_EXTENSION: Object = {
    "uri": "https://langchain.com/a2a/extensions/history-scope/v1",
    "description": "A header says whether the history of a task is that of its whole context, or"
    " its own messages alone.",
    "required": False,
    "params": {
        "header": HISTORY_HEADER,
        "values": list(HISTORY_SCOPES),
        "default": HISTORY_SCOPES[0],
        "methods": ["SendMessage", "GetTask", "ListTasks"],
    },
}
_TEXT, _DATA, _ANY_FILE = "text/plain", "application/json", "application/octet-stream"
_FILES = ("image/*", "audio/*", "video/*", _ANY_FILE)
#: How the built-in ways to authenticate are described: in the words of 1.0, and of 0.3.
_SCHEMES: dict[str, Object] = {
    "api_keys": {
        "apiKey": {
            "apiKeySecurityScheme": {"location": "header", "name": "x-api-key"},
            "type": "apiKey",
            "in": "header",
            "name": "x-api-key",
        }
    },
    "jwt": {
        "bearer": {
            "httpAuthSecurityScheme": {"scheme": "Bearer", "bearerFormat": "JWT"},
            "type": "http",
            "scheme": "Bearer",
            "bearerFormat": "JWT",
        }
    },
}

#: Members of a card that are of 0.3 alone.
_LEGACY = frozenset(
    {
        "url", "protocolVersion", "preferredTransport", "additionalInterfaces",
        "supportsAuthenticatedExtendedCard", "security",
    }
)  # fmt: skip


def agent_card(agent: Agent, url: str, *, pushes: bool, auth: str) -> Object:
    """Return the card of an agent that is called at `url`; `auth` is how callers are known."""
    assistant = agent.assistant
    about = assistant.description or f"{assistant.name} assistant"
    schemes = _SCHEMES.get(auth)
    secured: Object = {}
    if schemes is not None:
        secured = {
            "securitySchemes": schemes,
            "securityRequirements": [{"schemes": {name: {"list": []} for name in schemes}}],
            "security": [{name: [] for name in schemes}],
        }
    return {
        "name": assistant.name,
        "description": about,
        "version": f"{API_LEVEL}+{assistant.version}",
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}
            for version in VERSIONS
        ],
        **_legacy(url),
        "capabilities": {
            "streaming": True,
            "pushNotifications": pushes,
            "extendedAgentCard": True,
            "extensions": [HISTORY_EXTENSION],
        },
        **secured,
        "defaultInputModes": _inputs(agent),
        "defaultOutputModes": [_DATA, _TEXT],
        "skills": [_skill(agent, about)],
    }


def without_legacy(card: Object) -> Object:
    """Return a card as the schema of 1.0 has it: it knows no members of 0.3."""
    shown = {name: value for name, value in card.items() if name not in _LEGACY}
    if schemes := card.get("securitySchemes"):
        # A scheme is one of several messages there, each a member of its own.
        shown["securitySchemes"] = {
            name: {kind: value for kind, value in scheme.items() if kind.endswith("SecurityScheme")}
            for name, scheme in schemes.items()
        }
    return shown


def _legacy(url: str) -> Object:
    """Return the members by which clients of 0.3 find the agent."""
    return {
        "url": url,
        "protocolVersion": "0.3.0",
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [{"url": url, "transport": "JSONRPC"}],
        "supportsAuthenticatedExtendedCard": True,
    }


def _inputs(agent: Agent) -> list[str]:
    return [_DATA, _TEXT, *_FILES] if agent.converses else [_DATA]


def _skill(agent: Agent, about: str) -> Object:
    assistant = agent.assistant
    return {
        "id": f"{assistant.assistant_id}-main",
        "name": f"{assistant.name} Capabilities",
        "description": about + _takes(agent),
        "tags": ["assistant", "langgraph"],
        "inputModes": _inputs(agent),
        "outputModes": [_DATA, _TEXT],
    }


def _takes(agent: Agent) -> str:
    """Say what data the graph takes, for those who have to make it."""
    fields = [field for field in agent.fields or () if field != "messages"]
    return f" (data parts may have: {', '.join(fields)})" if fields else ""
