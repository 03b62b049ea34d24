"""Streams of A2A: what is new, once; whoever comes later gets all of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.a2a_tools import Body, Rpc, data_of, put_together, said, state, states, text
from tests.api.conftest import served
from tests.api.run_tools import until
from tests.clients.a2a_sdk import Schema


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rpc]:
    schema = Schema("1.0")
    with (
        served(tmp_path_factory.mktemp("a2a"), "a2a") as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield Rpc(client, schema)
    schema.close()


def test_a_stream_begins_with_the_task_and_ends_with_its_state(rpc: Rpc) -> None:
    events = rpc.stream("talk", "you")

    assert [next(iter(event)) for event in events[:3]] == [
        "task", "statusUpdate", "artifactUpdate",
    ]  # fmt: skip
    assert states(events) == ["SUBMITTED", "WORKING", "COMPLETED"]
    task = rpc.get("talk", events[0]["task"])
    assert put_together(events) == {task["artifacts"][0]["artifactId"]: "hello you"}
    last = events[-2]["artifactUpdate"]
    assert (last["append"], last["lastChunk"]) == (True, True)


def test_each_word_is_sent_once(rpc: Rpc) -> None:
    events = rpc.stream("talk", "words 50")
    told = [event["artifactUpdate"] for event in events if "artifactUpdate" in event]
    sent = [part["text"] for each in told for part in each["artifact"]["parts"]]

    assert "".join(sent) == " ".join(f"w{n:03}" for n in range(50))
    assert [each.get("append", False) for each in told] == [False] + [True] * (len(told) - 1)


def test_the_bytes_of_a_stream_grow_with_the_text(rpc: Rpc) -> None:
    def size(words: int) -> int:
        call = {"message": said(f"words {words}")}
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": call}
        return len(rpc.http.post("/a2a/talk", json=body).content)

    size(1)
    small, large = size(200), size(400)
    assert large < 2.2 * small


def test_a_later_message_takes_the_place_of_an_earlier_one(rpc: Rpc) -> None:
    events = rpc.stream("drafts", "x")
    task = rpc.get("drafts", events[0]["task"])
    assert text(task) == "the final words"
    assert list(put_together(events).values()) == ["the final words"]


def test_of_models_that_speak_at_once_the_answer_is_one_of_them(rpc: Rpc) -> None:
    events = rpc.stream("crowd", "x")
    task = rpc.get("crowd", events[0]["task"])
    assert list(put_together(events).values()) == [text(task)]
    assert text(task) in ("one two three four", "five six seven eight")


def test_the_words_of_a_graph_within_a_graph_are_streamed(rpc: Rpc) -> None:
    events = rpc.stream("nested", "words 5")
    assert sum("artifactUpdate" in event for event in events) > 2
    assert list(put_together(events).values()) == ["w000 w001 w002 w003 w004"]


def test_what_is_not_streamed_comes_as_a_whole(rpc: Rpc) -> None:
    events = rpc.stream("paint", "x")
    told = [event["artifactUpdate"] for event in events if "artifactUpdate" in event][-1]
    assert told["lastChunk"] is True
    assert "append" not in told
    assert told["artifact"]["parts"][1]["raw"] == "aGk="

    (told,) = [
        event["artifactUpdate"]
        for event in rpc.stream("add", {"data": {"x": 1}})
        if "artifactUpdate" in event
    ]
    assert told["artifact"]["parts"] == [{"data": {"x": 1, "y": 2}}]


def test_a_stream_ends_at_a_question_and_another_at_its_answer(rpc: Rpc) -> None:
    events = rpc.stream("approve", "please")
    assert states(events) == ["SUBMITTED", "WORKING", "INPUT_REQUIRED"]
    assert events[-2]["artifactUpdate"]["artifact"]["name"] == "Interrupt"
    task = events[0]["task"]

    events = rpc.stream("approve", "yes", taskId=task["id"])
    assert events[0]["task"]["id"] == task["id"]
    assert states(events) == ["WORKING", "COMPLETED"]
    assert list(put_together(events).values()) == ['approved: "yes"']


def test_a_failure_ends_a_stream(rpc: Rpc) -> None:
    events = rpc.stream("fail", "x")
    assert states(events) == ["SUBMITTED", "WORKING", "FAILED"]
    status = events[-1]["statusUpdate"]["status"]
    assert status["message"]["parts"] == [{"text": "ValueError: boom"}]


def test_parameters_that_are_wrong_are_answered_without_a_stream(rpc: Rpc) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": {}}
    answer = rpc.http.post("/a2a/talk", json=call, headers={"accept": "text/event-stream"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == -32602


@pytest.mark.parametrize("how", ["SendStreamingMessage", "SendMessage"])
def test_who_subscribes_gets_all_that_was_said_and_the_rest(
    rpc: Rpc, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "go"
    if how == "SendMessage":
        task = rpc.send("hold", str(file), how={"returnImmediately": True})
    else:
        task = _begun(rpc, str(file))

    seen: list[Body] = []
    for event in rpc.events("hold", "SubscribeToTask", id=task["id"]):
        seen.append(event)
        if "artifactUpdate" in event:
            file.touch()

    assert seen[0]["task"]["id"] == task["id"]
    assert state(seen[-1]["statusUpdate"]) == "COMPLETED"
    assert list(put_together(seen).values()) == ["done now"]


def _begun(rpc: Rpc, content: str) -> Body:
    """Begin a stream, read the first words and leave it: the task goes on."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage",
            "params": {"message": said(content)}}  # fmt: skip
    with rpc.http.stream("POST", "/a2a/hold", json=call) as answer:
        events = (each["result"] for each in data_of(answer.iter_lines()))
        task: Body = next(events)["task"]
        assert any("artifactUpdate" in event for event in events)
    return task


def test_two_who_subscribe_get_the_same(rpc: Rpc, tmp_path: Path) -> None:
    file = tmp_path / "go"
    task = rpc.send("hold", str(file), how={"returnImmediately": True})
    found: list[list[Body]] = []
    there = threading.Barrier(3, timeout=30)

    def subscribe() -> None:
        call = {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask",
                "params": {"id": task["id"]}}  # fmt: skip
        with httpx.stream("POST", f"{rpc.http.base_url}/a2a/hold", json=call, timeout=30) as answer:
            events = (each["result"] for each in data_of(answer.iter_lines()))
            first = next(events)
            there.wait()
            found.append([first, *events])

    both = [threading.Thread(target=subscribe) for _ in range(2)]
    for each in both:
        each.start()
    there.wait()
    file.touch()
    for each in both:
        each.join(30)
    assert [list(put_together(events).values()) for events in found] == [["done now"]] * 2


def test_a_cancel_ends_the_stream(rpc: Rpc, tmp_path: Path) -> None:
    seen: list[Body] = []
    for event in rpc.events("hold", "SendStreamingMessage", message=said(str(tmp_path / "never"))):
        seen.append(event)
        if "artifactUpdate" in event:
            call = {"jsonrpc": "2.0", "id": 1, "method": "CancelTask",
                    "params": {"id": seen[0]["task"]["id"]}}  # fmt: skip
            httpx.post(f"{rpc.http.base_url}/a2a/hold", json=call, timeout=30)
    assert states(seen) == ["SUBMITTED", "WORKING", "CANCELED"]


def test_to_subscribe_to_what_has_ended_is_refused(rpc: Rpc) -> None:
    task = rpc.send("talk", "x")
    error = rpc.error("talk", "SubscribeToTask", id=task["id"])
    assert error["code"] == -32004


def test_who_subscribes_to_a_question_is_shown_it(rpc: Rpc) -> None:
    asked = rpc.send("approve", "please")
    assert list(rpc.events("approve", "SubscribeToTask", id=asked["id"])) == [{"task": asked}]


def test_a_client_that_goes_leaves_its_task_at_work(rpc: Rpc, tmp_path: Path) -> None:
    file = tmp_path / "go"
    task = _begun(rpc, str(file))
    file.touch()
    until(lambda: state(rpc.get("hold", task)) == "COMPLETED")
