"""Two graphs with a model: one with an async node, one with a sync one."""

from langchain_core.language_models import FakeListChatModel
from langgraph.graph import START, MessagesState, StateGraph

MODEL = FakeListChatModel(responses=["hello"])


async def say(state):
    return {"messages": [await MODEL.ainvoke(state["messages"])]}


def say_sync(state):
    return {"messages": [MODEL.invoke(state["messages"])]}


def _single(node):
    builder = StateGraph(MessagesState)
    builder.add_node("say", node)
    builder.add_edge(START, "say")
    return builder.compile()


talk = _single(say)
sync = _single(say_sync)
