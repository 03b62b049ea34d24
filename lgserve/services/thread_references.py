"""What threads and configs refer to: a graph, a checkpoint, a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgserve import jsonio
from lgserve.core.models import Thread
from lgserve.core.principals import Principal


def stored_user(configurable: Mapping[str, Any]) -> Principal | None:
    """Return the user that a run's config names; None if nobody was authenticated."""
    found = configurable.get("langgraph_auth_user")
    return Principal(found) if isinstance(found, dict) and found.get("identity") else None


def auth_members(user: Principal | None) -> dict[str, Any]:
    """Return what the config of a graph says of the user it is opened for."""
    if user is None:
        return {}
    return {
        "langgraph_auth_user": user,
        "langgraph_auth_user_id": user.identity,
        "langgraph_auth_permissions": user.permissions,
    }


def graph_id_of(thread: Thread) -> str | None:
    """Return the graph that last ran on a thread, or that its metadata names."""
    found = jsonio.loads(thread.metadata).get("graph_id")
    return found if isinstance(found, str) else None


def thread_config(thread_id: str, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return LangGraph's reference to a thread's latest state, or to a checkpoint of it."""
    reference = {
        key: checkpoint[key]
        for key in ("checkpoint_ns", "checkpoint_id", "checkpoint_map")
        if checkpoint.get(key) is not None
    }
    return {"configurable": {"checkpoint_ns": "", **reference, "thread_id": thread_id}}
