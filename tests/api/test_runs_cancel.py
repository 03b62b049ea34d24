"""Runs that are cancelled or deleted, at any moment."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import httpx
import pytest

from tests.api.run_tools import (
    ENDLESS,
    create,
    idle,
    new_thread,
    start,
    state,
    status,
    stream,
    thread_status,
    until,
    wait,
)


def cancel(http: httpx.Client, thread_id: str, run_id: str, **query: str) -> httpx.Response:
    return http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", params=query)


def runs_of(http: httpx.Client, thread_id: str) -> list[object]:
    found: list[object] = http.get(f"/threads/{thread_id}/runs").json()
    return found


def has_status(http: httpx.Client, thread_id: str, run_id: str, wanted: str) -> bool:
    return status(http, thread_id, run_id) == wanted


@pytest.mark.requirement("CANCEL-003")
@pytest.mark.parametrize("wait_for_it", [{}, {"wait": "1"}])
@pytest.mark.parametrize(
    ("action", "left", "thread"),
    [
        ("interrupt", "interrupted", "interrupted"),
        ("rollback", None, "idle"),
        ("x", "interrupted", "interrupted"),
    ],
)
def test_a_running_run_is_over_when_its_cancel_is_answered(
    http: httpx.Client, action: str, left: str | None, thread: str, wait_for_it: dict[str, str]
) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    answer = cancel(http, thread_id, run_id, action=action, **wait_for_it)

    assert answer.status_code == (200 if wait_for_it else 202)
    assert status(http, thread_id, run_id) == left
    assert thread_status(http, thread_id) == thread
    assert state(http, thread_id)["next"] == ([] if left is None else ["sleep"])


@pytest.mark.requirement("CANCEL-006")
@pytest.mark.parametrize(("action", "left"), [("interrupt", "interrupted"), ("rollback", None)])
def test_a_pending_run_is_cancelled_without_having_run(
    http: httpx.Client, action: str, left: str | None
) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "echo", input={}, after_seconds=3600)

    assert cancel(http, thread_id, run_id, action=action, wait="1").status_code == 200
    assert (status(http, thread_id, run_id), thread_status(http, thread_id)) == (left, "idle")
    assert state(http, thread_id)["values"] == {}


@pytest.mark.requirement("CANCEL-004")
def test_a_run_is_cancelled_only_once(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    cancel(http, thread_id, run_id)
    again = cancel(http, thread_id, run_id)

    assert again.status_code == 404
    assert again.json()["detail"].startswith("No matching runs to cancel.")


@pytest.mark.requirement("CANCEL-004")
def test_cancelling_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "echo", input={}, after_seconds=3600)
    for answer in (
        cancel(http, thread_id, str(uuid4())),
        cancel(http, str(uuid4()), run_id),
        http.post("/runs/cancel", json={"thread_id": thread_id, "run_ids": [str(uuid4())]}),
        http.post("/runs/cancel", json={"thread_id": str(uuid4()), "run_ids": [run_id]}),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "No runs found to cancel."})

    assert status(http, thread_id, run_id) == "pending"
    http.delete(f"/threads/{thread_id}")


@pytest.mark.requirement("CANCEL-005")
@pytest.mark.parametrize("query", ["", "?action=rollback"])
def test_runs_are_cancelled_by_list_or_by_status(http: httpx.Client, query: str) -> None:
    threads = [new_thread(http) for _ in range(2)]
    running = [start(http, thread_id) for thread_id in threads]
    waiting = [create(http, thread_id, "echo", input={}) for thread_id in threads]
    left = None if query else "interrupted"

    def cancel_many(**body: object) -> int:
        return http.post(f"/runs/cancel{query}", json=body).status_code

    def statuses(runs: list[str]) -> list[str | None]:
        return [status(http, *pair) for pair in zip(threads, runs, strict=True)]

    assert cancel_many(thread_id=threads[0], run_ids=[running[0], waiting[0]]) == 204
    assert [statuses(running)[0], statuses(waiting)[0]] == [left, left]
    assert cancel_many(status="pending") == 204
    assert (statuses(running), statuses(waiting)) == ([left, "running"], [left, left])
    assert cancel_many(status="running") == 204
    assert statuses(running) == [left, left]
    assert cancel_many(status="all") == 404
    assert all(thread_status(http, thread_id) != "busy" for thread_id in threads)


def test_a_run_can_be_cancelled_right_after_its_creation(http: httpx.Client) -> None:
    for action in ("interrupt", "rollback") * 10:
        thread_id = new_thread(http)
        run_id = create(http, thread_id, graph="slow", input=ENDLESS["input"])
        assert cancel(http, thread_id, run_id, action=action, wait="1").status_code == 200
        assert status(http, thread_id, run_id) == (None if action == "rollback" else "interrupted")
        assert thread_status(http, thread_id) != "busy"


def test_a_run_that_waits_can_be_cancelled_right_when_its_turn_comes(http: httpx.Client) -> None:
    for _ in range(10):
        thread_id = new_thread(http)
        first = start(http, thread_id)
        second = create(http, thread_id, graph="slow", input=ENDLESS["input"])
        cancel(http, thread_id, first)
        assert cancel(http, thread_id, second, wait="1").status_code == 200
        assert status(http, thread_id, second) == "interrupted"
        assert thread_status(http, thread_id) != "busy"


@pytest.mark.requirement("CANCEL-001")
def test_a_cancelled_run_is_gone_on_with_by_a_run_without_input(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id, {"assistant_id": "slow", "input": {"seconds": 0.3, "ticks": 2}})
    cancel(http, thread_id, run_id)

    assert wait(http, thread_id, "slow")["log"] == ["first", "slept"]
    assert thread_status(http, thread_id) == "idle"


@pytest.mark.requirement("CANCEL-007")
def test_deleting_a_run_stops_it_and_the_next_one_starts_from_before_it(
    http: httpx.Client,
) -> None:
    thread_id = new_thread(http)
    wait(http, thread_id, "slow", input={"seconds": 0, "ticks": 1})
    run_id = start(http, thread_id)
    following = create(http, thread_id, "slow", input={"seconds": 0, "ticks": 1})

    assert http.delete(f"/threads/{thread_id}/runs/{run_id}").status_code == 204
    assert status(http, thread_id, run_id) is None
    joined = http.get(f"/threads/{thread_id}/runs/{following}/join").json()
    assert joined["log"] == ["first", "slept"] * 2
    assert idle(http, thread_id) == "idle"
    assert state(http, thread_id)["values"] == joined


def test_deleting_a_run_twice_is_not_found(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "echo", input={}, after_seconds=3600)
    path = f"/threads/{thread_id}/runs/{run_id}"

    assert http.delete(path).status_code == 204
    assert thread_status(http, thread_id) == "idle"
    again = http.delete(path)
    assert (again.status_code, again.json()) == (404, {"detail": "Run not found"})


@pytest.mark.parametrize("whole_thread", [True, False])
def test_who_follows_a_run_that_is_deleted_comes_to_its_end(
    http: httpx.Client, whole_thread: bool
) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    path = f"/threads/{thread_id}/runs/{run_id}"
    with ThreadPoolExecutor(2) as pool:
        joined = pool.submit(lambda: http.get(f"{path}/join").json())
        with http.stream("GET", f"{path}/stream") as answer:
            lines = answer.iter_lines()
            next(lines)
            deleted = http.delete(f"/threads/{thread_id}" if whole_thread else path)
            *_, last = lines
    assert deleted.status_code == 204
    assert last == ""
    assert joined.result() is not None


def test_a_thread_can_be_deleted_while_runs_are_created_on_it(http: httpx.Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            thread_id = new_thread(http)
            path = f"/threads/{thread_id}/runs"
            created = [pool.submit(http.post, path, json=ENDLESS) for _ in range(4)]
            assert http.delete(f"/threads/{thread_id}").status_code == 204
            assert {one.result().status_code for one in created} <= {200, 404}
            assert http.get(f"/threads/{thread_id}").status_code == 404
    assert http.post("/threads/count", json={"status": "busy"}).json() == 0


@pytest.mark.requirement("CANCEL-008")
@pytest.mark.parametrize("kind", ["wait", "stream"])
def test_a_client_that_leaves_at_any_moment_takes_its_run_with_it(
    http: httpx.Client, kind: str
) -> None:
    body = json.dumps({**ENDLESS, "on_disconnect": "cancel"}).encode()
    for _ in range(15):
        thread_id = new_thread(http)
        head = f"POST /threads/{thread_id}/runs/{kind} HTTP/1.1\r\nHost: x\r\n"
        with socket.create_connection((http.base_url.host, http.base_url.port)) as client:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            until(partial(runs_of, http, thread_id))
        assert idle(http, thread_id) in ("idle", "interrupted")
    assert http.post("/threads/count", json={"status": "busy"}).json() == 0


@pytest.mark.requirement("CANCEL-008")
@pytest.mark.parametrize("kind", ["join", "stream"])
def test_a_joiner_takes_the_run_with_it_only_if_it_says_so(http: httpx.Client, kind: str) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id)
    path = f"/threads/{thread_id}/runs/{run_id}/{kind}"
    for query, left in (("", "running"), ("?cancel_on_disconnect=1", "interrupted")):
        with (
            pytest.raises(httpx.ReadTimeout),
            http.stream("GET", path + query, timeout=httpx.Timeout(5, read=0.02)) as answer,
        ):
            answer.read()
            for _ in range(3):
                http.get("/ok")
        until(partial(has_status, http, thread_id, run_id, left))


@pytest.mark.requirement("CANCEL-008")
def test_a_stream_may_be_left_without_harm_to_its_run(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id, {"assistant_id": "slow", "input": {"seconds": 0.2, "ticks": 4}})

    assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["log"] == ["first", "slept"]
    assert status(http, thread_id, run_id) == "success"


@pytest.mark.requirement("STREAM-004")
def test_a_cancelled_stream_just_ends(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    path = f"/threads/{thread_id}/runs/stream"
    with ThreadPoolExecutor(1) as pool:
        frames = pool.submit(stream, http, path, {**ENDLESS, "stream_mode": "values"})
        until(lambda: state(http, thread_id)["values"].get("log"))
        http.post("/runs/cancel", json={"status": "running"})

    assert [name for name, _ in frames.result()] == ["metadata", "values", "values"]
