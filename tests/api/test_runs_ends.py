"""Why a run ended: on the run, and for those who follow it, if they ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served
from tests.api.run_tools import (
    ENDLESS,
    create,
    frames_of,
    join_stream,
    new_thread,
    start,
    stream,
    streaming,
    until,
    wait,
)

ECHO = {"assistant_id": "echo", "input": {"text": "x"}}
END = {"include": "end"}


def cancel(http: httpx.Client, thread_id: str, run_id: str, **request: Any) -> httpx.Response:
    return http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", **request)


def run_of(http: httpx.Client, thread_id: str, run_id: str) -> Any:
    return http.get(f"/threads/{thread_id}/runs/{run_id}").json()


@pytest.mark.requirement("CANCEL-010")
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({}, "user"),
        ({"json": None}, "user"),
        ({"json": {}}, "user"),
        ({"json": {"cancel_reason": "wrong answer"}}, "wrong answer"),
        ({"json": {"cancel_reason": None}}, "user"),
        ({"params": {"cancel_reason": "é, 100 %"}}, "é, 100 %"),
        (
            {"params": {"cancel_reason": "query"}, "json": {"cancel_reason": "body"}},
            "body",
        ),
    ],
)
def test_a_cancelled_run_says_why(http: httpx.Client, request_: Any, reason: str) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "echo", input={}, after_seconds=600)
    assert run_of(http, thread_id, run_id)["cancel_reason"] is None

    assert cancel(http, thread_id, run_id, **request_).status_code == 202
    assert run_of(http, thread_id, run_id)["cancel_reason"] == reason


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"cancel_reason": 5}},
        {"json": {"cancel_reason": ""}},
        {"json": {"cancel_reason": "x" * 1001}},
        {"params": {"cancel_reason": "x" * 1001}},
        {"json": "x"},
        {"json": []},
        {"content": b"{"},
    ],
)
def test_a_reason_that_is_none_is_refused_and_nothing_is_cancelled(
    http: httpx.Client, request_: Any
) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "echo", input={}, after_seconds=600)

    assert cancel(http, thread_id, run_id, **request_).status_code == 422
    assert run_of(http, thread_id, run_id)["status"] == "pending"
    http.delete(f"/threads/{thread_id}")


@pytest.mark.requirement("CANCEL-010")
@pytest.mark.parametrize(
    "request_", [{"params": {"cancel_reason": "why"}}, {"body": {"cancel_reason": "why"}}]
)
def test_many_runs_are_cancelled_for_a_reason(http: httpx.Client, request_: Any) -> None:
    thread_id = new_thread(http)
    ids = [create(http, thread_id, "echo", input={}, after_seconds=600) for _ in range(2)]
    body = {"thread_id": thread_id, "run_ids": ids, **request_.get("body", {})}
    answer = http.post("/runs/cancel", json=body, params=request_.get("params"))

    assert answer.status_code == 204
    assert [run_of(http, thread_id, run_id)["cancel_reason"] for run_id in ids] == ["why"] * 2


def test_a_run_that_ended_by_itself_has_no_reason(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "echo", input={"text": "x"})
    wait(http, thread_id, "boom", input={"text": "x"})

    assert [run["cancel_reason"] for run in http.get(f"/threads/{thread_id}/runs").json()] == [
        None,
        None,
    ]


def test_a_run_that_was_superseded_says_so(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    first = start(http, thread_id)
    wait(http, thread_id, "echo", input={"text": "x"}, multitask_strategy="interrupt")

    assert run_of(http, thread_id, first)["cancel_reason"] == "superseded"


def end_of(frames: list[Any]) -> Any:
    name, data = frames[-1]
    assert name == "end", frames
    del data["run_id"]
    return data


@pytest.mark.requirement("RUN-022")
def test_nobody_is_told_of_an_end_who_did_not_ask(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    frames = stream(http, f"/threads/{thread_id}/runs/stream", ECHO)

    assert {name for name, _ in frames} == {"metadata", "values"}
    assert "__end__" not in wait(http, thread_id, "echo", input={"text": "x"})


@pytest.mark.requirement("RUN-022")
@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize(
    ("graph", "status"), [("echo", "success"), ("boom", "error"), ("ask", "success")]
)
def test_a_stream_tells_at_last_how_its_run_ended(
    http: httpx.Client, graph: str, status: str, resumable: bool
) -> None:
    thread_id = new_thread(http)
    body = {"assistant_id": graph, "input": {"text": "x"}, "stream_resumable": resumable}
    frames = stream(http, f"/threads/{thread_id}/runs/stream?include=end", body)
    run_id = frames[0][1]["run_id"]

    assert frames[-1] == ("end", {"run_id": run_id, "status": status, "reason": None})
    assert [name for name, _ in frames].count("end") == 1
    path = f"/threads/{thread_id}/runs/{run_id}"
    late = http.get(f"{path}/stream", params=END, headers={"Last-Event-ID": "-1"}).text
    assert list(frames_of(iter(late.split("\r\n"))))[-1] == frames[-1]
    filtered = http.get(f"{path}/stream", params={**END, "stream_mode": "custom"}).text
    assert list(frames_of(iter(filtered.split("\r\n"))))[-1] == frames[-1]


@pytest.mark.requirement("CANCEL-010")
@pytest.mark.parametrize(
    ("action", "status"), [("interrupt", "interrupted"), ("rollback", "deleted")]
)
def test_those_who_follow_a_cancelled_run_are_told_why(
    http: httpx.Client, action: str, status: str
) -> None:
    thread_id = new_thread(http)
    path = f"/threads/{thread_id}/runs"
    body = {**ENDLESS, "stream_mode": "custom"}
    with streaming(http, f"{path}/stream?include=end", body) as (answer, frames):
        run_id = answer.headers["Content-Location"].rpartition("/")[2]
        next(frames)
        until(lambda: run_of(http, thread_id, run_id)["status"] == "running")
        # Who joins has headers while the run goes on: from here on it is known to wait.
        with http.stream("GET", f"{path}/{run_id}/join", params=END) as joined:
            query = {"action": action, "cancel_reason": "enough"}
            assert cancel(http, thread_id, run_id, params=query).status_code == 202
            told = {"status": status, "reason": "enough"}
            assert end_of(list(frames)) == told
            end = json.loads(joined.read())["__end__"]
    assert end == {"run_id": run_id, **told}
    if action == "interrupt":
        late = http.get(f"{path}/{run_id}/join", params=END).json()
        assert (late["__end__"], late["log"]) == (end, ["first"])


@pytest.mark.requirement("RUN-022")
@pytest.mark.parametrize("path", ["/runs/wait", "/threads/{}/runs/wait"])
def test_a_wait_tells_how_its_run_ended(http: httpx.Client, path: str) -> None:
    path = path.format(new_thread(http))
    done = http.post(path, json=ECHO, params=END).json()
    assert done.pop("__end__") == {"run_id": done_run(http, path), "status": "success",
                                   "reason": None} or path == "/runs/wait"  # fmt: skip
    assert done == {"text": "x", "log": ["a:x", "b"], "n": 2}

    failed = http.post(path, json={**ECHO, "assistant_id": "boom"}, params=END).json()
    assert failed["__end__"]["status"] == "error"
    assert failed["__error__"]["error"] == "ValueError"


def done_run(http: httpx.Client, path: str) -> Any:
    if path == "/runs/wait":
        return None
    return http.get(path.removesuffix("/wait")).json()[0]["run_id"]


def test_a_run_that_took_too_long_says_so(tmp_path: Path) -> None:
    config = {"lgserve": {"run_timeout_seconds": 0.3}}
    with served(tmp_path, config=config) as url, httpx.Client(base_url=url) as http:
        thread_id = new_thread(http)
        body = {"assistant_id": "slow", "input": {"seconds": 60, "ticks": 60}}
        frames = stream(http, f"/threads/{thread_id}/runs/stream?include=end", body)
        run_id = frames[0][1]["run_id"]

        assert end_of(frames) == {"status": "timeout", "reason": "timeout"}
        assert run_of(http, thread_id, run_id)["cancel_reason"] == "timeout"
        assert join_stream(http, thread_id, run_id)[-1][0] == "error"


async def test_the_sdk_passes_what_is_asked_for(client: LangGraphClient) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    parts = [
        part
        async for part in client.runs.stream(thread_id, "echo", input={"text": "x"}, params=END)
    ]
    assert parts[-1].event == "end"
    assert parts[-1].data["status"] == "success"
    run = await client.runs.create(thread_id, "echo", input={}, after_seconds=600)
    await client.runs.cancel(thread_id, run["run_id"], params={"cancel_reason": "typed"})
    assert (await client.runs.get(thread_id, run["run_id"]))["cancel_reason"] == "typed"
    found: Any = await client.runs.list(thread_id, select=["cancel_reason"], limit=1)
    assert found == [{"cancel_reason": "typed"}]
