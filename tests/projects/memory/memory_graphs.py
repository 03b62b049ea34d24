"""Graphs that keep things in the server's store."""
from typing import Any

import memory_embeddings
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    key: str
    text: str
    found: list[Any]
    threads: list[str]


def one_node(node):
    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile()


async def put(state: State, *, store: BaseStore):
    await store.aput(("memories",), state["key"], {"text": state["text"]})
    return {}


async def search(state: State):
    found = await get_store().asearch(("memories",), query=state["text"])
    return {"found": [[item.key, item.score] for item in found], "threads": memory_embeddings.threads}


def search_sync(state: State, *, store: BaseStore):
    found = store.search(("memories",), query=state["text"])
    return {"found": [[item.key, item.score] for item in found]}


remember = one_node(put)
recall = one_node(search)
recall_sync = one_node(search_sync)
