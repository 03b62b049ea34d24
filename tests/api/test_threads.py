"""Threads, through the SDK and over raw HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError

from lgserve.core.ids import system_assistant_id

NEW = [
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "status",
    "config",
    "values",
]


@pytest.mark.requirement("THREAD-001")
async def test_a_new_thread_is_idle_and_empty(client: LangGraphClient) -> None:
    thread = await client.threads.create(metadata={"k": "v", "n": {"x": 1}})

    assert list(thread) == NEW
    assert (thread["metadata"], thread["status"]) == ({"k": "v", "n": {"x": 1}}, "idle")
    assert dict(thread)["config"] == {}
    assert thread["values"] is None
    assert thread["created_at"] == thread["updated_at"]
    assert await client.threads.get(thread["thread_id"]) == thread


@pytest.mark.requirement("THREAD-002")
async def test_a_run_leaves_values_and_marks_the_thread(client: LangGraphClient) -> None:
    thread = await client.threads.create(metadata={"k": "v"})
    await client.runs.wait(thread["thread_id"], "echo", input={"text": "x"})
    after = dict(await client.threads.get(thread["thread_id"]))

    assert list(after) == [*NEW, "error", "interrupts"]
    assert after["metadata"] == {
        "k": "v",
        "graph_id": "echo",
        "assistant_id": system_assistant_id("echo"),
    }
    assert (after["status"], after["config"]) == ("idle", {"configurable": {}})
    assert after["values"] == {"text": "x", "log": ["a:x", "b"], "n": 2}
    assert (after["error"], after["interrupts"]) == (None, {})
    assert str(after["state_updated_at"]) > str(thread["created_at"])


@pytest.mark.requirement("STATE-006")
async def test_an_interrupt_shows_on_the_thread(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    await client.runs.wait(thread["thread_id"], "ask", input={"q": "name?"})
    after = await client.threads.get(thread["thread_id"])
    state = await client.threads.get_state(thread["thread_id"])

    assert after["status"] == "interrupted"
    assert after["interrupts"] == {state["tasks"][0]["id"]: state["interrupts"]}
    assert state["interrupts"][0]["value"] == {"question": "name?"}


@pytest.mark.requirement("STATUS-001")
async def test_an_error_shows_on_the_thread(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    await client.runs.wait(thread["thread_id"], "boom", input={"text": "x"}, raise_error=False)
    after = dict(await client.threads.get(thread["thread_id"]))

    assert after["status"] == "error"
    assert after["error"] == {"error": "ValueError", "message": "boom: x"}


@pytest.mark.requirement("THREAD-003")
async def test_an_id_that_is_taken_is_a_conflict_or_the_stored_one(
    client: LangGraphClient,
) -> None:
    chosen = str(uuid4())
    made = await client.threads.create(thread_id=chosen, metadata={"first": True})

    with pytest.raises(ConflictError, match=f"Thread with ID {chosen} already exists"):
        await client.threads.create(thread_id=chosen)
    again = await client.threads.create(
        thread_id=chosen, if_exists="do_nothing", metadata={"first": False}
    )
    assert again == made


async def test_the_sdk_puts_the_graph_into_the_metadata(client: LangGraphClient) -> None:
    thread = await client.threads.create(graph_id="echo")

    assert thread["metadata"] == {"graph_id": "echo"}


@pytest.mark.requirement("THREAD-004")
async def test_metadata_is_merged_one_level_deep(client: LangGraphClient) -> None:
    thread = await client.threads.create(metadata={"k": "v", "n": {"x": 1}})
    changed = await client.threads.update(
        thread["thread_id"], metadata={"k": None, "n": {"y": 2}, "new": True}
    )

    assert changed["metadata"] == {"k": None, "n": {"y": 2}, "new": True}
    assert str(changed["updated_at"]) > str(thread["updated_at"])
    assert dict(changed)["state_updated_at"] == dict(thread)["state_updated_at"]
    assert await client.threads.get(thread["thread_id"]) == changed


@pytest.mark.requirement("THREAD-005")
def test_an_empty_patch_touches_the_thread(http: httpx.Client) -> None:
    thread = http.post("/threads", json={"metadata": {"k": 1}}).json()
    changed = http.patch(f"/threads/{thread['thread_id']}", json={}).json()

    assert changed == {**thread, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > thread["updated_at"]


@pytest.mark.requirement("THREAD-006")
async def test_a_deleted_thread_is_gone_with_its_runs(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    run = await client.runs.create(thread["thread_id"], "echo", input={"text": "x"})
    await client.runs.join(thread["thread_id"], run["run_id"])

    await client.threads.delete(thread["thread_id"])

    for gone in (
        client.threads.get(thread["thread_id"]),
        client.threads.delete(thread["thread_id"]),
        client.threads.get_state(thread["thread_id"]),
        client.runs.get(thread["thread_id"], run["run_id"]),
    ):
        with pytest.raises(NotFoundError):
            await gone


@pytest.mark.requirement("HTTP-001")
def test_hostile_values_come_back_as_they_went_in(http: httpx.Client) -> None:
    metadata = (
        b'{"big":123456789012345678901234567890,"least":-9223372036854775809,'
        b'"most":18446744073709551616,"float":0.1,"text":"\xf0\x9f\x98\x80 \\u2028 \\"",'
        b'"empty":{},"deep":' + b"[" * 100 + b"]" * 100 + b"}"
    )
    made = http.post("/threads", content=b'{"metadata":' + metadata + b"}")
    found = http.get(f"/threads/{made.json()['thread_id']}")

    assert found.content == made.content
    assert b'"big":123456789012345678901234567890,' in found.content
    assert b'"most":18446744073709551616,' in found.content
    assert found.json()["metadata"] == httpx.Response(200, content=metadata).json()


@pytest.mark.requirement("HTTP-020")
def test_a_nul_character_is_shown_as_the_replacement_character(http: httpx.Client) -> None:
    made = http.post("/threads", content=b'{"metadata":{"n\\u0000":"x\\u0000y \\\\u0000"}}').json()

    assert made["metadata"] == {"n\ufffd": "x\ufffdy \\u0000"}


@pytest.mark.requirement("HTTP-004")
@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"thread_id": 5}, 422, "thread_id: Input should be a string (got 5)"),
        ({"thread_id": "nope"}, 422, 'thread_id: Invalid thread ID: must be a UUID (got "nope")'),
        ({"metadata": None}, 422, "metadata: Input should be an object (got null)"),
        ({"if_exists": "x"}, 422, "if_exists: Input should be 'raise' or 'do_nothing'"),
        ({"ttl": {"ttl": "5"}}, 422, 'ttl.ttl: Input should be a number of minutes (got "5")'),
        ({"ttl": {"ttl": 0}}, 422, "ttl.ttl: Input should be greater than 0"),
        ({"ttl": -1}, 422, "ttl.ttl: Input should be greater than 0"),
        ({"ttl": {"strategy": "x", "ttl": 1}}, 422, "ttl.strategy: Input should be 'delete' or"),
        ({"ttl": {"strategy": "delete"}}, 422, "ttl.ttl: Field required"),
        ({"ttl": "5"}, 422, "ttl: Input should be an object"),
        ({"supersteps": "x"}, 422, "supersteps: Input should be an array"),
        ({"supersteps": [{}]}, 422, "supersteps[0].updates: Field required"),
    ],
)
def test_wrong_threads_are_refused_with_a_sentence(
    http: httpx.Client, body: Any, status: int, detail: str
) -> None:
    answer = http.post("/threads", json=body)

    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.requirement("THREAD-008")
def test_a_patch_of_a_missing_thread_is_404(http: httpx.Client) -> None:
    answer = http.patch(f"/threads/{uuid4()}", json={"metadata": {}})

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
