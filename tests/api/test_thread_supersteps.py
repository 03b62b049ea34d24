"""Supersteps on creation: a thread appears with all of them, or not at all."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient

from tests.api.run_tools import new_thread, state, wait

INPUT = {"values": {"text": "hi"}, "as_node": "__input__"}
OF_A = {"values": {"log": ["super"]}, "as_node": "a"}


def post(http: httpx.Client, *supersteps: Any, graph: str = "echo", **more: Any) -> httpx.Response:
    updates = [{"updates": each} for each in supersteps]
    body = {"metadata": {"graph_id": graph}, "supersteps": updates, **more}
    return http.post("/threads", json=body)


@pytest.mark.requirement("THREAD-010")
def test_a_thread_stands_where_its_supersteps_lead(http: httpx.Client) -> None:
    made = post(http, [INPUT], [OF_A]).json()
    thread_id = made["thread_id"]

    assert (made["status"], made["values"]) == ("interrupted", {"log": ["super"]})
    assert (made["error"], made["interrupts"]) == (None, {})
    assert made["updated_at"] == made["state_updated_at"] > made["created_at"]
    assert http.get(f"/threads/{thread_id}").json() == made
    now = state(http, thread_id)
    assert (now["next"], now["metadata"]["source"], now["metadata"]["step"]) == (["b"], "update", 0)
    assert len(http.get(f"/threads/{thread_id}/history?limit=9").json()) == 2
    assert wait(http, thread_id, "echo") == {"log": ["super", "b"], "n": 1}
    found = http.post("/threads/search", json={"ids": [thread_id]}).json()
    assert [row["thread_id"] for row in found] == [thread_id]


def test_many_updates_make_one_superstep(http: httpx.Client) -> None:
    of_b = {"values": {"log": ["y"]}, "as_node": "b"}
    made = post(http, [INPUT], [OF_A, of_b]).json()

    assert made["values"]["log"] == ["super", "y"]
    assert len(http.get(f"/threads/{made['thread_id']}/history?limit=9").json()) == 2


def test_an_update_may_be_a_command(http: httpx.Client) -> None:
    update = {"values": None, "command": {"update": {"log": ["c"]}, "goto": "b"}, "as_node": "a"}
    made = post(http, [INPUT], [update]).json()

    assert (made["values"]["log"], state(http, made["thread_id"])["next"]) == (["c"], ["b"])


def test_no_supersteps_make_an_empty_thread(http: httpx.Client) -> None:
    made = post(http).json()

    assert (made["status"], made["values"]) == ("idle", None)


@pytest.mark.requirement("THREAD-010")
@pytest.mark.parametrize(
    ("supersteps", "more", "status", "detail"),
    [
        ([[INPUT], [{**OF_A, "as_node": "zzz"}]], {}, 400, "Node zzz does not exist"),
        ([[INPUT], []], {}, 400, "No updates provided"),
        ([[INPUT], [{**OF_A, "values": [1]}]], {}, 400, "Expected dict, got [1]"),
        ([[INPUT], [{**OF_A, "values": {"log": 5}}]], {}, 400, "can only concatenate list"),
        ([[INPUT]], {"graph": "nope"}, 404, "Graph 'nope' not found."),
        ([[INPUT]], {"metadata": {}}, 400, "supersteps need a graph"),
        ([[{"values": {}}]], {}, 422, "supersteps[0].updates[0].as_node: Field required"),
    ],
)
def test_what_cannot_be_carried_out_leaves_no_thread(
    http: httpx.Client, supersteps: Any, more: Any, status: int, detail: str
) -> None:
    thread_id = str(uuid4())
    before = http.post("/threads/count", json={}).json()

    answer = post(http, *supersteps, thread_id=thread_id, **more)

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"].startswith(detail)
    assert http.get(f"/threads/{thread_id}").status_code == 404
    assert http.post("/threads/count", json={}).json() == before
    # Not a trace: a thread of this id begins afresh.
    assert post(http, [INPUT], thread_id=thread_id).status_code == 200
    assert len(http.get(f"/threads/{thread_id}/history?limit=9").json()) == 1


def test_a_thread_that_is_there_is_not_touched(http: httpx.Client) -> None:
    thread_id = new_thread(http, metadata={"graph_id": "echo"})
    before = http.get(f"/threads/{thread_id}").json()

    assert post(http, [INPUT], thread_id=thread_id).status_code == 409
    again = post(http, [INPUT], thread_id=thread_id, if_exists="do_nothing")
    assert (again.status_code, again.json()) == (200, before)
    assert http.get(f"/threads/{thread_id}/history").json() == []


def test_a_repeated_creation_with_a_key_is_done_once(http: httpx.Client) -> None:
    body = {"metadata": {"graph_id": "echo"}, "supersteps": [{"updates": [INPUT]}], "ttl": 60}
    key = {"Idempotency-Key": str(uuid4())}

    first, second = (http.post("/threads", json=body, headers=key) for _ in range(2))

    assert first.json() == second.json()
    assert first.json()["status"] == "interrupted"
    assert second.headers["Idempotent-Replayed"] == "true"
    ttl = http.get(f"/threads/{first.json()['thread_id']}?include=ttl").json()["ttl"]
    assert ttl["ttl_minutes"] == 60


async def test_the_sdk_carries_a_thread_over(client: LangGraphClient, server_url: str) -> None:
    supersteps: Any = [{"updates": [INPUT]}, {"updates": [OF_A]}]
    made = await client.threads.create(graph_id="echo", supersteps=supersteps)
    assert made["values"] == {"log": ["super"]}
    with get_sync_client(url=server_url) as sync:
        assert (
            sync.threads.create(graph_id="echo", supersteps=supersteps)["values"] == made["values"]
        )
