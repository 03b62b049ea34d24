"""A graph that asks a person before it acts."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt


def ask(state: MessagesState) -> dict[str, Any]:
    """Wait for a person; the answer to the interrupt is what this call returns."""
    wish = state["messages"][-1].text
    decision = interrupt({"question": f"Shall I do this: {wish}?", "answers": ["yes", "no"]})
    done = "Done" if str(decision).strip().lower() in ("yes", "y", "true") else "Left alone"
    return {"messages": [AIMessage(f"{done}: {wish}")]}


graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile()
