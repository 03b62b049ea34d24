"""Encryption at rest: what went through graphs is not to be found in the database's files."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.api.conftest import served
from tests.receivers import receiver
from tests.servers import project

_KEY = "0123456789abcdef0123456789abcdef"
_SECRET = "the-hippopotamus-eats-at-midnight"
_AES = {"env": {"LANGGRAPH_AES_KEY": _KEY}}
_HANDLERS = {"encryption": {"path": "./sealed_handlers.py:encryption"}}

pytestmark = pytest.mark.filterwarnings("ignore:The Encryption API is in beta")


def plain_text_in(folder: Path) -> list[str]:
    """Return the files in which the secret stands, forwards or backwards."""
    wanted = (_SECRET.encode(), _SECRET[::-1].encode())
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file() and any(text in file.read_bytes() for text in wanted)
    ]


async def encrypts(url: str) -> bool:
    async with httpx.AsyncClient(base_url=url) as client:
        return bool((await client.get("/info")).json()["capabilities"]["encryption"])


async def use(url: str) -> str:
    """Do what leaves traces; return the thread."""
    async with get_client(url=url) as client:
        thread_id: str = (await client.threads.create())["thread_id"]
        done = await client.runs.wait(thread_id, "echo", input={"secret": _SECRET})
        assert done == {"secret": _SECRET, "again": _SECRET[::-1]}
        stream = client.runs.stream(
            thread_id, "echo", input={"ask": True}, stream_resumable=True,
            stream_mode=["values", "custom"],
        )  # fmt: skip
        parts = [part async for part in stream]
        assert any(part.data == {"streamed": _SECRET} for part in parts)
        run_id = (await client.runs.list(thread_id))[0]["run_id"]
        again = [
            part async for part in client.runs.join_stream(thread_id, run_id, last_event_id="-1")
        ]
        assert [part.data for part in again if part.event == "custom"] == [{"streamed": _SECRET}]
    return thread_id


async def look(url: str, thread_id: str) -> None:
    """See that everything can be read."""
    async with get_client(url=url) as client:
        thread: Any = await client.threads.get(thread_id)
        assert thread["values"]["again"] == _SECRET[::-1]
        (interrupts,) = thread["interrupts"].values()
        assert interrupts[0]["value"] == {"about": _SECRET}
        state: Any = await client.threads.get_state(thread_id)
        assert state["values"]["secret"] == _SECRET
        assert len(await client.threads.get_history(thread_id)) >= 4
        runs: Any = await client.runs.list(thread_id)
        assert runs[-1]["kwargs"]["input"] == {"secret": _SECRET}
        found = await client.threads.search(values={"secret": _SECRET})
        assert [each["thread_id"] for each in found] == [thread_id]


@pytest.mark.parametrize("config", [_AES, _HANDLERS], ids=["aes", "handlers"])
async def test_what_went_through_a_graph_is_sealed(tmp_path: Path, config: dict[str, Any]) -> None:
    data = tmp_path / "data"
    with served(tmp_path, "sealed", config, data=str(data)) as url:
        thread_id = await use(url)
        await look(url, thread_id)
        assert await encrypts(url) is True
        assert plain_text_in(data) == []
    assert plain_text_in(data) == []
    with served(tmp_path, "sealed", config, data=str(data)) as url:
        await look(url, thread_id)
        async with get_client(url=url) as client:
            done: Any = await client.runs.wait(
                thread_id, "echo", command={"resume": "yes"}, input=None
            )
            assert done["secret"] == _SECRET
            copy: Any = await client.http.post(f"/threads/{thread_id}/copy", json=None)
            state: Any = await client.threads.get_state(copy["thread_id"])
            assert state["values"]["secret"] == _SECRET
            await client.threads.update_state(copy["thread_id"], {"secret": _SECRET + "!"})
            state = await client.threads.get_state(copy["thread_id"])
            assert state["values"]["secret"] == _SECRET + "!"
    assert plain_text_in(data) == []


async def test_what_a_named_request_was_answered_is_sealed_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    body = {"assistant_id": "echo", "input": {"secret": _SECRET}}
    with served(tmp_path, "sealed", _AES, data=str(data)) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            for name, path in (("wait", "/runs/wait"), ("run", "/runs")):
                first, again = [
                    await client.post(path, json=body, headers={"Idempotency-Key": name})
                    for _ in range(2)
                ]
                assert _SECRET in first.text
                assert again.json() == first.json()
        assert plain_text_in(data) == []
    assert plain_text_in(data) == []


@pytest.mark.parametrize("config", [_AES, _HANDLERS], ids=["aes", "handlers"])
async def test_what_a_cron_is_to_run_and_a_webhook_to_tell_is_sealed_too(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    data = tmp_path / "data"
    cron = {"assistant_id": "echo", "schedule": "0 0 1 1 *", "input": {"secret": _SECRET}}
    with receiver() as hook:
        hook.body = _SECRET.encode()
        # Handlers of JSON are for objects: an address is none.
        password = _SECRET if config is _AES else "password"
        url = hook.url.replace("://", f"://me:{password}@")
        with served(tmp_path, "sealed", config, data=str(data)) as server:
            async with httpx.AsyncClient(base_url=server) as client:
                made = (await client.post("/runs/crons", json={**cron, "webhook": url})).json()
                path = f"/runs/crons/{made['cron_id']}"
                await client.post(f"{path}/trigger")
                (came,) = await asyncio.to_thread(hook.wait_for, 1)
                assert came.json["values"]["secret"] == _SECRET
                changed = await client.patch(path, json={"input": {"secret": _SECRET + "!"}})
                assert changed.json()["payload"]["input"] == {"secret": _SECRET + "!"}
            assert plain_text_in(data) == []
        with served(tmp_path, "sealed", config, data=str(data)) as server:
            async with httpx.AsyncClient(base_url=server) as client:
                (found,) = (await client.post("/runs/crons/search", json={})).json()
                assert found["payload"]["input"] == {"secret": _SECRET + "!"}
                delivery = (await client.get(f"/webhooks/{came.id}")).json()
                assert delivery["payload"]["values"]["secret"] == _SECRET
                (listed,) = (await client.get("/webhooks")).json()
                assert listed["url"] == hook.url.replace("://", "://me:***@")
        assert plain_text_in(data) == []


async def test_the_server_tells_what_is_sealed_and_what_is_not(tmp_path: Path) -> None:
    with served(tmp_path, "sealed", _AES) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            told = (await client.get("/info")).json()["encryption"]
    assert told["kind"] == "aes-gcm"
    assert {"checkpoints", "crons", "webhooks"} <= set(told["sealed"])
    assert {"metadata", "store"} <= set(told["readable"])


async def test_without_encryption_the_same_would_be_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(tmp_path, "sealed", data=str(data)) as url:
        await use(url)
        assert await encrypts(url) is False
    assert plain_text_in(data)


async def test_what_was_stored_before_stays_readable(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with served(tmp_path, "sealed", data=data) as url:
        thread_id = await use(url)
    with served(tmp_path, "sealed", _AES, data=data) as url:
        await look(url, thread_id)


async def test_handlers_learn_what_they_encrypt_on_the_user_loop(tmp_path: Path) -> None:
    with served(tmp_path, "sealed", _HANDLERS, data=str(tmp_path / "data")) as url:
        await use(url)
        # Servers in one process share their modules: an earlier test may have imported it.
        module = next(module for name, module in sys.modules.items() if "sealed_handlers" in name)
        calls = list(module.calls)
    places = {(what, model, field) for what, model, field, _, _ in calls}
    assert ("encrypt.blob", "checkpoint", "values") in places
    assert ("encrypt.json", "run", "input") in places
    assert ("decrypt.json", "run", "input") in places
    assert ("encrypt.blob", "run", "events") in places
    assert {thread for *_, thread in calls} == {"lgserve-user-loop"}


def fails(tmp_path: Path, config: dict[str, Any]) -> str:
    file = project(tmp_path, "sealed")
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    command = [sys.executable, "-m", "lgserve", "dev", "--no-reload", "--port", "0"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "data")],
        cwd=tmp_path, capture_output=True, timeout=60, text=True,
    )  # fmt: skip
    assert done.returncode == 3
    return done.stderr


async def test_another_key_or_none_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with served(tmp_path, "sealed", _AES, data=data) as url:
        thread_id = await use(url)
    assert "the database is encrypted" in fails(tmp_path, {})
    other = {"env": {"LANGGRAPH_AES_KEY": _KEY[::-1]}}
    assert "was encrypted with another key; nothing was changed" in fails(tmp_path, other)
    with served(tmp_path, "sealed", _AES, data=data) as url:
        await look(url, thread_id)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"env": {"LANGGRAPH_AES_KEY": "short"}}, "must have 16, 24 or 32 bytes, not 5"),
        ({**_AES, **_HANDLERS}, "LANGGRAPH_AES_KEY is set too"),
        ({"encryption": {"path": "sealed_handlers"}}, "must be in the format"),
        ({"encryption": {"path": "./nope.py:x"}}, "There is no file './nope.py'"),
        ({"encryption": {"path": "./sealed_handlers.py:half"}}, "has no decrypt.blob handler"),
        (
            {"encryption": {"path": "./sealed_handlers.py:nothing"}},
            "expected an Encryption, got a dict",
        ),
    ],
)
def test_encryption_that_cannot_work_stops_the_start(
    tmp_path: Path, config: dict[str, Any], says: str
) -> None:
    assert says in fails(tmp_path, config)
