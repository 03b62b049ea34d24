"""An agent: model and tools take turns until the model has an answer."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import BaseTool, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from model import make_model


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


tools: list[BaseTool] = [add]
model = make_model(tools)


async def call_model(state: MessagesState) -> dict[str, Any]:
    """Ask the model; its words stream to clients."""
    return {"messages": [await model.ainvoke(state["messages"])]}


graph = (
    StateGraph(MessagesState)
    .add_node("model", call_model)
    .add_node("tools", ToolNode(tools))
    .add_edge(START, "model")
    .add_conditional_edges("model", tools_condition)
    .add_edge("tools", "model")
    .compile()
)
