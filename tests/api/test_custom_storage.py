"""A checkpointer and a store of the project's own: used by graphs and by the whole API."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB
from tests.servers import project


@pytest.fixture(scope="module", params=["memory", "sparse"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Path:
    return tmp_path_factory.mktemp(kind)


@pytest.fixture(scope="module")
def url(folder: Path, kind: str) -> Iterator[str]:
    config = {"checkpointer": {"path": f"./own_parts.py:{kind}"}}
    with served(folder, "own_storage", config, data=str(folder / "data")) as url:
        yield url


@pytest.fixture
async def client(url: str) -> Any:
    async with get_client(url=url) as client:
        yield client


async def missing(client: Any) -> str:
    return str((await client.http.get("/info"))["tiers"].get("checkpointer_lacks", ""))


async def until_counted(client: Any, thread_id: str, number: int) -> None:
    async with asyncio.timeout(10):
        state = await client.threads.get_state(thread_id)
        while state["values"].get("count") != number:
            state = await client.threads.get_state(thread_id)


async def counted(client: Any, times: int = 1, **values: Any) -> str:
    thread_id: str = (await client.threads.create())["thread_id"]
    for _ in range(times):
        await client.runs.wait(thread_id, "counter", input=values)
    return thread_id


async def test_runs_go_on_from_the_project_s_checkpoints(client: Any, folder: Path) -> None:
    thread_id = await counted(client, 3)
    assert (await client.threads.get_state(thread_id))["values"] == {"count": 3}
    assert (await client.threads.get(thread_id))["values"] == {"count": 3}
    history = await client.threads.get_history(thread_id, limit=100)
    assert [state["values"].get("count") for state in history if not state["next"]] == [3, 2, 1]
    with sqlite3.connect(folder / "data" / "lgserve.db") as database:
        assert database.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)


async def test_interrupts_updates_and_forks_work(client: Any) -> None:
    thread_id = await counted(client, 1, ask=True)
    assert (await client.threads.get(thread_id))["status"] == "interrupted"
    done = await client.runs.wait(thread_id, "counter", command={"resume": "fine"})
    assert done["answer"] == "fine"
    await client.threads.update_state(thread_id, {"count": 10}, as_node="ask")
    assert (await client.threads.get_state(thread_id))["values"]["count"] == 10
    history = await client.threads.get_history(thread_id, limit=100)
    earlier = history[-1]["checkpoint"]
    forked = await client.runs.wait(
        thread_id, "counter", input={}, checkpoint_id=earlier["checkpoint_id"]
    )
    assert forked["count"] == 1
    with pytest.raises(Exception, match="not found"):
        missing = {"checkpoint_id": "00000000-0000-6000-8000-000000000000", "checkpoint_ns": ""}
        await client.threads.update_state(thread_id, {"count": 1}, checkpoint=missing)


async def test_a_copy_has_the_checkpoints_and_is_on_its_own(client: Any) -> None:
    thread_id = await counted(client, 2)
    copied = (await client.http.post(f"/threads/{thread_id}/copy", json=None))["thread_id"]
    await client.runs.wait(copied, "counter", input={})
    assert (await client.threads.get_state(copied))["values"] == {"count": 3}
    assert (await client.threads.get_state(thread_id))["values"] == {"count": 2}
    before = await client.threads.get_history(thread_id, limit=100)
    after = await client.threads.get_history(copied, limit=100)
    assert len(after) == len(before) + 3 or len(after) > len(before)


async def test_a_deleted_thread_s_checkpoints_go_where_the_saver_can(
    client: Any, kind: str
) -> None:
    thread_id = await counted(client)
    await client.threads.delete(thread_id)
    thread = await client.threads.create(thread_id=thread_id, graph_id="counter")
    state = await client.threads.get_state(thread["thread_id"])
    assert state["values"] == ({} if kind == "memory" else {"count": 1})


async def test_supersteps_fill_the_project_s_saver(client: Any) -> None:
    made = await client.threads.create(
        graph_id="counter",
        supersteps=[{"updates": [{"as_node": "count", "values": {"count": 7}}]}],
    )
    assert (await client.threads.get_state(made["thread_id"]))["values"] == {"count": 7}


async def test_graphs_and_api_share_the_project_s_store(client: Any) -> None:
    await counted(client, 2)
    item = await client.store.get_item(("counts",), "last")
    assert item["value"] == {"count": 2}
    await client.store.put_item(("users", "a"), "k", {"n": 1})
    await client.store.put_item(("users", "b"), "k", {"n": 2})
    found = await client.store.search_items(("users",), filter={"n": 2})
    assert [each["namespace"] for each in found["items"]] == [["users", "b"]]
    spaces = await client.store.list_namespaces(prefix=["users"])
    assert sorted(spaces["namespaces"]) == [["users", "a"], ["users", "b"]]
    await client.store.delete_item(("users", "a"), "k")
    assert (await client.store.search_items(("users",)))["items"][0]["value"] == {"n": 2}


async def test_info_says_what_keeps_what(client: Any, kind: str) -> None:
    tiers = (await client.http.get("/info"))["tiers"]
    assert tiers["store"] == "langgraph.store.memory.InMemoryStore"
    if kind == "memory":
        assert tiers["checkpointer"] == "langgraph.checkpoint.memory.InMemorySaver"
    else:
        assert (
            tiers["checkpointer"].endswith("own_parts.Sparse") or "Sparse" in tiers["checkpointer"]
        )
        lacks = tiers["checkpointer_lacks"].split(", ")
        assert set(lacks) >= {"adelete_for_runs", "aprune", "acopy_thread", "adelete_thread"}


async def test_what_the_saver_cannot_do_is_refused(client: Any, url: str) -> None:
    thread_id = await counted(client, 2)
    lacks = await missing(client)
    body = {"thread_ids": [thread_id], "strategy": "keep_latest"}
    async with httpx.AsyncClient(base_url=url) as http:
        pruned = await http.post("/threads/prune", json=body)
    if "aprune" in lacks:
        assert (pruned.status_code, "has no aprune" in pruned.text) == (400, True)
    else:
        assert pruned.status_code == 200
        assert len(await client.threads.get_history(thread_id, limit=100)) == 1
    assert (await client.threads.get_state(thread_id))["values"] == {"count": 2}


async def test_a_run_that_is_rolled_back_leaves_nothing_where_the_saver_can(
    client: Any,
) -> None:
    lacks = await missing(client)
    thread_id = await counted(client)
    run = await client.runs.create(thread_id, "counter", input={"wait": 30})
    await until_counted(client, thread_id, 2)
    await client.runs.cancel(thread_id, run["run_id"], action="rollback", wait=True)
    values = (await client.threads.get_state(thread_id))["values"]
    assert values["count"] == (2 if "adelete_for_runs" in lacks else 1)


async def test_a_saver_that_fails_fails_the_run(tmp_path: Path) -> None:
    config = {"checkpointer": {"path": "./own_parts.py:failing"}}
    with served(tmp_path, "own_storage", config) as url:
        async with get_client(url=url) as client:
            thread = await client.threads.create()
            run = await client.runs.create(thread["thread_id"], "counter", input={})
            await client.runs.join(thread["thread_id"], run["run_id"])
            ended = await client.runs.get(thread["thread_id"], run["run_id"])
    assert ended["status"] == "error"


def test_the_project_s_saver_is_closed_with_the_server(tmp_path: Path) -> None:
    with served(tmp_path, "own_storage"):
        pass
    closed = list(tmp_path.parent.rglob("saver-closed"))
    assert closed


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"checkpointer": {"path": "./own_parts.py:cannot"}}, ["no database here", "own_parts.py"]),
        (
            {"checkpointer": {"path": "./own_parts.py:wrong"}},
            ["gives no BaseCheckpointSaver, but a str"],
        ),
        ({"checkpointer": {"path": "own_parts"}}, ["checkpointer.path must be"]),
        ({"checkpointer": {"backend": "mongo"}}, ["must be default or custom"]),
        ({"store": {"path": "./own_parts.py:wrong"}}, ["gives no BaseStore, but a str"]),
        ({"store": {"path": "./own_parts.py:nope"}}, ["has no attribute 'nope'"]),
        ({"store": {"path": "./own_parts.py:store", "ttl": {}}}, ["decides that itself"]),
    ],
)
def test_a_server_that_cannot_open_it_says_why(
    tmp_path: Path, config: dict[str, Any], says: list[str]
) -> None:
    file = project(tmp_path, "own_storage")
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    command = [sys.executable, "-m", "lgserve", "dev", "--no-reload", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, text=True)
    assert done.returncode == 3
    for text in ("langgraph.json", *says):
        assert text in done.stderr


def test_users_have_items_of_their_own_in_the_project_s_store(tmp_path: Path) -> None:
    with served(tmp_path, "own_storage", API_KEYS) as url:
        found = {}
        for name, headers in (("a", ALICE), ("b", BOB)):
            with httpx.Client(base_url=url, headers=headers) as http:
                item = {"namespace": ["notes"], "key": "k", "value": {"of": name}}
                assert http.put("/store/items", json=item).status_code in (200, 204)
                body = {"assistant_id": "counter", "input": {}}
                assert http.post("/runs/wait", json=body).status_code == 200
                items = http.post("/store/items/search", json={"namespace_prefix": []}).json()
                spaces = http.post("/store/namespaces", json={}).json()["namespaces"]
                found[name] = (
                    sorted((each["namespace"][0], each["key"]) for each in items["items"]),
                    sorted(spaces),
                )
    mine = ([("counts", "last"), ("notes", "k")], [["counts"], ["notes"]])
    assert found == {"a": mine, "b": mine}
