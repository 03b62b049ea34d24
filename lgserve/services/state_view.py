"""LangGraph's state snapshots as the API shows them (core.md, section 2.1). Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_REFERENCE = ("checkpoint_id", "thread_id", "checkpoint_ns", "checkpoint_map")
#: The reference names the parts of a new checkpoint in another order than those of a stored one.
_UPDATED_ORDER = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")


def empty_view() -> dict[str, Any]:
    """Return the state of a thread that has none."""
    return {
        "values": {},
        "next": [],
        "tasks": [],
        "metadata": None,
        "created_at": None,
        "checkpoint": None,
        "parent_checkpoint": None,
        "interrupts": [],
        "checkpoint_id": None,
        "parent_checkpoint_id": None,
    }


def state_view(snapshot: Any) -> dict[str, Any]:
    """Return a `StateSnapshot` as the API shows it."""
    if snapshot.created_at is None and not snapshot.metadata:
        checkpoint = None
    else:
        checkpoint = reference(snapshot.config)
    parent = reference(snapshot.parent_config)
    return {
        "values": snapshot.values,
        "next": snapshot.next,
        "tasks": [task_view(task) for task in snapshot.tasks],
        "metadata": snapshot.metadata,
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": [interrupt_view(item) for item in snapshot.interrupts],
        "checkpoint_id": checkpoint and checkpoint.get("checkpoint_id"),
        "parent_checkpoint_id": parent and parent.get("checkpoint_id"),
    }


def selected(view: dict[str, Any], select: Sequence[str]) -> dict[str, Any]:
    """Return the selected members of a state; `values.<key>` is one key, no selection is all."""
    if not select:
        return view
    keys = {name.removeprefix("values.") for name in select if name.startswith("values.")}
    row = {name: view[name] for name in view if name in select}
    if keys and "values" not in row:
        values = view["values"] if isinstance(view["values"], Mapping) else {}
        row = {"values": {key: values[key] for key in values if key in keys}, **row}
    return row


def task_view(task: Any) -> dict[str, Any]:
    """Return a task; `state` of a subgraph is its reference, or its whole state if asked for."""
    state, checkpoint = None, None
    if isinstance(task.state, Mapping):
        checkpoint = reference(task.state)
    elif task.state is not None:
        state = state_view(task.state)
    return {
        "id": task.id,
        "name": task.name,
        "path": task.path,
        "error": None if task.error is None else _error_text(task.error),
        "interrupts": [interrupt_view(item) for item in task.interrupts],
        "checkpoint": checkpoint,
        "state": state,
        "result": task.result,
    }


def interrupt_view(interrupt: Any) -> dict[str, Any]:
    """Return an interrupt as threads and states show it."""
    return {"id": interrupt.id, "value": interrupt.value}


def interrupts_by_task(snapshot: Any) -> dict[str, Any]:
    """Return the pending interrupts of a state by the task that waits for each."""
    return {
        task.id: [interrupt_view(item) for item in task.interrupts]
        for task in snapshot.tasks
        if task.interrupts
    }


def reference(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the part of a config that names a checkpoint."""
    if not config:
        return None
    configurable = config.get("configurable", {})
    return {key: configurable[key] for key in _REFERENCE if key in configurable}


def updated_view(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a state update: the new checkpoint, said in three ways."""
    found = reference(config) or {}
    checkpoint = {name: found[name] for name in sorted(found, key=_UPDATED_ORDER.index)}
    return {
        "checkpoint": checkpoint,
        "configurable": checkpoint,
        "checkpoint_id": checkpoint.get("checkpoint_id"),
    }


def _error_text(error: Any) -> str:
    return error if isinstance(error, str) else repr(error)


def as_updates(values: Any) -> Any:
    """Return values as LangGraph takes them; a list of pairs arrives as a list of lists."""
    if isinstance(values, list) and values and all(_is_pair(item) for item in values):
        return [tuple(item) for item in values]
    return values


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str)
