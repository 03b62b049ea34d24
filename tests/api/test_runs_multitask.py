"""A second run on a thread: four strategies, whatever the first run is doing."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.api.run_tools import (
    ENDLESS,
    create,
    idle,
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

ROLLED_BACK = {"__error__": {"error": "HTTPException", "message": "404: Run not found"}}
SECOND = {"text": "second", "log": ["a:second", "b"], "n": 2}


def join_later(pool: ThreadPoolExecutor, http: httpx.Client, *path: str) -> Future[Any]:
    """Wait for a run from another thread; returns when the server has begun to answer."""
    thread_id, run_id = path
    begun = threading.Event()

    def join() -> Any:
        with http.stream("GET", f"/threads/{thread_id}/runs/{run_id}/join") as answer:
            begun.set()
            return json.loads(answer.read())

    joining = pool.submit(join)
    assert begun.wait(10)
    return joining


@pytest.fixture
def pool() -> Any:
    """Threads for clients that wait."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.mark.requirement("MULTITASK-001")
@pytest.mark.parametrize("first", ["running", "waiting", "scheduled"])
def test_a_run_that_would_be_second_is_refused_whatever_the_first_does(
    http: httpx.Client, first: str
) -> None:
    thread_id = new_thread(http)
    runs = [start(http, thread_id)] if first != "scheduled" else []
    if first != "running":
        after = 3600 if first == "scheduled" else 0
        runs.append(create(http, thread_id, "echo", input={}, after_seconds=after))
    answer = http.post(
        f"/threads/{thread_id}/runs",
        json={"assistant_id": "echo", "input": {}, "multitask_strategy": "reject"},
    )

    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("Thread is already running a task.")
    listed = [run["run_id"] for run in http.get(f"/threads/{thread_id}/runs").json()]
    assert sorted(listed) == sorted(runs)
    http.delete(f"/threads/{thread_id}")


@pytest.mark.requirement("MULTITASK-003")
@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
def test_a_run_takes_the_place_of_all_that_run_or_wait(
    http: httpx.Client, pool: ThreadPoolExecutor, strategy: str
) -> None:
    thread_id = new_thread(http)
    running = start(http, thread_id)
    waiting = create(http, thread_id, "echo", input={"text": "never"})
    scheduled = create(http, thread_id, "echo", input={"text": "never"}, after_seconds=3600)
    joins = [join_later(pool, http, thread_id, run) for run in (running, waiting, scheduled)]
    values = wait(http, thread_id, "echo", input={"text": "second"}, multitask_strategy=strategy)
    bodies = [join.result(10) for join in joins]

    gone = strategy == "rollback"
    kept = {} if gone else {**ENDLESS["input"], "log": ["first"]}
    log = [*kept.get("log", []), "a:second", "b"]
    assert values == state(http, thread_id)["values"] == {**SECOND, "log": log}
    assert [status(http, thread_id, run) for run in (running, waiting, scheduled)] == [
        None if gone else "interrupted"
    ] * 3
    assert bodies == [ROLLED_BACK] * 3 if gone else bodies == [kept, {}, {}]
    assert thread_status(http, thread_id) == "idle"


@pytest.mark.requirement("MULTITASK-003")
@pytest.mark.parametrize(("strategy", "left"), [("interrupt", "interrupted"), ("rollback", None)])
def test_the_run_before_is_over_when_its_successor_is_accepted(
    http: httpx.Client, strategy: str, left: str | None
) -> None:
    thread_id = new_thread(http)
    first = start(http, thread_id)
    second = create(
        http, thread_id, "slow", input={"seconds": 0.1, "ticks": 1}, multitask_strategy=strategy
    )

    assert status(http, thread_id, first) == left
    assert idle(http, thread_id) == "idle"
    assert status(http, thread_id, second) == "success"


def test_a_run_waits_for_the_first_but_not_for_one_that_is_scheduled(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    scheduled = create(http, thread_id, "echo", input={"text": "later"}, after_seconds=3600)
    create(http, thread_id, "slow", input={"seconds": 0.1, "ticks": 1})
    values = wait(http, thread_id, "echo", input={"text": "second"})

    assert values["log"] == ["first", "slept", "a:second", "b"]
    assert (status(http, thread_id, scheduled), thread_status(http, thread_id)) == (
        "pending",
        "busy",
    )
    http.post(f"/threads/{thread_id}/runs/{scheduled}/cancel")
    assert thread_status(http, thread_id) == "idle"


@pytest.mark.requirement("RUN-016")
def test_a_scheduled_run_starts_when_it_is_due(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = http.post(
        f"/threads/{thread_id}/runs",
        json={"assistant_id": "echo", "input": {"text": "x"}, "after_seconds": 0.2},
    ).json()
    assert answer["created_at"] > answer["updated_at"]
    assert answer["kwargs"]["config"]["configurable"]["__after_seconds__"] == 0.2
    assert thread_status(http, thread_id) == "busy"

    until(lambda: status(http, thread_id, answer["run_id"]) == "success", 5)


def test_the_stream_of_a_run_that_was_replaced_just_ends(
    http: httpx.Client, pool: ThreadPoolExecutor
) -> None:
    thread_id = new_thread(http)
    path = f"/threads/{thread_id}/runs/stream"
    first = pool.submit(stream, http, path, {**ENDLESS, "stream_mode": "values"})
    until(lambda: state(http, thread_id)["values"].get("log"))
    wait(http, thread_id, "echo", input={"text": "second"}, multitask_strategy="interrupt")

    assert names(first.result(10)) == ["metadata", "values", "values"]


@pytest.mark.requirement("MULTITASK-004")
@pytest.mark.parametrize("strategy", ["interrupt", "rollback", "enqueue", "reject"])
def test_of_many_runs_at_once_no_one_leaves_the_thread_busy(
    http: httpx.Client, pool: ThreadPoolExecutor, strategy: str
) -> None:
    thread_id = new_thread(http)
    body = {
        "assistant_id": "slow",
        "input": {"seconds": 0.05, "ticks": 1},
        "multitask_strategy": strategy,
    }
    answers = list(pool.map(lambda _: http.post(f"/threads/{thread_id}/runs", json=body), range(8)))
    assert idle(http, thread_id) == "idle"
    ended = Counter(run["status"] for run in http.get(f"/threads/{thread_id}/runs").json())

    accepted = sum(answer.status_code == 200 for answer in answers)
    assert accepted + sum(answer.status_code == 409 for answer in answers) == 8
    assert last_run(http, thread_id)["status"] == "success"
    if strategy in ("enqueue", "reject"):
        assert ended == {"success": accepted}
    else:
        assert ended.total() == (accepted if strategy == "interrupt" else ended["success"])
