"""Graphs whose messages carry usage metadata, and graphs that do what metrics count."""

import asyncio
import time
from pathlib import Path
from typing import TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}


class Model(BaseChatModel):
    """Says three words, and what they cost with the last."""

    @property
    def _llm_type(self):
        return "words"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        message = AIMessage(content="one two three", usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        for text, usage in (("one ", None), ("two ", None), ("three", USAGE)):
            yield ChatGenerationChunk(message=AIMessageChunk(content=text, usage_metadata=usage))


async def speak(state):
    return {"messages": [await Model().ainvoke(state["messages"])]}


def write(state):
    return {"messages": AIMessage(content="by hand", usage_metadata=USAGE)}


def ask(state):
    return {"messages": [("human", interrupt("go on?"))]}


def _chain(*nodes):
    builder = StateGraph(MessagesState)
    previous = START
    for node in nodes:
        name = getattr(node, "__name__", "inner")
        builder.add_node(name, node)
        builder.add_edge(previous, name)
        previous = name
    builder.add_edge(previous, END)
    return builder.compile()


streamed = _chain(speak)
nested = _chain(_chain(speak), write)

_builder = StateGraph(MessagesState)
_builder.add_node(speak)
_builder.add_node(ask)
_builder.add_edge(START, "speak")
_builder.add_edge(START, "ask")
paused = _builder.compile()


@task
async def think(text):
    return await Model().ainvoke(text)


@entrypoint()
async def function(text):
    return {"messages": [await think(text)]}


class Told(TypedDict, total=False):
    seconds: float
    until: str


def block(state: Told):
    time.sleep(state["seconds"])
    return {}


async def block_the_loop(state: Told):
    return block(state)


async def hold(state: Told):
    while not Path(state["until"]).exists():
        await asyncio.sleep(0.01)
    return {}


def fail(state: Told):
    raise LookupError("no")


def _one(node):
    return StateGraph(Told).add_node(node).add_edge(START, node.__name__).compile()


blocking = _one(block_the_loop)
holding = _one(hold)
failing = _one(fail)
