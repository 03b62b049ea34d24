"""Streams of runs, with `langgraph_sdk`: all modes, subgraphs, joining, reconnecting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.schema import DisconnectMode, StreamPart

from tests.api.sdk import SECONDS, all_of, first_parts, names, start_long_run, thread_of, told


async def streamed(
    client: LangGraphClient, graph: str, mode: Any, input: Any, **options: Any
) -> list[StreamPart]:
    """Return the parts of a run on a new thread, without the first, `metadata`."""
    thread_id = await thread_of(client)
    first, *parts = await all_of(
        client.runs.stream(thread_id, graph, input=input, stream_mode=mode, **options)
    )
    (run,) = await client.runs.list(thread_id)
    assert (first.event, first.data) == ("metadata", {"run_id": run["run_id"], "attempt": 1})
    return parts


@pytest.mark.requirement("STREAM-005")
async def test_values_are_the_whole_state_after_each_step(client: LangGraphClient) -> None:
    assert told(await streamed(client, "echo", "values", {"text": "s"})) == [
        ("values", {"text": "s", "log": []}),
        ("values", {"text": "s", "log": ["a:s"], "n": 1}),
        ("values", {"text": "s", "log": ["a:s", "b"], "n": 2}),
    ]


@pytest.mark.requirement("STREAM-006")
async def test_updates_are_what_each_node_wrote(client: LangGraphClient) -> None:
    assert told(await streamed(client, "echo", "updates", {"text": "s"})) == [
        ("updates", {"a": {"log": ["a:s"], "n": 1}}),
        ("updates", {"b": {"log": ["b"], "n": 2}}),
    ]


@pytest.mark.requirement("STREAM-009")
async def test_custom_events_are_what_the_graph_said(client: LangGraphClient) -> None:
    assert told(await streamed(client, "writer", "custom", {})) == [
        ("custom", {"progress": 1}),
        ("custom", "plain string"),
        ("custom", ["list", 2]),
    ]


HELLO = {"messages": [{"role": "user", "content": "you"}]}


@pytest.mark.requirement("STREAM-007")
async def test_messages_grow_token_by_token(client: LangGraphClient) -> None:
    metadata, *partial = await streamed(client, "chat", "messages", HELLO)

    assert metadata.event == "messages/metadata"
    assert metadata.data["ai-1"]["metadata"]["langgraph_node"] == "model"
    assert names(partial) == ["messages/partial"] * 3
    assert [part.data[0]["content"] for part in partial] == ["hello", "hello ", "hello you"]
    assert {part.data[0]["type"] for part in partial} == {"ai"}
    assert {len(part.data) for part in partial} == {1}


@pytest.mark.requirement("STREAM-007")
async def test_a_message_that_no_model_made_comes_complete(client: LangGraphClient) -> None:
    metadata, complete = await streamed(client, "plain", "messages", HELLO)

    assert (metadata.event, list(metadata.data)) == ("messages/metadata", ["plain-1"])
    assert (complete.event, complete.data[0]["content"]) == ("messages/complete", "plain reply")


@pytest.mark.requirement("STREAM-008")
async def test_message_tuples_are_chunks_with_their_metadata(client: LangGraphClient) -> None:
    parts = await streamed(client, "chat", "messages-tuple", HELLO)

    assert names(parts) == ["messages"] * 3
    chunks = [part.data[0] for part in parts]
    assert [chunk["content"] for chunk in chunks] == ["hello", " ", "you"]
    assert {(chunk["type"], chunk["id"]) for chunk in chunks} == {("AIMessageChunk", "ai-1")}
    assert [chunk["chunk_position"] for chunk in chunks] == [None, None, "last"]
    assert {part.data[1]["langgraph_node"] for part in parts} == {"model"}


@pytest.mark.requirement("STREAM-010")
async def test_tasks_are_told_at_their_start_and_their_end(client: LangGraphClient) -> None:
    parts = await streamed(client, "echo", "tasks", {"text": "s"})

    assert names(parts) == ["tasks"] * 4
    started, ended = parts[0].data, parts[1].data
    assert (started["name"], started["triggers"]) == ("a", ["branch:to:a"])
    assert started["input"]["text"] == "s"
    assert ended == {
        "id": started["id"],
        "name": "a",
        "error": None,
        "result": {"log": ["a:s"], "n": 1},
        "interrupts": [],
    }
    assert [part.data["name"] for part in parts] == ["a", "a", "b", "b"]


@pytest.mark.requirement("STREAM-011")
async def test_checkpoints_are_told_as_they_are_made(client: LangGraphClient) -> None:
    parts = await streamed(client, "echo", "checkpoints", {"text": "s"})
    data = [part.data for part in parts]

    assert names(parts) == ["checkpoints"] * 4
    assert [one["metadata"]["step"] for one in data] == [-1, 0, 1, 2]
    assert [one["next"] for one in data] == [["__start__"], ["a"], ["b"], []]
    assert data[-1]["values"] == {"text": "s", "log": ["a:s", "b"], "n": 2}
    assert data[0]["parent_config"] is None
    for older, newer in pairwise(data):
        parent = newer["parent_config"]["configurable"]["checkpoint_id"]
        assert parent == older["config"]["configurable"]["checkpoint_id"]


@pytest.mark.requirement("STREAM-012")
async def test_debug_tells_of_checkpoints_tasks_and_results(client: LangGraphClient) -> None:
    parts = await streamed(client, "echo", "debug", {"text": "s"})
    assert names(parts) == ["debug"] * 8

    assert [(part.data["step"], part.data["type"]) for part in parts] == [
        (-1, "checkpoint"),
        (0, "checkpoint"),
        (1, "task"),
        (1, "task_result"),
        (1, "checkpoint"),
        (2, "task"),
        (2, "task_result"),
        (2, "checkpoint"),
    ]
    assert parts[3].data["payload"]["result"] == {"log": ["a:s"], "n": 1}


@pytest.mark.requirement("STREAM-013")
async def test_events_are_those_of_langchain(client: LangGraphClient) -> None:
    parts = await streamed(client, "chat", "events", HELLO)
    kinds = [part.data["event"] for part in parts]
    tokens = [
        part.data["data"]["chunk"]["content"]
        for part in parts
        if part.data["event"] == "on_chat_model_stream"
    ]

    assert set(names(parts)) == {"events"}
    assert (kinds[0], kinds[-1]) == ("on_chain_start", "on_chain_end")
    assert [token for token in tokens if token] == ["hello", " ", "you"]
    assert (parts[0].data["name"], parts[-1].data["name"]) == ("chat", "chat")


@pytest.mark.requirement("STREAM-014")
async def test_several_modes_come_in_the_order_of_what_happens(client: LangGraphClient) -> None:
    parts = await streamed(client, "echo", ["values", "updates", "custom"], {"text": "s"})

    assert names(parts) == ["values", "updates", "values", "updates", "values"]


@pytest.mark.requirement("STREAM-014")
async def test_all_modes_can_be_asked_for_at_once(client: LangGraphClient) -> None:
    shown = {"values", "messages", "tasks", "checkpoints", "updates", "events", "debug"}
    modes = sorted({*shown, "messages-tuple", "custom"})
    parts = await streamed(client, "chat", modes, HELLO)

    assert set(names(parts)) == shown


@pytest.mark.requirement("STREAM-015")
async def test_a_question_ends_the_stream(client: LangGraphClient) -> None:
    parts = await streamed(client, "ask", ["values", "updates"], {"q": "name?"})
    question = {"value": {"question": "name?"}, "response_schema": None}
    updates = [part.data for part in parts if part.event == "updates"]
    (asked,) = updates[-1]["__interrupt__"]

    assert list(updates[-1]) == ["__interrupt__"]
    assert {key: asked[key] for key in question} == question
    values = [part.data for part in parts if part.event == "values"]
    assert values[-1] == {"q": "name?", "log": ["prepare"], "__interrupt__": [asked]}


@pytest.mark.requirement("STREAM-004")
async def test_an_error_is_the_last_part(client: LangGraphClient) -> None:
    parts = await streamed(client, "boom", "updates", {"text": "x"})

    assert told(parts) == [
        ("updates", {"ok": {"log": ["ok"]}}),
        ("error", {"error": "ValueError", "message": "boom: x"}),
    ]


@pytest.mark.requirement("STREAM-016")
async def test_subgraphs_are_streamed_under_their_namespace(client: LangGraphClient) -> None:
    parts = await streamed(
        client, "parent", ["updates", "values"], {"text": "t"}, stream_subgraphs=True
    )
    inner = [part for part in parts if "|" in part.event]
    outer = [part for part in parts if "|" not in part.event]
    namespaces = {part.event.split("|", 1)[1].split(":")[0] for part in inner}

    assert namespaces == {"child"}
    assert len({part.event.split("|", 1)[1] for part in inner}) == 1
    assert [list(part.data) for part in inner if part.event.startswith("updates|")] == [
        ["sub_one"],
        ["sub_two"],
    ]
    assert [list(part.data) for part in outer if part.event == "updates"] == [
        ["outer_start"],
        ["child"],
    ]


@pytest.mark.requirement("STREAM-016")
async def test_without_asking_a_subgraph_is_one_step(client: LangGraphClient) -> None:
    parts = await streamed(client, "parent", "updates", {"text": "t"})

    assert [list(part.data) for part in parts] == [["outer_start"], ["child"]]


@pytest.mark.requirement("STREAM-017")
async def test_tokens_of_a_model_in_a_subgraph_are_streamed(client: LangGraphClient) -> None:
    parts = await streamed(client, "nestedchat", "messages-tuple", HELLO, stream_subgraphs=True)
    tokens = [part.data[0]["content"] for part in parts if "|" in part.event]

    assert [token for token in tokens if token] == ["hello", " ", "you"]


async def test_a_stateless_run_is_streamed(client: LangGraphClient) -> None:
    parts = await all_of(client.runs.stream(None, "echo", input={"text": "s"}))

    assert names(parts) == ["metadata", "values", "values", "values"]
    assert parts[-1].data == {"text": "s", "log": ["a:s", "b"], "n": 2}


async def test_the_second_version_of_parts_names_namespace_and_interrupts(
    client: LangGraphClient,
) -> None:
    thread_id = await thread_of(client)
    parts = await all_of(client.runs.stream(thread_id, "ask", input={"q": "?"}, version="v2"))

    assert [part["type"] for part in parts] == ["metadata", "values", "values", "values"]
    assert [part["ns"] for part in parts] == [[]] * 4
    assert parts[-1]["data"] == {"q": "?", "log": ["prepare"]}
    assert [one["value"] for one in parts[-1]["interrupts"]] == [{"question": "?"}]


SLOW = {"seconds": 0.3, "ticks": 6}


@pytest.mark.requirement("STREAM-018")
async def test_a_resumable_stream_goes_on_where_its_reader_left(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    seen = await first_parts(
        client.runs.stream(
            thread_id, "slow", input=SLOW, stream_mode=["custom", "values"], stream_resumable=True
        ),
        4,
    )
    run_id = seen[0].data["run_id"]
    last = seen[-1].id
    rest = await all_of(client.runs.join_stream(thread_id, run_id, last_event_id=last))
    whole = await all_of(client.runs.join_stream(thread_id, run_id, last_event_id="-1"))
    late = await all_of(client.runs.join_stream(thread_id, run_id, last_event_id=last))

    assert told(seen + rest) == told(whole)
    assert late == rest
    ids = [part.id for part in whole]
    assert len(set(ids)) == len(ids)
    assert [part.data for part in whole if part.event == "custom"] == [
        {"tick": n} for n in range(6)
    ]
    assert whole[-1].data["log"] == ["first", "slept"]


@pytest.mark.requirement("STREAM-019")
async def test_a_run_is_joined_from_now_on(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    seen = await first_parts(
        client.runs.stream(thread_id, "slow", input=SLOW, stream_mode=["custom", "values"]), 5
    )
    joined = await all_of(client.runs.join_stream(thread_id, seen[0].data["run_id"]))

    assert joined[-1].event == "values"
    assert joined[-1].data["log"] == ["first", "slept"]
    assert "metadata" not in names(joined)


@pytest.mark.requirement("STREAM-019")
async def test_a_run_that_waits_is_joined_from_its_beginning(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    before = await start_long_run(client, thread_id)
    run = await client.runs.create(thread_id, "writer", input={}, stream_mode="custom")
    attached = asyncio.Event()
    path = f"/threads/{thread_id}/runs/{run['run_id']}/stream"
    stream = client.http.stream(path, "GET", on_response=lambda _: attached.set())
    joining = asyncio.ensure_future(all_of(stream))
    async with asyncio.timeout(SECONDS):
        await attached.wait()
    await client.runs.cancel(thread_id, before)

    assert names(await joining) == ["metadata", "custom", "custom", "custom"]


@pytest.mark.requirement("STREAM-020")
async def test_a_joiner_chooses_among_the_modes_of_the_run(client: LangGraphClient) -> None:
    thread_id = await thread_of(client)
    modes: Any = ["values", "updates", "tasks"]
    run = await client.runs.create(
        thread_id, "echo", input={"text": "s"}, stream_mode=modes, stream_resumable=True
    )
    await client.runs.join(thread_id, run["run_id"])

    async def joined(chosen: Any) -> list[str]:
        stream = client.runs.join_stream(
            thread_id, run["run_id"], stream_mode=chosen, last_event_id="-1"
        )
        return names(await all_of(stream))

    assert await joined("updates") == ["updates", "updates"]
    assert await joined(["updates", "tasks"]) == ["tasks", "updates", "tasks"] * 2
    assert set(await joined(None)) == {"metadata", *modes}


@pytest.mark.parametrize("wanted", ["cancel", "continue"])
async def test_a_reader_that_leaves_takes_its_run_with_it_if_it_said_so(
    client: LangGraphClient, wanted: DisconnectMode
) -> None:
    thread_id = await thread_of(client)
    stream = client.runs.stream(
        thread_id,
        "slow",
        input={"seconds": 300},
        stream_mode="custom",
        on_disconnect=wanted,
    )
    run_id = (await first_parts(stream, 2))[0].data["run_id"]
    if wanted == "continue":
        assert (await client.runs.get(thread_id, run_id))["status"] == "running"
        await client.runs.cancel(thread_id, run_id, wait=True)
    async with asyncio.timeout(SECONDS):
        await client.runs.join(thread_id, run_id)

    assert (await client.runs.get(thread_id, run_id))["status"] == "interrupted"
    assert (await client.threads.get_state(thread_id))["next"] == ["sleep"]


@asynccontextmanager
async def cutting(url: str, before: bytes) -> AsyncIterator[str]:
    """Pass connections on to the server; the first answer that says `before` is cut off there."""
    target = urlsplit(url)
    cut = asyncio.Event()

    async def copy(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_cut: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                cuts = may_cut and not cut.is_set() and before in data
                writer.write(data[: data.index(before)] if cuts else data)
                await writer.drain()
                if cuts:
                    cut.set()
                    break
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(
            copy(reader, server_writer, may_cut=False), copy(server_reader, writer, may_cut=True)
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert cut.is_set()


@pytest.mark.requirement("STREAM-018")
async def test_the_sdk_reconnects_by_itself_and_misses_nothing(
    client: LangGraphClient, server_url: str
) -> None:
    thread_id = await thread_of(client)
    async with cutting(server_url, before=b'{"tick":2}') as url, get_client(url=url) as cut_client:
        parts = await all_of(
            cut_client.runs.stream(
                thread_id, "slow", input=SLOW, stream_mode="custom", stream_resumable=True
            )
        )

    assert told(parts)[1:] == [("custom", {"tick": n}) for n in range(6)]
