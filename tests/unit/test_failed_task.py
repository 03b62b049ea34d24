"""Which node raised an exception, and what it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, Send
from pydantic import BaseModel

from lgserve.engine.failures import FailedTask, failed_task


class State(TypedDict, total=False):
    question: str
    answer: str


class Model(BaseModel):
    question: str = ""


@dataclass
class Record:
    question: str = ""


def fail(_: Any) -> Any:
    raise ConnectionError("no answer")


async def fail_later(_: Any) -> Any:
    raise ConnectionError("no answer")


def graph(node: Any, schema: type = State, **options: Any) -> Any:
    builder: Any = StateGraph(schema)
    builder.add_node("ask", node, **options)
    builder.add_edge(START, "ask")
    return builder.compile()


def fan_out(items: list[Any]) -> Any:
    builder: Any = StateGraph(State)
    builder.add_node("ask", fail)
    builder.add_conditional_edges(START, lambda _: [Send("ask", item) for item in items], ["ask"])
    return builder.compile()


async def failure(graph: Any, given: dict[str, Any]) -> FailedTask | None:
    with pytest.raises(ConnectionError) as caught:
        async for _ in graph.astream(given, subgraphs=True):
            pass
    return failed_task(caught.value)


@pytest.mark.parametrize("node", [fail, fail_later])
async def test_it_is_the_node_with_the_keys_of_its_input(node: Callable[[Any], Any]) -> None:
    found = await failure(graph(node), {"question": "secret"})
    assert found == FailedTask(path=("ask",), input_keys=("question",))


@pytest.mark.parametrize("schema", [Model, Record])
async def test_any_kind_of_state_has_keys(schema: type) -> None:
    found = await failure(graph(fail, schema), {"question": "secret"})
    assert found is not None
    assert found.input_keys == ("question",)


async def test_a_node_of_a_subgraph_is_named_with_those_around_it() -> None:
    found = await failure(graph(graph(fail)), {"question": "?"})
    assert found is not None
    assert (found.path, found.node) == (("ask", "ask"), "ask > ask")


async def test_a_node_that_was_tried_again_is_named_once() -> None:
    again = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    found = await failure(graph(fail, retry_policy=again), {"question": "?"})
    assert found is not None
    assert found.path == ("ask",)


async def test_an_input_without_keys_has_none() -> None:
    found = await failure(fan_out(["text"]), {"question": "?"})
    assert found == FailedTask(path=("ask",), input_keys=None)


async def test_of_many_keys_the_first_are_named() -> None:
    found = await failure(fan_out([{f"{n}" * 99: n for n in range(1000)}]), {"question": "?"})
    assert found is not None
    assert found.input_keys is not None
    assert len(found.input_keys) == 21
    assert found.input_keys[-1] == "…"
    assert max(map(len, found.input_keys)) == 60


def test_an_exception_from_elsewhere_has_no_node() -> None:
    with pytest.raises(ConnectionError) as caught:
        fail(None)
    assert failed_task(caught.value) is None
