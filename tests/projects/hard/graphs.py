"""Graphs that behave badly, each in its own way."""

import asyncio
import operator
import time
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    seconds: float
    value: Any
    log: Annotated[list[str], operator.add]


def one_node(name, node):
    builder = StateGraph(State)
    builder.add_node(name, node)
    builder.add_edge(START, name)
    builder.add_edge(name, END)
    return builder.compile()


async def freeze(state: State):
    time.sleep(state.get("seconds", 1))
    return {"log": ["froze"]}


def nap(state: State):
    time.sleep(state.get("seconds", 1))
    return {"log": ["napped"]}


async def refuse_to_stop(state: State):
    for _ in range(int(state.get("seconds", 1) * 20)):
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            pass
    return {"log": ["went on"]}


def odd_values(state: State):
    return {
        "value": {
            "big": 2**100,
            "surrogate": "\ud83d",
            "nul": "a\x00b",
            "class": State,
            "deep": nest(60),
            "keys": {1: "a", (1, 2): "b"},
            "nan": float("nan"),
        },
        "log": ["odd"],
    }


def nest(depth):
    tree: Any = "leaf"
    for _ in range(depth):
        tree = [tree]
    return tree


class Locked:
    def __init__(self):
        import threading

        self.lock = threading.Lock()


def unstorable(state: State):
    return {"value": Locked()}


freezer = one_node("freeze", freeze)
napper = one_node("nap", nap)
stubborn = one_node("refuse_to_stop", refuse_to_stop)
odd = one_node("odd_values", odd_values)
locked = one_node("unstorable", unstorable)
