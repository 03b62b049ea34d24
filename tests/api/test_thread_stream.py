"""`GET /threads/{id}/stream`: all that happens on a thread, over the wire and through the SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served
from tests.api.run_tools import ENDLESS, create, new_thread, start, stream, wait
from tests.api.run_tools import state as state_of
from tests.cutting import CutClient, Frame

ECHO: dict[str, Any] = {"assistant_id": "echo", "input": {"text": "1"}}
MODES = ["values", "updates"]


@asynccontextmanager
async def following(
    server_url: str, thread_id: str, last: str | None = None, **params: Any
) -> AsyncIterator[AsyncIterator[Frame]]:
    """Follow a thread; once entered, everything that happens will be seen."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with (
        httpx.AsyncClient(base_url=server_url, timeout=20) as http,
        http.stream(
            "GET", f"/threads/{thread_id}/stream", params=params, headers=headers
        ) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        yield _frames(answer)


async def _frames(answer: httpx.Response) -> AsyncIterator[Frame]:
    members: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name:
            members[name] = value
        elif "event" in members:
            yield Frame(members.get("id", ""), members["event"], members["data"])
            members = {}


async def until_done(frames: AsyncIterator[Frame], runs: int = 1) -> list[Frame]:
    """Read until so many runs are done."""
    found: list[Frame] = []
    async with asyncio.timeout(20):
        async for frame in frames:
            found.append(frame)
            if '"run_done"' in frame.data:
                runs -= 1
            if not runs:
                return found
    raise AssertionError(f"the stream ended: {found}")


async def take(frames: AsyncIterator[Frame], count: int) -> list[Frame]:
    async with asyncio.timeout(20):
        return [await frames.__anext__() for _ in range(count)]


def update(http: httpx.Client, thread_id: str, values: Any) -> Any:
    answer = http.post(f"/threads/{thread_id}/state", json={"values": values})
    assert answer.status_code == 200, answer.text
    return answer.json()


def cancel(http: httpx.Client, thread_id: str, run_id: str, action: str) -> None:
    path = f"/threads/{thread_id}/runs/{run_id}/cancel"
    assert http.post(path, params={"action": action}).status_code == 202


def delete(http: httpx.Client, thread_id: str) -> None:
    assert http.delete(f"/threads/{thread_id}").status_code == 204


def shown(frames: list[Frame]) -> list[tuple[str, Any]]:
    return [(frame.name, json.loads(frame.data)) for frame in frames]


def done(run_id: str) -> tuple[str, Any]:
    return "metadata", {"status": "run_done", "run_id": run_id}


def in_order(frames: list[Frame]) -> bool:
    places = [frame.place for frame in frames]
    return places == sorted(set(places))


@pytest.mark.requirement("TSTREAM-001")
async def test_each_run_is_shown_as_it_comes_and_closed(
    server_url: str, http: httpx.Client
) -> None:
    thread_id = new_thread(http)
    async with following(server_url, thread_id) as frames:
        run_id = create(http, thread_id, "echo", input={"text": "1"}, stream_mode=MODES)
        found = await until_done(frames)

    assert shown(found) == [
        ("metadata", {"run_id": run_id, "attempt": 1}),
        ("values", {"text": "1", "log": []}),
        ("updates", {"a": {"log": ["a:1"], "n": 1}}),
        ("values", {"text": "1", "log": ["a:1"], "n": 1}),
        ("updates", {"b": {"log": ["b"], "n": 2}}),
        ("values", {"text": "1", "log": ["a:1", "b"], "n": 2}),
        done(run_id),
    ]
    assert in_order(found)


async def test_its_bytes_are_those_of_the_reference(server_url: str, http: httpx.Client) -> None:
    thread_id = new_thread(http)
    async with (
        httpx.AsyncClient(base_url=server_url, timeout=20) as client,
        client.stream("GET", f"/threads/{thread_id}/stream") as answer,
    ):
        run_id = create(http, thread_id, "echo", input={"text": "1"}, stream_mode="custom")
        text = b""
        async for chunk in answer.aiter_bytes():
            text += chunk
            if b"run_done" in text and text.endswith(b"\r\n\r\n"):
                break

    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    first, second = text.decode().removesuffix("\r\n\r\n").split("\r\n\r\n")
    event, data, event_id = first.split("\r\n")
    assert (event, data) == ("event: metadata", f'data: {{"run_id":"{run_id}","attempt":1}}')
    assert event_id.startswith("id: ")
    assert second.split("\r\n")[1] == f'data: {{"status":"run_done","run_id":"{run_id}"}}'


@pytest.mark.requirement("TSTREAM-001")
async def test_runs_that_wait_for_each_other_follow_each_other(
    server_url: str, http: httpx.Client
) -> None:
    thread_id = new_thread(http)
    async with following(server_url, thread_id) as frames:
        runs = [
            create(http, thread_id, graph, input={}, stream_mode="updates")
            for graph in ("echo", "parent", "boom", "echo", "ask")
        ]
        found = await until_done(frames, len(runs))

    assert in_order(found)
    meta = [json.loads(frame.data)["run_id"] for frame in found if frame.name == "metadata"]
    assert meta == [run_id for run_id in runs for _ in range(2)]
    assert [frame.name for frame in found].count("error") == 1


@pytest.mark.requirement("TSTREAM-002")
async def test_the_modes_choose_what_is_shown(server_url: str, http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": "0"})
    async with (
        following(server_url, thread_id, stream_modes="lifecycle") as lifecycle,
        following(server_url, thread_id, stream_modes="state_update") as states,
        following(server_url, thread_id, stream_mode=["lifecycle", "state_update"]) as both,
        following(server_url, thread_id, stream_modes="state_update,run_modes") as everything,
    ):
        run_id = create(http, thread_id, "echo", input={"text": "1"})
        found = await until_done(lifecycle)
        checkpoint = update(http, thread_id, {"log": ["by hand"]})["checkpoint"]
        (state,) = await take(states, 1)
        of_both, of_all = await take(both, 3), await take(everything, 6)

    begun = ("metadata", {"run_id": run_id, "attempt": 1})
    assert shown(found) == [begun, done(run_id)]
    assert state.name == "state_update"
    told = json.loads(state.data)
    assert told == {"state": state_of(http, thread_id), "thread_id": thread_id}
    assert told["state"]["checkpoint"] == checkpoint
    assert of_both == [*found, state]
    assert in_order(of_both)
    assert [frame.name for frame in of_all] == [
        *("metadata", "values", "values", "values", "metadata", "state_update"),
    ]


@pytest.mark.requirement("TSTREAM-002")
@pytest.mark.parametrize(
    ("params", "headers", "detail"),
    [
        ({"stream_modes": "bogus"}, {}, "Invalid stream mode: bogus"),
        ({"stream_modes": "lifecycle,bogus"}, {}, "Invalid stream mode: bogus"),
        ({"stream_modes": ["bogus", "lifecycle"]}, {}, "Invalid stream mode: bogus"),
        ({"stream_mode": "values"}, {}, "Invalid stream mode: values"),
        ({}, {"Last-Event-ID": "bogus"}, "Invalid last-event-id"),
        ({}, {"Last-Event-ID": "-2"}, "Invalid last-event-id"),
        ({}, {"Last-Event-ID": "1-2-3"}, "Invalid last-event-id"),
        ({}, {"Last-Event-ID": "9" * 30}, "Invalid last-event-id"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    http: httpx.Client, params: dict[str, Any], headers: dict[str, str], detail: str
) -> None:
    path = f"/threads/{new_thread(http)}/stream"
    answer = http.get(path, params=params, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.requirement("TSTREAM-003")
def test_a_thread_that_is_not_there_cannot_be_followed(http: httpx.Client) -> None:
    thread_id = str(uuid4())
    answer = http.get(f"/threads/{thread_id}/stream")
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": f"Thread with ID {thread_id} not found"},
    )
    assert http.get("/threads/x/stream").status_code == 422


@pytest.mark.requirement("TSTREAM-005")
@pytest.mark.parametrize("last", ["-1", "0", "0-0", "1-0"])
async def test_who_asks_for_everything_gets_what_is_stored_then_what_comes(
    server_url: str, http: httpx.Client, last: str
) -> None:
    thread_id = new_thread(http)
    first = stream(http, f"/threads/{thread_id}/runs/stream", {**ECHO, "stream_resumable": True})
    wait(http, thread_id, "echo", input={"text": "not stored"})
    async with following(server_url, thread_id, last) as frames:
        found = await until_done(frames)
        assert shown(found)[:-1] == [tuple(frame) for frame in first]
        run_id = create(http, thread_id, "echo", input={"text": "live"}, stream_mode="updates")
        live = await until_done(frames)

    assert shown(live)[0] == ("metadata", {"run_id": run_id, "attempt": 1})
    assert in_order([*found, *live])


async def test_an_id_of_the_future_is_now(server_url: str, http: httpx.Client) -> None:
    thread_id = new_thread(http)
    stream(http, f"/threads/{thread_id}/runs/stream", {**ECHO, "stream_resumable": True})
    async with following(server_url, thread_id, "9999999999999-0") as frames:
        run_id = create(http, thread_id, "echo", input={"text": "live"}, stream_mode="updates")
        assert shown(await until_done(frames))[-1] == done(run_id)


async def test_a_run_that_is_cancelled_or_rolled_back_is_closed(
    server_url: str, http: httpx.Client
) -> None:
    thread_id = new_thread(http)
    async with following(server_url, thread_id, stream_modes="lifecycle") as frames:
        for action in ("interrupt", "rollback"):
            run_id = start(http, thread_id, ENDLESS)
            cancel(http, thread_id, run_id, action)
            assert shown(await until_done(frames))[-1] == done(run_id)


@pytest.mark.requirement("TSTREAM-006")
async def test_following_ends_when_the_thread_is_deleted(
    server_url: str, http: httpx.Client
) -> None:
    idle, busy = new_thread(http), new_thread(http)
    run_id = start(http, busy, ENDLESS)
    async with following(server_url, idle) as of_idle, following(server_url, busy) as of_busy:
        for thread_id in (idle, busy):
            delete(http, thread_id)
        async with asyncio.timeout(10):
            assert [frame async for frame in of_idle] == []
            assert shown([frame async for frame in of_busy])[-1] == done(run_id)


async def test_the_sdk_joins_a_thread(client: LangGraphClient) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    async for _ in client.runs.stream(
        thread_id, "echo", input={"text": "1"}, stream_mode="updates", stream_resumable=True
    ):
        pass
    parts = []
    async with asyncio.timeout(20):
        joined = await client.threads.join_stream(
            thread_id, last_event_id="-1", stream_mode=["lifecycle", "state_update"]
        )
        async for part in joined:
            parts.append(part)
            if len(parts) == 2:
                await client.threads.update_state(thread_id, {"log": ["x"]}, as_node="b")
            if len(parts) == 3:
                break

    assert [part.event for part in parts] == ["metadata", "metadata", "state_update"]
    assert parts[1].data["status"] == "run_done"
    assert parts[2].data["state"]["values"]["log"] == ["a:1", "b", "x"]


@pytest.mark.requirement("TSTREAM-006")
async def test_a_thread_that_is_quiet_is_kept_alive(tmp_path: Path) -> None:
    with served(tmp_path, config={"lgserve": {"heartbeat_seconds": 0.05}}) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            thread_id = (await client.post("/threads", json={})).json()["thread_id"]
            async with client.stream("GET", f"/threads/{thread_id}/stream") as answer:
                chunks = answer.aiter_bytes()
                assert await chunks.__anext__() == b": heartbeat\r\n\r\n"


@pytest.fixture(scope="module")
def cuts_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("cuts"), "cuts") as url:
        yield url


#: All that a run can say of itself, from every depth.
WHOLE: dict[str, Any] = {
    "assistant_id": "nested",
    "input": {"seconds": 0.01},
    "stream_mode": ["values", "updates", "custom", "tasks", "checkpoints", "debug", "events"],
    "stream_subgraphs": True,
    "stream_resumable": True,
}


@pytest.mark.requirement("STREAM-022")
def test_a_run_rejoined_after_each_of_its_events_is_seen_whole(cuts_url: str) -> None:
    with httpx.Client(base_url=cuts_url) as http:
        thread_id = new_thread(http)
    client = CutClient(base=lambda: cuts_url, path=f"/threads/{thread_id}/runs/stream")
    client.begin(WHOLE)
    while client.rejoin(1):
        pass

    assert client.connections > 40
    assert {"values|child", "custom|child", "events"} <= {
        frame.name.partition(":")[0] for frame in client.seen
    }
    client.check()


@pytest.mark.requirement("STREAM-022")
def test_a_run_rejoined_once_at_any_of_its_events_is_seen_whole(cuts_url: str) -> None:
    with httpx.Client(base_url=cuts_url) as http:
        thread_id = new_thread(http)
        frames = len(stream(http, f"/threads/{thread_id}/runs/stream", {**WHOLE, "input": {}}))
    quick = {**WHOLE, "input": {"seconds": 0.002}}
    for cut in range(1, frames + 1):
        client = CutClient(base=lambda: cuts_url, path=f"/threads/{thread_id}/runs/stream")
        client.begin(quick)
        if cut > 1:
            client.rejoin(cut - 1)
        client.rejoin(10**6)
        client.check()


@pytest.mark.requirement("TSTREAM-004")
def test_a_thread_rejoined_after_each_event_is_seen_whole(cuts_url: str) -> None:
    with httpx.Client(base_url=cuts_url) as http:
        thread_id = new_thread(http)
        runs = [
            http.post(f"/threads/{thread_id}/runs", json=WHOLE).json()["run_id"] for _ in range(3)
        ]
    client = CutClient(base=lambda: cuts_url, path=f"/threads/{thread_id}/stream")
    last = json.dumps({"status": "run_done", "run_id": runs[-1]}, separators=(",", ":"))
    while client.rejoin(1) and client.seen[-1].data != last:
        pass

    assert client.connections > 120
    assert sum('"run_done"' in frame.data for frame in client.seen) == 3
    client.check()
