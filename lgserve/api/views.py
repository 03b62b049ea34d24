"""How assistants, threads and runs look on the wire: the reference's members in its order.

JSON columns are copied as they stand in the database, not parsed, unless one may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lgserve import jsonio
from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import Assistant, Json, Run, Thread, ThreadSpace
from lgserve.core.webhooks import may_hold_password, without_password
from lgserve.services.results import end_reason

Row = dict[str, Any]

_PATH_PART = re.compile(r"([^.\[\]]+)|\[(-?[0-9]+)\]")
_NO_INTERRUPTS = Json(b"{}")


def assistant_view(assistant: Assistant) -> Row:
    """Return an assistant."""
    return {
        "assistant_id": assistant.assistant_id,
        "graph_id": assistant.graph_id,
        "config": assistant.config,
        "context": assistant.context,
        "metadata": assistant.metadata,
        "name": assistant.name,
        "created_at": assistant.created_at,
        "updated_at": assistant.updated_at,
        "version": assistant.version,
        "description": assistant.description,
    }


def assistant_list_view(assistants: Sequence[Assistant], select: Sequence[str]) -> list[Row]:
    """Return assistants, whole or the selected members of each."""
    return [_selected(assistant_view(assistant), select) for assistant in assistants]


def assistant_version_view(version: Assistant) -> Row:
    """Return an assistant as it was at a version."""
    return {
        "assistant_id": version.assistant_id,
        "version": version.version,
        "graph_id": version.graph_id,
        "config": version.config,
        "context": version.context,
        "metadata": version.metadata,
        "created_at": version.created_at,
        "name": version.name,
        "description": version.description,
    }


def thread_view(thread: Thread, include: Collection[str] = ()) -> Row:
    """Return a thread; one that has not run yet has no `error` and no `interrupts`.

    `include` may name `ttl`; a thread that is kept for good has none.
    """
    view: Row = {
        "thread_id": thread.thread_id,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
        "state_updated_at": thread.state_updated_at,
        "metadata": thread.metadata,
        "status": thread.status,
        "config": thread.config,
        "values": thread.values,
    }
    if thread.interrupts is not None or thread.error is not None:
        view["error"] = thread.error
        view["interrupts"] = thread.interrupts or _NO_INTERRUPTS
    ttl = thread.ttl
    if "ttl" in include and ttl is not None and ttl.expires_at is not None:
        view["ttl"] = {
            "strategy": ttl.strategy,
            "ttl_minutes": ttl.minutes,
            "expires_at": ttl.expires_at,
        }
    return view


def space_view(thread_id: str, space: ThreadSpace) -> Row:
    """Return what a thread takes."""
    channels = space.channels
    counted = sum(each.count for each in channels.values())
    size = sum(each.size for each in channels.values())
    return {
        "thread_id": thread_id,
        "total_bytes": space.checkpoints.size + size + space.writes.size,
        "checkpoints": {"count": space.checkpoints.count, "bytes": space.checkpoints.size},
        "channel_values": {
            "count": counted,
            "bytes": size,
            "by_channel": {
                name: {"versions": each.count, "bytes": each.size}
                for name, each in channels.items()
            },
        },
        "pending_writes": {"count": space.writes.count, "bytes": space.writes.size},
    }


def thread_list_view(
    threads: Sequence[Thread],
    select: Sequence[str],
    extract: Mapping[str, str],
    include: Collection[str] = (),
) -> list[Row]:
    """Return threads, whole or the selected members of each, with what is extracted from them."""
    shown = [*select, *include] if select else select
    return [_thread_row(thread, shown, extract, include) for thread in threads]


def run_view(run: Run) -> Row:
    """Return a run."""
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id,
        "metadata": run.metadata,
        "status": run.status,
        "kwargs": shown(run.kwargs),
        "multitask_strategy": run.multitask_strategy,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "langsmith_session_name": None,
        "cancel_reason": end_reason(run),
    }


def shown(kwargs: Json) -> Any:
    """Return what a run or a cron was asked, its webhook without the password."""
    return without_password(jsonio.loads(kwargs)) if may_hold_password(kwargs) else kwargs


_RUN_FIELDS = (
    "run_id",
    "thread_id",
    "assistant_id",
    "metadata",
    "status",
    "kwargs",
    "multitask_strategy",
    "created_at",
    "updated_at",
    "langsmith_session_name",
    "cancel_reason",
)


def run_list_view(runs: Sequence[Run], select: Sequence[str]) -> list[Row]:
    """Return runs, whole or the selected members of each.

    Raises:
        InvalidRequestError: a run has no such member.
    """
    if unknown := [name for name in select if name not in _RUN_FIELDS]:
        raise InvalidRequestError(
            f"Invalid select columns: {unknown}. Expected: {', '.join(_RUN_FIELDS)}"
        )
    return [_selected(run_view(run), select) for run in runs]


def _selected(view: Row, select: Sequence[str]) -> Row:
    return {name: view[name] for name in view if name in select} if select else view


def _thread_row(
    thread: Thread, select: Sequence[str], extract: Mapping[str, str], include: Collection[str]
) -> Row:
    row = _selected(thread_view(thread, include), select)
    return {**row, "extracted": _extracted(thread, extract)} if extract else row


def _extracted(thread: Thread, paths: Mapping[str, str]) -> Row:
    """Return what stands at each path; what is not there is null."""
    columns: Row = {}

    def column(name: str) -> Any:
        if name not in columns:
            text = getattr(thread, name)
            columns[name] = None if text is None else jsonio.loads(text)
        return columns[name]

    return {alias: _at(path, column) for alias, path in paths.items()}


def _at(path: str, column: Callable[[str], Any]) -> Any:
    first, *rest = _PATH_PART.findall(path)
    value = column(first[0])
    for name, index in rest:
        if name and isinstance(value, dict):
            value = value.get(name)
        elif index and isinstance(value, list) and -len(value) <= int(index) < len(value):
            value = value[int(index)]
        else:
            return None
    return value
