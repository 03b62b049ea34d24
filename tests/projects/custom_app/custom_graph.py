"""A graph that shows what it was configured with, and one that streams."""

import asyncio

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    seen: dict
    steps: int


async def show(state: State, config: RunnableConfig) -> State:
    write = get_stream_writer()
    for number in range(state.get("steps", 0)):
        write({"step": number})
        await asyncio.sleep(0.01)
    configurable = config["configurable"]
    return {"seen": {k: v for k, v in configurable.items() if k.startswith(("x-", "langsmith", "auth", "coo"))}}


graph = StateGraph(State).add_node("show", show).add_edge(START, "show").compile()
