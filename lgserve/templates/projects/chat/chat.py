"""A chat that remembers what was said on its thread."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import SystemMessage
from langgraph.graph import START, MessagesState, StateGraph

from model import make_model

SYSTEM = SystemMessage("You are a friendly assistant. Answer in one or two sentences.")
model = make_model()


async def answer(state: MessagesState) -> dict[str, Any]:
    """Ask the model, with all that was said before."""
    return {"messages": [await model.ainvoke([SYSTEM, *state["messages"]])]}


graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
