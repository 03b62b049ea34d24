"""Threads of one graph that become threads of another on their way (`--map-graph old=new`)."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID, uuid5

from lgserve.cli.errors import usage_error

#: Servers name a graph's own assistant by this, and by the graph.
_ASSISTANTS = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")


def parse_renames(given: list[str]) -> dict[str, str]:
    """Read `old=new`."""
    renames: dict[str, str] = {}
    for text in given:
        old, equals, new = text.partition("=")
        if not equals or not old or not new:
            raise usage_error(f"--map-graph {text!r} is not old=new")
        renames[old] = new
    return renames


def renamed(record: dict[str, Any], renames: dict[str, str]) -> dict[str, Any]:
    """Return a thread's record with its graph under the new name, wherever it says it."""
    if not renames:
        return record
    own = {_assistant_of(old): _assistant_of(new) for old, new in renames.items()}
    change = partial(_changed, {"graph_id": renames, "assistant_id": own})
    thread = {**record["thread"], "metadata": change(record["thread"].get("metadata"))}
    config = thread.get("config")
    if isinstance(config, dict) and "configurable" in config:
        thread["config"] = {**config, "configurable": change(config["configurable"])}
    result = {**record, "thread": thread}
    for part in ("checkpoints", "states"):
        if part in record:
            result[part] = [{**c, "metadata": change(c.get("metadata"))} for c in record[part]]
    return result


def _changed(names: dict[str, dict[str, str]], facts: Any) -> Any:
    if not isinstance(facts, dict):
        return facts
    found = {name: facts[name] for name in names if isinstance(facts.get(name), str)}
    return {**facts, **{name: names[name].get(old, old) for name, old in found.items()}}


def _assistant_of(graph_id: str) -> str:
    return str(uuid5(_ASSISTANTS, graph_id))
