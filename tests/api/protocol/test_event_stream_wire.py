"""Protocol v2 on the wire: numbers, replay, filters, and runs of the other protocol."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.protocol_tools import (
    ALL,
    command,
    data_of,
    is_end,
    read,
    start,
    subscribed,
    told,
    until,
)
from tests.servers import serving

_HI = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.requirement("PROTOCOL-009", "PROTOCOL-011")
async def test_a_session_with_an_interrupt_is_told_in_order(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "approval", {"text": "go?"})
    channels = ["values", "input"]
    first = await read(http, thread_id, channels=channels)
    (asked,) = data_of(first, "input.requested")
    answer = {"interrupt_id": asked["interrupt_id"], "namespace": [], "response": "yes"}
    responded = await command(http, thread_id, "input.respond", **answer)
    assert responded["type"] == "success"
    both = await read(http, thread_id, 2, channels=channels)
    assert told(both) == [
        "lifecycle:running", "values", "input.requested", "values", "lifecycle:interrupted",
        "lifecycle:running", "values", "values", "values", "lifecycle:completed",
    ]  # fmt: skip
    assert asked["payload"] == asked["value"] == {"question": "go?"}
    assert both[: len(first)] == first


@pytest.mark.requirement("PROTOCOL-007")
async def test_numbers_grow_over_all_runs_and_replays_repeat_every_byte(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    for text in ("one", "two"):
        await start(http, thread_id, "echo", {"text": text})
    live = await read(http, thread_id, 2)
    again = await read(http, thread_id, 2)
    numbers = [event["seq"] for event in live]
    assert again == live
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert len({event["event_id"] for event in live}) == len(live)


@pytest.mark.requirement("PROTOCOL-007")
@pytest.mark.parametrize("graph", ["agent", "echo"])
async def test_since_gives_exactly_the_rest_from_every_event(
    http: httpx.AsyncClient, thread_id: str, graph: str
) -> None:
    for _ in range(2):
        await start(http, thread_id, graph, {**_HI, "text": "x"})
    whole = await read(http, thread_id, 2)
    for place, event in enumerate(whole[:-1]):
        ends = sum(is_end(later) for later in whole[place + 1 :])
        rest = await read(http, thread_id, ends, since=event["seq"])
        assert rest == whole[place + 1 :]


@pytest.mark.requirement("PROTOCOL-008")
async def test_a_client_that_reconnects_by_itself_goes_on_behind_its_last_event(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "echo", {"text": "x"})
    whole = await read(http, thread_id)
    http.headers["Last-Event-ID"] = str(whole[4]["seq"])
    assert await read(http, thread_id) == whole[5:]


@pytest.mark.requirement("PROTOCOL-008")
async def test_two_subscribers_see_the_same_live_and_with_other_filters(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    async with (
        subscribed(http, thread_id) as everything,
        subscribed(http, thread_id, channels=["updates", "lifecycle"]) as some,
    ):
        await start(http, thread_id, "echo", {"text": "x"})
        all_of_it, part = await asyncio.gather(until(everything, is_end), until(some, is_end))
    assert part == [event for event in all_of_it if event["method"] in ("updates", "lifecycle")]
    assert {event["method"] for event in all_of_it} == {
        "lifecycle", "values", "updates", "tasks", "checkpoints",
    }  # fmt: skip


@pytest.mark.requirement("PROTOCOL-006")
async def test_namespaces_and_depth_choose_a_part_of_the_tree(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "nested", _HI)
    whole = await read(http, thread_id, channels=["values", "messages"])
    depths = [len(event["params"]["namespace"]) for event in whole]
    assert set(depths) == {0, 1, 2}

    async def depths_of(**wanted: Any) -> set[int]:
        async with subscribed(http, thread_id, channels=["values", "tools"], **wanted) as events:
            found = await until(events, lambda event: len(event["params"]["namespace"]) == last)
        return {len(event["params"]["namespace"]) for event in found}

    last = 2
    assert await depths_of(namespaces=[["middle"]]) == {1, 2}
    assert await depths_of(namespaces=[["middle", "inner"]]) == {2}
    root_only = await read(http, thread_id, channels=["values"], depth=0)
    assert {len(event["params"]["namespace"]) for event in root_only} == {0}
    exact = next(e["params"]["namespace"] for e in whole if len(e["params"]["namespace"]) == 1)
    assert await depths_of(namespaces=[exact]) == {1, 2}


@pytest.mark.requirement("PROTOCOL-006")
async def test_named_custom_events_are_chosen_by_their_name(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "named", {"text": "x"})
    some = await read(http, thread_id, channels=["custom:progress"])
    every = await read(http, thread_id, channels=["custom"])
    assert data_of(some, "custom") == [{"name": "progress", "done": 1}]
    assert data_of(every, "custom")[2] == "plain"


async def test_messages_in_values_are_plain_and_tool_calls_complete(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "agent", _HI)
    events = await read(http, thread_id)
    human, call, result, answer = data_of(events, "values")[-1]["messages"]
    assert human == {"type": "human", "content": "hi", "id": human["id"]}
    assert [each["name"] for each in call["tool_calls"]] == ["weather"]
    assert result["content"] == "sunny in Rome"
    assert answer["content"][0]["text"] == "It is sunny in Rome."
    assert [data["event"] for data in data_of(events, "tools")] == [
        "tool-started", "tool-finished",
    ]  # fmt: skip
    started, finished = data_of(events, "tools")
    assert (started["tool_name"], started["input"]) == ("weather", {"city": "Rome"})
    assert finished["output"]["content"] == "sunny in Rome"


@pytest.mark.requirement("PROTOCOL-005")
async def test_checkpoints_show_no_request_and_can_be_forked_from(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "echo", {"text": "x"})
    events = await read(http, thread_id, channels=["checkpoints"])
    checkpoints = data_of(events, "checkpoints")
    assert [each["source"] for each in checkpoints] == ["input", "loop", "loop", "loop"]
    assert {name for each in checkpoints for name in each["config"]["configurable"]} <= {
        "thread_id", "checkpoint_ns", "checkpoint_id",
    }  # fmt: skip
    assert "langgraph_" not in str(checkpoints)
    forked = await command(http, thread_id, "state.fork", checkpoint_id=checkpoints[2]["id"])
    assert forked["result"]["thread_id"] == thread_id
    both = await read(http, thread_id, 2, channels=["updates"])
    assert data_of(both, "updates")[2:] == [{"b": {"log": ["b"]}}]


async def test_a_cancelled_run_ends_interrupted(http: httpx.AsyncClient, thread_id: str) -> None:
    async with subscribed(http, thread_id) as events:
        run_id = await start(http, thread_id, "slow", {"seconds": 300})
        await until(events, lambda event: event["method"] == "custom")
        path = f"/threads/{thread_id}/runs/{run_id}/cancel"
        assert (await http.post(path, params={"wait": 1})).status_code == 200
        rest = await until(events, is_end)
    assert told(rest)[-1] == "lifecycle:interrupted"
    assert (await http.get(f"/threads/{thread_id}")).json()["status"] == "interrupted"


@pytest.mark.parametrize(
    ("graph", "error"), [("boom", "boom: x"), ("leaving", "An internal error occurred")]
)
async def test_a_failed_run_ends_failed_with_its_error(
    http: httpx.AsyncClient, thread_id: str, graph: str, error: str
) -> None:
    await start(http, thread_id, graph, {"text": "x"})
    events = await read(http, thread_id)
    assert events[-1]["params"]["data"] == {"event": "failed", "graph_name": graph, "error": error}


async def test_a_graph_that_stops_before_a_node_ends_interrupted(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "paused", {"text": "x"})
    assert told(await read(http, thread_id))[-1] == "lifecycle:interrupted"


async def test_the_thread_has_settled_when_the_end_is_told(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    async with subscribed(http, thread_id, channels=["lifecycle"]) as events:
        await start(http, thread_id, "echo", {"text": "x"})
        await until(events, is_end)
        thread = (await http.get(f"/threads/{thread_id}")).json()
    assert (thread["status"], thread["values"]["log"]) == ("idle", ["a:x", "b"])


@pytest.mark.parametrize("resumable", [False, True])
async def test_runs_of_the_other_protocol_are_told_too(
    http: httpx.AsyncClient, thread_id: str, resumable: bool
) -> None:
    await http.post("/threads", json={"thread_id": thread_id})
    body = {"assistant_id": "approval", "input": {"text": "go?"}, "stream_resumable": resumable}
    async with subscribed(http, thread_id) as events:
        await http.post(f"/threads/{thread_id}/runs/wait", json=body)
        live = await until(events, is_end)
    assert told(live) == [
        "lifecycle:running", "values", "input.requested", "values", "lifecycle:interrupted",
    ]  # fmt: skip
    assert data_of(live, "values")[-1] == {"text": "go?", "log": []}
    if resumable:
        assert await read(http, thread_id) == live


async def test_a_run_that_streams_no_values_tells_them_at_its_end(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await http.post("/threads", json={"thread_id": thread_id})
    body = {"assistant_id": "echo", "input": {"text": "x"}, "stream_mode": "custom"}
    async with subscribed(http, thread_id) as events:
        await http.post(f"/threads/{thread_id}/runs/wait", json=body)
        live = await until(events, is_end)
    assert told(live) == ["lifecycle:running", "values", "lifecycle:completed"]
    assert data_of(live, "values") == [{"text": "x", "log": ["a:x", "b"]}]


async def test_readers_of_the_other_protocol_get_its_frames_of_a_run(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    run_id = await start(http, thread_id, "approval", {"text": "go?"})
    await read(http, thread_id)
    path = f"/threads/{thread_id}/runs/{run_id}"
    answer = await http.get(f"{path}/stream", headers={"Last-Event-ID": "-1"})
    frames = [part.split("\r\n") for part in answer.text.split("\r\n\r\n") if part]
    names = [frame[0] for frame in frames]
    assert names[0] == "event: metadata"
    assert set(names[1:]) == {
        "event: values", "event: updates", "event: tasks", "event: checkpoints",
    }  # fmt: skip
    assert 'data: {"text":"go?","log":[]}' in [frame[1] for frame in frames]
    joined = (await http.get(f"{path}/join")).json()
    assert joined["__interrupt__"][0]["value"] == {"question": "go?"}


@pytest.mark.requirement("PROTOCOL-007")
async def test_a_log_outlives_the_server(tmp_path: Path, thread_id: str) -> None:
    with serving(tmp_path, name="protocol") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            await start(http, thread_id, "agent", _HI)
            before = await read(http, thread_id)
        server.kill()
        server.start()
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            assert await read(http, thread_id) == before
            await start(http, thread_id, "agent", _HI)
            after = await read(http, thread_id, since=before[-1]["seq"])
    assert after[0]["seq"] > before[-1]["seq"]
    assert told(after)[-1] == "lifecycle:completed"


@pytest.mark.requirement("PROTOCOL-007")
@pytest.mark.parametrize("crashes", [True, False])
async def test_a_run_cut_by_the_end_of_the_server_goes_on_in_the_same_log(
    tmp_path: Path, thread_id: str, crashes: bool
) -> None:
    with serving(tmp_path, name="protocol") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            async with subscribed(http, thread_id) as events:
                await start(http, thread_id, "slow", {"seconds": 2})
                before = await until(events, lambda event: event["method"] == "custom")
            if crashes:
                server.kill()
            else:
                await asyncio.to_thread(server.stop)
        server.start()
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            rest = await read(http, thread_id, since=before[-1]["seq"])
            whole = await read(http, thread_id)
    assert whole == before + rest
    assert told(rest)[-1] == "lifecycle:completed"


@pytest.mark.requirement("PROTOCOL-006")
async def test_a_thread_that_is_deleted_ends_its_streams(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "echo", {"text": "x"})
    async with subscribed(http, thread_id) as events:
        await until(events, is_end)
        await http.delete(f"/threads/{thread_id}")
        async with asyncio.timeout(10):
            assert [event async for event in events] == []


async def test_a_run_that_is_rolled_back_ends_interrupted(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    async with subscribed(http, thread_id) as events:
        run_id = await start(http, thread_id, "slow", {"seconds": 300})
        await until(events, lambda event: event["method"] == "custom")
        path = f"/threads/{thread_id}/runs/{run_id}/cancel"
        await http.post(path, params={"wait": 1, "action": "rollback"})
        rest = await until(events, is_end)
    assert told(rest)[-1] == "lifecycle:interrupted"
    await start(http, thread_id, "echo", {"text": "x"})
    assert told(await read(http, thread_id))[-1] == "lifecycle:completed"


async def test_the_stream_of_a_thread_shows_such_runs_as_any_other(
    http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "echo", {"text": "x"})
    await read(http, thread_id)
    names: list[str] = []
    headers = {"Last-Event-ID": "0-0"}
    async with (
        asyncio.timeout(10),
        http.stream("GET", f"/threads/{thread_id}/stream", headers=headers) as response,
    ):
        async for line in response.aiter_lines():
            names += [line.removeprefix("event: ")] if line.startswith("event: ") else []
            if "run_done" in line:
                break
    assert names[0] == names[-1] == "metadata"
    assert set(names[1:-1]) == {"values", "updates", "tasks", "checkpoints"}


@pytest.mark.requirement("PROTOCOL-006")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "channels is required and must be a non-empty array"),
        ({"channels": ["zz"]}, "channels contains unsupported entries: zz."),
        ({"channels": ["custom:"]}, "channels contains unsupported entries: custom:."),
        ({"channels": ALL, "namespaces": ["a"]}, "namespaces[0]"),
        ({"channels": ALL, "depth": -1}, "depth"),
        ({"channels": ALL, "since": "x"}, "since"),
        ({"channels": ALL, "since": 10**30}, "since"),
        ([], "channels is required and must be a non-empty array"),
    ],
)
async def test_a_wrong_subscription_is_refused_by_name(
    http: httpx.AsyncClient, thread_id: str, body: Any, message: str
) -> None:
    answer = await http.post(f"/threads/{thread_id}/stream/events", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(message)
