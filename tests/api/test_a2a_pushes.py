"""Push notifications of A2A: who asked for them is told, through the outbox, in the right words."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.api.a2a_tools import Body, Rpc, reason, said, state
from tests.api.conftest import served
from tests.api.run_tools import until
from tests.clients.a2a_sdk import Schema


class Receiver:
    """Somebody who is told; answers with statuses one after the other, then with 200."""

    def __init__(self, url: str, statuses: list[int]) -> None:
        self.url = url
        self.statuses = statuses
        self.heard: list[tuple[dict[str, str], Any]] = []

    def one(self) -> tuple[dict[str, str], Any]:
        """Return the one thing that was heard."""
        until(lambda: self.heard)
        (found,) = self.heard
        return found


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = left.pop(0) if left else 200
            if status == 200:
                found.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_port}/hook", left)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture(scope="module")
def schema() -> Iterator[Schema]:
    found = Schema("1.0")
    yield found
    found.close()


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory, schema: Schema) -> Iterator[Rpc]:
    config = {"lgserve": {"webhooks": {"allow_loopback": True}}}
    with (
        served(tmp_path_factory.mktemp("a2a"), "a2a", config) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield Rpc(client, schema)


def _wanting(receiver: Receiver, **more: Any) -> Body:
    return {"taskPushNotificationConfig": {"url": receiver.url, **more}}


def _timeless(task: Body) -> Body:
    """Return a task without the moment at which its state was noted."""
    status = {name: value for name, value in task["status"].items() if name != "timestamp"}
    return {**task, "status": status}


def test_who_asked_with_the_message_is_told_of_its_end(rpc: Rpc, schema: Schema) -> None:
    with receiving() as receiver:
        auth = {"scheme": "Bearer", "credentials": "secret"}
        how = _wanting(receiver, token="tok", authentication=auth)
        task = rpc.send("talk", "you", how={**how, "returnImmediately": True})
        headers, body = receiver.one()

    assert (headers["x-a2a-notification-token"], headers["authorization"]) == (
        "tok", "Bearer secret",
    )  # fmt: skip
    assert headers["webhook-id"]
    schema.check("StreamResponse", body)
    assert _timeless(body["task"]) == _timeless(rpc.get("talk", task))


def test_a_question_is_told_and_so_is_the_end(rpc: Rpc) -> None:
    with receiving() as receiver:
        asked = rpc.send("approve", "please", how=_wanting(receiver))
        _, body = receiver.one()
        assert state(body["task"]) == "INPUT_REQUIRED"
        assert _timeless(body["task"]) == _timeless(asked)
        rpc.send("approve", "yes", taskId=asked["id"])
        until(lambda: len(receiver.heard) == 2)
    assert state(receiver.heard[1][1]["task"]) == "COMPLETED"


@pytest.mark.parametrize(("agent", "ending"), [("fail", "FAILED"), ("hold", "CANCELED")])
def test_other_ends_are_told_as_well(rpc: Rpc, agent: str, ending: str) -> None:
    with receiving() as receiver:
        task = rpc.send(agent, "/x", how={**_wanting(receiver), "returnImmediately": True})
        if ending == "CANCELED":
            rpc.result(agent, "CancelTask", id=task["id"])
        _, body = receiver.one()
    assert state(body["task"]) == ending


def test_to_give_up_a_question_is_told(rpc: Rpc) -> None:
    with receiving() as receiver:
        asked = rpc.send("approve", "please", how=_wanting(receiver))
        until(lambda: receiver.heard)
        rpc.result("approve", "CancelTask", id=asked["id"])
        until(lambda: len(receiver.heard) == 2)
    assert state(receiver.heard[1][1]["task"]) == "CANCELED"


def test_a_receiver_that_is_down_is_told_later(rpc: Rpc) -> None:
    with receiving(503) as receiver:
        rpc.send("talk", "you", how=_wanting(receiver))
        _, body = receiver.one()
    assert state(body["task"]) == "COMPLETED"


def test_configs_are_created_found_listed_and_deleted(rpc: Rpc) -> None:
    with receiving() as receiver:
        asked = rpc.send("approve", "please")
        of_task = {"taskId": asked["id"]}
        made = rpc.result(
            "approve", "CreateTaskPushNotificationConfig", **of_task, url=receiver.url, token="t"
        )
        assert made == {"id": made["id"], **of_task, "url": receiver.url, "token": "t"}
        other = {**of_task, "id": "mine", "url": receiver.url}
        for _ in range(2):
            assert rpc.result("approve", "CreateTaskPushNotificationConfig", **other) == other
        assert rpc.result("approve", "GetTaskPushNotificationConfig", **of_task, id="mine") == other

        listed = rpc.result("approve", "ListTaskPushNotificationConfigs", **of_task)
        assert sorted(each["id"] for each in listed["configs"]) == sorted([made["id"], "mine"])
        for _ in range(2):
            gone = rpc.result("approve", "DeleteTaskPushNotificationConfig", **of_task, id="mine")
            assert gone == {}
        error = rpc.error("approve", "GetTaskPushNotificationConfig", **of_task, id="mine")
        assert (error["code"], reason(error)) == (-32001, "TASK_NOT_FOUND")

        rpc.send("approve", "yes", taskId=asked["id"])
        headers, _ = receiver.one()
    assert headers["x-a2a-notification-token"] == "t"


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({}, -32602),
        ({"url": ""}, -32602),
        ({"url": 1}, -32602),
        ({"url": "ftp://x/"}, -32602),
        ({"url": "http://169.254.169.254/"}, -32602),
        ({"url": "http://127.0.0.1/", "token": "a\nb"}, -32602),
        ({"url": "http://127.0.0.1/", "authentication": {"scheme": 1}}, -32602),
    ],
)
def test_a_config_that_cannot_be_served_is_refused(rpc: Rpc, config: Body, code: int) -> None:
    asked = rpc.send("approve", "please")
    method = "CreateTaskPushNotificationConfig"
    assert rpc.error("approve", method, taskId=asked["id"], **config)["code"] == code
    how = {"taskPushNotificationConfig": config or {"token": "x"}}
    answer = rpc.error("talk", "SendMessage", message=said("x"), configuration=how)
    assert answer["code"] == code


def test_there_is_no_end_of_configs_but_of_their_number(rpc: Rpc) -> None:
    asked = rpc.send("approve", "please")
    method = "CreateTaskPushNotificationConfig"
    for n in range(100):
        rpc.result("approve", method, taskId=asked["id"], id=str(n), url="http://127.0.0.1:9/x")
    error = rpc.error("approve", method, taskId=asked["id"], id="more", url="http://127.0.0.1:9/x")
    assert error["code"] == -32602
    rpc.result("approve", "CancelTask", id=asked["id"])


def test_a_config_of_an_unknown_task_is_refused(rpc: Rpc) -> None:
    error = rpc.error(
        "talk", "CreateTaskPushNotificationConfig", taskId="nope", url="http://127.0.0.1:9/x"
    )
    assert error["code"] == -32001
