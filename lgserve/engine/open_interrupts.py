"""The questions a thread waits to be answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.checkpoint.base import WRITES_IDX_MAP

from lgserve.services.state_view import interrupt_view, interrupts_by_task

_INTERRUPT = "__interrupt__"


async def open_interrupts(
    graph: Any, config: Mapping[str, Any], snapshot: Any, *, fresh: bool = False
) -> dict[str, Any]:
    """Return the open interrupts of a thread's newest checkpoint by the task that waits for each.

    LangGraph's snapshots do not show the tasks to which a command went (`goto`); after `fresh`
    input there are none.
    """
    found = interrupts_by_task(snapshot)
    if fresh or not graph.checkpointer:
        return found
    thread = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": ""}
    newest = await graph.checkpointer.aget_tuple({"configurable": thread})
    shown = {task.id for task in snapshot.tasks}
    return {**found, **_hidden((newest and newest.pending_writes) or (), shown)}


def _hidden(writes: Iterable[tuple[str, str, Any]], shown: set[str]) -> dict[str, Any]:
    """Return the interrupts of tasks that are not shown and have not ended."""
    writes = list(writes)
    ended = {task_id for task_id, channel, _ in writes if channel not in WRITES_IDX_MAP}
    return {
        task_id: [interrupt_view(item) for item in value]
        for task_id, channel, value in writes
        if channel == _INTERRUPT and task_id not in shown | ended
    }
