"""Runs as bytes: headers, frames, and what those are told who come late."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import pytest

from tests.api.run_tools import (
    ENDLESS,
    create,
    frames_of,
    join_stream,
    last_run,
    names,
    new_thread,
    start,
    status,
    stream,
    wait,
)

ECHO = {"assistant_id": "echo", "input": {"text": "x"}}
DONE = {"text": "x", "log": ["a:x", "b"], "n": 2}


@pytest.mark.requirement("RUN-002")
def test_a_created_run_tells_where_it_is(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = http.post(f"/threads/{thread_id}/runs", json=ECHO)

    path = f"/threads/{thread_id}/runs/{answer.json()['run_id']}"
    assert answer.headers["Content-Location"] == path
    assert "Location" not in answer.headers
    assert answer.json()["status"] == "pending"
    assert http.get(path).json()["run_id"] == answer.json()["run_id"]


@pytest.mark.requirement("RUN-003")
def test_a_waiter_is_told_where_the_result_can_be_fetched_again(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = http.post(f"/threads/{thread_id}/runs/wait", json=ECHO)

    path = f"/threads/{thread_id}/runs/{last_run(http, thread_id)['run_id']}"
    assert answer.headers["Content-Location"] == path
    assert answer.headers["Location"] == f"{path}/join"
    assert answer.headers["Content-Type"] == "application/json"
    assert http.get(answer.headers["Location"]).json() == answer.json() == DONE


@pytest.mark.requirement("RUN-004")
def test_a_stateless_waiter_is_told_the_true_place_of_its_run(http: httpx.Client) -> None:
    answer = http.post("/runs/wait", json={**ECHO, "on_completion": "keep"})

    _, threads, thread_id, runs, run_id = answer.headers["Content-Location"].split("/")
    assert (threads, runs) == ("threads", "runs")
    assert answer.headers["Location"] == f"/threads/{thread_id}/runs/{run_id}/join"
    assert http.get(answer.headers["Location"]).json() == answer.json() == DONE


@pytest.mark.requirement("RUN-004")
def test_the_places_a_stateless_stream_names_exist(http: httpx.Client) -> None:
    answer = http.post("/runs/stream", json={**ECHO, "on_completion": "keep"})

    run_id = answer.headers["Content-Location"].removeprefix("/runs/")
    assert answer.headers["Location"] == f"/runs/{run_id}/stream"
    assert http.get(f"/runs/{run_id}").json()["status"] == "success"
    assert http.get(f"/runs/{run_id}/join").json() == DONE
    assert (
        f"data: {json.dumps(DONE, separators=(',', ':'))}"
        in http.get(f"/runs/{run_id}/stream").text.splitlines()
    )


@pytest.mark.requirement("RUN-003")
def test_a_slow_run_sends_its_headers_before_its_result(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    with http.stream("POST", f"/threads/{thread_id}/runs/wait", json=ENDLESS) as answer:
        path = answer.headers["Content-Location"]
        assert http.get(path).json()["status"] == "running"
        assert http.post(f"{path}/cancel").status_code == 202
        body = json.loads(answer.read())

    assert body == {**ENDLESS["input"], "log": ["first"]}


@pytest.mark.requirement("CANCEL-003")
def test_who_waits_for_a_cancel_is_told_where_the_result_is(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    answer = http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", params={"wait": "true"})

    path = f"/threads/{thread_id}/runs/{run_id}"
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Content-Location"] == path
    assert answer.headers["Location"] == f"{path}/join"


@pytest.mark.requirement("STREAM-001")
def test_a_stream_is_made_of_crlf_lines_and_begins_with_its_metadata(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = http.post(
        f"/threads/{thread_id}/runs/stream", json={**ECHO, "stream_mode": ["updates"]}
    )
    run_id = last_run(http, thread_id)["run_id"]

    assert answer.text == (
        f'event: metadata\r\ndata: {{"run_id":"{run_id}","attempt":1}}\r\n\r\n'
        'event: updates\r\ndata: {"a":{"log":["a:x"],"n":1}}\r\n\r\n'
        'event: updates\r\ndata: {"b":{"log":["b"],"n":2}}\r\n\r\n'
    )
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Location"] == f"/threads/{thread_id}/runs/{run_id}/stream"


@pytest.mark.requirement("STREAM-002")
def test_only_frames_of_a_resumable_stream_have_ids_and_each_its_own(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = http.post(f"/threads/{thread_id}/runs/stream", json={**ECHO, "stream_resumable": True})
    frames = [
        frame.split("\r\n") for frame in answer.text.removesuffix("\r\n\r\n").split("\r\n\r\n")
    ]

    assert all(
        [line.partition(":")[0] for line in frame] == ["event", "data", "id"] for frame in frames
    )
    ids = [frame[2] for frame in frames]
    assert len(set(ids)) == len(ids) == 4


@pytest.mark.requirement("RUN-006")
@pytest.mark.parametrize("route", ["", "/join", "/stream"])
def test_a_run_that_is_not_there_is_not_found(http: httpx.Client, route: str) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "echo", input={})
    wait(http, thread_id, "echo")

    assert http.get(f"/threads/{thread_id}/runs/{uuid4()}{route}").status_code == 404
    assert http.get(f"/threads/{uuid4()}/runs/{run_id}{route}").status_code == 404
    assert http.get(f"/threads/{thread_id}/runs/bad{route}").status_code == 422


@pytest.mark.requirement("RUN-007")
def test_joining_an_ended_run_gives_what_that_run_came_to(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    first = wait(http, thread_id, "echo", input={"text": "1"})
    first_id = last_run(http, thread_id)["run_id"]
    asked = wait(http, thread_id, "ask", input={"q": "?"})
    asked_id = last_run(http, thread_id)["run_id"]
    failed = wait(http, thread_id, "boom", input={"text": "3"})
    failed_id = last_run(http, thread_id)["run_id"]
    wait(http, thread_id, "echo", input={"text": "4"})
    same = wait(http, thread_id, "echo")
    same_id = last_run(http, thread_id)["run_id"]
    wait(http, thread_id, "echo", input={"text": "6"})

    def join(run_id: str) -> object:
        return http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()

    assert join(first_id) == first == {"text": "1", "log": ["a:1", "b"], "n": 2}
    assert join(asked_id) == asked
    assert asked["__interrupt__"][0]["value"] == {"question": "?"}
    assert join(failed_id) == failed == {"__error__": {"error": "ValueError", "message": "boom: 3"}}
    assert join(same_id) == same
    assert same["text"] == "4"


@pytest.mark.requirement("RUN-008")
def test_who_follows_a_run_after_its_end_is_told_its_last_values(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input=ECHO["input"], stream_mode=["updates", "values"])
    run_id = last_run(http, thread_id)["run_id"]
    wait(http, thread_id, "echo", input={"text": "later"})

    assert join_stream(http, thread_id, run_id) == [("values", DONE)]
    assert join_stream(http, thread_id, run_id, last="-1") == [("values", DONE)]
    assert join_stream(http, thread_id, run_id, modes="updates") == []


@pytest.mark.requirement("RUN-008")
def test_who_follows_a_failed_run_after_its_end_is_told_its_error(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "boom", input={"text": "x"})
    by_values = last_run(http, thread_id)["run_id"]
    wait(http, thread_id, "boom", input={"text": "y"}, stream_mode="updates")
    by_updates = last_run(http, thread_id)["run_id"]

    error = {"error": "ValueError", "message": "boom: x"}
    assert join_stream(http, thread_id, by_values) == [
        ("values", {"text": "x", "log": ["ok"]}),
        ("error", error),
    ]
    assert names(join_stream(http, thread_id, by_values, modes="custom")) == ["error"]
    assert names(join_stream(http, thread_id, by_updates)) == ["error"]


def test_who_has_seen_a_resumable_run_to_its_end_is_told_nothing_more(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    path = f"/threads/{thread_id}/runs/stream"
    answer = http.post(path, json={**ECHO, "stream_resumable": True})
    run_id = last_run(http, thread_id)["run_id"]
    last = answer.text.rpartition("id: ")[2].strip()

    assert join_stream(http, thread_id, run_id, last=last) == []
    assert join_stream(http, thread_id, run_id, last="bogus") == []
    assert names(join_stream(http, thread_id, run_id, last="-1")) == ["metadata", *["values"] * 3]
    late = http.get(f"/threads/{thread_id}/runs/{run_id}/stream").text
    assert late.endswith(f"id: {last}\r\n\r\n")


@pytest.mark.requirement("STREAM-021")
def test_a_run_that_keeps_no_events_is_joined_from_now_whatever_one_asks_for(
    http: httpx.Client,
) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    with http.stream(
        "GET", f"/threads/{thread_id}/runs/{run_id}/stream", headers={"Last-Event-ID": "-1"}
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: custom"
        http.post(f"/threads/{thread_id}/runs/{run_id}/cancel")
        assert not any(line.startswith("event: error") for line in lines)
    assert status(http, thread_id, run_id) == "interrupted"


@pytest.mark.requirement("HTTP-014")
def test_a_joiner_names_modes_by_commas_or_repeatedly(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    body = {
        "assistant_id": "parent",
        "input": {"text": "x"},
        "stream_mode": ["values", "updates", "custom"],
        "stream_subgraphs": True,
        "stream_resumable": True,
    }
    whole = stream(http, f"/threads/{thread_id}/runs/stream", body)
    run_id = last_run(http, thread_id)["run_id"]
    path = f"/threads/{thread_id}/runs/{run_id}/stream"
    everything = {"Last-Event-ID": "-1"}
    repeated = http.get(f"{path}?stream_mode=values&stream_mode=updates", headers=everything).text

    expected = [frame for frame in whole if frame[0] != "metadata"]
    assert join_stream(http, thread_id, run_id, last="-1", modes="values,updates") == expected
    assert repeated.count("event: ") == len(expected)
    assert any("|child:" in name for name in names(expected))
    updates = join_stream(http, thread_id, run_id, last="-1", modes="updates")
    assert updates == [frame for frame in expected if frame[0].startswith("updates")]


@pytest.mark.requirement("RUN-014")
def test_feedback_keys_and_tracers_do_no_harm(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    body = {**ECHO, "feedback_keys": ["good"], "langsmith_tracer": {"project_name": "p"}}
    frames = stream(http, f"/threads/{thread_id}/runs/stream", body)

    assert frames[-1] == ("values", DONE)
    assert last_run(http, thread_id)["status"] == "success"


@pytest.mark.parametrize("namespaces", [[""], ["child"], ["no such"]])
def test_namespaces_of_the_javascript_sdk_narrow_no_stream_and_info_promises_no_such_thing(
    http: httpx.Client, namespaces: list[str]
) -> None:
    # Its `streamNamespaces` is for servers with the flag `stream_namespaces`, which, like the
    # reference, we are not: the SDK says that others send every event.
    assert "stream_namespaces" not in http.get("/info").json()["flags"]
    thread_id = new_thread(http)
    body = {
        "assistant_id": "parent", "input": {"text": "x"}, "stream_mode": ["updates"],
        "stream_subgraphs": True, "stream_resumable": True,
    }  # fmt: skip
    query = {"namespace": namespaces}
    streamed = http.post(f"/threads/{thread_id}/runs/stream", json=body, params=query)
    joined = http.get(streamed.headers["Location"], params=query, headers={"Last-Event-ID": "-1"})

    told = names(list(frames_of(iter(streamed.text.split("\r\n")))))
    assert {name.partition("|")[0] for name in told} == {"metadata", "updates"}
    assert "updates" in told
    assert any(name.startswith("updates|") for name in told)
    assert names(list(frames_of(iter(joined.text.split("\r\n"))))) == told
