"""How assistant, thread and request make a run's config, context and metadata (core.md, section 6).

Pure functions over decoded JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgserve.core.errors import BadRequestError

Object = dict[str, Any]

BOTH_GIVEN = (
    "Cannot specify both configurable and context. Prefer setting context alone:"
    " it replaces config.configurable."
)


def mirrored(config: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[Object, Object]:
    """Return an assistant's config and context, each showing what was given as the other.

    Raises:
        BadRequestError: both `config.configurable` and `context` say something.
    """
    configurable = config.get("configurable") or {}
    if configurable and context:
        raise BadRequestError(BOTH_GIVEN)
    if context:
        return {**config, "configurable": dict(context)}, dict(context)
    return dict(config), dict(configurable)


def run_context(assistant: Mapping[str, Any], request: Object, configurable: Object) -> Object:
    """Return a run's context: the request's over the assistant's; configurable stands in for it."""
    return {**assistant, **(request or configurable)}


_NOT_THE_CLIENTS = ("langgraph_auth_", "__pregel_")


def run_configurable(
    assistant: Mapping[str, Any],
    thread: Mapping[str, Any],
    request: Mapping[str, Any],
    server: Mapping[str, Any],
) -> Object:
    """Return a run's configurable; the server's keys cannot be forged, but the request id that a
    client gave is kept, and its `user_id` where nobody is authenticated. LangGraph's own switches
    are not a client's to set.
    """
    given = {**assistant, **thread, **request}
    own = (
        ("langgraph_request_id",) if server.get("user_id") else ("user_id", "langgraph_request_id")
    )
    kept = {key: given[key] for key in own if given.get(key)}
    honest = {key: given[key] for key in given if not key.startswith(_NOT_THE_CLIENTS)}
    return {**honest, **server, **kept}


def run_config(
    assistant: Mapping[str, Any],
    request: Mapping[str, Any],
    configurable: Object,
    metadata: Mapping[str, Any],
) -> Object:
    """Return a run's config: other members of the request's replace the assistant's."""
    merged = {**assistant, **request, "configurable": configurable, "metadata": metadata}
    merged.pop("callbacks", None)  # objects of Python; none of them comes by JSON
    return merged


def run_metadata(
    assistant: Mapping[str, Any],
    thread: Mapping[str, Any],
    config: Mapping[str, Any],
    request: Mapping[str, Any],
    assistant_id: str,
) -> Object:
    """Return a run's metadata."""
    merged = {**assistant, **thread, **(config.get("metadata") or {}), **request}
    return {**merged, "assistant_id": assistant_id}


def thread_config(
    assistant: Mapping[str, Any], thread: Mapping[str, Any], request: Mapping[str, Any]
) -> Object:
    """Return a thread's config after a run; what a request configured stays with its run."""
    configurable = {
        **(assistant.get("configurable") or {}),
        **(thread.get("configurable") or {}),
    }
    merged = {**assistant, **thread, **request}
    merged.pop("configurable", None)
    return {"configurable": configurable, **merged}
