"""A thread rebuilt from what an API shows of it: its steps are carried out once more.

Kept are the thread's id and metadata, the values after each step of the line that led to the latest
state, and what comes next. Lost are ids and times of checkpoints, forks, subgraphs' checkpoints,
types of a project's own (they are JSON now), and open questions, which are asked again when the
thread goes on.
"""

from __future__ import annotations

from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.errors import CliError, ExitCode

Record = dict[str, Any]


def rebuild(client: ApiClient, record: Record, on_conflict: str) -> tuple[str, int, str | None]:
    """Make the thread; return what became of it, how many checkpoints, and what was lost."""
    thread, states = record["thread"], record.get("states") or []
    thread_id = thread["thread_id"]
    if _is_there(client, thread_id):
        if on_conflict == "skip":
            return "skipped", 0, None
        if on_conflict == "fail":
            raise CliError(
                f"thread {thread_id} is there already", code="E_CONFLICT",
                exit_code=ExitCode.CONFLICT, hint="--on-conflict skip or replace",
            )  # fmt: skip
        client.delete(f"/threads/{thread_id}")
    line = _line(states)
    for supersteps in (_steps(line), _flat(line)):
        lost = _attempt(client, thread, line, supersteps)
        if lost is None:
            return "rebuilt", len(line), _lost(thread, states, line)
    client.delete(f"/threads/{thread_id}")
    client.post("/threads", _body(thread))
    return "rebuilt", 0, f"thread {thread_id}: only its metadata could be rebuilt"


def _attempt(
    client: ApiClient, thread: Record, line: list[Record], supersteps: list[Record]
) -> str | None:
    """Make the thread by these steps; return what is wrong with it then, and leave none behind."""
    thread_id = thread["thread_id"]
    try:
        client.post("/threads", {**_body(thread), "supersteps": supersteps})
    except CliError as exc:
        if exc.exit_code is not ExitCode.REFUSED:
            raise
        return exc.message
    if not line:
        return None
    state = client.get(f"/threads/{thread_id}/state")
    if state.get("values") == line[-1].get("values") and state.get("next") == line[-1].get("next"):
        return None
    client.delete(f"/threads/{thread_id}")
    return "it comes to other values"


def _body(thread: Record) -> Record:
    body = {"thread_id": thread["thread_id"], "metadata": thread.get("metadata") or {}}
    return {**body, "if_exists": "raise"}


def _is_there(client: ApiClient, thread_id: str) -> bool:
    try:
        client.get(f"/threads/{thread_id}")
    except CliError as exc:
        if exc.exit_code is ExitCode.NOT_FOUND:
            return False
        raise
    return True


def _line(states: list[Record]) -> list[Record]:
    """Return the states that led to the latest one, oldest first."""
    by_id = {state["checkpoint_id"]: state for state in states}
    line: list[Record] = []
    at = states[0] if states else None
    while at is not None and len(line) <= len(states):
        line.append(at)
        parent = at.get("parent_checkpoint") or {}
        at = by_id.get(at.get("parent_checkpoint_id") or parent.get("checkpoint_id") or "")
    return line[::-1]


def _steps(line: list[Record]) -> list[Record]:
    """Return what each step wrote, as updates of its nodes."""
    supersteps: list[Record] = []
    for state in line[:-1]:
        tasks = [task for task in state.get("tasks") or () if task.get("result") is not None]
        if (state.get("metadata") or {}).get("source") == "input":
            given: Any = next((task["result"] for task in tasks if task["name"] == "__start__"), {})
            supersteps.append(_superstep([("__input__", given)]))
        if tasks:
            supersteps.append(_superstep([(task["name"], task["result"]) for task in tasks]))
    return supersteps


def _flat(line: list[Record]) -> list[Record]:
    """Return one step that writes the latest values, by the nodes that ran last."""
    if not line or not line[-1].get("values"):
        return []
    last = line[-1]
    ran = [task["name"] for state in line[-2:-1] for task in state.get("tasks") or ()]
    node = next((name for name in ran if name != "__start__"), "__start__")
    supersteps = [_superstep([(node, last["values"])])]
    if not last.get("next"):
        supersteps.append(_superstep([("__end__", None)]))
    return supersteps


def _superstep(updates: list[tuple[str, Any]]) -> Record:
    return {"updates": [{"as_node": node, "values": values} for node, values in updates]}


def _lost(thread: Record, states: list[Record], line: list[Record]) -> str | None:
    lost = []
    if len(states) > len(line):
        lost.append(f"{len(states) - len(line)} checkpoints of forks")
    if any((thread.get("interrupts") or {}).values()):
        lost.append("its open questions, asked again when it goes on")
    return f"thread {thread['thread_id']} lost {' and '.join(lost)}" if lost else None
