"""A graph that counts, remembers in the store, and may ask or wait."""

import asyncio

from langgraph.config import get_store
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    count: int
    ask: bool
    wait: float
    answer: str


async def count(state: State) -> State:
    number = state.get("count", 0) + 1
    await get_store().aput(("counts",), "last", {"count": number})
    return {"count": number}


async def ask(state: State) -> State:
    if state.get("wait"):
        await asyncio.sleep(state["wait"])
    return {"answer": interrupt("well?"), "ask": False} if state.get("ask") else {}


graph = (
    StateGraph(State).add_node("count", count).add_node("ask", ask).add_edge(START, "count").add_edge("count", "ask").compile()
)
