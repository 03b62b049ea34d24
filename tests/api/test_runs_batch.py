"""Many stateless runs in one request, ids that clients choose, and lists of runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient

from tests.api.run_tools import create, new_thread, streaming, until, wait

ECHO = {"assistant_id": "echo", "input": {"text": "x"}}
KEPT = {**ECHO, "on_completion": "keep"}


def threads_with(http: httpx.Client, mark: str) -> int:
    found: int = http.post("/threads/count", json={"metadata": {"mark": mark}}).json()
    return found


@pytest.mark.requirement("RUN-018")
def test_a_batch_creates_its_runs_in_order(http: httpx.Client) -> None:
    graphs = ["echo", "boom", "ask"]
    bodies = [
        {**KEPT, "assistant_id": graph, "metadata": {"n": n}} for n, graph in enumerate(graphs)
    ]
    answer = http.post("/runs/batch", json=bodies)
    runs = answer.json()

    assert answer.status_code == 200
    assert [(run["status"], run["metadata"]["n"]) for run in runs] == [
        ("pending", n) for n in range(3)
    ]
    assert len({run["thread_id"] for run in runs}) == 3
    results = [http.get(f"/runs/{run['run_id']}/join").json() for run in runs]
    assert results[0]["log"] == ["a:x", "b"]
    assert results[1]["__error__"]["error"] == "ValueError"
    assert results[2]["__interrupt__"]


def test_a_batch_larger_than_the_worker_is_done_to_its_end(http: httpx.Client) -> None:
    mark = str(uuid4())
    runs = http.post("/runs/batch", json=[{**ECHO, "metadata": {"mark": mark}}] * 150).json()

    assert len({run["run_id"] for run in runs}) == 150
    until(lambda: threads_with(http, mark) == 0, 30)


@pytest.mark.requirement("RUN-018")
@pytest.mark.parametrize(
    ("bad", "status", "says"),
    [
        ({"input": {}}, 422, "[1].assistant_id: Field required"),
        ({"assistant_id": "nope"}, 422, "[1]: Invalid assistant: 'nope'"),
        ({"assistant_id": str(uuid4())}, 404, "[1]: Thread or assistant not found."),
        ({**ECHO, "stream_mode": ["bogus"]}, 422, "[1].stream_mode[0]: "),
        ({**ECHO, "checkpoint_id": "x"}, 422, "[1].checkpoint_id: Invalid checkpoint ID"),
        ({**ECHO, "run_id": "x"}, 422, "[1].run_id: Invalid run ID: must be a UUID"),
        ({**ECHO, "command": {"resume": 1}}, 400, "[1]: You must provide a thread_id"),
        ({**ECHO, "config": {"configurable": {"a": 1}}, "context": {"b": 1}}, 400, "[1]: Cannot"),
        (5, 422, "[1]: Input should be an object"),
        (None, 422, "[1]: "),
    ],
)
def test_one_bad_entry_spoils_the_batch_and_is_named(
    http: httpx.Client, bad: Any, status: int, says: str
) -> None:
    mark = str(uuid4())
    good = {**KEPT, "metadata": {"mark": mark}}
    answer = http.post("/runs/batch", json=[good, bad, good])

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"].startswith(says)
    assert threads_with(http, mark) == 0


@pytest.mark.requirement("RUN-018")
@pytest.mark.parametrize("body", [[], {}, "x", None, ECHO])
def test_what_is_no_batch_is_refused(http: httpx.Client, body: Any) -> None:
    answer = http.post("/runs/batch", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(("request body: ", "Invalid JSON"))


def test_an_id_may_not_be_given_twice_in_a_batch(http: httpx.Client) -> None:
    run_id = str(uuid4())
    answer = http.post("/runs/batch", json=[{**KEPT, "run_id": run_id}] * 2)

    assert answer.status_code == 409
    assert answer.json() == {"detail": f"[1]: Run with ID {run_id} already exists"}
    assert http.get(f"/runs/{run_id}").status_code == 404


async def test_the_sdk_creates_batches(client: LangGraphClient, server_url: str) -> None:
    payloads: Any = [{"assistant_id": "echo", "input": {"text": str(n)}} for n in range(3)]
    runs = await client.runs.create_batch(payloads)
    assert [run["kwargs"]["input"] for run in runs] == [  # type: ignore[typeddict-item]
        payload["input"] for payload in payloads
    ]
    with get_sync_client(url=server_url) as sync:
        assert len(sync.runs.create_batch(payloads)) == 3


@pytest.mark.requirement("RUN-019")
@pytest.mark.parametrize("stateless", [False, True])
@pytest.mark.parametrize("way", ["", "/wait", "/stream"])
def test_a_client_may_choose_the_id_of_its_run(
    http: httpx.Client, way: str, stateless: bool
) -> None:
    run_id = str(uuid4())
    prefix = "" if stateless else f"/threads/{new_thread(http)}"
    path = f"{prefix}/runs{way}"
    answer = http.post(path, json={**KEPT, "run_id": run_id.upper()})

    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Location"].endswith(f"/runs/{run_id}")
    assert http.get(f"/runs/{run_id}").json()["run_id"] == run_id
    again = http.post(path, json={**KEPT, "run_id": run_id})
    assert again.status_code == 409
    assert again.json() == {"detail": f"Run with ID {run_id} already exists"}


@pytest.mark.requirement("RUN-019")
@pytest.mark.parametrize("wrong", ["x", "", 5, "1234", ["a"], {}])
def test_what_is_no_uuid_is_no_id_of_a_run(http: httpx.Client, wrong: Any) -> None:
    answer = http.post("/runs", json={**ECHO, "run_id": wrong})

    assert answer.status_code == 422
    assert "run" in answer.json()["detail"]


def test_a_null_id_leaves_the_choice_to_the_server(http: httpx.Client) -> None:
    run_id = http.post("/runs", json={**ECHO, "run_id": None}).json()["run_id"]

    assert UUID(run_id).version == 7


def test_a_run_can_be_cancelled_by_an_id_that_was_known_before_it(http: httpx.Client) -> None:
    thread_id, run_id = new_thread(http), str(uuid4())
    body = {
        "assistant_id": "slow", "input": {"seconds": 300, "ticks": 300}, "run_id": run_id,
        "stream_mode": "custom",
    }  # fmt: skip
    with streaming(http, f"/threads/{thread_id}/runs/stream", body) as (_, frames):
        assert next(frames) == ("metadata", {"run_id": run_id, "attempt": 1})
        assert http.post(f"/runs/{run_id}/cancel", params={"wait": "1"}).status_code == 200


@pytest.mark.requirement("RUN-005")
def test_the_list_of_runs_has_pages(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    for n in range(5):
        wait(http, thread_id, "boom" if n == 4 else "echo", input={"text": "x"}, metadata={"n": n})

    def page(**query: Any) -> tuple[list[int], str | None, str | None]:
        answer = http.get(f"/threads/{thread_id}/runs", params=query)
        assert answer.status_code == 200, answer.text
        headers = answer.headers
        numbers = [run["metadata"]["n"] for run in answer.json()]
        return numbers, headers.get("X-Pagination-Total"), headers.get("X-Pagination-Next")

    assert page() == ([4, 3, 2, 1, 0], "5", None)
    assert page(limit=2) == ([4, 3], "5", "2")
    assert page(limit=2, offset=2) == ([2, 1], "5", "4")
    assert page(limit=2, offset=4) == ([0], "5", None)
    assert page(limit=2, offset=9) == ([], "5", None)
    assert page(limit=0) == ([], "5", None)
    assert page(limit=1, status="success") == ([3], "4", "1")
    assert page(status="error") == ([4], "1", None)
    assert page(status="bogus") == ([], "0", None)
    assert page(metadata='{"n": 2}') == ([2], "1", None)
    assert http.get(f"/threads/{uuid4()}/runs").status_code == 404


@pytest.mark.requirement("RUN-005")
def test_runs_are_shown_with_the_members_that_are_asked_for(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = create(http, thread_id, "echo", input={}, after_seconds=600)
    path = f"/threads/{thread_id}/runs"

    for query in ("select=run_id&select=cancel_reason", "select=run_id,cancel_reason"):
        assert http.get(f"{path}?{query}").json() == [{"run_id": run_id, "cancel_reason": None}]
    assert http.get(f"{path}?select=bogus").status_code == 422
    http.delete(f"/threads/{thread_id}")


def test_feedback_keys_are_noted_and_do_no_harm(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    values = wait(http, thread_id, "echo", input={"text": "x"}, feedback_keys=["score"])
    run = http.get(f"/threads/{thread_id}/runs").json()[0]

    assert values["log"] == ["a:x", "b"]
    assert (run["status"], run["kwargs"]["feedback_keys"]) == ("success", ["score"])
