"""Parameters of A2A's calls, checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from lgserve.core.a2a import A2aTask, A2aTaskFilter, Object, TaskState, Version
from lgserve.core.a2a_views import Outcome, state_name
from lgserve.core.clock import to_iso
from lgserve.services.a2a_cards import HISTORY_HEADER, HISTORY_SCOPES
from lgserve.services.a2a_requests import mapping, switch, text, whole, wrong

#: What is known of a task where nobody has looked.
NOTHING = Outcome()
_MOST_TASKS, _SOME_TASKS = 100, 50
_STATES: Mapping[str, TaskState | None] = {
    **{state: state for state in get_args(TaskState)},
    **{state_name(state): state for state in get_args(TaskState)},
    "TASK_STATE_UNSPECIFIED": None,
}
#: States that no task of ours is ever in.
_OTHERS = ("rejected", "auth-required", "unknown")
_NOBODY = "\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which tasks to list, and what to show of each."""

    where: A2aTaskFilter
    size: int
    history: int
    artifacts: bool


def task_id(params: Mapping[str, Any], *names: str) -> str:
    """Return the name of the task a call is about."""
    found = text(params, *names)
    if found is None:
        raise wrong(f"Missing required parameter: {names[0]} (task_id)", names[0])
    return found


def history_length(params: Mapping[str, Any]) -> int | None:
    """Return how many messages to show; None is all."""
    return whole(params, "historyLength")


def only_own_history(headers: Mapping[str, str]) -> bool:
    """Tell whether a task's history is to be its own messages alone."""
    asked = headers.get(HISTORY_HEADER, HISTORY_SCOPES[0]).strip().lower()
    if asked not in HISTORY_SCOPES:
        raise wrong("historyScope must be 'context' or 'task'", HISTORY_HEADER)
    return asked == "task"


def listing(params: Mapping[str, Any]) -> Listing:
    """Return which tasks to list."""
    token = text(params, "pageToken")
    where = A2aTaskFilter(
        context_id=text(params, "contextId"),
        state=_state(params),
        since=_since(params),
        behind=None if token is None else _place(token),
    )
    size = whole(params, "pageSize", high=_MOST_TASKS)
    if size == 0 and isinstance(params.get("pageSize"), int):
        raise wrong(f"'pageSize' must be 1 to {_MOST_TASKS}", "pageSize")
    return Listing(
        where=where,
        size=size or _SOME_TASKS,
        history=whole(params, "historyLength") or 0,
        artifacts=switch(params, "includeArtifacts") or False,
    )


def _state(params: Mapping[str, Any]) -> TaskState | None:
    asked = text(params, "status", "state")
    if asked is None:
        return None
    plain = asked.removeprefix("TASK_STATE_").lower().replace("_", "-")
    if plain in _OTHERS:
        return _NOBODY  # type: ignore[return-value]
    if asked not in _STATES:
        raise wrong(f"'status' must be one of {', '.join(_STATES)}", "status")
    return _STATES[asked]


def _since(params: Mapping[str, Any]) -> str | None:
    asked = text(params, "statusTimestampAfter", "lastUpdatedAfter")
    if asked is None:
        return None
    try:
        moment = datetime.fromisoformat(asked)
        return to_iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise wrong(
            "'statusTimestampAfter' must be a time such as 2026-01-31T12:00:00Z",
            "statusTimestampAfter",
        ) from None


def page_token(last: A2aTask) -> str:
    """Return the token of the page behind a task."""
    place = f"{last.status_at} {last.first_run_id}"
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(token: str) -> tuple[str, str]:
    try:
        moment, _, first = base64.urlsafe_b64decode(token.encode()).decode().partition(" ")
        datetime.fromisoformat(moment)
    except (binascii.Error, ValueError):
        raise wrong("Invalid 'pageToken'", "pageToken") from None
    return moment, first


def push_config(params: Mapping[str, Any]) -> Object:
    """Return who is to be told, as 0.3 has it."""
    found = mapping(params, "pushNotificationConfig")
    if not found:
        raise wrong("Missing 'pushNotificationConfig' in params", "pushNotificationConfig")
    return found


def push_id(params: Mapping[str, Any], version: Version, *, required: bool = False) -> str | None:
    """Return who is meant of those who are told; None in 0.3 means the first."""
    name = "pushNotificationConfigId" if version == "0.3" else "id"
    found = text(params, name)
    if found is None and (required or version == "1.0"):
        raise wrong(f"Missing required parameter: {name}", name)
    return found
