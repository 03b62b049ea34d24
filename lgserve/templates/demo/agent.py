"""A chat agent that calls tools: model and tools take turns until the model has an answer."""

from __future__ import annotations

from langchain_core.messages import BaseMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from typing_extensions import TypedDict

from lgserve.templates.demo.model import DemoChatModel
from lgserve.templates.demo.tools import TOOLS

model = DemoChatModel()


class NewMessages(TypedDict):
    """What a step adds to the conversation."""

    messages: list[BaseMessage]


async def call_model(state: MessagesState) -> NewMessages:
    """Ask the model; its tokens stream to clients of the stream mode `messages`."""
    return {"messages": [await model.ainvoke(state["messages"])]}


graph = (
    StateGraph(MessagesState)
    .add_node("model", call_model)
    .add_node("tools", ToolNode(TOOLS))
    .add_edge(START, "model")
    .add_conditional_edges("model", tools_condition)
    .add_edge("tools", "model")
    .compile(name="agent")
)
