"""Copies of threads: they stand where the thread does, and live on their own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import NotFoundError

from tests.api.run_tools import create, idle, new_thread, start, state, until, wait


def copy_of(http: httpx.Client, thread_id: str) -> Any:
    answer = http.post(f"/threads/{thread_id}/copy")
    assert answer.status_code == 200, answer.text
    return answer.json()


def history(http: httpx.Client, thread_id: str) -> Any:
    return http.post(f"/threads/{thread_id}/history", json={"limit": 1000}).json()


@pytest.mark.requirement("THREAD-011")
def test_a_copy_is_a_thread_of_its_own_with_the_same_state(http: httpx.Client) -> None:
    thread_id = new_thread(http, metadata={"k": {"n": 1}})
    wait(http, thread_id, "echo", input={"text": "x"}, config={"tags": ["t"]})
    source = http.get(f"/threads/{thread_id}").json()

    copy = copy_of(http, thread_id)

    assert copy["thread_id"] != thread_id
    assert UUID(copy["thread_id"]).version == 4
    assert copy["created_at"] == copy["updated_at"] == copy["state_updated_at"]
    assert copy["created_at"] > source["updated_at"]
    assert copy["config"] == {}
    shared = ("metadata", "status", "values", "error", "interrupts")
    assert {name: copy[name] for name in shared} == {name: source[name] for name in shared}
    assert http.get(f"/threads/{copy['thread_id']}").json() == copy
    assert http.get(f"/threads/{copy['thread_id']}/runs").json() == []


@pytest.mark.requirement("THREAD-011")
def test_checkpoints_keep_their_ids_and_name_the_copy(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "parent", input={"text": "x"})
    copy_id = copy_of(http, thread_id)["thread_id"]

    ours, theirs = (http.get(f"/threads/{each}/history?limit=99") for each in (thread_id, copy_id))

    assert len(ours.json()) > 3
    assert theirs.text == ours.text.replace(thread_id, copy_id)
    assert thread_id not in theirs.text
    first = ours.json()[-1]["checkpoint_id"]
    past = http.get(f"/threads/{copy_id}/state/{first}").json()
    assert past["checkpoint"]["thread_id"] == copy_id


@pytest.mark.requirement("THREAD-011")
def test_a_copy_of_an_interrupted_thread_can_be_resumed(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "ask", input={"q": "name?"})
    copy = copy_of(http, thread_id)
    copy_id = copy["thread_id"]
    assert copy["status"] == "interrupted"
    assert [each["value"] for task in copy["interrupts"].values() for each in task] == [
        {"question": "name?"}
    ]

    done = wait(http, copy_id, "ask", command={"resume": "Ada"})

    assert "__interrupt__" not in done
    assert state(http, copy_id)["next"] == []
    assert http.get(f"/threads/{copy_id}").json()["status"] == "idle"
    assert http.get(f"/threads/{thread_id}").json()["status"] == "interrupted"
    assert wait(http, thread_id, "ask", command={"resume": "Ada"}) == done


def test_a_copy_of_a_failed_thread_has_its_error(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    create_and_join(http, thread_id, "boom")

    copy = copy_of(http, thread_id)

    assert (copy["status"], copy["error"]) == (
        "error",
        {"error": "ValueError", "message": "boom: x"},
    )
    assert state(http, copy["thread_id"])["next"] == ["err"]


def sleeping(http: httpx.Client, thread_id: str) -> str:
    """Start a run and return once the checkpoint before its long step is stored."""
    run_id = start(http, thread_id)
    until(lambda: history(http, thread_id)[0]["next"] == ["sleep"])
    return run_id


def create_and_join(http: httpx.Client, thread_id: str, graph: str) -> None:
    run_id = create(http, thread_id, graph, input={"text": "x"})
    http.get(f"/threads/{thread_id}/runs/{run_id}/join")


def test_a_copy_of_a_busy_thread_has_what_its_run_has_come_to(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "slow", input={"seconds": 0})
    running = sleeping(http, thread_id)
    waiting = create(http, thread_id, "slow", input={"seconds": 0})
    source = history(http, thread_id)

    copy = copy_of(http, thread_id)
    copy_id = copy["thread_id"]

    assert history(http, copy_id) == json.loads(json.dumps(source).replace(thread_id, copy_id))
    assert (copy["status"], copy["values"]) == ("interrupted", source[0]["values"])
    assert (copy["interrupts"], copy["error"]) == ({}, None)
    assert source[0]["next"] == ["sleep"]
    assert http.get(f"/threads/{copy_id}").json() == copy
    assert http.get(f"/threads/{copy_id}/runs").json() == []
    wait(http, copy_id, "slow", input={"seconds": 0})  # it is nobody's queue

    for run_id in (running, waiting):
        http.post(f"/threads/{thread_id}/runs/{run_id}/cancel")
    idle(http, thread_id)


@pytest.mark.requirement("THREAD-011")
def test_a_copy_made_during_the_first_run_goes_on_from_there(http: httpx.Client) -> None:
    thread_id = new_thread(http, metadata={"k": 1})
    running = sleeping(http, thread_id)

    copy = copy_of(http, thread_id)
    copy_id = copy["thread_id"]
    http.post(f"/threads/{thread_id}/runs/{running}/cancel?action=rollback&wait=1")
    assert history(http, thread_id) == []

    assert (copy["values"]["log"], copy["metadata"]["k"]) == (["first"], 1)
    assert [each["next"] for each in history(http, copy_id)] == [
        ["sleep"], ["first"], ["__start__"],
    ]  # fmt: skip
    http.post(f"/threads/{copy_id}/state", json={"values": {"seconds": 0}, "as_node": "first"})
    assert wait(http, copy_id, "slow", input=None)["log"] == ["first", "slept"]


def test_a_copy_with_a_key_made_during_a_run_is_made_once(http: httpx.Client) -> None:
    thread_id, key = new_thread(http), {"Idempotency-Key": str(uuid4())}
    running = sleeping(http, thread_id)

    with ThreadPoolExecutor(4) as pool:
        path = f"/threads/{thread_id}/copy"
        answers = list(pool.map(lambda _: http.post(path, headers=key).json(), range(4)))

    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["values"]["log"] == ["first"]
    found = http.post("/threads/search", json={"metadata": {"graph_id": "slow"}, "limit": 1000})
    ids = [thread["thread_id"] for thread in found.json()]
    assert ids.count(answers[0]["thread_id"]) == 1
    http.post(f"/threads/{thread_id}/runs/{running}/cancel?wait=1")


def test_a_copy_of_a_thread_whose_run_has_not_begun_is_what_it_was(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    create_and_join(http, thread_id, "boom")
    later = create(http, thread_id, "echo", input={"text": "x"}, after_seconds=600)

    copy = copy_of(http, thread_id)

    assert (copy["status"], copy["error"]["error"]) == ("error", "ValueError")
    assert copy["created_at"] == copy["updated_at"]
    http.post(f"/threads/{thread_id}/runs/{later}/cancel?wait=1")


def test_a_copy_outlives_its_source(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    large = "x" * 100_000
    wait(http, thread_id, "echo", input={"text": large})
    copy = copy_of(http, thread_id)
    again = copy_of(http, copy["thread_id"])
    assert copy["values"]["text"] == again["values"]["text"] == large

    for each in (thread_id, copy["thread_id"]):
        assert http.delete(f"/threads/{each}").status_code == 204

    assert state(http, again["thread_id"])["values"]["text"] == large
    after = wait(http, again["thread_id"], "echo", input={"text": "y"})
    assert after["log"] == [f"a:{large}", "b", "a:y", "b"]


@pytest.mark.requirement("THREAD-011")
def test_values_find_a_copy_as_they_find_its_source(http: httpx.Client) -> None:
    text = str(uuid4())
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": text})
    copy_id = copy_of(http, thread_id)["thread_id"]
    empty = copy_of(http, new_thread(http))["thread_id"]

    found = http.post("/threads/search", json={"values": {"text": text}, "select": ["thread_id"]})
    assert {row["thread_id"] for row in found.json()} == {thread_id, copy_id}
    other = http.post("/threads/count", json={"values": {"text": "other"}, "ids": [empty]})
    assert other.json() == 0


def test_a_repeated_copy_with_a_key_is_made_once(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    key = {"Idempotency-Key": str(uuid4())}

    first, second = (http.post(f"/threads/{thread_id}/copy", headers=key) for _ in range(2))

    assert first.json() == second.json()


async def test_the_sdk_copies(client: LangGraphClient, server_url: str) -> None:
    thread = await client.threads.create(metadata={"k": 1})
    made: Any = await client.threads.copy(thread["thread_id"])  # type: ignore[func-returns-value]
    assert made["metadata"] == {"k": 1}
    with pytest.raises(NotFoundError, match="not found"):
        await client.threads.copy(str(uuid4()))

    with get_sync_client(url=server_url) as sync:
        again: Any = sync.threads.copy(made["thread_id"])  # type: ignore[func-returns-value]
        assert sync.threads.get(again["thread_id"])["metadata"] == {"k": 1}


@pytest.mark.requirement("THREAD-012")
def test_what_is_not_there_cannot_be_copied(http: httpx.Client) -> None:
    missing = uuid4()
    answers = [http.post(f"/threads/{each}/copy") for each in (missing, "nope")]

    assert [answer.status_code for answer in answers] == [404, 422]
    assert answers[0].json() == {"detail": f"Thread with ID {missing} not found"}
