"""A graph that repeats a secret, and may ask."""

from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    secret: str
    again: str
    ask: bool


async def repeat(state: State) -> State:
    get_stream_writer()({"streamed": state.get("secret")})
    if state.get("ask"):
        interrupt({"about": state["secret"]})
    return {"again": state.get("secret", "")[::-1]}


graph = StateGraph(State).add_node("repeat", repeat).add_edge(START, "repeat").compile()
