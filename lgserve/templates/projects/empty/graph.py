"""The smallest graph: one node, which you replace."""

from __future__ import annotations

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    """What the nodes pass on."""

    text: str
    answer: str


def step(state: State) -> State:
    """Do the work; what is returned is merged into the state."""
    return {"answer": f"You said: {state.get('text', '')}"}


graph = StateGraph(State).add_node("step", step).add_edge(START, "step").compile()
