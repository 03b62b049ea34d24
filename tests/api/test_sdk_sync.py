"""What a script does with the synchronous `langgraph_sdk`, on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError
from langgraph_sdk.schema import RunCreateMetadata, StreamPart

JsonObject = dict[str, Any]
ECHO = {"text": "s", "log": ["a:s", "b"], "n": 2}


@pytest.fixture(scope="module")
def sync_client(server_url: str) -> Iterator[SyncLangGraphClient]:
    """The SDK's synchronous client of the server of the sample graphs."""
    with get_sync_client(url=server_url) as client:
        yield client


@pytest.fixture
def thread_id(sync_client: SyncLangGraphClient) -> str:
    return sync_client.threads.create()["thread_id"]


def told(parts: list[StreamPart]) -> list[tuple[str, Any]]:
    return [(part.event, part.data) for part in parts]


def test_a_run_is_waited_for(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    created: list[RunCreateMetadata] = []
    values = sync_client.runs.wait(
        thread_id, "echo", input={"text": "s"}, on_run_created=created.append
    )
    thread = sync_client.threads.get(thread_id)
    (run,) = sync_client.runs.list(thread_id)

    assert values == thread["values"] == ECHO
    assert created == [{"run_id": run["run_id"], "thread_id": thread_id}]
    assert sync_client.runs.get(thread_id, run["run_id"])["status"] == "success"


def test_a_background_run_is_joined(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    run = sync_client.runs.create(thread_id, "echo", input={"text": "s"})

    assert run["status"] == "pending"
    assert sync_client.runs.join(thread_id, run["run_id"]) == ECHO


def test_a_run_is_streamed(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    modes: Any = ["updates", "values"]
    first, *parts = sync_client.runs.stream(
        thread_id, "echo", input={"text": "s"}, stream_mode=modes
    )

    assert first.event == "metadata"
    assert told(parts) == [
        ("values", {"text": "s", "log": []}),
        ("updates", {"a": {"log": ["a:s"], "n": 1}}),
        ("values", {"text": "s", "log": ["a:s"], "n": 1}),
        ("updates", {"b": {"log": ["b"], "n": 2}}),
        ("values", ECHO),
    ]


def test_a_stateless_run_is_waited_for_and_streamed(sync_client: SyncLangGraphClient) -> None:
    parts = list(sync_client.runs.stream(None, "echo", input={"text": "s"}))

    assert sync_client.runs.wait(None, "echo", input={"text": "s"}) == ECHO
    assert told(parts)[-1] == ("values", ECHO)


def test_tokens_are_streamed(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    messages: JsonObject = {"messages": [{"role": "user", "content": "you"}]}
    _, *parts = sync_client.runs.stream(
        thread_id, "chat", input=messages, stream_mode="messages-tuple"
    )

    assert [part.data[0]["content"] for part in parts] == ["hello", " ", "you"]


def test_a_failing_run_raises_unless_told_otherwise(
    sync_client: SyncLangGraphClient, thread_id: str
) -> None:
    with pytest.raises(Exception, match=r"^ValueError: boom: x$"):
        sync_client.runs.wait(thread_id, "boom", input={"text": "x"})
    body = sync_client.runs.wait(thread_id, "boom", input={"text": "x"}, raise_error=False)

    assert body == {"__error__": {"error": "ValueError", "message": "boom: x"}}


def test_a_question_is_answered(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    asked = cast(JsonObject, sync_client.runs.wait(thread_id, "ask", input={"q": "name?"}))
    assert asked["__interrupt__"][0]["value"] == {"question": "name?"}
    values = sync_client.runs.wait(thread_id, "ask", command={"resume": "Ann"})

    assert values == {
        "q": "name?",
        "answer": "Ann",
        "log": ["prepare", "human", "finish:Ann"],
    }


@pytest.mark.requirement("CLIENT-001")
def test_the_state_is_read_written_and_gone_back_to(
    sync_client: SyncLangGraphClient, thread_id: str
) -> None:
    sync_client.runs.wait(thread_id, "echo", input={"text": "s"})
    history = cast(list[JsonObject], sync_client.threads.get_history(thread_id))
    assert [state["next"] for state in history] == [[], ["b"], ["a"], ["__start__"]]
    sync_client.threads.update_state(
        thread_id, {"log": ["written"]}, checkpoint=history[1]["checkpoint"], as_node="a"
    )
    state = cast(JsonObject, sync_client.threads.get_state(thread_id))
    assert (state["values"]["log"], state["next"]) == (["a:s", "written"], ["b"])

    values = cast(JsonObject, sync_client.runs.wait(thread_id, "echo"))
    assert values["log"] == ["a:s", "written", "b"]


def test_a_stream_is_gone_on_with(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    parts = list(
        sync_client.runs.stream(thread_id, "echo", input={"text": "s"}, stream_resumable=True)
    )
    run_id = parts[0].data["run_id"]
    rest = sync_client.runs.join_stream(thread_id, run_id, last_event_id=parts[1].id)

    assert list(rest) == parts[2:]


def test_a_run_is_cancelled(sync_client: SyncLangGraphClient, thread_id: str) -> None:
    stream = iter(
        sync_client.runs.stream(thread_id, "slow", input={"seconds": 300}, stream_mode="custom")
    )
    run_id = next(stream).data["run_id"]
    assert next(stream).event == "custom"
    with pytest.raises(ConflictError):
        sync_client.runs.create(thread_id, "echo", input={}, multitask_strategy="reject")
    sync_client.runs.cancel(thread_id, run_id, wait=True)

    assert list(stream) == []
    assert sync_client.runs.get(thread_id, run_id)["status"] == "interrupted"
    sync_client.runs.delete(thread_id, run_id)
    with pytest.raises(NotFoundError):
        sync_client.runs.get(thread_id, run_id)


@pytest.mark.requirement("CLIENT-001")
def test_assistants_are_made_changed_found_and_deleted(sync_client: SyncLangGraphClient) -> None:
    tag = str(uuid4())
    made = sync_client.assistants.create(
        "show", context={"user": "Ann"}, metadata={"tag": tag}, name="Mine"
    )
    changed = sync_client.assistants.update(made["assistant_id"], name="Yours")
    values = cast(JsonObject, sync_client.runs.wait(None, made["assistant_id"], input={}))

    assert (changed["name"], changed["version"]) == ("Yours", 2)
    assert values["seen"]["context"] == {"user": "Ann", "level": 1}
    assert sync_client.assistants.search(metadata={"tag": tag}) == [changed]
    assert sync_client.assistants.count(metadata={"tag": tag}) == 1
    sync_client.assistants.delete(made["assistant_id"])
    with pytest.raises(NotFoundError):
        sync_client.assistants.get(made["assistant_id"])


@pytest.mark.requirement("CLIENT-001")
def test_threads_are_made_changed_found_and_deleted(sync_client: SyncLangGraphClient) -> None:
    tag = str(uuid4())
    made = sync_client.threads.create(metadata={"tag": tag})
    thread_id = made["thread_id"]
    changed = sync_client.threads.update(thread_id, metadata={"n": 1})

    assert changed["metadata"] == {"tag": tag, "n": 1}
    assert sync_client.threads.search(metadata={"tag": tag}) == [changed]
    assert sync_client.threads.count(metadata={"tag": tag}) == 1
    sync_client.threads.delete(thread_id)
    with pytest.raises(NotFoundError):
        sync_client.threads.get(thread_id)


def test_a_thread_is_made_for_a_run_that_asks_for_it(sync_client: SyncLangGraphClient) -> None:
    thread_id = str(uuid4())
    values = sync_client.runs.wait(thread_id, "echo", input={"text": "s"}, if_not_exists="create")

    assert sync_client.threads.get(thread_id)["values"] == values == ECHO
