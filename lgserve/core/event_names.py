"""Names of stream events: `mode`, `mode/part`, each with `|namespace|…` behind it."""

from __future__ import annotations

from collections.abc import Sequence

#: Modes that LangGraph streams under another name.
LANGGRAPH_MODE = {"messages-tuple": "messages"}


def event_base(name: str) -> str:
    """Return the mode an event's name begins with."""
    return name.split("|", 1)[0].split("/", 1)[0]


def shown_in(name: str, modes: Sequence[str]) -> bool:
    """Tell whether an event belongs to one of the modes a joining client asked for.

    Errors and the end always do; namespaces do not matter.
    """
    base = event_base(name)
    return base in ("error", "end") or any(LANGGRAPH_MODE.get(mode, mode) == base for mode in modes)
