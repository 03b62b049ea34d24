"""What a run gives its graph: input, command, or nothing when it goes on from its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.errors import EmptyInputError
from langgraph.types import Command, Send

Config = Mapping[str, Any]
_REFERENCE = ("checkpoint_id", "checkpoint_ns", "checkpoint_map")


async def run_input(graph: Any, config: Config, kwargs: Mapping[str, Any]) -> Any:
    """Return the graph's input.

    Raises:
        EmptyInputError: the run resumes, and its thread has nothing to resume.
    """
    command = kwargs["command"]
    if not command:
        return kwargs["input"]
    if command.get("resume") is not None and await _newest(graph, config) is None:
        raise EmptyInputError("There is nothing to resume: the thread has no checkpoint.")
    return to_command(command)


async def has_begun(graph: Any, config: Config) -> bool:
    """Tell whether the thread's newest checkpoint is this run's: then its input is applied."""
    found = await _newest(graph, config)
    return found is not None and found.metadata.get("run_id") == str(config["run_id"])


def at_newest(config: Config) -> dict[str, Any]:
    """Return the config without the checkpoint it started from."""
    configurable = config["configurable"]
    rest = {name: configurable[name] for name in configurable if name not in _REFERENCE}
    return {**config, "configurable": rest}


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


async def _newest(graph: Any, config: Config) -> Any:
    """Return the root's newest checkpoint."""
    if not graph.checkpointer:
        return None
    thread_id = config["configurable"]["thread_id"]
    return await graph.checkpointer.aget_tuple(
        {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    )
