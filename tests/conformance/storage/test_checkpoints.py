"""What graphs and the engine rely on in a checkpoint saver, whatever it stores on."""

import asyncio
import operator
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    CheckpointMetadata,
    CheckpointTuple,
    empty_checkpoint,
)
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, StateSnapshot, interrupt
from pydantic import BaseModel

from lgserve.storage.checkpoints import SqliteSaver
from lgserve.storage.database import SqliteDatabase
from lgserve.storage.saver_scope import SaverScope
from tests.conformance.storage.backends import Backend, Backends

Saver = BaseCheckpointSaver[Any]


def thread(**members: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": str(uuid4()), "checkpoint_ns": "", **members}}


def same_thread(config: RunnableConfig, **members: Any) -> RunnableConfig:
    return {"configurable": {**config["configurable"], **members}}


def thread_id(config: RunnableConfig) -> str:
    return str(config["configurable"]["thread_id"])


async def put(
    saver: Saver,
    config: RunnableConfig,
    values: dict[str, Any],
    parent: RunnableConfig | None = None,
    **metadata: Any,
) -> RunnableConfig:
    """Put a checkpoint in which every value is new."""
    known: dict[str, Any] = {}
    if parent is not None:
        known = (await tuple_of(saver, parent)).checkpoint["channel_versions"]
    top = max(known.values(), default=None)
    versions = {**known, **dict.fromkeys(values, saver.get_next_version(top, None))}
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = versions
    target = same_thread(config, checkpoint_id=parent and parent["configurable"]["checkpoint_id"])
    new = {name: versions[name] for name in values}
    about = cast(CheckpointMetadata, {"source": "loop", "step": 0, **metadata})
    return await saver.aput(target, checkpoint, about, new)


async def tuple_of(saver: Saver, config: RunnableConfig) -> CheckpointTuple:
    found = await saver.aget_tuple(config)
    assert found is not None
    return found


async def values_of(saver: Saver, config: RunnableConfig) -> dict[str, Any]:
    return (await tuple_of(saver, config)).checkpoint["channel_values"]


async def every(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


# --- the suite of LangGraph


async def test_the_conformance_suite_passes_in_full(open_backend: Backends) -> None:
    @checkpointer_test(name="lgserve")
    async def factory() -> AsyncIterator[Saver]:
        async with open_backend() as backend:
            yield backend.saver

    report = await validate(factory)
    assert [failure for result in report.results.values() for failure in result.failures] == []
    assert report.passed_all()


# --- graphs: the same histories as with LangGraph's own saver


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    count: int
    log: Annotated[list[str], operator.add]


class Note(BaseModel):
    text: str


@dataclass
class Point:
    x: int
    y: int


def chat_graph(saver: Saver) -> Any:
    def reply(state: Talk) -> dict[str, Any]:
        turn = len(state["messages"])
        return {
            "messages": [AIMessage(f"reply {turn} " + "x" * 300, id=f"ai-{turn}")],
            "count": turn,
            "log": [f"reply {turn}"],
        }

    builder = StateGraph(Talk)
    builder.add_node("reply", reply)
    builder.add_edge(START, "reply")
    builder.add_edge("reply", END)
    return builder.compile(checkpointer=saver)


async def play_chat(saver: Saver) -> list[StateSnapshot]:
    graph, config = chat_graph(saver), thread()
    for turn in range(3):
        message = HumanMessage(f"hello {turn}", id=f"human-{turn}")
        await graph.ainvoke({"messages": [message]}, config)
    history = await every(graph.aget_state_history(config))
    # A fork from the middle, and a change of a message that is there already.
    await graph.ainvoke({"messages": [HumanMessage("other", id="fork")]}, history[4].config)
    await graph.aupdate_state(config, {"messages": [AIMessage("changed", id="ai-1")]})
    return await every(graph.aget_state_history(config))


class Numbers(TypedDict):
    items: Annotated[list[int], operator.add]


async def play_parallel_tasks_and_interrupts(saver: Saver) -> list[StateSnapshot]:
    def spread(state: Numbers) -> list[Send]:
        return [Send("work", {"n": n}) for n in range(4)]

    def work(state: Any) -> Numbers:
        return {"items": [state["n"]]}

    def ask(state: Numbers) -> Numbers:
        return {"items": [interrupt("how many?"), interrupt("really?")]}

    inner = StateGraph(Numbers)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    builder = StateGraph(Numbers)
    builder.add_node("work", work)
    builder.add_node("inner", inner.compile())
    builder.add_conditional_edges(START, spread, ["work"])
    builder.add_edge("work", "inner")
    graph: Any = builder.compile(checkpointer=saver)
    config = thread()
    await graph.ainvoke({"items": []}, config)
    await graph.ainvoke(Command(resume=41), config)
    await graph.ainvoke(Command(resume=42), config)
    return await every(graph.aget_state_history(config))


def accumulate(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(word for write in writes for word in write)]


class Words(TypedDict):
    words: Annotated[list[str], DeltaChannel(accumulate, snapshot_frequency=4)]
    n: int


def delta_graph(saver: Saver) -> Any:
    def left(state: Words) -> dict[str, Any]:
        return {"words": [f"left {len(state['words'])}"], "n": len(state["words"])}

    def right(state: Words) -> dict[str, Any]:
        return {"words": [f"right {len(state['words'])}", "more"]}

    builder = StateGraph(Words)
    builder.add_node("left", left)
    builder.add_node("right", right)
    builder.add_node("last", left)
    builder.add_edge(START, "left")
    builder.add_edge(START, "right")
    builder.add_edge(["left", "right"], "last")
    return builder.compile(checkpointer=saver)


async def play_delta_channels(saver: Saver) -> list[StateSnapshot]:
    graph, config = delta_graph(saver), thread()
    for durability in ("async", "exit", "sync", "exit", "async"):
        await graph.ainvoke({"words": ["go"]}, config, durability=durability)
    history = await every(graph.aget_state_history(config))
    await graph.ainvoke({"words": ["fork"]}, history[5].config)
    await graph.aupdate_state(config, {"words": ["update"]}, as_node="last")
    return await every(graph.aget_state_history(config))


async def play_user_types(saver: Saver) -> list[StateSnapshot]:
    class State(TypedDict):
        notes: Annotated[list[Any], operator.add]
        best: Any

    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"notes": [Point(1, 2)], "best": Note(text="b")})
    builder.add_edge(START, "a")
    graph: Any = builder.compile(checkpointer=saver)
    config = thread()
    for turn in range(3):
        await graph.ainvoke({"notes": [Note(text=str(turn)), {1, 2}, b"bytes", None]}, config)
    return await every(graph.aget_state_history(config))


def essence(snapshot: StateSnapshot) -> Any:
    """Return what does not differ between two plays of the same."""
    metadata = {k: v for k, v in (snapshot.metadata or {}).items() if k in ("source", "step")}
    tasks = sorted(
        repr((task.name, task.error, [each.value for each in task.interrupts], task.result))
        for task in snapshot.tasks
    )
    return snapshot.values, snapshot.next, metadata, tasks


@pytest.mark.parametrize(
    "play",
    [play_chat, play_parallel_tasks_and_interrupts, play_delta_channels, play_user_types],
)
async def test_a_graph_has_the_history_it_has_with_langgraphs_own_saver(
    saver: Saver, play: Callable[[Saver], Any]
) -> None:
    ours, theirs = await play(saver), await play(InMemorySaver())
    assert [essence(s) for s in ours] == [essence(s) for s in theirs]


async def test_a_run_in_a_scope_has_the_same_history(backend: Backend) -> None:
    scope = SaverScope(run_id=str(uuid4()))
    ours = await play_chat(backend.saver_for(scope))
    assert [essence(s) for s in ours] == [essence(s) for s in await play_chat(InMemorySaver())]
    assert scope.failure is None


async def test_delta_histories_equal_those_of_langgraphs_own_saver(saver: Saver) -> None:
    histories = []
    for each in (saver, InMemorySaver()):
        graph, config = delta_graph(each), thread()
        for _ in range(4):
            await graph.ainvoke({"words": ["go"], "n": 0}, config)
        # Channel `n` has stored values everywhere: plain ones, which are no snapshots.
        histories.append(
            [
                {
                    name: ([w[1:] for w in history["writes"]], history.get("seed"))
                    for name, history in (
                        await each.aget_delta_channel_history(
                            config=found.config, channels=["words", "n", "absent"]
                        )
                    ).items()
                }
                for found in await every(each.alist(config))
            ]
        )
    assert histories[0] == histories[1]


async def test_reading_state_works_from_a_thread(saver: Saver) -> None:
    seen: list[Any] = []
    graphs: list[Any] = []

    def look(state: Talk, config: RunnableConfig) -> dict[str, Any]:
        own: RunnableConfig = {"configurable": {"thread_id": thread_id(config)}}
        seen.append(graphs[0].get_state(own).values["messages"])
        seen.extend(list(graphs[0].get_state_history(own))[-1].next)
        return {"count": 1}

    builder = StateGraph(Talk)
    builder.add_node("look", look)
    builder.add_edge(START, "look")
    graphs.append(builder.compile(checkpointer=saver))
    message = HumanMessage("hello", id="1")
    await graphs[0].ainvoke({"messages": [message]}, thread(), durability="sync")
    assert seen == [[message], "__start__"]


async def test_writing_state_works_from_a_thread(saver: Saver) -> None:
    graph, config = chat_graph(saver), thread()
    message = AIMessage("hello", id="1")

    def write() -> None:
        graph.update_state(config, {"messages": [message], "count": 7})
        graph.update_state(config, {"log": ["second"]})

    await asyncio.to_thread(write)
    values = (await graph.aget_state(config)).values
    assert values == {"messages": [message], "count": 7, "log": ["second"]}


async def test_every_method_for_threads_does_what_its_twin_does(backend: Backend) -> None:
    saver = backend.saver_for(SaverScope(run_id="run"))
    graph, config, copy = delta_graph(saver), thread(), thread()

    def work() -> list[Any]:
        for _ in range(3):
            graph.invoke({"words": ["go"]}, config)
        history = saver.get_delta_channel_history(config=config, channels=["words"])
        values = graph.get_state(config).values
        saver.copy_thread(thread_id(config), thread_id(copy))
        saver.delete_for_runs(["run"])
        left = list(saver.list(config))
        saver.prune([thread_id(copy)])
        return [history, values, left, graph.get_state(copy).values]

    history, values, left, copied = await asyncio.to_thread(work)
    assert await saver.aget_delta_channel_history(config=copy, channels=["words"]) == history
    assert (left, copied) == ([], values)
    saver.delete_thread(thread_id(copy))
    assert backend.count_rows() == 0


# --- values


async def test_values_of_every_kind_come_back(saver: Saver) -> None:
    values = {
        "none": None,
        "true": True,
        "small": 7,
        "widest": 2**64 - 1,
        "float": 0.5,
        "short": "text",
        "long": "text" * 1000,
        "bytes": b"\x00\xff",
        "many bytes": b"\x00\xff" * 1000,
        "bytearray": bytearray(b"ab" * 500),
        "empty list": [],
        "list": [1, "two", None, [3.0]],
        "long list": [{"n": n, "text": "x" * 50} for n in range(70_000)],
        "dict": {"a": {"b": [1, 2]}},
        "big dict": {str(n): n for n in range(500)},
    }
    config = await put(saver, thread(), values)
    assert await values_of(saver, config) == values


async def test_a_version_without_a_value_has_none(saver: Saver) -> None:
    config = thread()
    version = saver.get_next_version(None, None)
    checkpoint = empty_checkpoint()
    checkpoint["channel_versions"] = {"gone": version}
    await saver.aput(config, checkpoint, {"step": 0}, {"gone": version})
    assert await values_of(saver, config) == {}


async def test_a_list_that_grows_shrinks_or_changes_inside_keeps_every_version(
    saver: Saver,
) -> None:
    config = thread()
    items: list[dict[str, Any]] = []
    states: list[tuple[RunnableConfig, list[dict[str, Any]]]] = []
    parent = None
    for step in range(200):
        if step % 50 == 30:
            items[step % 7]["text"] = "changed in place " * 20
        elif step % 50 == 40:
            items.pop()
        else:
            items.append({"n": step, "text": "y" * 100})
        parent = await put(saver, config, {"items": items}, parent)
        states.append((parent, [dict(item) for item in items]))
    for stored, expected in states:
        assert await values_of(saver, stored) == {"items": expected}
    listed = await every(saver.alist(config))
    assert [t.checkpoint["channel_values"]["items"] for t in listed] == [
        expected for _, expected in reversed(states)
    ]


async def test_listed_checkpoints_do_not_share_containers(saver: Saver) -> None:
    config = thread()
    first = await put(saver, config, {"items": ["a" * 300], "map": {"k": "v" * 300}})
    await put(saver, config, {"items": ["a" * 300, "b" * 300]}, first)
    newest, oldest = await every(saver.alist(config))
    newest.checkpoint["channel_values"]["items"].clear()
    newest.checkpoint["channel_values"]["map"].clear()
    assert oldest.checkpoint["channel_values"] == {"items": ["a" * 300], "map": {"k": "v" * 300}}


@pytest.mark.requirement("VALUE-004")
async def test_a_value_that_cannot_be_stored_is_named_with_its_channel(saver: Saver) -> None:
    config = thread()
    with pytest.raises(TypeError, match=r"channel 'lock' cannot be stored.*type .*_thread\.lock"):
        await put(saver, config, {"lock": threading.Lock()})
    stored = await put(saver, config, {"n": 1})
    with pytest.raises(TypeError, match=r"channel 'out', written by node 'agent', .* function"):
        await saver.aput_writes(
            stored, [("out", {"deep": [lambda: 1]})], "task-1", "~__pregel_pull, agent"
        )
    with pytest.raises(TypeError, match="channel 'out', written by task task-1, cannot"):
        saver.put_writes(stored, [("out", object())], "task-1")
    assert (await tuple_of(saver, config)).pending_writes == []


# --- writes


async def test_pending_writes_come_in_the_order_of_their_tasks(saver: Saver) -> None:
    config = await put(saver, thread(), {"n": 1})
    await saver.aput_writes(config, [("a", 1), ("b", 2)], "task-1", "~path, b")
    await saver.aput_writes(config, [("a", 3)], "task-9", "~path, a")
    await saver.aput_writes(config, [("a", 4)], "task-5", "")
    found = await tuple_of(saver, config)
    assert found.pending_writes == [
        ("task-5", "a", 4),
        ("task-9", "a", 3),
        ("task-1", "a", 1),
        ("task-1", "b", 2),
    ]


async def test_a_task_keeps_its_first_writes_and_its_last_error(saver: Saver) -> None:
    config = await put(saver, thread(), {"n": 1})
    await saver.aput_writes(config, [("a", 1)], "task")
    await saver.aput_writes(config, [("a", 2)], "task")
    await saver.aput_writes(config, [("__error__", "first")], "task")
    await saver.aput_writes(config, [("__error__", "second")], "task")
    found = await tuple_of(saver, config)
    assert sorted(found.pending_writes or []) == [("task", "__error__", "second"), ("task", "a", 1)]


async def test_writes_that_led_to_a_large_value_are_read_as_they_were(saver: Saver) -> None:
    config = thread()
    items = [{"n": n, "text": f"{n} " * 900} for n in range(3)]
    first = await put(saver, config, {"items": items[:1]})
    await saver.aput_writes(first, [("items", items[1:2]), ("other", "o" * 3000)], "one")
    await saver.aput_writes(first, [("items", {"wrapped": items[2], "in": "x"})], "two")
    await saver.aput_writes(first, [("items", "z" * 5000)], "unlike")
    await put(saver, config, {"items": items}, first)
    found = await tuple_of(saver, first)
    assert found.pending_writes == [
        ("one", "items", items[1:2]),
        ("one", "other", "o" * 3000),
        ("two", "items", {"wrapped": items[2], "in": "x"}),
        ("unlike", "items", "z" * 5000),
    ]


# --- list


async def test_a_long_list_comes_in_order_and_whole(saver: Saver) -> None:
    config = thread()
    parent = None
    for step in range(230):
        parent = await put(saver, config, {"n": step}, parent, step=step)
    listed = await every(saver.alist(config))
    assert [t.metadata["step"] for t in listed] == list(range(229, -1, -1))
    assert [t.checkpoint["channel_values"]["n"] for t in listed] == list(range(229, -1, -1))
    assert [t.parent_config for t in listed[:-1]] == [t.config for t in listed[1:]]
    assert listed[-1].parent_config is None
    assert [t.metadata["step"] for t in saver.list(config, limit=105)] == list(range(229, 124, -1))
    assert await every(saver.alist(config, limit=0)) == []


async def test_a_list_of_large_values_comes_whole(saver: Saver) -> None:
    config = thread()
    parent = None
    for step in range(6):
        parent = await put(saver, config, {"blob": bytes([step]) * 1_500_000}, parent)
    listed = await every(saver.alist(config))
    assert [t.checkpoint["channel_values"]["blob"][0] for t in listed] == [5, 4, 3, 2, 1, 0]


async def test_a_list_can_be_narrowed_by_namespace_id_metadata_and_position(saver: Saver) -> None:
    config = thread()
    one = await put(saver, config, {"n": 1}, source="input", nested={"a": 1, "b": 2})
    two = await put(saver, config, {"n": 2}, one, source="loop", nested={"a": 2})
    inner = await put(saver, same_thread(config, checkpoint_ns="inner:1"), {"n": 3}, source="loop")
    other = await put(saver, thread(), {"n": 4}, source="loop")

    async def ids(config: RunnableConfig | None, **options: Any) -> list[str]:
        found = [t.config["configurable"] for t in await every(saver.alist(config, **options))]
        return [each["checkpoint_id"] for each in found]

    def id_of(config: RunnableConfig) -> str:
        return str(config["configurable"]["checkpoint_id"])

    everywhere: RunnableConfig = {"configurable": {"thread_id": thread_id(config)}}
    assert await ids(config) == [id_of(two), id_of(one)]
    assert await ids(everywhere) == [id_of(inner), id_of(two), id_of(one)]
    assert await ids(None) == [id_of(other), id_of(inner), id_of(two), id_of(one)]
    assert await ids(None, filter={"source": "loop"}, limit=2) == [id_of(other), id_of(inner)]
    assert await ids(config, filter={"nested": {"a": 1}}) == [id_of(one)]
    assert await ids(config, before=two) == [id_of(one)]
    assert await ids(one) == [id_of(one)]
    assert await ids(same_thread(config, checkpoint_ns="inner:1")) == [id_of(inner)]


# --- scopes


async def test_a_scope_reads_what_it_has_just_posted(backend: Backend) -> None:
    saver = backend.saver_for(SaverScope(run_id="run"))
    config = thread()
    parent = None
    for step in range(20):
        parent = await put(saver, config, {"n": step, "list": ["x" * 500] * step}, parent)
        await saver.aput_writes(parent, [("n", step)], f"task {step}")
        found = await tuple_of(saver, config)
        assert found.checkpoint["channel_values"] == {"n": step, "list": ["x" * 500] * step}
        assert found.pending_writes == [(f"task {step}", "n", step)]
        assert saver.get_tuple(config) == found


async def test_a_scope_knows_the_last_root_checkpoint(backend: Backend) -> None:
    scope = SaverScope(run_id="run")
    saver = backend.saver_for(scope)
    assert scope.last is None
    config = thread()
    root = await put(saver, config, {"n": 1}, step=3)
    await put(saver, same_thread(config, checkpoint_ns="inner:1"), {"n": 2}, step=4)
    assert scope.last is not None
    assert scope.last.checkpoint_id == root["configurable"]["checkpoint_id"]
    assert scope.last.metadata["step"] == 3


@pytest.mark.parametrize("wait", [True, False])
async def test_a_closed_scope_drops_writes(backend: Backend, *, wait: bool) -> None:
    scope = SaverScope(run_id="run", wait=wait)
    saver = backend.saver_for(scope)
    config = thread()
    first = await put(saver, config, {"n": 1})
    assert await values_of(saver, config) == {"n": 1}
    scope.closed = True
    await put(saver, config, {"n": 2})
    await saver.aput_writes(first, [("n", 3)], "task")
    saver.put_writes(first, [("n", 3)], "task")
    found = await tuple_of(backend.saver, config)
    assert (found.checkpoint["channel_values"], found.pending_writes) == ({"n": 1}, [])


async def test_a_waiting_scope_has_stored_when_it_returns(backend: Backend) -> None:
    saver = backend.saver_for(SaverScope(run_id="run", wait=True))
    before = backend.count_rows()
    await put(saver, thread(), {"n": 1})
    assert backend.count_rows() == before + 1


# --- delete, copy, prune


async def fill(saver: Saver) -> RunnableConfig:
    """Give a new thread everything that a thread can have."""
    config = thread()
    parent = None
    for step in range(5):
        values = {"items": [f"{n}" * 2000 for n in range(step + 1)], "n": step, "few": [step]}
        parent = await put(saver, config, values, parent, run_id=f"{thread_id(config)} {step}")
        await saver.aput_writes(parent, [("items", [f"{step + 1}" * 2000])], "task")
        inner = same_thread(config, checkpoint_ns=f"inner:{step}")
        await put(saver, inner, {"items": ["inner" * 500]})
    return config


@pytest.mark.requirement("THREAD-006")
async def test_nothing_is_left_of_a_deleted_thread(backend: Backend) -> None:
    kept = await fill(backend.saver)
    rows = backend.count_rows()
    config = await fill(backend.saver)
    assert backend.count_rows() == 2 * rows
    await backend.saver.adelete_thread(thread_id(config))
    assert backend.count_rows() == rows
    backend.saver.delete_thread(thread_id(kept))
    assert backend.count_rows() == 0


async def test_a_copy_outlives_its_source_and_leaves_nothing_behind_either(
    backend: Backend,
) -> None:
    saver = backend.saver
    config = await fill(saver)
    expected = await every(saver.alist(config))
    copy = thread()
    await saver.acopy_thread(thread_id(config), thread_id(copy))
    await saver.adelete_for_runs([f"{thread_id(config)} {step}" for step in range(5)])
    await saver.adelete_thread(thread_id(config))
    found = await every(saver.alist(copy))
    assert [(*t[1:3], t.pending_writes) for t in found] == [
        (*t[1:3], t.pending_writes) for t in expected
    ]
    assert all(t.config["configurable"]["thread_id"] == thread_id(copy) for t in found)
    await saver.adelete_thread(thread_id(copy))
    assert backend.count_rows() == 0


async def test_a_copy_names_its_own_thread_in_metadata(saver: Saver) -> None:
    config, copy = thread(), thread()
    metadata = {"thread_id": thread_id(config), "big": 2**70, "more": "kept"}
    await put(saver, config, {"n": 1}, None, **metadata)
    await saver.acopy_thread(thread_id(config), thread_id(copy))
    found = (await tuple_of(saver, copy)).metadata
    assert found["thread_id"] == thread_id(copy)  # type: ignore[typeddict-item]
    assert found["more"] == "kept"  # type: ignore[typeddict-item]
    assert (await tuple_of(saver, config)).metadata["thread_id"] == thread_id(config)  # type: ignore[typeddict-item]


async def test_deleting_a_run_leaves_the_values_that_others_use(backend: Backend) -> None:
    saver = backend.saver
    config = thread()
    first = await put(saver, config, {"items": ["a" * 2000], "n": 1}, run_id="one")
    second = await put(saver, config, {"items": ["a" * 2000, "b" * 2000]}, first, run_id="two")
    rows = backend.count_rows()
    items = ["a" * 2000, "b" * 2000, "c" * 2000]
    third = await put(saver, config, {"items": items}, second, run_id="three")
    await saver.adelete_for_runs(["three", "no such run"])
    assert await saver.aget_tuple(third) is None
    assert backend.count_rows() == rows
    await saver.adelete_for_runs(["one"])
    assert (await values_of(saver, second))["items"] == ["a" * 2000, "b" * 2000]


async def test_deleting_a_run_that_resumed_brings_the_interrupt_back(backend: Backend) -> None:
    def ask(state: Talk) -> dict[str, Any]:
        return {"log": [interrupt("go on?")]}

    builder = StateGraph(Talk)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    config = thread()

    async def run(run_id: str, graph_input: Any) -> Any:
        saver = backend.saver_for(SaverScope(run_id=run_id))
        graph: Any = builder.compile(checkpointer=saver)
        await graph.ainvoke(graph_input, config)
        return await graph.aget_state(config)

    before = await run("one", {"messages": []})
    after = await run("two", Command(resume="yes"))
    assert (before.next, after.next) == (("ask",), ())
    await backend.saver.adelete_for_runs(["two"])
    graph: Any = builder.compile(checkpointer=backend.saver)
    again = await graph.aget_state(config)
    assert (again.next, again.tasks) == (before.next, before.tasks)
    assert (await run("three", Command(resume="no"))).values["log"] == ["no"]


@pytest.mark.requirement("THREAD-013")
async def test_pruning_keeps_what_the_latest_checkpoint_needs(backend: Backend) -> None:
    saver = backend.saver
    config = await fill(saver)
    latest = await tuple_of(saver, config)
    await saver.aprune([thread_id(config)])
    (only,) = await every(saver.alist(config))
    assert only[:3] == latest[:3]
    assert (only.parent_config, only.pending_writes) == (None, latest.pending_writes)
    await saver.aprune([thread_id(config)], strategy="delete")
    assert backend.count_rows() == 0
    with pytest.raises(ValueError, match="unknown strategy 'all', expected one of"):
        await saver.aprune([], strategy="all")


@pytest.mark.parametrize("turns", range(2, 6))
async def test_pruning_keeps_the_values_of_delta_channels(saver: Saver, turns: int) -> None:
    graph, config = delta_graph(saver), thread()
    for _ in range(turns):
        await graph.ainvoke({"words": ["go"]}, config)
    before = await graph.aget_state(config)
    count = len(await every(saver.alist(config)))
    await saver.aprune([thread_id(config)])
    after = await graph.aget_state(config)
    assert after.values == before.values
    assert len(await every(saver.alist(config))) < count
    await graph.ainvoke({"words": ["again"]}, config)
    assert (await graph.aget_state(config)).values["words"][: len(before.values["words"])] == (
        before.values["words"]
    )


# --- SQLite


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened = SqliteDatabase(tmp_path)
    opened.open()
    yield opened
    opened.close()


class Appended(TypedDict):
    items: Annotated[list[Any], operator.add]


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def text_of(written: list[Any]) -> str:
    """Return the beginning of the text in a write."""
    (item,) = written
    text = item if isinstance(item, str) else dict(item)["content"]
    return str(text)[:5]


class Chatted(TypedDict):
    items: Annotated[list[AnyMessage], add_messages]


@pytest.mark.parametrize(
    ("schema", "make"),
    [
        (Appended, lambda text: text),
        (Appended, lambda text: {"role": "user", "content": text}),
        (Chatted, lambda text: {"role": "user", "content": text}),
        (Chatted, HumanMessage),
    ],
)
async def test_sixty_updates_of_one_list_take_little_more_than_their_own_size(
    database: SqliteDatabase, tmp_path: Path, schema: type, make: Callable[[str], Any]
) -> None:
    builder: Any = StateGraph(schema)
    builder.add_node("node", lambda state: {})
    builder.add_edge(START, "node")
    graph: Any = builder.compile(checkpointer=SqliteSaver(database))
    config = thread()
    for turn in range(60):
        text = f"{turn:05} and so on " * 2941
        await graph.aupdate_state(config, {"items": [make(text[:50_000])]}, as_node="node")
    assert len((await graph.aget_state(config)).values["items"]) == 60
    assert size_of(tmp_path) < 6_000_000
    history = await every(graph.aget_state_history(config))
    assert [len(s.values["items"]) for s in history] == list(range(60, 0, -1))
    listed = await every(SqliteSaver(database).alist(config))
    writes = [value for t in reversed(listed) for _, name, value in t.pending_writes or []]
    assert [text_of(value) for value in writes] == [f"{turn:05}" for turn in range(1, 60)]


async def test_a_failed_write_is_noted_in_the_scope(database: SqliteDatabase) -> None:
    scope = SaverScope(run_id="run")
    saver = SqliteSaver(database, scope=scope)
    await database.write(lambda c: c.execute("DROP TABLE checkpoints"))
    await put(saver, thread(), {"n": 1})
    await put(saver, thread(), {"n": 2})
    await database.settled()
    assert "no such table" in str(scope.failure)


async def test_values_are_read_without_a_graph(database: SqliteDatabase) -> None:
    saver = SqliteSaver(database)
    config = thread()
    first = await put(saver, config, {"items": ["a" * 2000]})
    await put(saver, config, {"n": 2}, first)
    first_id = first["configurable"]["checkpoint_id"]

    async def values(thread_id: str, checkpoint_id: str | None = None) -> Any:
        place: RunnableConfig = {
            "configurable": {"thread_id": thread_id, "checkpoint_id": checkpoint_id}
        }
        found = await SqliteSaver(database).aget_tuple(place)
        return found and found.checkpoint["channel_values"]

    assert await values(thread_id(config)) == {"items": ["a" * 2000], "n": 2}
    assert await values(thread_id(config), first_id) == {"items": ["a" * 2000]}
    assert await values("none") is None


async def test_a_checkpoint_survives_a_new_start(tmp_path: Path) -> None:
    config = thread()
    for turn in range(3):
        database = SqliteDatabase(tmp_path)
        database.open()
        graph = chat_graph(SqliteSaver(database, scope=SaverScope(run_id=str(turn))))
        await graph.ainvoke({"messages": [HumanMessage("hi", id=str(turn))]}, config)
        database.close()
    database = SqliteDatabase(tmp_path)
    database.open()
    values = (await chat_graph(SqliteSaver(database)).aget_state(config)).values
    database.close()
    assert [m.id for m in values["messages"]] == ["0", "ai-1", "1", "ai-3", "2", "ai-5"]
