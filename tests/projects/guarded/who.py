"""Graphs that tell who runs them."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph_sdk.runtime import ServerRuntime
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    told: Any


def tell(state: State, config: RunnableConfig) -> State:
    user = config["configurable"]["langgraph_auth_user"]
    length = len(user["token"]) if "token" in user else 0
    ids = [config["configurable"][key] for key in ("langgraph_auth_user_id", "user_id")]
    return {"told": [user["identity"], user.identity, length, *ids, user["permissions"]]}


def build(node: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("tell", node)
    builder.add_edge(START, "tell")
    builder.add_edge("tell", END)
    return builder.compile()


who = build(tell)


def make_asking(runtime: ServerRuntime) -> Any:
    """Make a graph for whom it asks: nobody is an error, also where only the state is read."""
    name = runtime.user.identity
    return build(lambda _: {"told": name})
