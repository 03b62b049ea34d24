"""Three steps, each of which ticks as often as it is told to; `VERSION` is what tests edit."""

import asyncio
import operator
import os
from typing import Annotated

from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

VERSION = "one"


class State(TypedDict, total=False):
    ticks: int
    version: str
    word: str
    log: Annotated[list[str], operator.add]


def step(name):
    async def run(state):
        tell = get_stream_writer()
        for number in range(state.get("ticks", 0)):
            tell(f"{name}{number}")
            await asyncio.sleep(0.01)
        return {"version": VERSION, "word": os.environ.get("WORD"), "log": [f"{name}:{VERSION}"]}

    return run


builder = StateGraph(State)
for name in "abc":
    builder.add_node(name, step(name))
builder.add_edge(START, "a")
builder.add_edge("a", "b")
builder.add_edge("b", "c")
graph = builder.compile()
