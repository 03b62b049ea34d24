"""Edits while clients follow threads: by server-sent events, over WebSockets, as other agents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import pytest

from tests.api.cron_tools import EVERY_SECOND, create, fired, moment, until
from tests.api.protocol_tools import is_end
from tests.e2e.reloading import SECONDS, Project, Reader, all_ticks, reloading

CHANNELS = ["custom", "lifecycle"]
RESTART = 1012
MCP = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with reloading(tmp_path) as found:
        yield found


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Project]:
    with reloading(tmp_path, "--grace", "30s", over="followed") as found:
        yield found


class Follower:
    """Follows a thread by protocol v2 and comes back behind what it has seen."""

    def __init__(self, project: Project, thread_id: str) -> None:
        self.path = f"{project.url}/threads/{thread_id}/stream/events"
        self.events: list[Any] = []
        self.connections = 0
        self.connected = asyncio.Event()
        self.seen = asyncio.Event()

    @property
    def since(self) -> int:
        return self.events[-1]["seq"] if self.events else 0

    @property
    def ended(self) -> bool:
        return any(is_end(event) for event in self.events)

    async def follow(self, session: aiohttp.ClientSession) -> None:
        """Follow until a run has ended."""
        while not self.ended:
            self.connections += 1
            await self._connect(session)

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        raise NotImplementedError

    def _take(self, event: Any) -> bool:
        self.events.append(event)
        if event["method"] == "custom":
            self.seen.set()
        return is_end(event)


class Streamed(Follower):
    """Over server-sent events."""

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        wanted = {"channels": CHANNELS, "since": self.since}
        try:
            async with session.post(self.path, json=wanted) as answer:
                assert answer.status == 200
                self.connected.set()
                async for line in answer.content:
                    if line.startswith(b"data: ") and self._take(json.loads(line[6:])):
                        return
        except aiohttp.ClientPayloadError:  # cut off, so that it comes back
            return


class Socketed(Follower):
    """Over a WebSocket."""

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(self.path) as socket:
            wanted = {"channels": CHANNELS, "since": self.since}
            await socket.send_json({"id": 1, "method": "subscription.subscribe", "params": wanted})
            async for message in socket:
                event = json.loads(message.data)
                self.connected.set()
                if event["type"] == "event" and self._take(event):
                    return
            assert socket.close_code == RESTART


async def command(
    session: aiohttp.ClientSession, project: Project, thread_id: str, **params: Any
) -> Any:
    body = {"id": 1, "method": "run.start", "params": {"assistant_id": "steps", **params}}
    async with session.post(f"{project.url}/threads/{thread_id}/commands", json=body) as answer:
        told = await answer.json()
    assert told["type"] == "success", told
    return told["result"]


def ticks_of(follower: Follower) -> list[str]:
    return [event["params"]["data"] for event in follower.events if event["method"] == "custom"]


@pytest.mark.parametrize("kind", [Streamed, Socketed])
@pytest.mark.parametrize("grace", ["30s", "0.3s"])
async def test_who_follows_by_protocol_v2_misses_and_repeats_nothing(
    tmp_path: Path, kind: type[Follower], grace: str
) -> None:
    thread_id = str(uuid4())
    with reloading(tmp_path, "--grace", grace) as project:
        follower = kind(project, thread_id)
        async with aiohttp.ClientSession() as session, asyncio.timeout(2 * SECONDS):
            following = asyncio.ensure_future(follower.follow(session))
            await command(session, project, thread_id, input={"ticks": 80})
            await follower.seen.wait()
            for number in range(2):
                await asyncio.to_thread(reload, project, f"v{number}")
            await following
    numbers = [event["seq"] for event in follower.events]
    assert numbers == sorted(set(numbers))
    assert ticks_of(follower) == all_ticks(80)


@pytest.mark.parametrize("kind", [Streamed, Socketed])
async def test_who_follows_an_idle_thread_meets_the_run_that_the_new_code_executes(
    project: Project, kind: type[Follower]
) -> None:
    thread_id = project.thread()
    follower = kind(project, thread_id)
    async with aiohttp.ClientSession() as session, asyncio.timeout(2 * SECONDS):
        following = asyncio.ensure_future(follower.follow(session))
        await follower.connected.wait()
        await asyncio.to_thread(reload, project, "two")
        await command(session, project, thread_id, input={"ticks": 5})
        await following
    assert ticks_of(follower) == all_ticks(5)


async def test_a_command_over_a_socket_to_the_old_code_is_carried_out(project: Project) -> None:
    thread_id = project.thread()
    follower = Socketed(project, thread_id)
    path = f"{project.url}/threads/{thread_id}/stream/events"
    async with aiohttp.ClientSession() as session, asyncio.timeout(2 * SECONDS):
        async with session.ws_connect(path) as socket:
            await asyncio.to_thread(reload, project, "two")
            params = {"assistant_id": "steps", "input": {"ticks": 5}}
            await socket.send_json({"id": 1, "method": "run.start", "params": params})
            assert (await socket.receive_json())["type"] == "success"
        await follower.follow(session)
    assert ticks_of(follower) == all_ticks(5)


async def test_who_follows_a_thread_misses_and_repeats_nothing(project: Project) -> None:
    thread_id = project.thread()
    run = project.post(
        f"/threads/{thread_id}/runs",
        input={"ticks": 80},
        stream_mode=["custom"],
        stream_resumable=True,
    )
    told: list[Any] = []
    last = "-1"
    async with aiohttp.ClientSession() as session, asyncio.timeout(2 * SECONDS):
        saving = asyncio.ensure_future(asyncio.to_thread(reload, project, "two"))
        while len(told) < 240:
            headers = {"Last-Event-ID": last}
            path = f"{project.url}/threads/{thread_id}/stream"
            async with session.get(path, headers=headers) as answer:
                assert answer.status == 200
                last = await _frames(answer, last, told)
        await saving
    assert told == all_ticks(80)
    assert project.get(f"/threads/{thread_id}/runs/{run['run_id']}/join")["version"] in (
        "one",
        "two",
    )


def test_a_message_to_an_agent_is_answered_to_its_end(agents: Project) -> None:
    text = {"role": "user", "parts": [{"kind": "text", "text": "150"}], "messageId": "m1"}
    call = {"jsonrpc": "2.0", "id": 7, "method": "message/stream", "params": {"message": text}}
    reader = Reader(agents.url, "/a2a/talk", call).start()
    assert reader.connected.wait(SECONDS)
    reload(agents, "two")
    events = [event["result"] for _, event in reader.end()]
    said = [
        part["text"]
        for event in events
        if event["kind"] == "artifact-update"
        for part in event["artifact"]["parts"]
    ]
    assert "".join(said) == " ".join(f"w{number:03}" for number in range(150))
    assert events[-1]["status"]["state"] == "completed"


def test_a_call_of_a_tool_is_answered_to_its_end(agents: Project) -> None:
    params = {"name": "steps", "arguments": {"ticks": 60}, "_meta": {"progressToken": "t"}}
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    reader = Reader(agents.url, "/mcp", call, MCP).start()
    assert reader.connected.wait(SECONDS)
    reload(agents, "two")
    *notices, last = [event for _, event in reader.end()]
    told = [notice["params"]["message"] for notice in notices]
    assert [text for text in told if text not in ("a", "b", "c")] == all_ticks(60)
    assert last["result"]["structuredContent"]["log"] == ["a:one", "b:one", "c:one"]


def reload(project: Project, version: str) -> None:
    """Save another version, and return when it serves."""
    before = len(project.told("server.reloaded"))
    project.edit(project.version_line(), f'VERSION = "{version}"')
    project.await_event("server.reloaded", before + 1)


async def _frames(answer: aiohttp.ClientResponse, last: str, told: list[Any]) -> str:
    """Read events until the connection ends; return the last one's id."""
    name, tick = "", None
    with suppress(aiohttp.ClientPayloadError):
        async for line in answer.content:
            text = line.decode().strip()
            if text.startswith("event: "):
                name = text[7:]
            elif text.startswith("data: ") and name == "custom":
                tick = json.loads(text[6:])
            elif text.startswith("id: "):
                last = text[4:]
            elif not text and name:
                told += [] if tick is None else [tick]
                name, tick = "", None
                if len(told) >= 240:
                    break
    return last


async def test_an_app_of_ones_own_begins_anew_and_ends(agents: Project) -> None:
    log = agents.folder / "lifespans.log"
    async with aiohttp.ClientSession() as session, asyncio.timeout(2 * SECONDS):
        socket = await session.ws_connect(f"{agents.url}/echo")
        await socket.send_str("a")
        assert await socket.receive_str() == "one:a"
        await asyncio.to_thread(reload, agents, "two")
        await socket.send_str("b")
        assert await socket.receive_str() == "one:b"
        async with session.get(f"{agents.url}/page") as answer:
            assert await answer.text() == "two"
        await socket.close()
    while len(lines := log.read_text().splitlines()) < 3:  # noqa: ASYNC110 - bounded
        await asyncio.sleep(0.01)
    assert [line.rpartition(" ")[0] for line in lines] == ["up one", "up two", "down one"]
    assert lines[0].split()[-1] == lines[2].split()[-1] != lines[1].split()[-1]


async def test_a_socket_of_an_app_is_told_to_come_again_when_the_grace_is_over(
    tmp_path: Path,
) -> None:
    with reloading(tmp_path, "--grace", "0.3s", over="followed") as agents:
        async with (
            asyncio.timeout(2 * SECONDS),
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{agents.url}/echo") as socket,
        ):
            await socket.send_str("a")
            assert await socket.receive_str() == "one:a"
            await asyncio.to_thread(reload, agents, "two")
            assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
            assert socket.close_code == RESTART


def test_a_cron_fires_once_a_moment(project: Project) -> None:
    with httpx.Client(base_url=project.url, timeout=SECONDS) as http:
        cron = create(http, assistant_id="steps", schedule=EVERY_SECOND, input={})
        for number in range(4):
            fired(http, cron, 2 * number + 1)
            reload(project, f"v{number}")
        found = fired(http, cron, 10)
        runs = {each["run_id"] for each in found}
    moments = [moment(each["due_at"]) for each in reversed(found)]
    assert len(runs) == len(moments)
    assert all(one < later for one, later in pairwise(moments))


def _lines(file: Path, count: int) -> list[str]:
    """Wait until a file has as many lines, and return them."""

    def look() -> list[str] | None:
        lines = file.read_text().splitlines()
        return lines if len(lines) >= count else None

    return until(look, SECONDS)
