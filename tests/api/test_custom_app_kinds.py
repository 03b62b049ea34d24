"""Kinds of custom apps, who may call them, where they stand, and what stops them from starting."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.api.conftest import served
from tests.servers import project

_ALICE = {"Authorization": "Bearer alice"}


def config(**http: Any) -> dict[str, Any]:
    return {"http": {"app": "./custom_webapp.py:app", **http}}


def guarded(**http: Any) -> dict[str, Any]:
    return {"auth": {"path": "./custom_auth.py:auth"}, **config(**http)}


# ---------------------------------------------------------------- FastAPI, and none at all


def test_a_fastapi_app_is_served_with_all_it_has(tmp_path: Path) -> None:
    kind = config(app="./custom_fastapi.py:app")
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        assert app.get("/fast/3").json() == {"sum": 10}
        assert app.get("/fast/x").status_code == 422
        assert app.get("/").json() == {"home": True}
        assert app.get("/ok").json()["ok"] is True
        assert app.post("/fast/threads", json={"colour": "red"}).json() == {"colour": "red"}
        files = {"file": ("f", b"x" * 100_000)}
        assert app.post("/fast/upload", files=files).json() == {"size": 100_000}
        busy = app.get("/fast/sync/wait")
        assert (busy.status_code, busy.json()) == (409, {"detail": {"why": "busy"}})
        assert app.post("/threads", json={}).headers["x-stamp"] == "fast"
        missing = app.get("/missing")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
        document = app.get("/openapi.json").json()
        assert document["paths"]["/fast/{number}"]["get"]["tags"] == ["Fast"]
        schema = document["paths"]["/fast/threads"]["post"]["requestBody"]["content"]
        assert schema["application/json"]["schema"] == {"$ref": "#/components/schemas/AppThread"}
        assert set(document["components"]["schemas"]["AppThread"]["properties"]) == {"colour"}
        assert "thread_id" in document["components"]["schemas"]["Thread"]["properties"]


async def test_a_fastapi_socket_has_the_lifespan_s_state(tmp_path: Path) -> None:
    with served(tmp_path, "custom_app", config(app="./custom_fastapi.py:app")) as url:
        address = url.replace("http", "ws") + "/fast/socket"
        async with asyncio.timeout(10), connect(address) as socket:
            assert json.loads(await socket.recv()) == {"answer": 7}


def test_any_asgi_callable_answers_what_the_api_does_not(tmp_path: Path) -> None:
    kind = config(app="custom_webapp:plain")
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        assert app.get("/mine/any%20where?a=1").text == "plain  /mine/any where?a=1"
        assert app.get("/ok").json()["ok"] is True
        assert app.post("/threads/search", json={}).json() == []


# ---------------------------------------------------------------- below a prefix


def test_a_mount_prefix_stands_before_all_routes(tmp_path: Path) -> None:
    kind = config(mount_prefix="/base")
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        found = app.get("/base/mine/state").json()
        assert (found["path"], found["root_path"]) == ("/base/mine/state", "/base")
        assert found["url"] == f"{url}/base/mine/state"
        assert app.get("/mine/state").status_code == 404
        assert app.get("/ok").status_code == app.get("/base/ok").status_code == 200
        assert app.post("/base/threads", json={}).headers["x-stamp"] == "yes"
        assert app.get("/base/mine/run").json() == {"seen": {}}
        document = app.get("/base/openapi.json").json()
        assert document["servers"] == [{"url": "/base"}]
        assert "/mine/state" in document["paths"]


# ---------------------------------------------------------------- who may


def test_middleware_comes_first_and_custom_routes_are_open_by_default(tmp_path: Path) -> None:
    with served(tmp_path, "custom_app", guarded()) as url, httpx.Client(base_url=url) as app:
        assert app.get("/mine/me").json() == {"identity": None}
        refused = app.post("/threads", json={})
        assert (refused.status_code, refused.json()) == (401, {"detail": "who are you?"})
        assert (refused.headers["x-why"], refused.headers["x-stamp"]) == ("nobody", "yes")
        assert app.post("/threads", json={}, headers={"x-refuse": "1"}).status_code == 418
        assert app.post("/threads", json={}, headers=_ALICE).status_code == 200
        # What middleware makes of the headers is what authentication sees.
        assert app.post("/threads", json={}, headers={"x-from-cookie": "bob"}).status_code == 200
        assert app.get("/missing").status_code == 401
        assert app.get("/mine/run").status_code == 500  # nobody may call the API


def test_custom_routes_may_ask_who_calls(tmp_path: Path) -> None:
    kind = guarded(enable_custom_route_auth=True)
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        refused = app.get("/mine/me")
        assert (refused.status_code, refused.json()) == (401, {"detail": "who are you?"})
        assert refused.headers["x-why"] == "nobody"
        found = app.get("/mine/me", headers=_ALICE).json()
        assert found == {"identity": "alice", "scopes": ["read"]}
        assert app.get("/mine/me", headers={"x-from-cookie": "bob"}).json()["identity"] == "bob"
        # A client without credentials calls as the user of the request.
        assert app.get("/mine/run", headers=_ALICE).status_code == 200
        security = app.get("/openapi.json").json()["paths"]["/mine/me"]["get"]
        assert "security" not in security


async def test_sockets_may_ask_who_calls(tmp_path: Path) -> None:
    with served(tmp_path, "custom_app", guarded(enable_custom_route_auth=True)) as url:
        address = url.replace("http", "ws") + "/mine/echo"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address):
                pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body or b"") == {"detail": "who are you?"}
        async with asyncio.timeout(10), connect(address, additional_headers=_ALICE) as socket:
            await socket.send("hi")
            assert await socket.recv() == "42:hi"


def test_with_auth_first_middleware_sees_only_who_is_known(tmp_path: Path) -> None:
    kind = guarded(middleware_order="auth_first")
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        refused = app.post("/threads", json={}, headers={"x-refuse": "1"})
        assert refused.status_code == 401
        assert "x-stamp" not in refused.headers
        known = app.post("/threads", json={}, headers=_ALICE)
        assert (known.status_code, known.headers["x-saw"]) == (200, "alice")
        assert app.get("/mine/me").json() == {"identity": None}
        assert app.get("/info").headers["x-stamp"] == "yes"


def test_with_auth_first_custom_routes_may_ask_too(tmp_path: Path) -> None:
    kind = guarded(middleware_order="auth_first", enable_custom_route_auth=True)
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        refused = app.get("/mine/me")
        assert (refused.status_code, "x-stamp" in refused.headers) == (401, False)
        assert app.get("/mine/me", headers=_ALICE).json()["identity"] == "alice"


# ---------------------------------------------------------------- browsers


def test_the_config_s_cors_is_for_custom_routes_too(tmp_path: Path) -> None:
    kind = config(cors={"allow_origins": ["https://a.example"]})
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        for path in ("/mine/me", "/ok", "/threads/x"):
            answer = app.get(path, headers={"Origin": "https://a.example"})
            assert answer.headers.get_list("access-control-allow-origin") == ["https://a.example"]
        other = app.get("/mine/me", headers={"Origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers
        asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
        assert app.options("/mine/me", headers=asked).status_code == 200


def test_an_app_s_own_cors_is_kept(tmp_path: Path) -> None:
    kind = config(app="./custom_cors.py:app")
    with served(tmp_path, "custom_app", kind) as url, httpx.Client(base_url=url) as app:
        good = {"Origin": "https://good.example"}
        for path in ("/page", "/info"):
            answer = app.get(path, headers=good)
            assert answer.headers.get_list("access-control-allow-origin") == [good["Origin"]]
            assert answer.headers["access-control-allow-credentials"] == "true"
            bad = app.get(path, headers={"Origin": "https://bad.example"})
            assert "access-control-allow-origin" not in bad.headers
        asked = {**good, "Access-Control-Request-Method": "POST"}
        allowed = app.options("/threads", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == good["Origin"]
        packed = app.get("/page", headers={"Accept-Encoding": "gzip"})
        assert (packed.headers["content-encoding"], packed.text) == ("gzip", "x" * 5000)


# ---------------------------------------------------------------- what stops it


@pytest.mark.parametrize(
    ("http", "says"),
    [
        ({"app": "./custom_failing.py:app"}, ["cannot start", "custom_failing.py", "line 10"]),
        ({"app": "./custom_failing.py:not_an_app"}, ["is no ASGI app, it is a dict"]),
        ({"app": "./custom_failing.py:make_app"}, ["cannot be called with scope"]),
        ({"app": "./custom_failing.py:nothing"}, ["has no attribute 'nothing'"]),
        ({"app": "./missing.py:app"}, ["There is no file './missing.py'"]),
        ({"app": "nonsense"}, ['must be "./file.py:app"']),
        ({"app": "./a.py:a", "middleware_order": "last"}, ["middleware_first or auth_first"]),
        ({"enable_custom_route_auth": "yes"}, ["must be true or false"]),
        ({"configurable_headers": {"include_": ["x"]}}, ["unknown key"]),
    ],
)
def test_a_server_that_cannot_start_its_app_says_why(
    tmp_path: Path, http: dict[str, Any], says: list[str]
) -> None:
    file = project(tmp_path, "custom_app")
    file.write_text(json.dumps({**json.loads(file.read_text()), "http": http}))
    command = [sys.executable, "-m", "lgserve", "dev", "--no-reload", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, text=True)
    assert done.returncode == 3
    for text in ("langgraph.json", *says):
        assert text in done.stderr
    assert "Traceback" not in done.stderr
