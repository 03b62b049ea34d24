"""What a run gives its graph: input, command, or nothing when it goes on from its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from langgraph.channels import LastValue
from langgraph.errors import EmptyInputError, InvalidUpdateError

from lgserve.core.errors import UnknownInterruptError
from lgserve.core.ports import RunSaver
from lgserve.engine.open_interrupts import open_interrupts
from lgserve.services.commands import to_command

Config = Mapping[str, Any]
#: An xxh3 digest of 128 bits.
_INTERRUPT_ID = re.compile("[0-9a-f]{32}")
_REFERENCE = ("checkpoint_id", "checkpoint_ns", "checkpoint_map")
_IDS = frozenset({*_REFERENCE, "thread_id", "run_id", "graph_id", "assistant_id", "user_id"})


def has_input(kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a run begins anew, in place of going on."""
    return not kwargs["command"] and kwargs["input"] is not None


async def run_input(
    graph: Any, config: Config, kwargs: Mapping[str, Any], saver: RunSaver | None
) -> Any:
    """Return the graph's input.

    Raises:
        InvalidUpdateError: the command gives a key two values, and the key bears one.
        EmptyInputError: the run resumes, and its thread has nothing to resume.
        UnknownInterruptError: it resumes strictly, and nothing waits for this answer.
    """
    command = kwargs["command"]
    if not command:
        return kwargs["input"]
    if command.get("resume") is not None and await _newest(graph, config) is None:
        raise EmptyInputError("There is nothing to resume: the thread has no checkpoint.")
    if command.get("resume") is not None and kwargs.get("strict_resume"):
        await _check_answers(graph, config, command["resume"])
    if saver is not None:
        saver.supersede(_overwritten(graph.channels, command.get("update") or ()))
    return to_command(command)


def _overwritten(channels: Mapping[str, Any], update: Any) -> frozenset[str]:
    """Return the keys of an update that bear one value.

    LangGraph stores an update before it finds that it cannot be applied, also one that follows
    another before the next step: the thread would be broken for good.
    """
    given = update if isinstance(update, Mapping) else [pair[0] for pair in update]
    single = [key for key in given if isinstance(channels.get(key), LastValue)]
    found = frozenset(single)
    if len(found) < len(single):
        raise InvalidUpdateError("The command's update gives a key two values, and it bears one")
    return found


async def _check_answers(graph: Any, config: Config, resume: Any) -> None:
    snapshot = await graph.aget_state(config)
    ended = {task.id for task in snapshot.tasks if task.result is not None}
    found = await open_interrupts(graph, config, snapshot)
    waiting = {
        interrupt["id"]
        for task_id, interrupts in found.items()
        if task_id not in ended
        for interrupt in interrupts
    }
    check_answers(resume, waiting, has_next=bool(snapshot.next))


def check_answers(resume: Any, waiting: set[str], *, has_next: bool) -> None:
    """Refuse an answer that nothing waits for; a graph stopped between nodes waits for any.

    Raises:
        UnknownInterruptError: no interrupt is open, or not one of those that are answered.
    """
    if _names_interrupts(resume):
        if not resume:
            raise UnknownInterruptError("The resume map names no interrupt")
        if unknown := sorted(resume.keys() - waiting):
            raise UnknownInterruptError(f"Unknown or already-consumed interrupt: {unknown[0]}")
    elif len(waiting) > 1:
        raise UnknownInterruptError(
            f"{len(waiting)} interrupts are open: name the ones you answer by their ids"
        )
    elif not (waiting or has_next):
        raise UnknownInterruptError("No interrupt is open: the graph has finished")


def _names_interrupts(resume: Any) -> bool:
    """Tell whether an answer is a map by interrupt ids, as LangGraph tells it."""
    return isinstance(resume, Mapping) and all(_INTERRUPT_ID.fullmatch(key) for key in resume)


async def has_begun(graph: Any, config: Config) -> bool:
    """Tell whether the thread's newest checkpoint is this run's: then its input is applied."""
    found = await _newest(graph, config)
    return found is not None and found.metadata.get("run_id") == str(config["run_id"])


def at_newest(config: Config) -> dict[str, Any]:
    """Return the config without the checkpoint it started from."""
    configurable = config["configurable"]
    rest = {name: configurable[name] for name in configurable if name not in _REFERENCE}
    return {**config, "configurable": rest}


def without_unknown(
    config: dict[str, Any], kwargs: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the config without what the context put there and the graph's schema lacks."""
    if not kwargs.get("context_given"):
        return config
    context = kwargs["context"]
    unknown = context.keys() - known.keys() - _IDS
    configurable = config["configurable"]
    kept = {
        name: value
        for name, value in configurable.items()
        if name not in unknown or value != context[name]
    }
    return {**config, "configurable": kept}


async def _newest(graph: Any, config: Config) -> Any:
    """Return the root's newest checkpoint."""
    if not graph.checkpointer:
        return None
    thread_id = config["configurable"]["thread_id"]
    return await graph.checkpointer.aget_tuple(
        {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    )
