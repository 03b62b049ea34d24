"""Streams cut at every event and by `kill -9`: who comes back sees each event once, in order."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.cutting import CutClient, stored
from tests.servers import ServerProcess, serving

BODY: dict[str, Any] = {
    "assistant_id": "nested",
    "input": {"seconds": 0.05},
    "stream_mode": ["values", "updates", "custom", "tasks", "checkpoints"],
    "stream_subgraphs": True,
    "stream_resumable": True,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with serving(tmp_path, name="cuts") as server:
        yield server


def post(server: ServerProcess, path: str, body: dict[str, Any]) -> Any:
    answer = httpx.post(server.url + path, json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def restart(server: ServerProcess, *, gently: bool) -> None:
    if gently:
        assert server.stop() == 0
    else:
        server.kill()
    server.start()


@pytest.mark.parametrize(
    ("cut", "gently"), [(1, False), (9, False), (21, True), (34, False)], ids=str
)
def test_a_run_is_seen_whole_across_a_restart(
    server: ServerProcess, cut: int, gently: bool
) -> None:
    thread_id = post(server, "/threads", {})["thread_id"]
    client = CutClient(base=lambda: server.url, path=f"/threads/{thread_id}/runs/stream")
    client.begin(BODY)
    more = True
    while more:
        if client.connections == cut:
            restart(server, gently=gently)
        more = client.rejoin(1)

    client.check()
    attempts = [json.loads(frame.data) for frame in client.seen if frame.name == "metadata"]
    assert len(attempts) == (1 if gently else 2)  # who was asked to stop goes on where it was
    deepest = [frame for frame in client.seen if frame.name.count("|") == 2]
    assert {frame.name.partition("|")[0] for frame in deepest} >= {"values", "updates", "custom"}
    last = [frame for frame in client.seen if frame.name == "values"][-1]
    assert json.loads(last.data)["log"] == ["first", "one", "deep", "last"]


@pytest.mark.parametrize(("cut", "gently"), [(3, False), (70, False), (110, True)], ids=str)
def test_a_thread_is_seen_whole_across_a_restart(
    server: ServerProcess, cut: int, gently: bool
) -> None:
    thread_id = post(server, "/threads", {})["thread_id"]
    runs = [post(server, f"/threads/{thread_id}/runs", BODY)["run_id"] for _ in range(3)]
    client = CutClient(base=lambda: server.url, path=f"/threads/{thread_id}/stream")
    last = json.dumps({"status": "run_done", "run_id": runs[-1]}, separators=(",", ":"))
    while client.rejoin(1) and client.seen[-1].data != last:
        if client.connections == cut:
            restart(server, gently=gently)

    assert client.connections > cut
    client.check()
    done = [json.loads(frame.data)["run_id"] for frame in client.seen if "run_done" in frame.data]
    assert done == runs


def test_a_thread_that_is_followed_all_the_time_loses_nothing_to_a_restart(
    server: ServerProcess,
) -> None:
    """The client reads on while the server is killed: its connection breaks, and it comes back."""
    thread_id = post(server, "/threads", {})["thread_id"]
    runs = [post(server, f"/threads/{thread_id}/runs", BODY)["run_id"] for _ in range(2)]
    client = CutClient(base=lambda: server.url, path=f"/threads/{thread_id}/stream")
    client.rejoin(20)
    server.kill()
    with pytest.raises(httpx.HTTPError):
        client.rejoin(1)
    server.start()
    last = json.dumps({"status": "run_done", "run_id": runs[-1]}, separators=(",", ":"))
    while client.rejoin(1) and client.seen[-1].data != last:
        pass

    client.check()


async def test_the_sdk_follows_a_thread_through_a_restart_without_noticing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    places: list[str] = []
    with serving(tmp_path, "--port", str(port), name="cuts") as server:
        async with get_client(url=server.url) as client, asyncio.timeout(60):
            thread_id = (await client.threads.create())["thread_id"]
            run = await client.runs.create(thread_id, **BODY)
            parts = await client.threads.join_stream(thread_id, last_event_id="-1")
            async for part in parts:
                assert part.id is not None
                places.append(part.id)
                if len(places) == 15:
                    await asyncio.to_thread(restart, server, gently=False)
                if part.event == "metadata" and part.data.get("status") == "run_done":
                    assert part.data["run_id"] == run["run_id"]
                    break
        whole = stored(f"{server.url}/threads/{thread_id}/stream", until=places[-1])

    assert places == [frame.event_id for frame in whole]
    assert [frame.name for frame in whole].count("metadata") == 3
