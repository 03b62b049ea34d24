"""A graph that remembers: each run on a thread adds to the thread's total."""

from __future__ import annotations

import operator
from typing import Annotated

from langgraph.channels import EphemeralValue
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class CounterInput(TypedDict, total=False):
    """What a run brings; the thread forgets it after the step."""

    add: Annotated[int, EphemeralValue]


class Total(TypedDict):
    """What the thread keeps."""

    total: Annotated[int, operator.add]
    steps: Annotated[list[str], operator.add]


class Counter(CounterInput, Total):
    """What the step sees."""


def count(state: Counter) -> Total:
    """Add the run's number, 1 when it brings none."""
    number = state.get("add", 1)
    return {"total": number, "steps": [f"added {number}"]}


graph = (
    StateGraph(Counter, input_schema=CounterInput, output_schema=Total)
    .add_node("count", count)
    .add_edge(START, "count")
    .add_edge("count", END)
    .compile(name="counter")
)
