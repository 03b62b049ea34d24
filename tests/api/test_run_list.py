"""The runs of a thread, listed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.fixture
def path(http: httpx.Client) -> str:
    """Return where the runs are listed of a thread that has had three, the second with an error."""
    thread_id = http.post("/threads", json={}).json()["thread_id"]
    for number, graph in enumerate(("echo", "boom", "echo")):
        body = {"assistant_id": graph, "input": {"text": "x"}, "metadata": {"number": number}}
        http.post(f"/threads/{thread_id}/runs/wait", json=body).raise_for_status()
    return f"/threads/{thread_id}/runs"


def _numbers(http: httpx.Client, path: str, **query: Any) -> list[int]:
    return [run["metadata"]["number"] for run in http.get(path, params=query).json()]


@pytest.mark.requirement("RUN-005")
def test_the_newest_come_first_and_pages_do_not_overlap(http: httpx.Client, path: str) -> None:
    assert _numbers(http, path) == [2, 1, 0]
    assert _numbers(http, path, limit=1) == [2]
    assert _numbers(http, path, limit=2, offset=1) == [1, 0]
    assert _numbers(http, path, limit=0) == []
    assert _numbers(http, path, offset=3) == []


@pytest.mark.requirement("RUN-005")
def test_runs_are_found_by_status_and_metadata(http: httpx.Client, path: str) -> None:
    assert _numbers(http, path, status="error") == [1]
    assert _numbers(http, path, status="success") == [2, 0]
    assert _numbers(http, path, metadata='{"number":0}') == [0]
    assert _numbers(http, path, status="pending") == []


@pytest.mark.requirement("RUN-005")
def test_only_the_selected_members_are_shown(http: httpx.Client, path: str) -> None:
    by_commas = http.get(path, params={"select": "run_id,status"}).json()
    repeated = http.get(path, params={"select": ["run_id", "status"]}).json()

    assert [set(run) for run in by_commas] == [{"run_id", "status"}] * 3
    assert repeated == by_commas
    refused = http.get(path, params={"select": "bogus"})
    assert refused.status_code == 422
    assert "['bogus']" in refused.json()["detail"]


@pytest.mark.requirement("RUN-005", "THREAD-008")
def test_a_thread_that_is_not_there_has_no_list(http: httpx.Client) -> None:
    answer = http.get("/threads/00000000-0000-4000-8000-000000000000/runs")

    assert answer.status_code == 404
    assert "not found" in answer.json()["detail"]
