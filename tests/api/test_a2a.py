"""A2A 1.0: messages, tasks, questions and answers, each valid by the official schema."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.a2a_tools import (
    Rpc,
    checked_error,
    data_of,
    put_together,
    reason,
    said,
    state,
    states,
    text,
)
from tests.api.conftest import served
from tests.api.run_tools import create, new_thread, until, wait
from tests.clients.a2a_sdk import Schema


@pytest.fixture(scope="module")
def schema() -> Iterator[Schema]:
    found = Schema("1.0")
    yield found
    found.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("a2a"), "a2a") as found:
        yield found


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def rpc(http: httpx.Client, schema: Schema) -> Rpc:
    return Rpc(http, schema)


def test_a_message_to_a_graph_id_is_answered_with_a_completed_task(rpc: Rpc) -> None:
    task = rpc.send("talk", "you")

    assert (state(task), text(task)) == ("COMPLETED", "hello you")
    thread_id, _, run_id = task["id"].partition(":")
    assert task["contextId"] == thread_id
    assert run_id
    assert [(each["role"], each["parts"]) for each in task["history"]] == [
        ("ROLE_USER", [{"text": "you"}]),
        ("ROLE_AGENT", [{"text": "hello you"}]),
    ]
    assert {each["taskId"] for each in task["history"]} == {task["id"]}


def test_a_task_is_a_run_on_a_thread(rpc: Rpc, http: httpx.Client) -> None:
    task = rpc.send("talk", "you")
    thread_id, _, run_id = task["id"].partition(":")

    run = http.get(f"/threads/{thread_id}/runs/{run_id}").json()
    assert run["status"] == "success"
    assert run["metadata"]["a2a"] == {"task_start_id": run_id, "context_id": thread_id}
    assert rpc.get("talk", task) == task


def test_an_assistant_is_named_by_its_uuid_as_well(rpc: Rpc, http: httpx.Client) -> None:
    made = http.post("/assistants", json={"graph_id": "talk", "name": "Other"}).json()

    task = rpc.send(made["assistant_id"], "you")
    assert state(task) == "COMPLETED"
    other = rpc.error("talk", "GetTask", id=task["id"])
    assert (other["code"], reason(other)) == (-32001, "TASK_NOT_FOUND")


def test_an_assistant_can_be_left_out(rpc: Rpc, http: httpx.Client) -> None:
    hidden = http.post("/assistants", json={"graph_id": "talk", "metadata": {"a2a": False}}).json()

    error = rpc.error(hidden["assistant_id"], "SendMessage", message=said("x"))
    assert error["message"] == f"Assistant '{hidden['assistant_id']}' not found"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nope", "Failed to get assistant 'nope': Invalid assistant ID"),
        ("0d0c7bfc-5ab9-4bb1-9a7e-b0f01c7a9a55", "not found"),
    ],
)
def test_an_unknown_assistant_is_an_error_of_json_rpc(rpc: Rpc, named: str, message: str) -> None:
    error = rpc.error(named, "SendMessage", message=said("x"))
    assert (error["code"], message in error["message"]) == (-32602, True)


@pytest.mark.parametrize("how", [{"returnImmediately": True}, {"blocking": False}])
def test_who_does_not_wait_is_answered_at_once(
    rpc: Rpc, tmp_path: Path, how: dict[str, Any]
) -> None:
    file = tmp_path / "go"
    task = rpc.send("hold", str(file), how=how)
    assert state(task) in ("SUBMITTED", "WORKING")
    assert "artifacts" not in task
    assert [each["parts"] for each in task["history"]] == [[{"text": str(file)}]]

    file.touch()
    until(lambda: state(rpc.get("hold", task)) == "COMPLETED")
    assert text(rpc.get("hold", task)) == "done now"


def test_a_context_goes_on_in_a_new_task(rpc: Rpc) -> None:
    first = rpc.send("talk", "one")
    second = rpc.send("talk", "two", contextId=first["contextId"])

    assert second["contextId"] == first["contextId"]
    assert second["id"] != first["id"]
    assert [each["parts"][0]["text"] for each in second["history"]] == [
        "one", "hello one", "two", "hello two",
    ]  # fmt: skip
    assert [each["taskId"] for each in second["history"]] == [first["id"]] * 2 + [second["id"]] * 2
    assert text(rpc.get("talk", first)) == "hello one"
    assert len(rpc.get("talk", first)["history"]) == 2


def test_a_context_has_the_name_that_its_client_gives_it(rpc: Rpc) -> None:
    name = f"my chat {uuid4()}"
    first = rpc.send("talk", "one", contextId=name)
    second = rpc.send("talk", "two", contextId=name)

    assert (first["contextId"], second["contextId"]) == (name, name)
    assert len(second["history"]) == 4
    listed = rpc.result("talk", "ListTasks", contextId=name)
    assert {each["id"] for each in listed["tasks"]} == {first["id"], second["id"]}


@pytest.mark.parametrize(("length", "shown"), [(None, 4), (0, 0), (1, 1), (3, 3), (99, 4)])
def test_history_is_as_long_as_it_is_asked_for(rpc: Rpc, length: int | None, shown: int) -> None:
    first = rpc.send("talk", "one")
    how = {} if length is None else {"historyLength": length}
    sent = rpc.send("talk", "two", contextId=first["contextId"], how=how)
    found = rpc.get("talk", sent, **how)

    for task in (sent, found):
        assert len(task.get("history", [])) == shown
        assert ("history" in task) == (shown > 0)
        assert not shown or task["history"][-1]["parts"] == [{"text": "hello two"}]


def test_history_can_be_that_of_the_task_alone(http: httpx.Client, schema: Schema) -> None:
    header = {"LangGraph-A2A-History-Scope": "task"}
    with httpx.Client(base_url=http.base_url, headers=header, timeout=30) as client:
        rpc = Rpc(client, schema)
        first = rpc.send("talk", "one")
        second = rpc.send("talk", "two", contextId=first["contextId"])
        assert len(second["history"]) == 2
        client.headers["LangGraph-A2A-History-Scope"] = "all"
        error = rpc.error("talk", "GetTask", id=first["id"])
    assert error["message"] == "historyScope must be 'context' or 'task'"


def test_a_question_is_answered_by_the_text_of_a_message_to_the_same_task(rpc: Rpc) -> None:
    asked = rpc.send("approve", "please")
    assert state(asked) == "INPUT_REQUIRED"
    assert asked["status"]["message"]["parts"] == [{"text": "Approve?"}]
    (artifact,) = asked["artifacts"]
    assert (artifact["name"], artifact["parts"][0]["data"]["value"]) == ("Interrupt", "Approve?")
    assert rpc.get("approve", asked) == asked

    answered = rpc.send("approve", "yes", taskId=asked["id"], contextId=asked["contextId"])
    assert (answered["id"], state(answered)) == (asked["id"], "COMPLETED")
    assert text(answered) == 'approved: "yes"'
    assert [each["parts"][0]["text"] for each in answered["history"]] == [
        "please", "yes", 'approved: "yes"',
    ]  # fmt: skip
    assert {each["taskId"] for each in answered["history"]} == {asked["id"]}


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ([{"data": {"resume": {"ok": True}}}], '{"ok": true}'),
        ([{"data": {"ok": 1}}], '{"ok": 1}'),
        (["a", "b"], '"a\\nb"'),
        (["why", {"data": {"resume": 3}}], "3"),
        (["why", {"data": {"n": 3}}], '{"text": "why", "data": {"n": 3}}'),
    ],
)
def test_a_question_is_answered_by_data(rpc: Rpc, parts: list[Any], value: str) -> None:
    asked = rpc.send("approve", "please")
    assert text(rpc.send("approve", *parts, taskId=asked["id"])) == f"approved: {value}"


def test_several_questions_are_answered_by_their_ids(rpc: Rpc) -> None:
    asked = rpc.send("pair", "go")
    (artifact,) = asked["artifacts"]
    ids = {part["data"]["value"]["side"]: part["data"]["id"] for part in artifact["parts"]}
    assert set(ids) == {"left", "right"}

    error = rpc.error("pair", "SendMessage", message=said("yes", taskId=asked["id"]))
    assert error["code"] == -32602
    assert ids["left"] in error["message"]

    answers = {"resume": {ids["left"]: "L", ids["right"]: "R"}}
    done = rpc.send("pair", {"data": answers}, taskId=asked["id"])
    assert {each["parts"][0].get("text") for each in done["history"]} >= {"left: L", "right: R"}


def test_a_question_that_the_context_has_passed_over_is_a_canceled_task(rpc: Rpc) -> None:
    asked = rpc.send("approve", "please")
    later = rpc.send("approve", "something else", contextId=asked["contextId"])

    assert state(later) == "INPUT_REQUIRED"
    assert state(rpc.get("approve", asked)) == "CANCELED"
    error = rpc.error("approve", "SendMessage", message=said("yes", taskId=asked["id"]))
    assert (error["code"], reason(error)) == (-32004, "UNSUPPORTED_OPERATION")


def test_a_task_that_has_ended_takes_no_message(rpc: Rpc) -> None:
    task = rpc.send("talk", "you")
    error = rpc.error("talk", "SendMessage", message=said("more", taskId=task["id"]))
    assert (error["code"], error["message"]) == (
        -32004, "A terminal task cannot accept another message",
    )  # fmt: skip


def test_a_message_to_a_task_at_work_is_another_turn_of_it(rpc: Rpc, tmp_path: Path) -> None:
    file, other = tmp_path / "one", tmp_path / "two"
    task = rpc.send("hold", str(file), how={"returnImmediately": True})
    more = rpc.send("hold", str(other), taskId=task["id"], how={"returnImmediately": True})
    assert (more["id"], state(more)) == (task["id"], "WORKING")

    file.touch()
    other.touch()
    until(lambda: state(rpc.get("hold", task)) == "COMPLETED")
    said_by_user = [
        each["parts"][0]["text"]
        for each in rpc.get("hold", task)["history"]
        if each["role"] == "ROLE_USER"
    ]
    assert said_by_user == [str(file), str(other)]


def test_who_waits_for_a_task_waits_for_all_of_its_turns(rpc: Rpc, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    task = rpc.send("hold", str(one), how={"returnImmediately": True})
    call = {"jsonrpc": "2.0", "id": 7, "method": "SubscribeToTask", "params": {"id": task["id"]}}
    with rpc.http.stream("POST", "/a2a/hold", json=call) as answer:
        events = (each["result"] for each in data_of(answer.iter_lines()))
        next(events)
        url = str(rpc.http.base_url)
        with httpx.Client(base_url=url, timeout=30) as other:
            again = Rpc(other, rpc.schema)
            again.send("hold", str(two), taskId=task["id"], how={"returnImmediately": True})
            one.touch()
            until(lambda: "done now" in str(again.get("hold", task)))
            two.touch()
        seen = list(events)
    assert states(seen)[-1] == "COMPLETED"
    assert list(put_together(seen).values())[-1] == "done now"
    assert len(put_together(seen)) == 2


def test_task_and_context_must_belong_together(rpc: Rpc) -> None:
    asked = rpc.send("approve", "please")
    message = said("yes", taskId=asked["id"], contextId=str(uuid4()))
    error = rpc.error("approve", "SendMessage", message=message)
    assert (error["code"], error["data"][1]["fieldViolations"][0]["field"]) == (
        -32602, "message.contextId",
    )  # fmt: skip


def test_a_failure_is_a_failed_task_that_says_why(rpc: Rpc) -> None:
    task = rpc.send("fail", "x")
    assert state(task) == "FAILED"
    assert task["status"]["message"]["parts"] == [{"text": "ValueError: boom"}]
    assert "artifacts" not in task
    assert rpc.get("fail", task) == task


def test_data_is_input_and_output_of_a_graph_without_messages(rpc: Rpc) -> None:
    task = rpc.send("add", {"data": {"x": 41}})
    assert state(task) == "COMPLETED"
    assert task["artifacts"][0]["parts"] == [{"data": {"x": 41, "y": 42}}]
    assert [each["parts"] for each in task["history"]] == [[{"data": {"x": 41}}]]


def test_text_to_a_graph_without_messages_names_what_it_takes(rpc: Rpc) -> None:
    error = rpc.error("add", "SendMessage", message=said("41"))
    assert error["code"] == -32602
    assert "(graph 'add') does not support A2A conversational messages" in error["message"]
    assert error["message"].endswith("Available input fields: ['x', 'y']")


def test_files_become_blocks_of_a_message(rpc: Rpc) -> None:
    raw = base64.b64encode(b"hi").decode()
    task = rpc.send(
        "look",
        "see",
        {"raw": raw, "mediaType": "image/png", "filename": "a.png"},
        {"url": "https://example.com/a.pdf", "mediaType": "application/pdf"},
    )
    assert text(task) == (
        '[{"type": "text", "text": "see"}, {"type": "image", "base64": "aGk=", "mime_type":'
        ' "image/png", "filename": "a.png"}, {"type": "file", "url": "https://example.com/a.pdf",'
        ' "mime_type": "application/pdf"}]'
    )


def test_pictures_of_an_agent_are_files_and_its_thoughts_are_nothing(rpc: Rpc) -> None:
    task = rpc.send("paint", "x")
    assert task["artifacts"][0]["parts"] == [
        {"text": "see"}, {"raw": "aGk=", "mediaType": "image/png"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (None, -32602),
        ([], -32602),
        ({}, -32602),
        ({"messageId": "m", "parts": []}, -32602),
        ({"messageId": "m", "parts": {}}, -32602),
        ({"messageId": 1, "parts": [{"text": "x"}]}, -32602),
        ({"messageId": "m", "parts": [1]}, -32602),
        ({"messageId": "m", "parts": [{"text": 1}]}, -32602),
        ({"messageId": "m", "parts": [{"text": "x", "url": "y"}]}, -32602),
        ({"messageId": "m", "parts": [{"raw": "not base64!"}]}, -32602),
        ({"messageId": "m", "parts": [{"data": [1]}]}, -32602),
        ({"messageId": "m", "parts": [{"text": "x"}], "role": "ROLE_GOD"}, -32602),
        ({"messageId": "m", "parts": [{"text": "x"}], "taskId": 1}, -32602),
        ({"messageId": "m", "parts": [{"text": "x"}], "taskId": "nope"}, -32001),
        ({"messageId": "m", "parts": [{"text": "x"}], "metadata": []}, -32602),
        ({"messageId": "m", "parts": [{"kind": "hologram", "x": 1}]}, -32005),
        ({"messageId": "m", "parts": [{}]}, -32005),
    ],
)
def test_a_message_that_is_none_is_refused(rpc: Rpc, message: Any, code: int) -> None:
    params = {} if message is None else {"message": message}
    assert rpc.error("talk", "SendMessage", **params)["code"] == code


@pytest.mark.parametrize(
    "how",
    [
        {"historyLength": -1}, {"historyLength": "x"}, {"blocking": "no"},
        {"acceptedOutputModes": "text"}, {"taskPushNotificationConfig": {"token": "x"}}, [],
    ],
)  # fmt: skip
def test_a_configuration_that_is_none_is_refused(rpc: Rpc, how: Any) -> None:
    error = rpc.error("talk", "SendMessage", message=said("x"), configuration=how)
    assert error["code"] == -32602


@pytest.mark.parametrize(
    ("body", "code", "answered"),
    [
        (b"{", -32700, None),
        (b"", -32700, None),
        (b"[]", -32600, None),
        (b'{"jsonrpc":"2.0","method":"GetTask"}', -32600, None),
        (b'{"jsonrpc":"1.0","method":"GetTask","id":3}', -32600, 3),
        (b'{"jsonrpc":"2.0","method":"GetTask","id":1.5}', -32600, None),
        (b'{"jsonrpc":"2.0","method":"GetTask","id":true}', -32600, None),
        (b'{"jsonrpc":"2.0","id":"a"}', -32600, "a"),
        (b'{"jsonrpc":"2.0","id":"a","method":"tasks/fly"}', -32601, "a"),
        (b'{"jsonrpc":"2.0","id":"a","method":"GetTask","params":[]}', -32602, "a"),
        (b'{"jsonrpc":"2.0","id":"a","method":"GetTask"}', -32602, "a"),
    ],
)
def test_a_call_that_is_none_is_refused(
    http: httpx.Client, body: bytes, code: int, answered: Any
) -> None:
    answer = http.post("/a2a/talk", content=body)
    assert answer.status_code == 200
    assert (answer.json()["error"]["code"], answer.json()["id"]) == (code, answered)


@pytest.mark.parametrize(
    ("method", "accept", "status"),
    [
        ("GetTask", None, 200),
        ("GetTask", "*/*", 200),
        ("GetTask", "application/*", 200),
        ("GetTask", "text/event-stream", 400),
        ("SendStreamingMessage", "application/json", 400),
    ],
)
def test_a_client_must_accept_what_is_to_come(
    http: httpx.Client, method: str, accept: str | None, status: int
) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
    request = http.build_request("POST", "/a2a/talk", json=call)
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    answer = http.send(request)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"].startswith("Accept header must include")


@pytest.mark.parametrize(
    ("version", "method", "code"),
    [
        ("1.0", "GetTask", -32001),
        ("1.0.3", "GetTask", -32001),
        ("", "GetTask", -32001),
        ("0.3", "tasks/get", -32001),
        ("0.3", "GetTask", -32009),
        ("1.0", "tasks/get", -32009),
        ("2.0", "GetTask", -32009),
        ("2.0", "SomethingNew", -32009),
        ("banana", "GetTask", -32009),
    ],
)
def test_the_version_that_a_client_says_is_heeded(
    http: httpx.Client, version: str, method: str, code: int
) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"id": "nope"}}
    error = http.post("/a2a/talk", json=call, headers={"A2A-Version": version}).json()["error"]
    assert error["code"] == code
    assert code != -32009 or reason(error) == "VERSION_NOT_SUPPORTED"


def test_an_unknown_task_is_not_found(rpc: Rpc) -> None:
    for task_id in ("nope", f"{uuid4()}:{uuid4()}", f"{uuid4()}", ":"):
        error = rpc.error("talk", "GetTask", id=task_id)
        assert (error["code"], error["message"]) == (-32001, f"Task not found: {task_id}")
        assert error["data"][0]["metadata"] == {"taskId": task_id}


def test_a_task_at_work_is_canceled(rpc: Rpc, tmp_path: Path) -> None:
    task = rpc.send("hold", str(tmp_path / "never"), how={"returnImmediately": True})

    ended = rpc.result("hold", "CancelTask", id=task["id"])
    assert state(ended) == "CANCELED"
    assert ended["status"]["message"]["parts"] == [{"text": "Task was canceled"}]
    error = rpc.error("hold", "CancelTask", id=task["id"])
    assert (error["code"], reason(error)) == (-32002, "TASK_NOT_CANCELABLE")


def test_a_task_that_waits_for_an_answer_is_canceled(rpc: Rpc) -> None:
    asked = rpc.send("approve", "please")
    assert state(rpc.result("approve", "CancelTask", id=asked["id"])) == "CANCELED"
    error = rpc.error("approve", "SendMessage", message=said("yes", taskId=asked["id"]))
    assert error["code"] == -32004
    assert state(rpc.send("approve", "again", contextId=asked["contextId"])) == "INPUT_REQUIRED"


def test_a_completed_task_is_not_cancelable(rpc: Rpc) -> None:
    task = rpc.send("talk", "x")
    assert rpc.error("talk", "CancelTask", id=task["id"])["code"] == -32002


def test_tasks_are_listed_in_pages_the_latest_first(rpc: Rpc, http: httpx.Client) -> None:
    agent = http.post("/assistants", json={"graph_id": "talk"}).json()["assistant_id"]
    ids = [rpc.send(agent, str(n))["id"] for n in range(5)]

    seen, token = [], ""
    for size in (2, 2, 1):
        page = rpc.result(agent, "ListTasks", pageSize=2, pageToken=token)
        assert (page["pageSize"], page["totalSize"], len(page["tasks"])) == (size, 5, size)
        assert not any("artifacts" in task for task in page["tasks"])
        seen += [task["id"] for task in page["tasks"]]
        token = page["nextPageToken"]
    assert token == ""
    assert seen == ids[::-1]


def test_tasks_are_listed_by_state_and_time(rpc: Rpc, http: httpx.Client) -> None:
    agent = http.post("/assistants", json={"graph_id": "approve"}).json()["assistant_id"]
    asked, done = rpc.send(agent, "a"), rpc.send(agent, "b")
    done = rpc.send(agent, "yes", taskId=done["id"])

    def listed(**where: Any) -> list[str]:
        return [each["id"] for each in rpc.result(agent, "ListTasks", **where)["tasks"]]

    assert listed(status="TASK_STATE_INPUT_REQUIRED") == [asked["id"]]
    assert listed(status="TASK_STATE_COMPLETED") == [done["id"]]
    assert listed(status="TASK_STATE_REJECTED") == []
    assert listed(statusTimestampAfter=done["status"]["timestamp"]) == [done["id"]]
    assert listed(contextId=asked["contextId"]) == [asked["id"]]
    page = rpc.result(agent, "ListTasks", historyLength=1, includeArtifacts=True)
    assert [len(each["history"]) for each in page["tasks"]] == [1, 1]
    assert text(page["tasks"][0]) == 'approved: "yes"'


@pytest.mark.parametrize(
    "wrong",
    [
        {"pageSize": 0}, {"pageSize": 101}, {"pageSize": "x"}, {"pageToken": "x"},
        {"historyLength": -1}, {"status": "nope"}, {"statusTimestampAfter": "yesterday"},
        {"contextId": 1}, {"includeArtifacts": "yes"},
    ],
)  # fmt: skip
def test_a_listing_that_makes_no_sense_is_refused(rpc: Rpc, wrong: dict[str, Any]) -> None:
    assert rpc.error("talk", "ListTasks", **wrong)["code"] == -32602


def test_a_run_of_the_api_can_be_read_as_a_task(rpc: Rpc, http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "approve", input={"messages": [{"role": "user", "content": "hi"}]})
    run_id = http.get(f"/threads/{thread_id}/runs").json()[0]["run_id"]
    task = rpc.get("approve", {"id": f"{thread_id}:{run_id}"})

    assert (state(task), task["contextId"]) == ("INPUT_REQUIRED", thread_id)
    assert [each["parts"][0]["text"] for each in task["history"]] == ["hi"]
    assert text(rpc.send("approve", "yes", taskId=task["id"])) == 'approved: "yes"'


def test_a_task_goes_with_its_thread(rpc: Rpc, http: httpx.Client) -> None:
    task = rpc.send("talk", "x")
    http.delete(f"/threads/{task['contextId']}")
    assert rpc.error("talk", "GetTask", id=task["id"])["code"] == -32001


def test_metadata_of_a_message_is_that_of_its_run(rpc: Rpc, http: httpx.Client) -> None:
    answer = rpc.result("talk", "SendMessage", message=said("x"), metadata={"ticket": 7})
    thread_id, _, run_id = answer["task"]["id"].partition(":")
    run = http.get(f"/threads/{thread_id}/runs/{run_id}").json()
    assert run["metadata"]["ticket"] == 7


def test_a_busy_thread_of_the_api_takes_a_message_in_its_turn(
    rpc: Rpc, http: httpx.Client, tmp_path: Path
) -> None:
    thread_id, file = new_thread(http), tmp_path / "go"
    create(http, thread_id, "hold", input={"messages": [{"role": "user", "content": str(file)}]})
    task = rpc.send("talk", "you", contextId=thread_id, how={"returnImmediately": True})
    assert state(rpc.get("talk", task)) == "SUBMITTED"

    file.touch()
    until(lambda: state(rpc.get("talk", task)) == "COMPLETED")
    assert text(rpc.get("talk", task)) == "hello you"


def test_of_two_answers_at_once_exactly_one_is_taken(rpc: Rpc, url: str) -> None:
    for _ in range(10):
        asked = rpc.send("approve", "please")
        start = threading.Barrier(4)

        def answer(word: str, task: str = asked["id"], start: threading.Barrier = start) -> Any:
            with httpx.Client(base_url=url, timeout=30) as own:
                start.wait(30)
                return Rpc(own, rpc.schema).answer(
                    "approve", "SendMessage", message=said(word, taskId=task)
                )

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(answer, ("one", "two", "three", "four")))
        (taken,) = [each["result"]["task"] for each in answers if "result" in each]
        assert state(taken) == "COMPLETED"
        refused = [checked_error(each["error"]) for each in answers if "error" in each]
        assert [reason(each) for each in refused] == ["UNSUPPORTED_OPERATION"] * 3
        history = rpc.get("approve", asked)["history"]
        assert len([each for each in history if each["role"] == "ROLE_USER"]) == 2
