"""User code that blocks, hangs on, breaks or returns nonsense hurts its own run only."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.servers import ServerProcess, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("hard"), name="hard") as server:
        yield server


def answer_seconds(url: str) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(f"{url}/ok", timeout=10) as response:
        assert response.status == 200
    return time.perf_counter() - began


async def test_a_node_that_blocks_does_not_delay_the_api(server: ServerProcess) -> None:
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create())["thread_id"]
        run = asyncio.ensure_future(client.runs.wait(thread, "freezer", input={"seconds": 1.5}))
        times = []
        while not run.done():
            times.append(await asyncio.to_thread(answer_seconds, server.url))
        assert (await run)["log"] == ["froze"]  # type: ignore[call-overload]
    times.sort()
    assert len(times) > 50
    assert times[int(len(times) * 0.98)] < 0.05


async def test_a_stall_is_reported_with_file_line_and_node(server: ServerProcess) -> None:
    async with get_client(url=server.url) as client:
        await client.runs.wait(None, "freezer", input={"seconds": 0.6})
    await eventually(lambda: "graphs.py:" in server.log)
    line = next(line for line in server.log.splitlines() if "graphs.py:" in line)
    assert "freeze" in line


async def test_sync_nodes_run_side_by_side(server: ServerProcess) -> None:
    began = time.perf_counter()
    async with get_client(url=server.url) as client:
        runs = [client.runs.wait(None, "napper", input={"seconds": 1.0}) for _ in range(20)]
        results = await asyncio.gather(*runs)
    assert all(result["log"] == ["napped"] for result in results)  # type: ignore[call-overload]
    assert time.perf_counter() - began < 10


async def test_a_sync_node_that_cannot_be_stopped_does_not_hold_its_thread(
    server: ServerProcess,
) -> None:
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create())["thread_id"]
        run = await client.runs.create(thread, "napper", input={"seconds": 3})
        await until_running(client, thread, run["run_id"])
        await client.runs.cancel(thread, run["run_id"], wait=True)
        assert (await client.runs.get(thread, run["run_id"]))["status"] == "interrupted"
        values = await client.runs.wait(thread, "odd", input={})
        assert values["log"] == ["odd"]  # type: ignore[call-overload]


async def test_a_node_that_swallows_its_cancellation_is_left_behind(
    server: ServerProcess,
) -> None:
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create())["thread_id"]
        run = await client.runs.create(thread, "stubborn", input={"seconds": 30})
        await until_running(client, thread, run["run_id"])
        async with asyncio.timeout(20):
            await client.runs.cancel(thread, run["run_id"], wait=True)
        assert (await client.runs.get(thread, run["run_id"]))["status"] == "interrupted"
        assert (await client.threads.get(thread))["status"] != "busy"


async def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def until_running(client: Any, thread: str, run_id: str) -> None:
    deadline = time.monotonic() + 10
    while (await client.runs.get(thread, run_id))["status"] != "running":
        assert time.monotonic() < deadline


@pytest.mark.requirement("CONFIG-008")
async def test_a_broken_graph_is_listed_and_its_runs_say_why(server: ServerProcess) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        info = (await http.get("/info")).json()
    assert "a_module_that_is_not_there" in str(info["graph_errors"]["broken"])
    assert "broken.py" in str(info["graph_errors"]["broken"])
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create())["thread_id"]
        result = await client.runs.wait(thread, "broken", input={}, raise_error=False)
    assert "a_module_that_is_not_there" in result["__error__"]["message"]  # type: ignore[call-overload]


@pytest.mark.requirement("VALUE-003")
async def test_odd_values_reach_the_client_and_the_state(server: ServerProcess) -> None:
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create())["thread_id"]
        values = await client.runs.wait(thread, "odd", input={})
        value = values["value"]  # type: ignore[call-overload]
        assert value["big"] == 2**100
        assert value["surrogate"] == "?"
        assert value["nul"] == "a\N{REPLACEMENT CHARACTER}b"
        assert value["class"] is None
        assert value["nan"] is None
        state = await client.threads.get_state(thread)
        assert state["values"]["value"]["big"] == 2**100  # type: ignore[call-overload]


@pytest.mark.requirement("VALUE-004")
async def test_a_value_without_a_stored_form_fails_its_run_by_name(
    server: ServerProcess,
) -> None:
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create())["thread_id"]
        result = await client.runs.wait(thread, "locked", input={}, raise_error=False)
        message = result["__error__"]["message"]  # type: ignore[call-overload]
        assert "value" in message
        assert "Locked" in message
        assert (await client.threads.get(thread))["status"] == "error"


@pytest.mark.requirement("HTTP-017")
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"thread_id": "\\ud800"}',
        b'{"metadata": {"n": NaN}}',
        b'{"metadata": 5}',
        b"\xff\xfe",
    ],
)
async def test_hostile_bodies_get_a_4xx_and_the_connection_stays(
    server: ServerProcess, body: bytes
) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        refused = await http.post("/threads", content=body)
        assert 400 <= refused.status_code < 500
        assert refused.json()["detail"]
        assert (await http.get("/ok")).status_code == 200


@pytest.mark.requirement("HTTP-001")
async def test_hostile_metadata_comes_back_as_it_was(server: ServerProcess) -> None:
    metadata = {"big": 2**90, "nul": "a\x00b", "deep": [[[[[[[[1]]]]]]]], "": "empty key"}
    async with httpx.AsyncClient(base_url=server.url) as http:
        made = await http.post("/threads", content=json.dumps({"metadata": metadata}))
        thread = made.json()["thread_id"]
        stored = json.loads((await http.get(f"/threads/{thread}")).content)["metadata"]
        found = await http.post("/threads/search", json={"metadata": {"": "empty key"}})
    assert stored["big"] == 2**90
    assert stored["deep"] == metadata["deep"]
    assert thread in [row["thread_id"] for row in found.json()]


def test_strict_blocking_fails_the_run_that_blocks(tmp_path: Path) -> None:
    with serving(tmp_path, "--strict-blocking", name="hard") as server:
        body = {"assistant_id": "freezer", "input": {"seconds": 0.8}}
        result = httpx.post(f"{server.url}/runs/wait", json=body, timeout=20).json()
    assert result["__error__"]["error"] == "BlockingError"
    assert "freeze" in result["__error__"]["message"]
