"""What a run gives its graph: input, command, or nothing when it goes on from its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.types import Command, Send


async def run_input(
    graph: Any, config: Mapping[str, Any], kwargs: Mapping[str, Any], *, resumed: bool
) -> Any:
    """Return the graph's input.

    A run that was taken up again after its process died has applied its input already if the
    thread's latest checkpoint is its own: then it just goes on.
    """
    if resumed and await _began(graph, config):
        return None
    command = kwargs["command"]
    return kwargs["input"] if command is None else to_command(command)


def to_command(command: Mapping[str, Any]) -> Command[Any]:
    """Build LangGraph's command from its JSON form."""
    update = command.get("update")
    if isinstance(update, list):
        update = [tuple(pair) if isinstance(pair, list) else pair for pair in update]
    goto = command.get("goto") or ()
    targets = goto if isinstance(goto, list) else [goto]
    return Command(
        update=update,
        resume=command.get("resume"),
        goto=[_target(target) for target in targets] if goto else (),
    )


def _target(target: Any) -> Any:
    if isinstance(target, Mapping):
        return Send(target["node"], target.get("input"))
    return target


async def _began(graph: Any, config: Mapping[str, Any]) -> bool:
    if not graph.checkpointer:
        return False
    thread_id = config["configurable"]["thread_id"]
    latest = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    found = await graph.checkpointer.aget_tuple(latest)
    return found is not None and found.metadata.get("run_id") == str(config["run_id"])
