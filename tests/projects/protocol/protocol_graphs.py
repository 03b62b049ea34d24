"""Graphs for protocol v2: an agent with a tool, interrupts, subgraphs, named events."""

from __future__ import annotations

import asyncio
import operator
import sys
from collections.abc import Iterator
from typing import Annotated, Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.stream import StreamChannel, StreamTransformer
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    seconds: float
    answer: Any
    log: Annotated[list[str], operator.add]


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


class _Caller(GenericFakeChatModel):
    """A model that calls a tool, which the fake one forgets when it streams."""

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        call = {"name": "weather", "args": '{"city": "Rome"}', "id": "call-1", "index": 0}
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


def _model(*messages: AIMessage) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(messages))


async def _agent(state: MessagesState, config: RunnableConfig) -> Any:
    last = state["messages"][-1]
    answer = AIMessage(content=f"It is {last.content}.")
    model = _model(answer) if last.type == "tool" else _Caller(messages=iter([answer]))
    return {"messages": [await model.ainvoke(state["messages"], config)]}


_b = StateGraph(MessagesState)
_b.add_node("agent", _agent)
_b.add_node("tools", ToolNode([weather]))
_b.add_edge(START, "agent")
_b.add_conditional_edges("agent", tools_condition)
_b.add_edge("tools", "agent")
agent = _b.compile()


def _ask(state: State) -> Any:
    return {"answer": interrupt({"question": state.get("text", "?")}), "log": ["asked"]}


def _done(state: State) -> Any:
    return {"log": [f"done:{state.get('answer')}"]}


_b = StateGraph(State)
_b.add_node("ask", _ask)
_b.add_node("done", _done)
_b.add_edge(START, "ask")
_b.add_edge("ask", "done")
_b.add_edge("done", END)
approval = _b.compile()


async def _speak(state: MessagesState, config: RunnableConfig) -> Any:
    answer = AIMessage(content="deep thoughts here")
    return {"messages": [await _model(answer).ainvoke(state["messages"], config)]}


_i = StateGraph(MessagesState)
_i.add_node("speak", _speak)
_i.add_edge(START, "speak")
_i.add_edge("speak", END)
_inner = _i.compile()
_m = StateGraph(MessagesState)
_m.add_node("inner", _inner)
_m.add_edge(START, "inner")
_m.add_edge("inner", END)
_b = StateGraph(MessagesState)
_b.add_node("middle", _m.compile())
_b.add_edge(START, "middle")
_b.add_edge("middle", END)
nested = _b.compile()


def _say(state: State) -> Any:
    write = get_stream_writer()
    write({"name": "progress", "done": 1})
    write({"name": "other", "done": 2})
    write("plain")
    return {"log": ["said"]}


_b = StateGraph(State)
_b.add_node("say", _say)
_b.add_edge(START, "say")
_b.add_edge("say", END)
named = _b.compile()


class Counting(StreamTransformer):
    """A projection of the project's own."""

    required_stream_modes = ("updates",)

    def init(self) -> dict[str, Any]:
        self._channel: StreamChannel[Any] = StreamChannel("counts")
        self._seen = 0
        return {"counts": self._channel}

    def process(self, event: Any) -> bool:
        if event["method"] == "updates":
            self._seen += 1
            self._channel.push({"seen": self._seen})
        return True


projecting = _b.compile(transformers=[Counting])


async def _first(state: MessagesState, config: RunnableConfig) -> Any:
    answer = AIMessage(content="first voice speaks")
    return {"messages": [await _model(answer).ainvoke(state["messages"], config)]}


async def _second(state: MessagesState, config: RunnableConfig) -> Any:
    answer = AIMessage(content="second voice answers")
    return {"messages": [await _model(answer).ainvoke(state["messages"], config)]}


_b = StateGraph(MessagesState)
_b.add_node("first", _first)
_b.add_node("second", _second)
_b.add_edge(START, "first")
_b.add_edge(START, "second")
chorus = _b.compile()

_b = StateGraph(State)
_b.add_node("done", _done)
_b.add_edge(START, "done")
paused = _b.compile(interrupt_before=["done"])


def _one(state: State) -> Any:
    return {"log": [f"one:{interrupt('first?')}"]}


def _two(state: State) -> Any:
    return {"log": [f"two:{interrupt('second?')}"]}


_b = StateGraph(State)
_b.add_node("one", _one)
_b.add_node("two", _two)
_b.add_edge(START, "one")
_b.add_edge(START, "two")
twice = _b.compile()


def _leave(state: State) -> Any:
    sys.exit(3)


_b = StateGraph(State)
_b.add_node("leave", _leave)
_b.add_edge(START, "leave")
leaving = _b.compile()


async def _sleep(state: State) -> Any:
    get_stream_writer()({"tick": 0})
    await asyncio.sleep(state.get("seconds", 300))
    return {"log": ["slept"]}


_b = StateGraph(State)
_b.add_node("sleep", _sleep)
_b.add_edge(START, "sleep")
slow = _b.compile()


def _echo(state: State) -> Any:
    return {"log": [f"a:{state.get('text')}"]}


def _end(state: State) -> Any:
    return {"log": ["b"]}


_b = StateGraph(State)
_b.add_node("a", _echo)
_b.add_node("b", _end)
_b.add_edge(START, "a")
_b.add_edge("a", "b")
echo = _b.compile()


def _fail(state: State) -> Any:
    raise ValueError(f"boom: {state.get('text')}")


_b = StateGraph(State)
_b.add_node("fail", _fail)
_b.add_edge(START, "fail")
boom = _b.compile()
