"""Graphs to be drawn and described: of every kind of state and context, and by every factory."""

import operator
import typing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph_sdk.runtime import ServerRuntime
from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


class Address(typing.TypedDict, total=False):
    street: str


class Plain(typing.TypedDict):
    """A state of the standard library's TypedDict."""

    text: str
    to: list[Address] | None
    log: Annotated[list[str], operator.add]


class Modelled(BaseModel):
    text: str
    level: int = Field(3, ge=0, description="how loud")


class Question(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class Whole(Question, Answer):
    hidden: int


@dataclass
class Settings:
    user: str
    level: int = 1
    tags: list[str] = field(default_factory=list)


def one_node(state: Any, context: Any = None, node: str = "node", **ends: Any) -> Any:
    builder = StateGraph(state, context_schema=context, **ends)
    builder.add_node(node, lambda state: {})
    builder.add_edge(START, node)
    builder.add_edge(node, END)
    return builder.compile()


plain = one_node(Plain)
modelled = one_node(Modelled, Settings)
ends = one_node(Whole, input_schema=Question, output_schema=Answer)
messages = one_node(MessagesState)


def choose(state: State) -> Literal["left", "right"]:
    return "left"


def make_branching() -> Any:
    builder = StateGraph(State)
    builder.add_node("first", lambda state: {})
    builder.add_node("left", lambda state: {}, metadata={"side": "left"})
    builder.add_node("right", lambda state: {})
    builder.add_edge(START, "first")
    builder.add_conditional_edges("first", choose)
    builder.add_conditional_edges("left", lambda state: "stop", {"stop": END, "again": "first"})
    builder.add_edge("right", END)
    return builder.compile()


def make_nested() -> Any:
    inner = one_node(State, node="deep")
    middle = StateGraph(State)
    middle.add_node("inner", inner)
    middle.add_edge(START, "inner")
    outer = StateGraph(State)
    outer.add_node("first", lambda state: {})
    outer.add_node("middle", middle.compile())
    outer.add_edge(START, "first")
    outer.add_edge("first", "middle")
    return outer.compile()


branching, nested = make_branching(), make_nested()


def make_variant(config: RunnableConfig) -> Any:
    """Make a graph whose node is called what the configuration says, or fail as it says."""
    variant = config["configurable"].get("variant", "default")
    if variant == "wrong":
        raise ValueError("there is no such variant")
    if variant == "down":
        raise OSError("postgres://me:secret@db is down")
    if variant == "nothing":
        return 5
    return one_node(State, node=f"is_{variant}")


@asynccontextmanager
async def open_telling(config: RunnableConfig, runtime: ServerRuntime) -> AsyncIterator[Any]:
    """Make a graph whose node tells what the factory was given."""
    told = (
        runtime.access_context,
        runtime.execution_runtime is None,
        runtime.user and runtime.user.identity,
        config["configurable"]["langgraph_auth_user_id"],
        config["tags"],
        type(runtime.store).__name__ if runtime.store is None else "store",
    )
    yield one_node(State, node=repr(told).replace(":", ""))
