"""Pruning threads, and what a thread takes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served
from tests.api.run_tools import idle, new_thread, start, state, thread_status, wait


def prune(http: httpx.Client, *thread_ids: str, **more: Any) -> Any:
    answer = http.post("/threads/prune", json={"thread_ids": thread_ids, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(http: httpx.Client, thread_id: str) -> list[str]:
    found = http.post(f"/threads/{thread_id}/history", json={"limit": 100}).json()
    return [each["checkpoint_id"] for each in found]


@pytest.mark.requirement("THREAD-013")
def test_delete_removes_threads_and_passes_over_unknown_ones(http: httpx.Client) -> None:
    one, other = new_thread(http), new_thread(http)

    assert prune(http, one, str(uuid4()), one.upper(), one) == {"pruned_count": 1}
    assert prune(http, one) == {"pruned_count": 0}
    assert prune(http) == {"pruned_count": 0}

    found = [http.get(f"/threads/{each}").status_code for each in (one, other)]
    assert found == [404, 200]


@pytest.mark.requirement("THREAD-013")
def test_keep_latest_keeps_the_thread_as_it_stands(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    for text in ("x", "y"):
        wait(http, thread_id, "echo", input={"text": text})
    before, at = http.get(f"/threads/{thread_id}").json(), state(http, thread_id)

    assert prune(http, thread_id, strategy="keep_latest") == {"pruned_count": 1}

    assert http.get(f"/threads/{thread_id}").json() == before
    pruned = state(http, thread_id)
    assert pruned == {**at, "parent_checkpoint": None, "parent_checkpoint_id": None}
    assert ids(http, thread_id) == [at["checkpoint_id"]]
    after = wait(http, thread_id, "echo", input={"text": "z"})
    assert after["log"] == ["a:x", "b", "a:y", "b", "a:z", "b"]


def test_an_interrupted_thread_can_be_resumed_after_pruning(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "ask", input={"q": "name?"})

    prune(http, thread_id, strategy="keep_latest")

    assert thread_status(http, thread_id) == "interrupted"
    assert len(state(http, thread_id)["interrupts"]) == 1
    assert "__interrupt__" not in wait(http, thread_id, "ask", command={"resume": "Ada"})


@pytest.mark.requirement("THREAD-013")
def test_the_latest_checkpoint_of_each_namespace_is_kept(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    for text in ("x", "y"):
        wait(http, thread_id, "parent", input={"text": text})

    prune(http, thread_id, strategy="keep_latest")

    # The thread's own, and that of the subgraph in each of the runs.
    assert http.get(f"/threads/{thread_id}/storage").json()["checkpoints"]["count"] == 3
    assert len(ids(http, thread_id)) == 1


def test_a_busy_thread_is_stopped_to_be_deleted_but_not_to_be_pruned(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": "x"})
    start(http, thread_id)
    taken = len(ids(http, thread_id))

    assert prune(http, thread_id, strategy="keep_latest") == {"pruned_count": 0}
    assert (thread_status(http, thread_id), len(ids(http, thread_id))) == ("busy", taken)

    assert prune(http, thread_id) == {"pruned_count": 1}
    assert http.get(f"/threads/{thread_id}").status_code == 404


def test_a_scheduled_run_keeps_the_checkpoint_it_starts_from(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": "x"})
    first = ids(http, thread_id)[-1]
    body = {"assistant_id": "echo", "checkpoint_id": first, "after_seconds": 600}
    run_id = http.post(f"/threads/{thread_id}/runs", json=body).json()["run_id"]

    assert prune(http, thread_id, strategy="keep_latest") == {"pruned_count": 0}
    assert first in ids(http, thread_id)

    http.post(f"/threads/{thread_id}/runs/{run_id}/cancel")
    idle(http, thread_id)
    assert prune(http, thread_id, strategy="keep_latest") == {"pruned_count": 1}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "thread_ids: Field required"),
        ({"thread_ids": "x"}, "thread_ids: Input should be an array"),
        ({"thread_ids": [str(uuid4()), "bad"]}, "thread_ids[1]: Invalid thread ID: must be a UUID"),
        ({"thread_ids": [5]}, "thread_ids[0]: Input should be a string"),
        ({"thread_ids": [], "strategy": "bogus"}, "strategy: Input should be 'delete' or"),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(
    http: httpx.Client, body: Any, detail: str
) -> None:
    answer = http.post("/threads/prune", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


async def test_the_sdk_prunes(client: LangGraphClient, server_url: str) -> None:
    made = [(await client.threads.create())["thread_id"] for _ in range(2)]
    assert await client.threads.prune(made, strategy="keep_latest") == {"pruned_count": 2}
    assert await client.threads.prune(made[:1]) == {"pruned_count": 1}
    with get_sync_client(url=server_url) as sync:
        assert sync.threads.prune(made) == {"pruned_count": 1}


@pytest.mark.requirement("THREAD-014")
def test_storage_tells_what_a_thread_takes(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    assert http.get(f"/threads/{thread_id}/storage").json() == {
        "thread_id": thread_id,
        "total_bytes": 0,
        "checkpoints": {"count": 0, "bytes": 0},
        "channel_values": {"count": 0, "bytes": 0, "by_channel": {}},
        "pending_writes": {"count": 0, "bytes": 0},
    }
    wait(http, thread_id, "echo", input={"text": "one"})

    taken = http.get(f"/threads/{thread_id}/storage").json()

    assert taken["checkpoints"]["count"] == 4
    channels = taken["channel_values"]["by_channel"]
    assert {name: each["versions"] for name, each in channels.items()} == {
        "__start__": 2, "branch:to:a": 2, "branch:to:b": 2, "log": 2, "n": 2, "text": 1,
    }  # fmt: skip
    for member in ("versions", "bytes"):
        whole = taken["channel_values"][{"versions": "count", "bytes": "bytes"}[member]]
        assert sum(each[member] for each in channels.values()) == whole
    parts = ("checkpoints", "channel_values", "pending_writes")
    assert taken["total_bytes"] == sum(taken[part]["bytes"] for part in parts)
    assert http.get(f"/threads/{uuid4()}/storage").status_code == 404


_STORED = """
    SELECT (SELECT sum(length(metadata) + length(versions) + length(checkpoint)) FROM checkpoints)
        + (SELECT coalesce(sum(length(data)), 0) FROM channel_versions)
        + (SELECT coalesce(sum(length(data)), 0) FROM channel_blobs)
        + (SELECT coalesce(sum(length(data)), 0) FROM checkpoint_writes)
"""


@pytest.mark.requirement("THREAD-014")
def test_the_figures_are_those_of_the_database(tmp_path: Path) -> None:
    with (
        served(tmp_path, data=str(tmp_path / "data")) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        thread_id = new_thread(http)
        for text in ("x" * 3000, "short", "y" * 100_000):
            wait(http, thread_id, "echo", input={"text": text})
        taken = http.get(f"/threads/{thread_id}/storage").json()
        with sqlite3.connect(tmp_path / "data" / "lgserve.db") as database:
            (stored,) = database.execute(_STORED).fetchone()

        assert taken["total_bytes"] == stored > 100_000
        assert http.post(f"/threads/{thread_id}/copy").status_code == 200
        assert http.get(f"/threads/{thread_id}/storage").json() == taken

        prune(http, thread_id, strategy="keep_latest")
        assert http.get(f"/threads/{thread_id}/storage").json()["total_bytes"] < stored
