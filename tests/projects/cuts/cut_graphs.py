"""A graph within a graph within a graph, slow enough to be cut at each of its events."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


def joined(old: list[str], new: list[str]) -> list[str]:
    return [*old, *(name for name in new if name not in old)]


class State(TypedDict, total=False):
    seconds: float
    log: Annotated[list[str], joined]


def step(name: str) -> Any:
    async def node(state: State) -> State:
        write = get_stream_writer()
        for n in range(2):
            write({"at": name, "n": n})
            await asyncio.sleep(state.get("seconds", 0))
        return {"log": [name]}

    return node


def chain(*nodes: tuple[str, Any]) -> Any:
    builder = StateGraph(State)
    before = START
    for name, node in nodes:
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile()


inner = chain(("deep", step("deep")))
child = chain(("one", step("one")), ("inner", inner))
nested = chain(("first", step("first")), ("child", child), ("last", step("last")))
