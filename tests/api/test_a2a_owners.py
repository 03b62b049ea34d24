"""A2A keeps owners apart: what is somebody else's is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.a2a_tools import said
from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB

Body = dict[str, Any]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("owned"), "a2a", API_KEYS) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def _call(
    http: httpx.Client, who: dict[str, str], method: str, agent: str = "approve", **params: Any
) -> Body:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = http.post(f"/a2a/{agent}", json=call, headers=who)
    assert answer.status_code == 200, answer.text
    body: Body = answer.json()
    return body


def _asked(http: httpx.Client, who: dict[str, str], **message: Any) -> Body:
    answer = _call(http, who, "SendMessage", message=said("please", **message))
    task: Body = answer["result"]["task"]
    return task


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("GetTask", "id"),
        ("CancelTask", "id"),
        ("SubscribeToTask", "id"),
        ("ListTaskPushNotificationConfigs", "taskId"),
    ],
)
def test_a_task_of_somebody_else_is_not_found(http: httpx.Client, method: str, name: str) -> None:
    task = _asked(http, ALICE)
    error = _call(http, BOB, method, **{name: task["id"]})["error"]
    assert (error["code"], error["message"]) == (-32001, f"Task not found: {task['id']}")
    mine = _call(http, ALICE, "GetTask", id=task["id"])["result"]
    assert mine["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"


def test_nobody_answers_the_question_of_somebody_else(http: httpx.Client) -> None:
    task = _asked(http, ALICE)
    for message in (said("yes", taskId=task["id"]), said("x", contextId=task["contextId"])):
        answer = _call(http, BOB, "SendMessage", message=message)
        assert "error" in answer
        assert "please" not in str(answer)


def test_a_name_of_a_context_means_another_one_to_somebody_else(http: httpx.Client) -> None:
    name = f"chat {uuid4()}"
    hers, his = _asked(http, ALICE, contextId=name), _asked(http, BOB, contextId=name)
    assert (hers["contextId"], his["contextId"]) == (name, name)
    assert hers["id"].partition(":")[0] != his["id"].partition(":")[0]
    listed = _call(http, BOB, "ListTasks", contextId=name)["result"]
    assert [each["id"] for each in listed["tasks"]] == [his["id"]]
    assert listed["totalSize"] == 1


def test_an_assistant_of_somebody_else_is_not_there(http: httpx.Client) -> None:
    body = {"graph_id": "talk", "name": "hers"}
    hers = http.post("/assistants", json=body, headers=ALICE).json()["assistant_id"]

    assert http.get(f"/a2a/{hers}", headers=ALICE).json()["name"] == "hers"
    for answer in (
        http.get(f"/a2a/{hers}", headers=BOB).json(),
        _call(http, BOB, "SendMessage", hers, message=said("x")),
    ):
        assert answer["error"]["message"] == f"Assistant '{hers}' not found"


def test_cards_and_calls_need_a_key(http: httpx.Client) -> None:
    for path in ("/a2a/talk", "/.well-known/agent-card.json?assistant_id=talk"):
        assert http.get(path).status_code == 401
    assert http.post("/a2a/talk", json={}).status_code == 401


def test_a_card_says_which_key_it_needs(http: httpx.Client) -> None:
    card = http.get("/a2a/talk", headers=BOB).json()
    scheme = card["securitySchemes"]["apiKey"]
    assert scheme["apiKeySecurityScheme"] == {"location": "header", "name": "x-api-key"}
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "x-api-key")


def test_the_run_of_a_task_knows_who_asked(http: httpx.Client) -> None:
    task = _asked(http, ALICE)
    thread_id, _, run_id = task["id"].partition(":")
    run = http.get(f"/threads/{thread_id}/runs/{run_id}", headers=ALICE).json()
    assert run["kwargs"]["config"]["configurable"]["langgraph_auth_user_id"] == "alice"
    assert http.get(f"/threads/{thread_id}", headers=BOB).status_code == 404
