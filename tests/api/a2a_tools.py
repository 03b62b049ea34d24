"""What the tests of A2A share: raw JSON-RPC, each message checked against the official schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.clients.a2a_sdk import Schema

Body = dict[str, Any]

_RESULTS = {
    "SendMessage": "SendMessageResponse",
    "GetTask": "Task",
    "CancelTask": "Task",
    "ListTasks": "ListTasksResponse",
    "CreateTaskPushNotificationConfig": "TaskPushNotificationConfig",
    "GetTaskPushNotificationConfig": "TaskPushNotificationConfig",
    "ListTaskPushNotificationConfigs": "ListTaskPushNotificationConfigsResponse",
    "DeleteTaskPushNotificationConfig": "Empty",
    "GetExtendedAgentCard": "AgentCard",
}
_CALLS = {
    "SendMessage": "SendMessageRequest",
    "SendStreamingMessage": "SendMessageRequest",
    "GetTask": "GetTaskRequest",
}


@dataclass(frozen=True)
class Rpc:
    """Calls agents of a server in the words of 1.0."""

    http: httpx.Client
    schema: Schema

    def answer(self, agent: str, method: str, **params: Any) -> Body:
        """Return the whole answer to a call, checked."""
        call = {"jsonrpc": "2.0", "id": "c1", "method": method, "params": params}
        found = self.http.post(f"/a2a/{agent}", json=call)
        assert found.status_code == 200, found.text
        assert found.headers["content-type"] == "application/json"
        body: Body = found.json()
        assert (body["jsonrpc"], body["id"]) == ("2.0", "c1")
        return body

    def result(self, agent: str, method: str, **params: Any) -> Any:
        """Return the result of a call, checked."""
        body = self.answer(agent, method, **params)
        assert "error" not in body, body
        self.schema.check(_RESULTS[method], body["result"])
        return body["result"]

    def error(self, agent: str, method: str, **params: Any) -> Body:
        """Return the error of a call, its shape checked."""
        body = self.answer(agent, method, **params)
        assert "result" not in body, body
        return checked_error(body["error"])

    def send(self, agent: str, *parts: Any, how: Body | None = None, **message: Any) -> Body:
        """Send a message and return its task."""
        params: Body = {"message": said(*parts, **message)}
        params |= {"configuration": how} if how else {}
        task: Body = self.result(agent, "SendMessage", **params)["task"]
        return task

    def get(self, agent: str, task: Body, **more: Any) -> Body:
        """Return a task as it stands now."""
        found: Body = self.result(agent, "GetTask", id=task["id"], **more)
        return found

    def stream(self, agent: str, *parts: Any, **message: Any) -> list[Body]:
        """Return all events of a message's stream, checked."""
        return list(self.events(agent, "SendStreamingMessage", message=said(*parts, **message)))

    def events(self, agent: str, method: str, **params: Any) -> Iterator[Body]:
        """Yield the events of a stream, checked."""
        call = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        accept = {"accept": "text/event-stream"}
        with self.http.stream("POST", f"/a2a/{agent}", json=call, headers=accept) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream"), answer.read()
            for data in data_of(answer.iter_lines()):
                assert data["id"] == 7, data
                self.schema.check("StreamResponse", data["result"])
                yield data["result"]


def data_of(lines: Iterator[str]) -> Iterator[Body]:
    """Yield the data of server-sent events."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def said(*parts: Any, **more: Any) -> Body:
    """Return a message; a text stands for a part."""
    given = [{"text": part} if isinstance(part, str) else part for part in parts]
    return {"messageId": str(uuid4()), "role": "ROLE_USER", "parts": given, **more}


def checked_error(error: Body) -> Body:
    """Return an error whose details are those of google.rpc."""
    assert isinstance(error["code"], int)
    assert error["message"]
    first = error["data"][0]
    assert first["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert first["domain"] == "a2a-protocol.org"
    assert all(isinstance(value, str) for value in first["metadata"].values())
    return error


def reason(error: Body) -> str:
    """Return an error's reason."""
    found: str = error["data"][0]["reason"]
    return found


def state(task: Body) -> str:
    """Return how a task stands."""
    found: str = task["status"]["state"]
    return found.removeprefix("TASK_STATE_")


def text(task: Body) -> str:
    """Return the text of a task's only artifact."""
    (artifact,) = task["artifacts"]
    return "".join(part["text"] for part in artifact["parts"])


def put_together(events: list[Body]) -> dict[str, str]:
    """Return the text of each artifact, as a client has it at the end of a stream."""
    found: dict[str, str] = {}
    for event in events:
        if (told := event.get("artifactUpdate")) is None:
            continue
        name = told["artifact"]["artifactId"]
        new = "".join(part.get("text", "") for part in told["artifact"]["parts"])
        found[name] = found[name] + new if told.get("append") else new
    return found


def states(events: list[Body]) -> list[str]:
    """Return the states that a stream tells of."""
    found = [event.get("task") or event.get("statusUpdate") for event in events]
    return [state(each) for each in found if each]
