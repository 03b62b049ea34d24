"""The project's own app (`http.app`): bodies, streams, sockets, errors, its lifespan."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.conftest import served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("custom_app")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served(folder, "custom_app") as url:
        yield url


@pytest.fixture
def app(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=20) as client:
        yield client


def until(look: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return True
    return False


def seen(app: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = app.get("/mine/seen").json()
    return found


def test_the_lifespan_s_state_reaches_the_request_and_all_of_it_runs_on_the_user_loop(
    app: httpx.Client,
) -> None:
    found = app.get("/mine/state").json()
    assert found["answer"] == 42
    assert found["loop"] == found["here"] == "lgserve-user-loop"
    assert (found["path"], found["root_path"]) == ("/mine/state", "")
    assert found["url"].endswith("/mine/state")


def test_a_lifespan_may_call_the_api_as_it_starts(app: httpx.Client) -> None:
    assert app.get("/mine/state").json()["assistants"] == ["show"]


def test_ten_megabytes_arrive_whole(app: httpx.Client) -> None:
    body = bytes(range(256)) * 40_000
    found = app.post("/mine/upload", content=body).json()
    assert found == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), 100_000):
            yield body[at : at + 100_000]

    assert app.post("/mine/upload", content=pieces()).json() == found
    file = {"file": ("big.bin", body)}
    assert app.post("/mine/form", files=file).json() == {"name": "big.bin", "size": len(body)}


def test_a_stream_is_not_held_back(app: httpx.Client, url: str) -> None:
    with app.stream("GET", "/mine/stream") as response:
        pieces = response.iter_raw()
        assert next(pieces) == b"first\n"  # the second one is made only after this
        assert httpx.post(f"{url}/mine/proceed").status_code == 204
        assert b"".join(pieces) == b"second\n"


def test_a_stream_is_told_that_its_client_has_gone(app: httpx.Client, url: str) -> None:
    with httpx.stream("GET", f"{url}/mine/forever") as response:
        next(response.iter_raw())
    assert until(lambda: "forever ended" in seen(app)["events"])


def test_an_endpoint_may_ask_whether_its_client_has_gone(tmp_path: Path) -> None:
    # Without middleware: Starlette's BaseHTTPMiddleware hides it from `is_disconnected`.
    with served(tmp_path, "custom_app", {"http": {"app": "./custom_webapp.py:bare"}}) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}/mine/until-gone", timeout=0.3)
        with httpx.Client(base_url=url) as app:
            assert until(lambda: "is_disconnected" in seen(app)["events"])


def test_an_answer_that_breaks_off_is_seen_as_broken(tmp_path: Path) -> None:
    # Without middleware: Starlette's BaseHTTPMiddleware ends such an answer properly.
    kind = {"http": {"app": "./custom_webapp.py:bare"}}
    with served(tmp_path, "custom_app", kind) as url, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/mine/half")


def test_an_answer_is_made_no_faster_than_it_is_read(app: httpx.Client, url: str) -> None:
    with httpx.stream("GET", f"{url}/mine/flood") as response:
        next(response.iter_raw())
        first = seen(app)["made"]
        until(lambda: False, 0.5)
        assert seen(app)["made"] == first or seen(app)["made"] < 300  # of 1000 pieces, 64 kB each


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/mine/value-error", 400, "that is no value"),
        ("/mine/teapot", 418, "tea"),
        ("/mine/broken", 500, "Internal Server Error"),
        ("/mine/nothing", 404, "Not Found"),
    ],
)
def test_errors_are_json_and_keep_the_connection(
    app: httpx.Client, path: str, status: int, detail: str
) -> None:
    before = app.get("/mine/empty").extensions["network_stream"]
    answer = app.get(path)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    assert app.get("/mine/empty").extensions["network_stream"] is before


def test_an_error_s_headers_are_kept(app: httpx.Client) -> None:
    assert app.get("/mine/teapot").headers["x-tea"] == "green"


def test_head_and_no_content_have_no_body(app: httpx.Client) -> None:
    head = app.head("/mine/state")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 10
    empty = app.get("/mine/empty")
    assert (empty.status_code, empty.content) == (204, b"")


def test_work_in_the_background_does_not_hold_the_connection(app: httpx.Client) -> None:
    assert app.get("/mine/later").text == "now"
    assert "background done" not in seen(app)["events"]
    assert until(lambda: "background done" in seen(app)["events"])


def test_the_app_calls_the_api_of_its_server(app: httpx.Client) -> None:
    assert app.get("/mine/run").json() == {"seen": {}}


def test_a_body_beyond_the_limit_is_413(tmp_path: Path) -> None:
    config = {"lgserve": {"max_body_bytes": "1MB"}}
    with served(tmp_path, "custom_app", config) as url, httpx.Client(base_url=url) as app:
        assert app.post("/mine/upload", content=b"x" * 900_000).json()["size"] == 900_000
        refused = app.post("/mine/upload", content=b"x" * 1_200_000)
        assert refused.status_code == 413
        assert app.post("/mine/upload", content=iter([b"x" * 700_000] * 2)).status_code == 413
        assert app.post("/threads", content=b"x" * 1_200_000).status_code == 413


# ---------------------------------------------------------------- routes


def test_a_route_of_the_api_is_never_the_app_s(app: httpx.Client) -> None:
    assert app.post("/threads/search", json={}).text != "shadow"
    assert app.get("/ok").json() == {"ok": True, "services": {}}
    assert app.get("/threads").text == "shadow"  # a method that the API does not have


def test_shadowed_routes_are_named_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path, "custom_app"):
        pass
    told = [record.getMessage() for record in caplog.records if "not reached" in record.message]
    assert len(told) == 2
    assert "POST /threads/search is not reached" in told[0]
    assert "GET /ok is not reached" in told[1]


def test_the_api_s_document_has_the_app_s_routes(app: httpx.Client) -> None:
    paths = app.get("/openapi.json").json()["paths"]
    assert paths["/mine/state"]["get"]["summary"] == "What the lifespan yielded"
    assert set(paths["/mine/upload"]) == {"post"}
    assert set(paths["/threads"]) == {"get", "post"}
    assert paths["/threads/search"]["post"]["operationId"].startswith("search_threads")


def test_info_tells_of_the_app(app: httpx.Client) -> None:
    assert app.get("/info").json()["capabilities"]["custom_app"] is True


# ---------------------------------------------------------------- middleware


def test_the_app_s_middleware_is_around_the_api(app: httpx.Client) -> None:
    for path in ("/ok", "/info", "/metrics", "/nothing", "/threads/x", "/openapi.json"):
        assert app.get(path).headers["x-stamp"] == "yes", path
    answer = app.post("/threads", json={})
    assert answer.headers["x-stamp"] == "yes"
    assert len(answer.headers.get_list("date")) == len(answer.headers.get_list("server")) == 1
    refused = app.post("/threads", json={}, headers={"x-refuse": "1"})
    assert (refused.status_code, refused.json()) == (418, {"refused": "/threads"})


def test_middleware_may_send_a_request_somewhere_else(app: httpx.Client) -> None:
    assert app.post("/old/threads/search", json={}).headers["x-pagination-total"]


async def test_runs_stream_through_the_middleware(url: str) -> None:
    async with get_client(url=url) as client:
        thread = await client.threads.create()
        stream = client.runs.stream(
            thread["thread_id"], "show", input={"steps": 3}, stream_mode=["custom", "values"]
        )
        found = [(part.event, part.data) async for part in stream]
    assert [data for event, data in found if event == "custom"] == [{"step": n} for n in range(3)]


async def test_a_client_that_leaves_cancels_its_run_through_the_middleware(url: str) -> None:
    async with get_client(url=url) as client:
        thread = await client.threads.create()
        stream: Any = client.runs.stream(
            thread["thread_id"],
            "show",
            input={"steps": 100_000},
            stream_mode="custom",
            on_disconnect="cancel",
        )
        async for part in stream:
            if part.event == "custom":
                break
        await stream.aclose()
        async with asyncio.timeout(10):
            busy = True
            while busy:
                busy = (await client.threads.get(thread["thread_id"]))["status"] == "busy"
        runs = await client.runs.list(thread["thread_id"])
    assert runs[0]["status"] == "interrupted"


async def test_a_socket_of_the_api_passes_the_middleware(url: str) -> None:
    async with get_client(url=url) as client:
        thread = await client.threads.create()
    address = url.replace("http", "ws") + f"/threads/{thread['thread_id']}/stream/events"
    async with asyncio.timeout(10), connect(address) as socket:
        await socket.send('{"id": 1, "method": "agent.getTree", "params": {}}')
        assert '"id":1' in str(await socket.recv())
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address.replace(thread["thread_id"], "nonsense")):
            pass
    assert refused.value.response.status_code == 422


def test_a_probe_is_answered_while_the_app_blocks(app: httpx.Client, url: str) -> None:
    with httpx.Client(base_url=url, timeout=0.05) as blocking, pytest.raises(httpx.ReadTimeout):
        blocking.get("/mine/block")
    began = time.monotonic()
    assert app.get("/ok").status_code == 200
    assert time.monotonic() - began < 1
    assert until(lambda: app.get("/ok").headers.get("x-stamp") == "yes")


# ---------------------------------------------------------------- sockets


async def test_a_socket_echoes_text_and_bytes(url: str) -> None:
    address = url.replace("http", "ws") + "/mine/echo"
    async with asyncio.timeout(10), connect(address, subprotocols=["chat"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "chat"
        await socket.send("hello")
        assert await socket.recv() == "42:hello"
        await socket.send(b"abc" * 100_000)
        assert await socket.recv() == b"cba" * 100_000
        await (await socket.ping())
        await socket.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "as you like")


async def test_a_socket_s_app_hears_how_it_was_closed(url: str, app: httpx.Client) -> None:
    address = url.replace("http", "ws") + "/mine/echo"
    async with connect(address) as socket:
        await socket.close(4321)
    assert until(lambda: "socket closed 4321" in seen(app)["events"])


async def test_a_socket_may_be_refused_and_may_fail(url: str) -> None:
    address = url.replace("http", "ws") + "/mine/echo"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{address}?refuse=1"):
            pass
    assert refused.value.response.status_code == 403
    async with asyncio.timeout(10), connect(address) as socket:
        await socket.send("fail")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011


# ---------------------------------------------------------------- headers


def test_headers_reach_runs_as_configured(app: httpx.Client) -> None:
    headers = {
        "X-Tenant": "blue", "X-Secret-Key": "s", "Authorization": "Bearer t", "x-api-key": "k",
        "langsmith-trace": "20260101", "baggage": "langsmith-tags=a%2Cb,other=1", "cookie": "c=1",
    }  # fmt: skip
    body = {"assistant_id": "show", "input": {}}
    seen = app.post("/runs/wait", json=body, headers=headers).json()["seen"]
    assert seen == {"x-tenant": "blue", "langsmith-trace": "20260101", "langsmith-tags": ["a", "b"]}
    bare = app.post("/runs/wait", json=body, headers={"other": "1"}).json()["seen"]
    assert bare == {}


def test_the_lifespan_ends_with_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFESPAN_FOLDER", str(tmp_path))
    with served(tmp_path, "custom_app"):
        assert not (tmp_path / "lifespan-ended").exists()
    assert (tmp_path / "lifespan-ended").read_text() == "down"


def test_the_record_of_a_request_shows_configured_headers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {
        "http": {"logging_headers": {"includes": ["x-*"], "excludes": ["x-secret"]}},
        "lgserve": {"access_log": "all"},
    }
    caplog.set_level("INFO", "lgserve.access")
    with served(tmp_path, "custom_app", config) as url:
        headers = {"X-Shown": "1", "x-secret": "2", "x-api-key": "3"}
        httpx.get(f"{url}/threads/nothing", headers=headers)
    (record,) = [
        record.__dict__["access"]
        for record in caplog.records
        if record.name == "lgserve.access" and record.__dict__["access"]["path"] != "/ready"
    ]
    assert record["req_header"] == {"x-shown": "1"}
