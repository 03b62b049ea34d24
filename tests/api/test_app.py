"""What surrounds the handlers: limits, starting up, prefix, log, and what nobody expected."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from typing import Any, cast

import pytest
from aiohttp import ClientPayloadError, ServerDisconnectedError, web
from aiohttp.test_utils import TestClient, TestServer

from lgserve.api.app import build_app
from lgserve.api.keys import ApiOptions, ServerFacts, Services
from lgserve.api.middleware import Handler
from lgserve.settings_schema import Cors

OPTIONS = ApiOptions(cors=Cors())
Client = TestClient[web.Request, web.Application]
NOT_THERE = cast("Any", None)


def services(*, ready: bool = True) -> Services:
    """Return services whose use cases are missing: a handler that calls one fails unexpectedly."""
    facts = ServerFacts()
    if ready:
        facts.loaded([])
    missing = {field.name: NOT_THERE for field in fields(Services) if field.name != "facts"}
    return Services(**missing, facts=facts)


@asynccontextmanager
async def serving(options: ApiOptions = OPTIONS, *, ready: bool = True) -> AsyncIterator[Client]:
    async with TestClient(TestServer(build_app(services(ready=ready), options))) as client:
        yield client


@asynccontextmanager
async def serving_route(handler: Handler) -> AsyncIterator[Client]:
    app = build_app(services(), OPTIONS)
    app.router.add_route("*", "/route", handler)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.requirement("HTTP-005")
async def test_an_unexpected_error_is_json_and_logged_and_the_connection_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as client:
        answer = await client.post("/threads", json={})

        assert (answer.status, await answer.json()) == (500, {"detail": "Internal Server Error"})
        assert answer.headers["Content-Type"] == "application/json"
        assert not answer.headers.get("Connection")
        assert (await client.get("/ok")).status == 200
    (record,) = [item for item in caplog.records if item.name == "lgserve"]
    assert record.getMessage() == "POST /threads failed"
    assert record.exc_info is not None


async def test_an_answer_that_has_begun_is_broken_off() -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"the beginning")
        raise ValueError("the rest is missing")

    async with serving_route(breaks) as client:
        answer = await client.get("/route")

        assert answer.status == 200
        with pytest.raises(ClientPayloadError):
            await answer.read()


async def test_a_client_that_has_gone_is_nobodys_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def leaves(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError("the client has gone")

    async with serving_route(leaves) as client:
        with pytest.raises(ServerDisconnectedError):
            await client.post("/route")

    (record,) = [item for item in caplog.records if item.name != "aiohttp.access"]
    assert (record.name, record.__dict__["access"]["status"]) == ("lgserve.access", 499)


@pytest.mark.requirement("HTTP-016")
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_413(declared: bool) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    async with serving(replace(OPTIONS, max_body_bytes=1000)) as client:
        body: Any = b" " * 2000 if declared else parts()
        answer = await client.post("/threads", data=body)

        assert (answer.status, await answer.json()) == (
            413,
            {"detail": "The request body is larger than 1000 bytes"},
        )


@pytest.mark.requirement("SYSTEM-008")
async def test_while_graphs_load_only_probes_and_info_answer() -> None:
    async with serving(ready=False) as client:
        for path in ("/ok", "/health", "/info", "/"):
            assert (await client.get(path)).status == 200
        ready = await client.get("/ready")
        refused = await client.post("/threads", json={})

        assert (ready.status, await ready.json()) == (
            503,
            {"ready": False, "reason": "loading graphs"},
        )
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert "try again" in (await refused.json())["detail"]
        assert (await client.get("/nope")).status == 404


async def test_info_follows_the_loading_of_graphs() -> None:
    facts = ServerFacts(storage={"kind": "sqlite"}, queue={"slots": 4})
    bundle = replace(services(), facts=facts)
    async with TestClient(TestServer(build_app(bundle, OPTIONS))) as client:
        before = await (await client.get("/info")).json()
        facts.loaded([_Outcome("a", None), _Outcome("b", _Failure())])
        after = await (await client.get("/info")).json()

    assert (before["graphs"], before["storage"], before["queue"]) == (
        [],
        {"kind": "sqlite"},
        {"slots": 4},
    )
    assert (after["graphs"], after["graph_errors"]) == (["a"], {"b": {"message": "no"}})


class _Failure:
    def to_json(self) -> dict[str, Any]:
        return {"message": "no"}

    def public_json(self) -> dict[str, Any]:
        return {}


class _Outcome:
    kind: Any = "graph"

    def __init__(self, graph_id: str, error: _Failure | None) -> None:
        self.graph_id = graph_id
        self.error = error


@pytest.mark.requirement("SYSTEM-006")
async def test_below_a_prefix_all_routes_answer_and_probes_at_the_root_too() -> None:
    async with serving(replace(OPTIONS, mount_prefix="/api")) as client:
        for path in ("/api/ok", "/api/info", "/api/ready", "/ok", "/ready", "/"):
            assert (await client.get(path)).status == 200
        assert (await client.get("/info")).status == 404
        assert (await client.post("/api/threads", data=b"{")).status == 422
        assert (await client.post("/threads", data=b"{")).status == 404


@pytest.mark.requirement("SYSTEM-007")
@pytest.mark.parametrize(
    ("access_log", "recorded"),
    [
        ("off", []),
        ("errors", [("GET", "/nope", 404)]),
        ("all", [("GET", "/ok", 200), ("GET", "/nope", 404)]),
    ],
)
async def test_requests_leave_a_record_where_it_is_wanted(
    caplog: pytest.LogCaptureFixture, access_log: str, recorded: list[tuple[str, str, int]]
) -> None:
    caplog.set_level(logging.INFO, "lgserve.access")
    async with serving(replace(OPTIONS, access_log=access_log)) as client:
        await client.get("/ok", params={"secret": "x"})
        await client.get("/nope")

    fields = [item.__dict__["access"] for item in caplog.records if item.name == "lgserve.access"]
    assert [(item["method"], item["path"], item["status"]) for item in fields] == recorded
    assert all(item["seconds"] >= 0 and item["client"] == "127.0.0.1" for item in fields)
