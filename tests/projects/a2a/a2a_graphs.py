"""Graphs that agents of other makers talk to."""

import asyncio
import json
from pathlib import Path
from typing import TypedDict

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt


async def say(text):
    return await GenericFakeChatModel(messages=iter([AIMessage(content=text)])).ainvoke("go")


async def speak(state):
    """Say `words 200`: that many; else greet."""
    last = str(state["messages"][-1].content)
    text = f"hello {last}"
    if last.startswith("words "):
        text = " ".join(f"w{n:03}" for n in range(int(last.removeprefix("words "))))
    return {"messages": [await say(text)]}


def ask(state):
    answer = interrupt("Approve?")
    return {"messages": [AIMessage(content=f"approved: {json.dumps(answer)}")]}


def ask_left(state):
    return {"messages": [AIMessage(content=f"left: {interrupt({'side': 'left'})}")]}


def ask_right(state):
    return {"messages": [AIMessage(content=f"right: {interrupt({'side': 'right'})}")]}


async def wait(state):
    """Say a word, then wait for a file whose name the message is."""
    said = await say("waiting ")
    path = Path(str(state["messages"][-1].content))
    while not path.exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)
    return {"messages": [said, await say("done now")]}


async def draft(state):
    return {"messages": [await say("a first draft")]}


async def final(state):
    return {"messages": [await say("the final words")]}


async def chatter(state):
    both = await asyncio.gather(say("one two three four"), say("five six seven eight"))
    return {"messages": both}


class Numbers(TypedDict, total=False):
    x: int
    y: int


def increment(state: Numbers):
    return {"y": state["x"] + 1}


def break_down(state):
    raise ValueError("boom")


def describe(state):
    return {"messages": [AIMessage(content=json.dumps(state["messages"][-1].content))]}


def picture(state):
    content = [
        {"type": "text", "text": "see"},
        {"type": "reasoning", "reasoning": "nobody's business"},
        {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
    ]
    return {"messages": [AIMessage(content=content)]}


def _chain(*nodes, state=MessagesState):
    builder = StateGraph(state)
    previous = START
    for node in nodes:
        name = getattr(node, "__name__", "inner")
        builder.add_node(name, node)
        builder.add_edge(previous, name)
        previous = name
    builder.add_edge(previous, END)
    return builder.compile()


talk = _chain(speak)
approve = _chain(ask)
hold = _chain(wait)
drafts = _chain(draft, final)
nested = _chain(_chain(speak))
crowd = _chain(chatter)
add = _chain(increment, state=Numbers)
fail = _chain(break_down)
look = _chain(describe)
paint = _chain(picture)

_builder = StateGraph(MessagesState)
_builder.add_node(ask_left)
_builder.add_node(ask_right)
_builder.add_edge(START, "ask_left")
_builder.add_edge(START, "ask_right")
pair = _builder.compile()
