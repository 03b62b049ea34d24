"""May somebody create a run: asked when a client does, and each time a cron of theirs fires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lgserve.core.ids import new_id, parse_uuid, system_assistant_id
from lgserve.core.scopes import stamp

if TYPE_CHECKING:
    from lgserve.core.models import Scope
    from lgserve.core.principals import Action, Principal, Resource
    from lgserve.services.run_requests import RunRequest

    #: Asks an authenticator about somebody.
    Ask = Callable[[Resource, Action, dict[str, Any]], Awaitable[Scope]]

#: What a handler may change of a run that is to be created.
_RUN_MEMBERS = ("metadata", "multitask_strategy", "if_not_exists", "after_seconds")
_KWARGS = (
    "input", "command", "config", "context", "stream_mode", "interrupt_before", "interrupt_after",
)  # fmt: skip


async def permitted_run(
    ask: Ask,
    user: Principal,
    thread_id: str | None,
    wanted: RunRequest,
    *,
    is_system: Callable[[str], bool],
) -> tuple[RunRequest, Scope]:
    """Return a run as it may be created, for its user, and the scope for its thread.

    A run needs its assistant to be readable too, unless that is one of the system's.
    """
    assistant_id = parse_uuid(wanted.assistant_id)
    value = _run_value(thread_id, wanted)
    scope = await ask("threads", "create_run", value)
    readable = scope
    if assistant_id is not None and not is_system(assistant_id):
        readable = await ask("assistants", "read", {"assistant_id": assistant_id})
    members = {name: value[name] for name in _RUN_MEMBERS}
    kwargs = {name: value["kwargs"][name] for name in _KWARGS}
    members["metadata"] = {**members["metadata"], **stamp(scope)}
    asker: dict[str, Any] = {"user": user, "run_id": str(value["run_id"])}
    return replace(wanted, **members, **kwargs, **asker, assistant_scope=readable), scope


def _run_value(thread_id: str | None, wanted: RunRequest) -> dict[str, Any]:
    """Return a run that is to be created as auth handlers see it."""
    return {
        "thread_id": thread_id,
        "assistant_id": parse_uuid(wanted.assistant_id) or system_assistant_id(wanted.assistant_id),
        "run_id": wanted.run_id or new_id(),
        "status": "pending",
        "metadata": dict(wanted.metadata),
        "prevent_insert_if_inflight": wanted.multitask_strategy == "reject",
        "multitask_strategy": wanted.multitask_strategy,
        "if_not_exists": wanted.if_not_exists,
        "after_seconds": wanted.after_seconds,
        "kwargs": {name: getattr(wanted, name) for name in _KWARGS},
    }
