"""Protocol v2 on a WebSocket: commands and events on one connection, and who may open one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import pytest

from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB
from tests.api.protocol_tools import ALL, SECONDS, command, is_end, read, start, subscribed, told
from tests.servers import ServerProcess, serving

_CORS = {"http": {"cors": {"allow_origins": ["https://good.example"]}}}


class Socket:
    """A client of one WebSocket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.events: list[Any] = []
        self._ids = 0

    async def call(self, method: str, **params: Any) -> Any:
        """Send a command and return its answer; events that come before it are kept."""
        self._ids += 1
        await self.ws.send_json({"id": self._ids, "method": method, "params": params})
        return await self.answer()

    async def answer(self) -> Any:
        """Return the next message that is no event."""
        async with asyncio.timeout(SECONDS):
            while (message := await self.ws.receive_json())["type"] == "event":
                self.events.append(message)
        return message

    async def until_end(self) -> list[Any]:
        """Return all events up to the end of a run."""
        async with asyncio.timeout(SECONDS):
            while not any(is_end(event) for event in self.events):
                self.events.append(await self.ws.receive_json())
        found, self.events = self.events, []
        return found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("protocol"), "protocol", _CORS) as url:
        yield url


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def socket(session: aiohttp.ClientSession, url: str, thread_id: str) -> AsyncIterator[Socket]:
    async with session.ws_connect(_address(url, thread_id)) as ws:
        yield Socket(ws)


def _address(url: str, thread_id: str) -> str:
    return f"{url}/threads/{thread_id}/stream/events"


@pytest.mark.requirement("PROTOCOL-010")
async def test_commands_and_events_share_one_connection(socket: Socket) -> None:
    subscribed = await socket.call("subscription.subscribe", channels=ALL)
    assert subscribed["result"]["replayed_events"] == 0
    started = await socket.call("run.start", assistant_id="echo", input={"text": "x"})
    assert started["type"] == "success"
    events = await socket.until_end()
    assert told(events)[0] == "lifecycle:running"
    assert told(events)[-1] == "lifecycle:completed"


async def test_what_is_stored_comes_before_the_answer(
    socket: Socket, http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "echo", {"text": "x"})
    stored = await read(http, thread_id)
    answer = await socket.call("subscription.subscribe", channels=ALL)
    assert socket.events == stored
    assert answer["result"]["replayed_events"] == len(stored)
    assert answer["meta"] == {"applied_through_seq": stored[-1]["seq"]}


async def test_a_subscription_ends_when_it_is_asked_to(
    socket: Socket, http: httpx.AsyncClient, thread_id: str
) -> None:
    kept = await socket.call("subscription.subscribe", channels=["lifecycle"])
    left = await socket.call("subscription.subscribe", channels=["values"])
    assert kept["result"]["subscription_id"] != left["result"]["subscription_id"]
    gone = left["result"]["subscription_id"]
    assert (await socket.call("subscription.unsubscribe", subscription_id=gone))["result"] == {}
    again = await socket.call("subscription.unsubscribe", subscription_id=gone)
    assert again["error"] == "no_such_subscription"
    await start(http, thread_id, "echo", {"text": "x"})
    assert {event["method"] for event in await socket.until_end()} == {"lifecycle"}


async def test_an_event_that_several_subscriptions_want_is_sent_once_in_its_order(
    socket: Socket, http: httpx.AsyncClient, thread_id: str
) -> None:
    for channels in (["values", "lifecycle"], ["values"], ["custom", "values"], ALL):
        await socket.call("subscription.subscribe", channels=channels)
    await socket.call("run.start", assistant_id="named", input={"text": "x"})
    events = await socket.until_end()
    assert events == await read(http, thread_id)
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers))


async def test_a_later_subscription_gets_what_went_by_before_it_is_answered(
    socket: Socket, http: httpx.AsyncClient, thread_id: str
) -> None:
    await socket.call("subscription.subscribe", channels=["lifecycle"])
    await start(http, thread_id, "echo", {"text": "x"})
    stored = await read(http, thread_id)
    await socket.until_end()

    again = await socket.call("subscription.subscribe", channels=["lifecycle", "values"])
    shown = [event for event in stored if event["method"] in ("lifecycle", "values")]
    assert socket.events == shown
    assert again["result"]["replayed_events"] == len(shown)

    socket.events.clear()
    last = stored[-1]["seq"]
    nothing = await socket.call("subscription.subscribe", channels=ALL, since=last)
    assert (nothing["result"]["replayed_events"], socket.events) == (0, [])
    await start(http, thread_id, "echo", {"text": "y"})
    assert await socket.until_end() == await read(http, thread_id, since=last)


async def test_a_subscription_from_a_number_to_come_hides_nothing_from_others(
    socket: Socket, http: httpx.AsyncClient, thread_id: str
) -> None:
    await start(http, thread_id, "echo", {"text": "x"})
    stored = await read(http, thread_id)
    await socket.call("subscription.subscribe", channels=ALL, since=2**50)
    await socket.call("subscription.subscribe", channels=ALL, since=stored[2]["seq"])
    assert socket.events == stored[3:]
    socket.events.clear()
    await start(http, thread_id, "echo", {"text": "y"})
    assert await socket.until_end() == await read(http, thread_id, since=stored[-1]["seq"])


async def test_subscriptions_that_begin_while_a_run_speaks_miss_and_repeat_nothing(
    socket: Socket, http: httpx.AsyncClient, thread_id: str
) -> None:
    await socket.call("subscription.subscribe", channels=["lifecycle", "custom"])
    await socket.call("run.start", assistant_id="named", input={"text": "x"})
    seen: set[int] = set()
    for _ in range(5):
        await socket.call("subscription.subscribe", channels=["custom", "values", "lifecycle"])
        seen |= {event["seq"] for event in socket.events}
    events = socket.events
    while not any(is_end(event) for event in events):
        events.append(await socket.ws.receive_json())
    stored = await read(http, thread_id, channels=["custom", "values", "lifecycle"])
    assert {event["seq"] for event in events} == {event["seq"] for event in stored}


async def test_a_client_reconnects_behind_the_last_event_it_saw(
    socket: Socket, http: httpx.AsyncClient, thread_id: str
) -> None:
    run_id = await start(http, thread_id, "echo", {"text": "x"})
    stored = await read(http, thread_id)
    answer = await socket.call(
        "subscription.reconnect", run_id=run_id, last_event_id=stored[3]["event_id"], channels=ALL
    )
    assert answer["result"]["restored"] is True
    assert answer["result"]["missed_events"] == len(stored) - 4
    assert socket.events == stored[4:]


async def test_a_client_that_saw_what_is_gone_is_told_so(socket: Socket) -> None:
    answer = await socket.call("subscription.reconnect", last_event_id="1-1", channels=ALL)
    assert answer["result"]["restored"] is False


@pytest.mark.requirement("PROTOCOL-002")
@pytest.mark.parametrize("text", ["{", "[]", "5", '{"id":-1,"method":"x"}'])
async def test_what_is_no_command_is_answered_and_the_connection_stays(
    socket: Socket, text: str
) -> None:
    await socket.ws.send_str(text)
    assert (await socket.answer())["error"] == "invalid_argument"
    assert (await socket.call("agent.getTree"))["error"] == "no_such_run"


async def test_a_wrong_subscription_is_refused_by_name(socket: Socket) -> None:
    answer = await socket.call("subscription.subscribe", channels=["zz"])
    assert answer["error"] == "invalid_argument"
    assert "unsupported entries: zz" in answer["message"]


async def test_a_page_of_another_origin_connects_only_if_the_policy_lets_it(
    session: aiohttp.ClientSession, url: str, thread_id: str
) -> None:
    good = {"Origin": "https://good.example"}
    async with session.ws_connect(_address(url, thread_id), headers=good) as ws:
        assert (await Socket(ws).call("agent.getTree"))["error"] == "no_such_run"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(
            _address(url, thread_id), headers={"Origin": "https://bad.example"}
        )
    assert refused.value.status == 403


async def test_a_plain_get_is_told_to_upgrade(http: httpx.AsyncClient, thread_id: str) -> None:
    answer = await http.get(f"/threads/{thread_id}/stream/events")
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"


async def test_a_thread_id_that_is_none_is_refused(
    session: aiohttp.ClientSession, url: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(_address(url, "not-an-id"))
    assert refused.value.status == 422


async def test_a_server_that_stops_says_so_to_every_client(
    tmp_path: Path, session: aiohttp.ClientSession, thread_id: str
) -> None:
    with serving(tmp_path, name="protocol") as server:
        async with (
            session.ws_connect(_address(server.url, thread_id)) as following,
            session.ws_connect(_address(server.url, thread_id)) as idle,
        ):
            await Socket(following).call("run.start", assistant_id="echo", input={"text": "x"})
            await Socket(following).call("subscription.subscribe", channels=ALL)
            async with asyncio.timeout(SECONDS):
                codes = await asyncio.gather(
                    _closing(following), _closing(idle), asyncio.to_thread(server.stop)
                )
    assert (codes[0], codes[1]) == (1012, 1012)


_WANTED = b'{"id":1,"method":"subscription.subscribe","params":{"channels":["values"]}}'
_UPGRADE = (
    b"GET /threads/%b/stream/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_MASK = bytes(4)
_OVER_SOCKET = _UPGRADE + bytes((0x81, 0x80 | len(_WANTED))) + _MASK + _WANTED
_BODY = b'{"channels":["values"]}'
_OVER_SSE = (
    b"POST /threads/%%b/stream/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_BODY), _BODY)
)


@pytest.mark.parametrize("asked", [_OVER_SOCKET, _OVER_SSE])
async def test_a_client_that_does_not_listen_does_not_keep_a_server_from_stopping(
    tmp_path: Path, thread_id: str, asked: bytes
) -> None:
    with serving(tmp_path, name="protocol") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=SECONDS) as http:
            await start(http, thread_id, "echo", {"text": "x" * 4**11})
            await read(http, thread_id, channels=["lifecycle"])
        deaf = await _deaf(server.url, asked % thread_id.encode())
        assert await _seconds_to_stop(server) < 1.8
        deaf.close()


async def _deaf(url: str, asked: bytes) -> asyncio.StreamWriter:
    """Ask for more than a connection holds, and read nothing of it but the beginning."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**12)
    writer.write(asked)
    async with asyncio.timeout(SECONDS):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(64)
    return writer


async def _seconds_to_stop(server: ServerProcess) -> float:
    began = time.monotonic()
    await asyncio.to_thread(server.stop)
    return time.monotonic() - began


async def test_who_waits_for_a_thread_to_come_does_not_keep_a_server_from_stopping(
    tmp_path: Path, thread_id: str
) -> None:
    with serving(tmp_path, name="protocol") as server:
        async with (
            httpx.AsyncClient(base_url=server.url, timeout=SECONDS) as http,
            subscribed(http, thread_id),
        ):
            assert await _seconds_to_stop(server) < 1.8


async def _closing(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read to the end, and return how it ended."""
    while (await ws.receive()).type is aiohttp.WSMsgType.TEXT:
        pass
    return ws.close_code


async def test_owners_are_kept_apart(
    tmp_path: Path, session: aiohttp.ClientSession, thread_id: str
) -> None:
    with served(tmp_path, "protocol", API_KEYS) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20, headers=ALICE) as alice:
            await start(alice, thread_id, "approval", {"text": "secret"})
            await read(alice, thread_id)
        for headers, thread, status in (
            ({}, thread_id, 401), (BOB, thread_id, 404), (BOB, str(uuid4()), 404),
        ):  # fmt: skip
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(_address(url, thread), headers=headers)
            assert refused.value.status == status
        async with httpx.AsyncClient(base_url=url, timeout=20, headers=BOB) as bob:
            await _see_nothing(bob, thread_id)
        async with session.ws_connect(_address(url, thread_id), headers=ALICE) as ws:
            answer = await Socket(ws).call("subscription.subscribe", channels=ALL)
            assert answer["result"]["replayed_events"] > 0


async def _see_nothing(bob: httpx.AsyncClient, thread_id: str) -> None:
    path = f"/threads/{thread_id}/stream/events"
    hidden = await bob.post(path, json={"channels": ALL})
    absent = await bob.post(f"/threads/{uuid4()}/stream/events", json={"channels": ALL})
    assert (hidden.status_code, absent.status_code) == (404, 404)
    checkpoint = str(uuid4())
    for method, params in (
        ("run.start", {"assistant_id": "approval", "input": {"text": "x"}}),
        ("input.respond", {"interrupt_id": "x", "response": 1}),
        ("input.inject", {"message": {"role": "user", "content": "x"}}),
        ("agent.getTree", {}),
        ("state.get", {}),
        ("state.listCheckpoints", {}),
        ("state.fork", {"checkpoint_id": checkpoint}),
    ):
        answer = await command(bob, thread_id, method, **params)
        assert answer["type"] == "error"
        assert "secret" not in str(answer)
        if method != "run.start":
            other = str(uuid4())
            same = await command(bob, other, method, **params)
            assert str(same).replace(other, thread_id) == str(answer)
