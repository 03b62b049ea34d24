"""Runs of graphs that misbehave, and runs that take their time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import served
from tests.api.run_tools import (
    create,
    frames_of,
    idle,
    join_stream,
    last_run,
    names,
    new_thread,
    start,
    state,
    status,
    stream,
    thread_status,
    until,
    wait,
)

MASKED = "An internal error occurred"
TOO_LONG = {"error": "TimeoutError", "message": "The run exceeded its time limit of 1 s."}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Raw HTTP to a server of graphs that misbehave; runs may take a second there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lgserve.engine.run_carrier._STOP_SECONDS", 0.2)
        with (
            served(tmp_path_factory.mktemp("edges"), "edges") as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            yield client


@pytest.mark.requirement("ERROR-001")
@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("value", "CustomValueError", "shown"),
        ("key", "KeyError", "'missing'"),
        ("http", "HTTPException", "404: nothing here"),
        ("os", "OSError", MASKED),
        ("assert", "AssertionError", MASKED),
        ("custom", "CustomError", MASKED),
    ],
)
def test_messages_of_errors_that_may_hold_secrets_are_masked(
    http: httpx.Client, how: str, error: str, message: str
) -> None:
    thread_id = new_thread(http)
    shown = {"error": error, "message": message}

    assert wait(http, thread_id, "unruly", input={"how": how}) == {"__error__": shown}
    assert last_run(http, thread_id)["status"] == "error"
    thread = http.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["error"]) == ("error", shown)


@pytest.mark.parametrize("how", ["exit", "ctrl-c", "cancel"])
def test_a_node_that_ends_its_program_ends_its_run_only(http: httpx.Client, how: str) -> None:
    thread_id = new_thread(http)
    other_thread = new_thread(http)
    other = create(http, other_thread, "sleepy", input={"seconds": 0.3})
    body = wait(http, thread_id, "unruly", input={"how": how})

    assert body["__error__"]["message"] == MASKED
    assert thread_status(http, thread_id) == "error"
    assert wait(http, thread_id, "unruly", input={"how": "fine"})["log"] == ["fine"]
    assert http.get(f"/threads/{other_thread}/runs/{other}/join").json()["log"] == [
        "before",
        "after",
    ]


def test_a_node_that_stops_the_event_loop_stops_nobody(http: httpx.Client) -> None:
    how = {"how": "stop the loop"}

    assert wait(http, new_thread(http), "unruly", input=how)["log"] == ["stop the loop"]
    assert wait(http, new_thread(http), "unruly", input={"how": "fine"})["log"] == ["fine"]


@pytest.mark.requirement("CANCEL-009")
def test_a_run_that_takes_too_long_is_stopped_and_everybody_is_told(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    body = {"assistant_id": "sleepy", "input": {"seconds": 3}}
    frames = stream(http, f"/threads/{thread_id}/runs/stream", {**body, "stream_mode": "updates"})
    run = last_run(http, thread_id)
    thread = http.get(f"/threads/{thread_id}").json()

    assert frames[1:] == [("updates", {"before": {"log": ["before"]}}), ("error", TOO_LONG)]
    assert run["status"] == "timeout"
    assert (thread["status"], thread["error"]) == ("error", TOO_LONG)
    assert state(http, thread_id)["next"] == ["second"]
    joined = http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").json()
    assert joined == {"__error__": TOO_LONG}
    assert join_stream(http, thread_id, run["run_id"]) == [("error", TOO_LONG)]


def test_code_that_does_not_stop_is_left_behind_with_what_it_had_written(
    http: httpx.Client,
) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id, {"assistant_id": "stubborn", "input": {"seconds": 0.5}})
    answer = http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", params={"wait": "1"})

    assert answer.status_code == 200
    assert (status(http, thread_id, run_id), thread_status(http, thread_id)) == (
        "interrupted",
        "interrupted",
    )
    assert state(http, thread_id)["values"]["log"] == ["before"]
    assert http.get(f"/threads/{thread_id}").json()["values"]["log"] == ["before"]
    # Its node returns meanwhile; nothing of that may show.
    assert wait(http, new_thread(http), "sleepy", input={"seconds": 0.5})["log"][-1] == "after"
    assert state(http, thread_id)["values"]["log"] == ["before"]


@pytest.mark.requirement("THREAD-007")
def test_a_thread_whose_code_does_not_stop_can_be_deleted(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    start(http, thread_id, {"assistant_id": "stubborn", "input": {"seconds": 0.5}})

    assert http.delete(f"/threads/{thread_id}").status_code == 204
    assert http.get(f"/threads/{thread_id}").status_code == 404
    assert http.post("/threads/count", json={"status": "busy"}).json() == 0


def test_a_run_in_a_thread_pool_can_be_cancelled(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id, {"assistant_id": "sleepy", "input": {"seconds": 0.5}})
    http.post(f"/threads/{thread_id}/runs/{run_id}/cancel")

    assert status(http, thread_id, run_id) == "interrupted"
    assert idle(http, thread_id) == "interrupted"
    assert state(http, thread_id)["next"] == ["second"]


def test_rollback_after_interrupt_still_rolls_back(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id, {"assistant_id": "stubborn", "input": {"seconds": 0.5}})
    path = f"/threads/{thread_id}/runs/{run_id}"
    with http.stream("GET", f"{path}/stream") as answer:
        first = httpx.Client(base_url=http.base_url, timeout=httpx.Timeout(5, read=0.02))
        with pytest.raises(httpx.ReadTimeout), first:
            first.post(f"{path}/cancel", params={"wait": "1"})
        assert http.post(f"{path}/cancel", params={"action": "rollback"}).status_code == 202
        assert "event: error" not in answer.read().decode()

    assert status(http, thread_id, run_id) is None
    assert thread_status(http, thread_id) == "idle"
    assert state(http, thread_id)["values"] == {}


@pytest.mark.requirement("STREAM-003")
def test_a_stream_and_a_waiter_hear_of_the_server_while_nothing_happens(
    http: httpx.Client,
) -> None:
    body = {"assistant_id": "sleepy", "input": {"seconds": 0.7}}
    streamed = http.post("/runs/stream", json={**body, "stream_mode": "updates"}).text
    waited = http.post("/runs/wait", json=body).text

    assert streamed.count(": heartbeat\r\n\r\n") >= 5
    assert names(list(frames_of(iter(streamed.split("\r\n"))))) == ["metadata", *["updates"] * 2]
    values = waited.lstrip("\n")
    assert len(waited) - len(values) >= 3
    assert json.loads(values) == {"log": ["before", "after"], "seconds": 0.7}


def test_who_joins_in_the_middle_of_a_message_gets_all_of_it(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "talker", input={"messages": "hi"}, stream_mode=["messages"])
    until(lambda: status(http, thread_id, run_id) == "running")
    frames = join_stream(http, thread_id, run_id)
    shown: list[Any] = [data[0]["content"] for name, data in frames if name == "messages/partial"]

    assert all(text.startswith("w0 w1") or "w0 w1".startswith(text) for text in shown)
    assert shown[-1] == " ".join(f"w{n}" for n in range(20))


@pytest.mark.requirement("VALUE-005")
def test_values_need_not_be_objects(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    asked = wait(http, thread_id, "functional", input="q")
    asked_id = last_run(http, thread_id)["run_id"]
    answered = wait(http, thread_id, "functional", command={"resume": "a"})
    answered_id = last_run(http, thread_id)["run_id"]

    assert [item["value"] for item in asked["__interrupt__"]] == [{"ask": "q"}]
    assert answered == "q:a"
    joined = [
        http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()
        for run_id in (asked_id, answered_id)
    ]
    assert joined == [asked, answered]


def test_an_ended_run_is_read_by_the_graph_and_the_configuration_it_had(
    http: httpx.Client,
) -> None:
    thread_id = new_thread(http)
    values = wait(
        http,
        thread_id,
        "variant",
        input={"blue": "b"},
        config={"configurable": {"channel": "blue"}},
    )
    run_id = last_run(http, thread_id)["run_id"]
    wait(http, thread_id, "unruly", input={"how": "fine"})

    assert values == {"blue": "set"}
    assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json() == values
    assert join_stream(http, thread_id, run_id) == [("values", values)]
