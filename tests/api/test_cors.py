"""Web pages of other origins: preflights and the headers of answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from lgserve.settings_schema import Cors
from tests.api.test_app import OPTIONS, serving

PAGE = "https://page.test"
Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def guarded(cors: Cors) -> AsyncIterator[Client]:
    async with serving(replace(OPTIONS, cors=cors)) as client:
        yield client


def asked(method: str = "POST", **more: str) -> dict[str, str]:
    return {"Origin": PAGE, "Access-Control-Request-Method": method, **more}


@pytest.mark.requirement("CORS-001")
async def test_a_preflight_is_answered_on_any_route() -> None:
    headers = asked(**{"Access-Control-Request-Headers": "x-a, content-type"})
    async with guarded(Cors()) as client:
        for path in ("/threads", "/ok", "/nope"):
            answer = await client.options(path, headers=headers)

            assert (answer.status, await answer.text()) == (200, "OK")
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
            assert answer.headers["Access-Control-Allow-Headers"] == "x-a, content-type"
            assert answer.headers["Access-Control-Max-Age"] == "600"
            assert "Access-Control-Allow-Private-Network" not in answer.headers


@pytest.mark.requirement("CORS-003")
async def test_a_page_on_the_internet_may_call_a_server_on_this_machine() -> None:
    headers = asked(**{"Access-Control-Request-Private-Network": "true"})
    async with guarded(Cors()) as client:
        answer = await client.options("/threads", headers=headers)

    assert (answer.status, answer.headers["Access-Control-Allow-Private-Network"]) == (200, "true")


async def test_options_that_are_no_preflight_are_405() -> None:
    async with guarded(Cors()) as client:
        assert (await client.options("/threads")).status == 405


@pytest.mark.requirement("CORS-001", "CORS-002")
@pytest.mark.parametrize("path", ["/ok", "/nope", "/threads/bad"])
def test_every_answer_can_be_read_by_a_page(http: httpx.Client, path: str) -> None:
    headers = http.get(path, headers={"Origin": PAGE}).headers

    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-expose-headers"] == (
        "x-pagination-total, x-pagination-next, content-location, location"
    )
    assert headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in headers


def test_a_stream_can_be_read_by_a_page(http: httpx.Client) -> None:
    body = {"assistant_id": "echo", "input": {"text": "x"}}
    with http.stream("POST", "/runs/stream", json=body, headers={"Origin": PAGE}) as answer:
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "location" in answer.headers["access-control-expose-headers"]
        answer.read()


def test_without_an_origin_only_vary_is_said(http: httpx.Client) -> None:
    headers = http.get("/ok").headers

    assert headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.requirement("CORS-004")
@pytest.mark.parametrize(
    ("cors", "allowed"),
    [
        (Cors(allow_origins=("https://other.test",)), None),
        (Cors(allow_origins=(PAGE,)), PAGE),
        (Cors(allow_origins=(), allow_origin_regex=r"https://.*\.test"), PAGE),
        (Cors(allow_origins=(), allow_origin_regex=r"https://p"), None),
        (Cors(allow_credentials=True), PAGE),
    ],
)
async def test_an_origin_is_allowed_by_name_or_pattern(cors: Cors, allowed: str | None) -> None:
    async with guarded(cors) as client:
        answer = await client.get("/ok", headers={"Origin": PAGE})
        preflight = await client.options("/ok", headers=asked())

    assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    assert preflight.status == (400 if allowed is None else 200)
    assert preflight.headers.get("Access-Control-Allow-Origin") == allowed
    credentials = answer.headers.get("Access-Control-Allow-Credentials")
    assert credentials == ("true" if cors.allow_credentials else None)


@pytest.mark.requirement("CORS-004")
async def test_a_preflight_for_what_is_not_allowed_says_what() -> None:
    cors = Cors(allow_methods=("GET",), allow_headers=("x-mine",))
    wanted = asked("POST", **{"Access-Control-Request-Headers": "X-Mine, x-other"})
    fine = asked("GET", **{"Access-Control-Request-Headers": "x-mine, Content-Type"})
    async with guarded(cors) as client:
        refused = await client.options("/ok", headers=wanted)
        taken = await client.options("/ok", headers=fine)

        assert (refused.status, await refused.text()) == (400, "Disallowed CORS method, headers")
        assert taken.status == 200
        assert "x-mine" in taken.headers["Access-Control-Allow-Headers"]
