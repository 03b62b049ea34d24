"""Graphs that behave in ways the samples do not."""

from __future__ import annotations

import asyncio
import contextlib
import operator
import sys
import time
from typing import Annotated, Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    how: str
    log: Annotated[list[str], operator.add]
    seconds: float


# --- 1. unruly: raises what it is asked to --------------------------------
class HTTPException(Exception):
    pass


class CustomError(Exception):
    pass


class CustomValueError(ValueError):
    pass


RAISED = {
    "exit": SystemExit(3),
    "ctrl-c": KeyboardInterrupt(),
    "cancel": asyncio.CancelledError(),
    "os": OSError("secret"),
    "assert": AssertionError("secret"),
    "custom": CustomError("secret"),
    "http": HTTPException("404: nothing here"),
    "key": KeyError("missing"),
    "value": CustomValueError("shown"),
}


async def misbehave(state: State):
    if state["how"] == "exit":
        sys.exit(3)
    if state["how"] == "stop the loop":
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
    if state["how"] in RAISED:
        raise RAISED[state["how"]]
    return {"log": [state["how"]]}


_b = StateGraph(State)
_b.add_node("misbehave", misbehave)
_b.add_edge(START, "misbehave")
_b.add_edge("misbehave", END)
unruly = _b.compile()


# --- 2. stubborn: does not stop when cancelled; 3. sleepy: cannot be stopped ---
async def before(state: State):
    return {"log": ["before"]}


async def refuse_to_stop(state: State):
    get_stream_writer()("here")
    end = time.monotonic() + state["seconds"]
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)
    return {"log": ["after"]}


def sleep(state: State):
    get_stream_writer()("here")
    time.sleep(state["seconds"])
    return {"log": ["after"]}


def _two_steps(second: Any) -> Any:
    b = StateGraph(State)
    b.add_node("before", before)
    b.add_node("second", second)
    b.add_edge(START, "before")
    b.add_edge("before", "second")
    b.add_edge("second", END)
    return b.compile()


stubborn = _two_steps(refuse_to_stop)
sleepy = _two_steps(sleep)


# --- 4. talker: streams tokens slowly -------------------------------------
class SlowModel(GenericFakeChatModel):
    async def _astream(self, *args: Any, **kwargs: Any):
        async for chunk in super()._astream(*args, **kwargs):
            await asyncio.sleep(0.01)
            yield chunk


async def talk(state: MessagesState, config: RunnableConfig):
    words = " ".join(f"w{n}" for n in range(20))
    model = SlowModel(messages=iter([AIMessage(content=words, id="ai-1")]))
    return {"messages": [await model.ainvoke(state["messages"], config)]}


_b = StateGraph(MessagesState)
_b.add_node("talk", talk)
_b.add_edge(START, "talk")
_b.add_edge("talk", END)
talker = _b.compile()


# --- 5. functional: values that are no object -----------------------------
@entrypoint()
async def functional(given: Any) -> Any:
    return f"{given}:{interrupt({'ask': given})}"


# --- 6. variant: its state depends on the run's configuration -------------
def variant(config: RunnableConfig):
    name = config.get("configurable", {}).get("channel", "plain")

    def node(state: Any):
        return {name: "set"}

    b = StateGraph(TypedDict("VariantState", {name: str}, total=False))
    b.add_node("n", node)
    b.add_edge(START, "n")
    b.add_edge("n", END)
    return b.compile()
