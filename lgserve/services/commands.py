"""LangGraph's commands from their JSON form. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.types import Command, Send


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
