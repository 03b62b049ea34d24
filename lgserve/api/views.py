"""How assistants, threads and runs look on the wire: the reference's members in its order.

JSON columns are copied as they stand in the database, never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lgserve import jsonio
from lgserve.core.errors import InvalidRequestError
from lgserve.core.models import Assistant, Json, Run, Thread

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


def thread_view(thread: Thread) -> Row:
    """Return a thread; one that has not run yet has no `error` and no `interrupts`."""
    view = {
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
    return view


def thread_list_view(
    threads: Sequence[Thread], select: Sequence[str], extract: Mapping[str, str]
) -> list[Row]:
    """Return threads, whole or the selected members of each, with what is extracted from them."""
    return [_thread_row(thread, select, extract) for thread in threads]


def run_view(run: Run) -> Row:
    """Return a run."""
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id,
        "metadata": run.metadata,
        "status": run.status,
        "kwargs": run.kwargs,
        "multitask_strategy": run.multitask_strategy,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "langsmith_session_name": None,
    }


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


def _thread_row(thread: Thread, select: Sequence[str], extract: Mapping[str, str]) -> Row:
    row = _selected(thread_view(thread), select)
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
