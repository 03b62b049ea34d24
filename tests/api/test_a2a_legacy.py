"""A2A 0.3: its methods, in its shapes; every message is valid by its types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.a2a_tools import data_of
from tests.api.conftest import served
from tests.api.run_tools import until
from tests.api.test_a2a_pushes import receiving
from tests.clients.a2a_sdk import Schema

Body = dict[str, Any]
_EVENTS = {
    "task": "Task",
    "status-update": "TaskStatusUpdateEvent",
    "artifact-update": "TaskArtifactUpdateEvent",
}


@pytest.fixture(scope="module")
def schema() -> Iterator[Schema]:
    found = Schema("0.3")
    yield found
    found.close()


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    config = {"lgserve": {"webhooks": {"allow_loopback": True}}}
    with (
        served(tmp_path_factory.mktemp("a2a"), "a2a", config) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def _call(http: httpx.Client, agent: str, method: str, **params: Any) -> Any:
    call = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
    body = http.post(f"/a2a/{agent}", json=call).json()
    assert "error" not in body, body
    return body["result"]


def _message(*parts: Any, **more: Any) -> Body:
    given = [{"kind": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"kind": "message", "messageId": str(uuid4()), "role": "user", "parts": given, **more}


def _send(http: httpx.Client, schema: Schema, agent: str, *parts: Any, **more: Any) -> Body:
    how = more.pop("configuration", {})
    task: Body = _call(
        http, agent, "message/send", message=_message(*parts, **more), configuration=how
    )
    schema.check("Task", task)
    return task


def test_a_message_is_answered_with_a_task(http: httpx.Client, schema: Schema) -> None:
    task = _send(http, schema, "talk", "you")
    assert (task["kind"], task["status"]["state"]) == ("task", "completed")
    assert task["artifacts"][0]["parts"] == [{"kind": "text", "text": "hello you"}]
    assert [each["role"] for each in task["history"]] == ["user", "agent"]
    assert _call(http, "talk", "tasks/get", id=task["id"]) == task
    assert "history" not in _call(http, "talk", "tasks/get", id=task["id"], historyLength=0)


def test_a_task_is_the_same_in_both_versions(http: httpx.Client, schema: Schema) -> None:
    task = _send(http, schema, "talk", "you")
    assert _call(http, "talk", "GetTask", id=task["id"])["status"]["state"] == (
        "TASK_STATE_COMPLETED"
    )


def test_files_and_data_have_the_shapes_of_the_version(http: httpx.Client, schema: Schema) -> None:
    file = {"kind": "file", "file": {"bytes": "aGk=", "mimeType": "image/png", "name": "a.png"}}
    link = {"kind": "file", "file": {"uri": "https://example.com/a.mp3", "mimeType": "audio/mp3"}}
    task = _send(http, schema, "look", "see", file, link)
    assert task["history"][0]["parts"] == [{"kind": "text", "text": "see"}, file, link]
    assert '"type": "audio"' in task["artifacts"][0]["parts"][0]["text"]

    task = _send(http, schema, "add", {"kind": "data", "data": {"x": 1}})
    assert task["artifacts"][0]["parts"] == [{"kind": "data", "data": {"x": 1, "y": 2}}]


def test_a_question_and_its_answer(http: httpx.Client, schema: Schema) -> None:
    asked = _send(http, schema, "approve", "please")
    assert asked["status"]["state"] == "input-required"
    done = _send(http, schema, "approve", "yes", taskId=asked["id"], contextId=asked["contextId"])
    assert done["status"]["state"] == "completed"


def test_who_does_not_wait_cancels(http: httpx.Client, schema: Schema) -> None:
    task = _send(http, schema, "hold", "/nowhere", configuration={"blocking": False})
    assert task["status"]["state"] in ("submitted", "working")
    ended = _call(http, "hold", "tasks/cancel", id=task["id"])
    schema.check("Task", ended)
    assert ended["status"]["state"] == "canceled"


@pytest.mark.parametrize(("agent", "final"), [("talk", "completed"), ("approve", "input-required")])
def test_a_stream(http: httpx.Client, schema: Schema, agent: str, final: str) -> None:
    events = _stream(http, schema, agent, "message/stream", message=_message("you"))
    assert [each["kind"] for each in events[:2]] == ["task", "status-update"]
    assert [each["final"] for each in events if "final" in each] == [False, True]
    assert events[-1]["status"]["state"] == final


def _stream(
    http: httpx.Client, schema: Schema, agent: str, method: str, **params: Any
) -> list[Body]:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = http.post(f"/a2a/{agent}", json=call, headers={"accept": "text/event-stream"})
    events = [each["result"] for each in data_of(iter(answer.text.splitlines()))]
    for event in events:
        schema.check(_EVENTS[event["kind"]], event)
    return events


def test_who_subscribes_again_gets_the_rest(
    http: httpx.Client, schema: Schema, tmp_path: Any
) -> None:
    file = tmp_path / "go"
    task = _send(http, schema, "hold", str(file), configuration={"blocking": False})
    call = {"jsonrpc": "2.0", "id": 1, "method": "tasks/resubscribe", "params": {"id": task["id"]}}
    seen: list[Body] = []
    with http.stream("POST", "/a2a/hold", json=call) as answer:
        for data in data_of(answer.iter_lines()):
            seen.append(data["result"])
            file.touch()
    assert (seen[0]["kind"], seen[-1]["status"]["state"]) == ("task", "completed")


def test_push_notification_configs(http: httpx.Client, schema: Schema) -> None:
    with receiving() as receiver:
        asked = _send(http, schema, "approve", "please")
        config = {"url": receiver.url, "token": "t",
                  "authentication": {"schemes": ["Bearer"], "credentials": "c"}}  # fmt: skip
        made = _call(http, "approve", "tasks/pushNotificationConfig/set",
                     taskId=asked["id"], pushNotificationConfig=config)  # fmt: skip
        schema.check("TaskPushNotificationConfig", made)
        assert made["pushNotificationConfig"] == {"id": asked["id"], **config}

        of_task = {"id": asked["id"]}
        assert _call(http, "approve", "tasks/pushNotificationConfig/get", **of_task) == made
        listed = _call(http, "approve", "tasks/pushNotificationConfig/list", **of_task)
        schema.check("TaskPushNotificationConfig[]", listed)
        assert listed == [made]

        _send(http, schema, "approve", "yes", taskId=asked["id"])
        headers, body = receiver.one()
        assert headers["authorization"] == "Bearer c"
        schema.check("Task", body)
        assert body["status"]["state"] == "completed"
        until(lambda: receiver.heard)
        gone = _call(http, "approve", "tasks/pushNotificationConfig/delete",
                     **of_task, pushNotificationConfigId=asked["id"])  # fmt: skip
        assert gone is None
        assert _call(http, "approve", "tasks/pushNotificationConfig/list", **of_task) == []


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tasks/get", {}, -32602),
        ("tasks/get", {"id": "nope"}, -32001),
        ("tasks/cancel", {"id": "nope"}, -32001),
        ("tasks/resubscribe", {"id": "nope"}, -32001),
        ("message/send", {}, -32602),
        ("tasks/pushNotificationConfig/set", {"taskId": "x"}, -32602),
        ("tasks/pushNotificationConfig/get", {"id": "x"}, -32001),
        ("tasks/pushNotificationConfig/delete", {"id": "x"}, -32602),
        ("tasks/unknown", {}, -32601),
    ],
)
def test_errors(http: httpx.Client, schema: Schema, method: str, params: Body, code: int) -> None:
    call = {"jsonrpc": "2.0", "id": 5, "method": method, "params": params}
    body = http.post("/a2a/talk", json=call).json()
    schema.check("JSONRPCErrorResponse", body)
    assert body["error"]["code"] == code
