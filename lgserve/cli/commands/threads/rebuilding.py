"""A thread rebuilt from what an API shows of it: its steps are carried out once more.

Kept are the thread's id and metadata, the values after each step of the line that led to the latest
state, and what comes next. Lost are ids and times of checkpoints, forks, subgraphs' checkpoints,
types of a project's own (they are JSON now), and open questions, which are asked again when the
thread goes on.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from lgserve.cli.client import ApiClient
from lgserve.cli.errors import CliError, ExitCode

Record = dict[str, Any]
#: Nodes as which the latest values are written, one after another, until that leads to the state.
_NODES = 6


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
    attempts = [_steps(line), *_flat(line)]
    for supersteps in attempts:
        if _attempt(client, thread, line, supersteps, exact=True):
            return "rebuilt", len(line), _lost(thread, states, line)
    for supersteps in attempts:
        if _attempt(client, thread, line, supersteps, exact=False):
            return "rebuilt", len(line), f"thread {thread_id} lost what comes next"
    client.post("/threads", _body(thread))
    return "rebuilt", 0, f"thread {thread_id}: only its metadata could be rebuilt"


def _attempt(
    client: ApiClient, thread: Record, line: list[Record], supersteps: list[Record], *, exact: bool
) -> bool:
    """Make the thread by these steps; if that does not lead to its state, leave none behind."""
    path = f"/threads/{thread['thread_id']}"
    try:
        client.post("/threads", {**_body(thread), "supersteps": supersteps})
    except CliError as exc:
        if exc.exit_code is not ExitCode.REFUSED:
            raise
    else:
        if not line:
            return True
        state, wanted = client.get(f"{path}/state"), line[-1]
        same = state.get("values") == wanted.get("values")
        if same and (not exact or state.get("next") == wanted.get("next")):
            return True
    if _is_there(client, thread["thread_id"]):
        client.delete(path)
    return False


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
    for state, after in pairwise(line):
        tasks = [task for task in state.get("tasks") or () if task.get("result") is not None]
        if (state.get("metadata") or {}).get("source") == "input":
            given: Any = next((task["result"] for task in tasks if task["name"] == "__start__"), {})
            supersteps.append(_superstep([("__input__", given)]))
        if tasks:
            grown = _grown(state, after) if len(tasks) == 1 else {}
            updates = [(task["name"], _update(task["result"], grown)) for task in tasks]
            supersteps.append(_superstep(updates))
    return supersteps


def _grown(before: Record, after: Record) -> dict[str, list[Any]]:
    """Return what came to the end of lists, as they hold it: with the ids that messages got."""
    old, new = before.get("values"), after.get("values")
    if not isinstance(old, dict) or not isinstance(new, dict):
        return {}
    found = {}
    for name, items in new.items():
        known = old.get(name) or []
        if isinstance(items, list) and isinstance(known, list) and items[: len(known)] == known:
            found[name] = items[len(known) :]
    return found


def _update(result: Any, grown: dict[str, list[Any]]) -> Any:
    if not isinstance(result, dict):
        return _without_nothing(result)
    return {name: _without_nothing(grown.get(name, value)) for name, value in result.items()}


def _without_nothing(value: Any) -> Any:
    """Leave out of messages what says nothing: servers would take it for something more."""
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    if isinstance(value, dict) and "content" in value and "type" in value:
        optional = ("tool_calls", "invalid_tool_calls", "usage_metadata", "name", "artifact")
        return {k: v for k, v in value.items() if v or k not in optional}
    return value


def _flat(line: list[Record]) -> list[list[Record]]:
    """Return ways to write the latest values at once, as one of the nodes that ran last."""
    if not line or not line[-1].get("values"):
        return []
    last = line[-1]
    values = _update(last["values"], {})
    ran = [task["name"] for state in line[::-1] for task in state.get("tasks") or ()]
    nodes = list(dict.fromkeys([*ran, "__start__"]))[:_NODES]
    end = [] if last.get("next") else [_superstep([("__end__", None)])]
    return [[_superstep([(node, values)]), *end] for node in nodes]


def _superstep(updates: list[tuple[str, Any]]) -> Record:
    return {"updates": [{"as_node": node, "values": values} for node, values in updates]}


def _lost(thread: Record, states: list[Record], line: list[Record]) -> str | None:
    lost = []
    if len(states) > len(line):
        lost.append(f"{len(states) - len(line)} checkpoints of forks")
    if any((thread.get("interrupts") or {}).values()):
        lost.append("its open questions, asked again when it goes on")
    return f"thread {thread['thread_id']} lost {' and '.join(lost)}" if lost else None
