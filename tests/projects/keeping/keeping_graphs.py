"""A graph of one step."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    text: str


def step(state: State) -> State:
    return {"text": state.get("text", "") + "."}


steps = StateGraph(State).add_node("step", step).add_edge(START, "step").compile()
