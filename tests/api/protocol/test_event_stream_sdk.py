"""The SDK's thread streams drive a whole session, over SSE and over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import LangGraphClient

Transport = Literal["sse", "websocket"]
_HI = {"messages": [{"role": "user", "content": "hi"}]}
_SECONDS = 20


@pytest.fixture
async def client(url: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=url) as client, asyncio.timeout(_SECONDS):
        yield client


@pytest.fixture(params=["sse", "websocket"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.requirement("PROTOCOL-010")
async def test_an_agents_tokens_tool_calls_and_output_arrive(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="agent", transport=transport) as thread:
        await thread.run.start(input=_HI)
        made = [call async for call in thread.tool_calls]
        calls = [(call.name, call.input, await call.output) for call in made]
        output = await thread.output
    assert [(name, given) for name, given, _ in calls] == [("weather", {"city": "Rome"})]
    assert calls[0][2]["content"] == "sunny in Rome"
    assert output["messages"][-1]["content"][0]["text"] == "It is sunny in Rome."


async def test_a_models_tokens_arrive_one_by_one(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="chorus", transport=transport) as thread:
        await thread.run.start(input=_HI)
        messages = [message async for message in thread.messages]
        said = {message.node: [delta async for delta in message.text] for message in messages}
    assert said == {
        "first": ["first", " ", "voice", " ", "speaks"],
        "second": ["second", " ", "voice", " ", "answers"],
    }


async def test_values_arrive_step_by_step(client: LangGraphClient, transport: Transport) -> None:
    async with client.threads.stream(assistant_id="echo", transport=transport) as thread:
        await thread.run.start(input={"text": "x"})
        seen: list[Any] = [values.get("log", []) async for values in thread.values]
    assert seen[-3:] == [[], ["a:x"], ["a:x", "b"]]


async def test_subgraphs_are_discovered_with_what_they_say(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="nested", transport=transport) as thread:
        await thread.run.start(input=_HI)
        (middle,) = [graph async for graph in thread.subgraphs]
        (inner,) = [graph async for graph in middle.subgraphs]
        (message,) = [message async for message in inner.messages]
        text = await message.text
    assert (middle.graph_name, middle.status) == ("middle", "completed")
    assert (inner.graph_name, inner.status) == ("inner", "completed")
    assert text == "deep thoughts here"


@pytest.mark.requirement("PROTOCOL-009")
@pytest.mark.requirement("PROTOCOL-010")
async def test_an_interrupt_is_answered_and_the_run_goes_on(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="approval", transport=transport) as thread:
        await thread.run.start(input={"text": "go?"})
        before = [values async for values in thread.values]
        assert thread.interrupted
        assert [asked["value"] for asked in thread.interrupts] == [{"question": "go?"}]
        await thread.run.respond("yes")
        after = [values async for values in thread.values]
        output = await thread.output
    assert before[-1] == {"text": "go?", "log": []}
    assert after[-1]["log"] == output["log"] == ["asked", "done:yes"]
    assert not thread.interrupted


async def test_named_events_reach_those_who_ask_for_them(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="named", transport=transport) as thread:
        await thread.run.start(input={"text": "x"})
        seen = [data async for data in thread.extensions["progress"]]
    assert seen == [{"name": "progress", "done": 1}]


async def test_a_projection_the_graph_was_compiled_with_is_an_extension(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="projecting", transport=transport) as thread:
        await thread.run.start(input={"text": "x"})
        seen = [data async for data in thread.extensions["counts"]]
    assert seen == [{"name": "counts", "payload": {"seen": 1}}]


@pytest.mark.requirement("PROTOCOL-008")
async def test_several_channels_are_read_at_once(
    client: LangGraphClient, transport: Transport
) -> None:
    channels = ["values", "updates", "checkpoints", "tasks"]
    async with client.threads.stream(assistant_id="echo", transport=transport) as thread:
        await thread.run.start(input={"text": "x"})
        seen = [part async for part in thread.interleave_projections(channels)]
    assert [data for name, data in seen if name == "updates"] == [
        {"a": {"log": ["a:x"]}}, {"b": {"log": ["b"]}},
    ]  # fmt: skip
    steps = [data["step"] for name, data in seen if name == "checkpoints"]
    assert steps == [-1, 0, 1, 2]
    assert [data["name"] for name, data in seen if name == "tasks"] == ["a", "a", "b", "b"]


async def test_a_failed_run_raises_what_failed(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="boom", transport=transport) as thread:
        await thread.run.start(input={"text": "x"})
        with pytest.raises(RuntimeError, match="boom: x"):
            await thread.output


async def test_a_second_stream_sees_its_own_run_and_not_the_end_of_the_first(
    client: LangGraphClient, transport: Transport
) -> None:
    async with client.threads.stream(assistant_id="echo", transport=transport) as thread:
        await thread.run.start(input={"text": "one"})
        thread_id = thread.thread_id
        await thread.output
    async with client.threads.stream(
        thread_id=thread_id, assistant_id="echo", transport=transport
    ) as thread:
        await thread.run.start(input={"text": "two"})
        seen = [values["log"] async for values in thread.values]
    assert seen[-1] == ["a:one", "b", "a:two", "b"]


def test_the_synchronous_client_drives_a_session_too(url: str, transport: Transport) -> None:
    with (
        get_sync_client(url=url) as client,
        client.threads.stream(assistant_id="approval", transport=transport) as thread,
    ):
        thread.run.start(input={"text": "go?"})
        list(thread.values)
        assert [asked["value"] for asked in thread.interrupts] == [{"question": "go?"}]
        thread.run.respond("yes")
        assert thread.output["log"] == ["asked", "done:yes"]
