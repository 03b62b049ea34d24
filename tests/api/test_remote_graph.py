"""`RemoteGraph`: a graph of the server used as if it were here."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict, cast

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command, Interrupt
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient, SyncLangGraphClient

ECHO = {"text": "s", "log": ["a:s", "b"], "n": 2}


@pytest.fixture(scope="module")
def sync_client(server_url: str) -> Iterator[SyncLangGraphClient]:
    """The SDK's synchronous client of the server of the sample graphs."""
    with get_sync_client(url=server_url) as client:
        yield client


async def thread_of(client: LangGraphClient) -> RunnableConfig:
    return {"configurable": {"thread_id": (await client.threads.create())["thread_id"]}}


def remote(client: LangGraphClient, graph: str) -> RemoteGraph:
    return RemoteGraph(graph, client=client)


@pytest.mark.requirement("CLIENT-002")
async def test_a_remote_graph_is_invoked_without_a_thread(client: LangGraphClient) -> None:
    assert await remote(client, "echo").ainvoke({"text": "s"}) == ECHO


async def test_a_remote_graph_remembers_by_thread(client: LangGraphClient) -> None:
    graph, config = remote(client, "echo"), await thread_of(client)
    await graph.ainvoke({"text": "1"}, config)
    values = await graph.ainvoke({"text": "2"}, config)

    assert values == {"text": "2", "log": ["a:1", "b", "a:2", "b"], "n": 4}


async def test_config_and_context_reach_the_graph(client: LangGraphClient) -> None:
    graph = remote(client, "show").with_config({"tags": ["mine"]})
    by_config = await graph.ainvoke(
        {}, {"configurable": {"user": "Ann"}, "metadata": {"m": 1}, "recursion_limit": 9}
    )
    by_context = await graph.ainvoke({}, context={"user": "Bob"})
    seen = by_config["seen"]

    assert (seen["context"]["user"], by_context["seen"]["context"]["user"]) == ("Ann", "Bob")
    assert (seen["tags"], seen["recursion_limit"], seen["metadata"]["m"]) == (["mine"], 9, 1)


async def test_an_error_of_the_graph_is_raised_here(client: LangGraphClient) -> None:
    with pytest.raises(RemoteException, match="boom: x"):
        await remote(client, "boom").ainvoke({"text": "x"})


async def chunks(graph: RemoteGraph, *args: Any, **options: Any) -> list[Any]:
    return [chunk async for chunk in graph.astream(*args, **options)]


async def test_updates_are_streamed_unless_asked_otherwise(client: LangGraphClient) -> None:
    graph = remote(client, "echo")

    assert await chunks(graph, {"text": "s"}) == [
        {"a": {"log": ["a:s"], "n": 1}},
        {"b": {"log": ["b"], "n": 2}},
    ]
    assert await chunks(graph, {"text": "s"}, stream_mode="values") == [
        {"text": "s", "log": []},
        {"text": "s", "log": ["a:s"], "n": 1},
        ECHO,
    ]


async def test_several_modes_are_streamed_with_their_names(client: LangGraphClient) -> None:
    found = await chunks(
        remote(client, "writer"), {}, stream_mode=["custom", "values"], version="v2"
    )

    assert [(part["type"], part["data"]) for part in found] == [
        ("custom", {"progress": 1}),
        ("custom", "plain string"),
        ("custom", ["list", 2]),
        ("values", {"log": ["wrote"]}),
    ]


async def test_tokens_are_streamed(client: LangGraphClient) -> None:
    messages = {"messages": [{"role": "user", "content": "you"}]}
    found = await chunks(remote(client, "chat"), messages, stream_mode="messages")

    assert [chunk["content"] for chunk, _ in found] == ["hello", " ", "you"]
    assert {metadata["langgraph_node"] for _, metadata in found} == {"model"}


async def test_subgraphs_are_streamed_with_their_namespace(client: LangGraphClient) -> None:
    found = await chunks(remote(client, "parent"), {"text": "t"}, subgraphs=True)
    flat = [([part.split(":")[0] for part in namespace], list(data)) for namespace, data in found]

    assert flat == [
        ([], ["outer_start"]),
        (["child"], ["sub_one"]),
        (["child"], ["sub_two"]),
        ([], ["child"]),
    ]


@pytest.mark.requirement("CLIENT-002")
async def test_the_state_is_read_and_written(client: LangGraphClient) -> None:
    graph, config = remote(client, "echo"), await thread_of(client)
    await graph.ainvoke({"text": "s"}, config)
    before = await graph.aget_state(config)
    written = await graph.aupdate_state(config, {"text": "w"}, as_node="a")
    after = await graph.aget_state(config)

    assert (before.values, before.next) == (ECHO, ())
    assert (after.values["text"], after.next) == ("w", ("b",))
    assert after.config["configurable"]["checkpoint_id"] == written["configurable"]["checkpoint_id"]
    assert after.parent_config is not None
    assert after.parent_config["configurable"] == before.config["configurable"]
    assert (await graph.aget_state(before.config)).values == ECHO
    assert (await graph.ainvoke(None, config))["log"] == ["a:s", "b", "b"]


async def test_the_past_is_read_and_gone_back_to(client: LangGraphClient) -> None:
    graph, config = remote(client, "echo"), await thread_of(client)
    await graph.ainvoke({"text": "s"}, config)
    history = [state async for state in graph.aget_state_history(config)]
    older = [state async for state in graph.aget_state_history(config, before=history[1].config)]
    loops = [
        state
        async for state in graph.aget_state_history(config, filter={"source": "loop"}, limit=2)
    ]

    assert [state.next for state in history] == [(), ("b",), ("a",), ("__start__",)]
    assert older == history[2:]
    assert loops == history[:2]
    fork = await graph.aupdate_state(history[1].config, {"log": ["changed"]}, as_node="a")
    assert fork["configurable"]["thread_id"] == config["configurable"]["thread_id"]
    assert (await graph.ainvoke(None, config))["log"] == ["a:s", "changed", "b"]


@pytest.mark.requirement("CLIENT-002")
async def test_a_question_is_seen_and_answered(client: LangGraphClient) -> None:
    graph, config = remote(client, "ask"), await thread_of(client)
    asked = await graph.ainvoke({"q": "name?"}, config, version="v2")
    state = await graph.aget_state(config)

    assert [one.value for one in asked.interrupts] == [{"question": "name?"}]
    assert state.next == ("human",)
    assert state.interrupts == (Interrupt(value={"question": "name?"}, id=asked.interrupts[0].id),)
    values = await graph.ainvoke(Command(resume="Ann"), config)
    assert values["log"] == ["prepare", "human", "finish:Ann"]


async def test_a_command_updates_and_goes_to_a_node(client: LangGraphClient) -> None:
    graph, config = remote(client, "echo"), await thread_of(client)
    await graph.ainvoke({"text": "s"}, config)
    values = await graph.ainvoke(Command(update={"log": ["told"]}, goto="b"), config)

    assert values["log"] == ["a:s", "b", "told", "b"]


@pytest.mark.requirement("STATE-007")
async def test_the_state_of_a_subgraph_is_part_of_the_state(client: LangGraphClient) -> None:
    graph, config = remote(client, "parent"), await thread_of(client)
    await graph.ainvoke({"text": "t", "stop": True}, config)
    state = await graph.aget_state(config, subgraphs=True)
    inner = cast(Any, state.tasks[0].state)

    assert (inner.values["log"], inner.next) == (["outer_start", "sub_one"], ("sub_two",))
    outer = await graph.aget_state(config)
    place = cast(RunnableConfig, outer.tasks[0].state)
    assert (await graph.aget_state(place)).values == inner.values
    assert (await graph.ainvoke(Command(resume="go"), config))["log"][-1] == "sub_two:go"


def test_a_remote_graph_works_without_a_loop(sync_client: SyncLangGraphClient) -> None:
    graph = RemoteGraph("ask", sync_client=sync_client)
    config: RunnableConfig = {
        "configurable": {"thread_id": sync_client.threads.create()["thread_id"]}
    }
    updates = list(graph.stream({"q": "name?"}, config))
    assert [list(update) for update in updates] == [["prepare"], ["__interrupt__"]]
    assert graph.get_state(config).next == ("human",)
    graph.update_state(config, {"answer": "written"}, as_node="human")
    assert graph.invoke(None, config)["log"] == ["prepare", "finish:written"]
    sources = [cast(Any, state.metadata)["source"] for state in graph.get_state_history(config)]

    assert sources == ["loop", "update", "loop", "loop", "input"]


class LocalState(TypedDict, total=False):
    text: str
    q: str
    answer: Any
    log: Annotated[list[str], operator.add]


def local(node: RemoteGraph) -> Any:
    """Return a graph that runs here, with a remote graph as its second node."""
    builder = StateGraph(LocalState)
    builder.add_node("before", lambda _: {"log": ["before"]})
    builder.add_node("remote", node)
    builder.add_edge(START, "before")
    builder.add_edge("before", "remote")
    builder.add_edge("remote", END)
    return builder.compile(checkpointer=InMemorySaver())


@pytest.mark.requirement("CLIENT-002")
async def test_a_remote_graph_is_a_node_of_a_local_one(client: LangGraphClient) -> None:
    graph, config = local(remote(client, "echo")), await thread_of(client)
    values = await graph.ainvoke({"text": "s"}, config)
    found = [
        (namespace, list(data))
        async for namespace, data in graph.astream(
            {"text": "t"}, config, stream_mode="updates", subgraphs=True
        )
    ]

    assert values["log"] == ["before", "before", "a:s", "b"]
    assert [names for _, names in found] == [["before"], ["a"], ["b"], ["remote"]]
    assert [len(namespace) for namespace, _ in found] == [0, 1, 1, 0]


async def test_a_question_of_a_remote_node_interrupts_the_local_graph(
    client: LangGraphClient,
) -> None:
    node, config = remote(client, "ask"), await thread_of(client)
    graph = local(node)
    asked = await graph.ainvoke({"q": "name?"}, config)

    assert [one.value for one in asked["__interrupt__"]] == [{"question": "name?"}]
    assert (await graph.aget_state(config)).next == ("remote",)
    # The remote graph stands on the thread of the same id.
    assert (await node.aget_state(config)).next == ("human",)
    assert (await node.ainvoke(Command(resume="Ann"), config))["answer"] == "Ann"


async def test_the_drawing_shows_subgraphs_when_asked(client: LangGraphClient) -> None:
    graph = remote(client, "parent")
    plain, deep = await graph.aget_graph(), await graph.aget_graph(xray=True)

    assert set(plain.nodes) == {"__start__", "outer_start", "child", "__end__"}
    assert {"child:sub_one", "child:sub_two"} <= set(deep.nodes)
    assert ("outer_start", "child") in {(edge.source, edge.target) for edge in plain.edges}
    assert "child" in plain.draw_mermaid()


def test_the_drawing_is_made_without_a_loop_too(sync_client: SyncLangGraphClient) -> None:
    graph = RemoteGraph("parent", sync_client=sync_client)

    assert set(graph.get_graph(xray=1).nodes) >= {"child:sub_one", "child:sub_two"}


async def test_a_graph_that_has_a_remote_one_inside_is_drawn(client: LangGraphClient) -> None:
    node = remote(client, "echo")
    builder = StateGraph(LocalState)
    builder.add_node("remote", node)
    builder.add_edge(START, "remote")

    assert "remote" in builder.compile().get_graph().nodes


async def test_a_remote_graph_is_found_by_its_assistant_too(client: LangGraphClient) -> None:
    made = await client.assistants.create("show", context={"user": "of the assistant"})
    graph = RemoteGraph(made["assistant_id"], client=client)

    assert (await graph.ainvoke({}))["seen"]["context"]["user"] == "of the assistant"
    assert "show" in (await graph.aget_graph()).nodes


async def test_modes_and_subgraphs_are_streamed_together(client: LangGraphClient) -> None:
    found = await chunks(
        remote(client, "parent"), {"text": "t"}, subgraphs=True, stream_mode=["updates", "values"]
    )
    shown = {
        (tuple(part.split(":")[0] for part in namespace), mode) for namespace, mode, _ in found
    }

    assert shown == {
        ((), "values"),
        ((), "updates"),
        (("child",), "values"),
        (("child",), "updates"),
    }


async def test_tasks_and_checkpoints_are_streamed(client: LangGraphClient) -> None:
    graph, config = remote(client, "echo"), await thread_of(client)
    found = await chunks(
        graph, {"text": "s"}, config, stream_mode=["tasks", "checkpoints"], version="v2"
    )
    names = [part["data"]["name"] for part in found if part["type"] == "tasks"]
    nexts = [part["data"]["next"] for part in found if part["type"] == "checkpoints"]

    assert names == ["a", "a", "b", "b"]
    assert nexts == [["__start__"], ["a"], ["b"], []]


async def test_a_run_stops_before_and_after_the_nodes_it_is_told_to(
    client: LangGraphClient,
) -> None:
    graph, config = remote(client, "echo"), await thread_of(client)
    await graph.ainvoke({"text": "s"}, config, interrupt_before=["b"])
    assert (await graph.aget_state(config)).next == ("b",)
    assert (await graph.ainvoke(None, config))["log"] == ["a:s", "b"]
    await graph.ainvoke({"text": "t"}, config, interrupt_after=["a"])
    assert (await graph.aget_state(config)).next == ("b",)


async def test_one_of_several_questions_is_answered(client: LangGraphClient) -> None:
    graph, config = remote(client, "fan"), await thread_of(client)
    await graph.ainvoke({"items": ["x", "y"]}, config)
    first, second = (await graph.aget_state(config)).interrupts
    await graph.ainvoke(Command(resume={first.id: "1"}), config)
    assert [one.id for one in (await graph.aget_state(config)).interrupts] == [second.id]
    answered = await graph.ainvoke(Command(resume={second.id: "2"}), config)

    assert sorted(answered["out"]) == sorted(
        [f"{first.value['item']}=1", f"{second.value['item']}=2"]
    )


async def test_the_state_is_written_step_by_step(client: LangGraphClient) -> None:
    graph, config = remote(client, "ask"), await thread_of(client)
    await graph.ainvoke({"q": "name?"}, config)
    await graph.aupdate_state(config, {"answer": "first"}, as_node="human")
    await graph.aupdate_state(config, {"answer": "second"}, as_node="human")
    state = await graph.aget_state(config)

    assert (state.values["answer"], state.next) == ("second", ("finish",))


async def test_the_subgraph_inside_a_remote_node_streams_with_its_whole_namespace(
    client: LangGraphClient,
) -> None:
    graph, config = local(remote(client, "parent")), await thread_of(client)
    found = [
        [part.split(":")[0] for part in namespace]
        async for namespace, _ in graph.astream(
            {"text": "t"}, config, stream_mode="updates", subgraphs=True
        )
    ]

    assert found == [[], ["remote"], ["remote", "child"], ["remote", "child"], ["remote"], []]
