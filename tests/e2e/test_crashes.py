"""`kill -9` at any moment: nothing acknowledged is lost, nothing stuck, nothing done twice."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.servers import ServerProcess, project

#: Kills in this test; the benchmark runs the same with more.
KILLS = 4
WRITERS = 6


@dataclass
class Acknowledged:
    """What the server said it had done."""

    threads: dict[str, int] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    finished: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(
        folder=tmp_path, config=project(tmp_path), arguments=["--no-reload", "--port", "0"]
    )
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.kill()


def write_until_dead(url: str, seen: Acknowledged, writer: int) -> None:
    """Create threads, patch them, run graphs; note each acknowledgement, stop when it dies."""
    n = 0
    with get_sync_client(url=url) as client, suppress(httpx.HTTPError, OSError):
        while True:
            n += 1
            thread = client.threads.create(metadata={"n": 0})["thread_id"]
            with seen.lock:
                seen.threads[thread] = 0
            client.threads.update(thread, metadata={"n": n})
            with seen.lock:
                seen.threads[thread] = n
            if n % 2:
                work = {"seconds": 0.05, "ticks": 2}
                run = client.runs.create(thread, "slow", input=work)["run_id"]
                with seen.lock:
                    seen.runs[run] = thread
            else:
                client.runs.wait(thread, "echo", input={"text": str(writer)})
                with seen.lock:
                    seen.finished[thread] = str(writer)


def settle(client: SyncLangGraphClient, seen: Acknowledged) -> None:
    """Wait until every acknowledged run has ended."""
    deadline = time.monotonic() + 60
    for run, thread in seen.runs.items():
        while client.runs.get(thread, run)["status"] in ("pending", "running"):
            assert time.monotonic() < deadline, f"run {run} is stuck"
            time.sleep(0.02)


def check(client: SyncLangGraphClient, seen: Acknowledged) -> None:
    """Compare what the server has with what it said."""
    for thread, n in seen.threads.items():
        stored: dict[str, Any] = client.threads.get(thread)["metadata"]  # type: ignore[assignment]
        assert stored["n"] >= n, f"an acknowledged update of {thread} is lost"
    for run, thread in seen.runs.items():
        assert client.runs.get(thread, run)["status"] == "success"
        log = client.threads.get_state(thread)["values"]["log"]  # type: ignore[call-overload]
        assert log == ["first", "slept"], f"steps were lost or repeated: {log}"
    for thread, text in seen.finished.items():
        values = client.threads.get_state(thread)["values"]
        assert values == {"text": text, "log": [f"a:{text}", "b"], "n": 2}
    for thread_row in client.threads.search(status="busy", limit=100):
        active = client.runs.list(thread_row["thread_id"])
        assert any(run["status"] in ("pending", "running") for run in active)


def crash_once(server: ServerProcess, seen: Acknowledged, after_seconds: float) -> None:
    """Load the server, kill it in the middle, start it again."""
    writers = [
        threading.Thread(target=write_until_dead, args=(server.url, seen, n))
        for n in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    time.sleep(after_seconds)
    server.kill()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive()
    server.start()


@pytest.mark.requirement("DURABLE-001", "DURABLE-002")
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(server: ServerProcess) -> None:
    seen = Acknowledged()
    moments = random.Random(7)
    for _ in range(KILLS):
        crash_once(server, seen, moments.uniform(0.1, 0.8))
        with get_sync_client(url=server.url) as client:
            settle(client, seen)
    with get_sync_client(url=server.url) as client:
        check(client, seen)
    assert seen.finished
    assert seen.runs


@pytest.mark.requirement("DURABLE-003")
def test_a_resumable_stream_goes_on_exactly_where_it_was_cut(server: ServerProcess) -> None:
    with get_sync_client(url=server.url) as client:
        thread = client.threads.create()["thread_id"]
    work = {"seconds": 2.0, "ticks": 20}
    got: list[tuple[str | None, str, Any]] = []
    locations: list[str] = []
    body = {"assistant_id": "slow", "input": work, "stream_mode": ["custom", "updates"]}

    def read(lines: Iterator[str], most: int) -> None:
        event: dict[str, str] = {}
        for line in lines:
            if not line and "event" in event:
                got.append((event.get("id"), event["event"], event["data"]))
                event = {}
                if len(got) >= most:
                    return
            elif ": " in line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value

    path = f"{server.url}/threads/{thread}/runs/stream"
    with httpx.stream("POST", path, json={**body, "stream_resumable": True}) as response:
        locations.append(response.headers["location"])
        read(response.iter_lines(), 6)
    server.kill()
    server.start()
    rejoin = httpx.stream(
        "GET", server.url + locations[0], headers={"Last-Event-ID": got[-1][0] or ""}, timeout=30
    )
    with rejoin as response:
        read(response.iter_lines(), 10_000)
    sequence = [int((event_id or "").rpartition("-")[2]) for event_id, _, _ in got]
    assert sequence == list(range(1, len(got) + 1))
    assert [name for _, name, _ in got][-1] == "updates"
    with get_sync_client(url=server.url) as client:
        state = client.threads.get_state(thread)["values"]
    assert state["log"] == ["first", "slept"]  # type: ignore[call-overload]
