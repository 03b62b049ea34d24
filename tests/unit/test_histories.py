"""The short way through a long history shows the same as LangGraph's own way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from langgraph.types import Command

from lgserve.services.histories import for_history, states_of
from lgserve.storage.checkpointers import SqliteCheckpointers
from lgserve.storage.database import SqliteDatabase
from tests.projects.samples import graphs as samples

ROOT: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


@pytest.fixture
async def savers() -> AsyncIterator[SqliteCheckpointers]:
    database = SqliteDatabase(None)
    database.open()
    yield SqliteCheckpointers(database)
    database.close()


def of(graph: Any, config: Any, limit: int) -> AsyncIterator[Any]:
    return states_of(graph, config, metadata=None, before=None, limit=limit)


async def echo(graph: Any) -> None:
    await graph.ainvoke({"text": "x"}, ROOT)
    await graph.ainvoke({"text": "y"}, ROOT)


async def fork(graph: Any) -> None:
    await echo(graph)
    states = [state async for state in graph.aget_state_history(ROOT)]
    for state in (states[1], states[-1], states[-2]):
        await graph.ainvoke(None, state.config)
    await graph.aupdate_state(states[2].config, {"log": ["by hand"]}, "a")
    await graph.ainvoke(None, ROOT)


async def updates(graph: Any) -> None:
    await echo(graph)
    for node, values in (
        ("a", {"log": ["1"]}),
        ("__input__", {"text": "in"}),
        ("__start__", None),
        ("b", {"n": 5}),
        ("__copy__", None),
        ("__end__", None),
    ):
        await graph.aupdate_state(ROOT, values, node)
    await graph.ainvoke({"text": "z"}, ROOT, interrupt_before=["b"])
    await graph.ainvoke(None, ROOT)


async def answers(graph: Any) -> None:
    await graph.ainvoke({"q": "x"}, ROOT)
    await graph.aupdate_state(ROOT, {"q": "z"}, "prepare")
    await graph.ainvoke(Command(goto="finish", update={"answer": "u"}), ROOT)
    await graph.ainvoke(Command(resume="R"), ROOT)
    await graph.ainvoke({"q": "again"}, ROOT)


async def fan(graph: Any) -> None:
    await graph.ainvoke({"items": ["a", "b", "c"]}, ROOT)
    state = await graph.aget_state(ROOT)
    first, *_ = state.interrupts
    await graph.ainvoke(Command(resume={first.id: "one"}), ROOT)
    state = await graph.aget_state(ROOT)
    await graph.ainvoke(Command(resume={item.id: "all" for item in state.interrupts}), ROOT)


async def nested(graph: Any) -> None:
    await graph.ainvoke({"text": "x"}, ROOT)
    await graph.ainvoke(Command(resume="R"), ROOT)


async def loop(graph: Any) -> None:
    await graph.ainvoke({}, {**ROOT, "recursion_limit": 10_000}, durability="exit")


async def failing(graph: Any) -> None:
    with pytest.raises(ValueError, match="boom"):
        await graph.ainvoke({"text": "x"}, ROOT)
    await graph.ainvoke({"text": "fine"}, ROOT)


@pytest.mark.parametrize(
    ("graph", "live"),
    [
        (samples.echo, echo),
        (samples.echo, fork),
        (samples.echo, updates),
        (samples.ask, answers),
        (samples.fan, fan),
        (samples.parent, nested),
        (samples.loop, loop),
        (samples.boom, failing),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_history_read_the_short_way_is_the_same(
    savers: SqliteCheckpointers, graph: Any, live: Callable[[Any], Awaitable[None]]
) -> None:
    attached = graph.copy(update={"checkpointer": savers.shared()})
    await live(attached)

    plain = [state async for state in attached.aget_state_history(ROOT)]
    short = for_history(attached, savers.watched)
    found = [state async for state in of(short, ROOT, 1000)]
    some = [state async for state in of(short, ROOT, 3)]

    assert some == plain[:3]
    assert found == plain
    assert [[task.id for task in state.tasks] for state in found] == [
        [task.id for task in state.tasks] for state in plain
    ]
    assert plain


@pytest.mark.requirement("HISTORY-006")
async def test_a_subgraph_has_a_history_of_its_own(savers: SqliteCheckpointers) -> None:
    attached = samples.parent.copy(update={"checkpointer": savers.shared()})
    await attached.ainvoke({"text": "x"}, ROOT)
    (namespace,) = {
        cast("Any", task.state)["configurable"]["checkpoint_ns"]
        async for state in attached.aget_state_history(ROOT)
        for task in state.tasks
        if task.state
    }
    of_child: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": namespace}}

    plain = [state async for state in attached.aget_state_history(of_child)]
    short = for_history(attached, savers.watched)
    assert [state async for state in of(short, of_child, 1000)] == plain
    assert len(plain) > 1
