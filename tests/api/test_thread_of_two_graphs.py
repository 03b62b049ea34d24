"""A thread on which graphs of different states take turns."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

_HELLO = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def http(server_url: str) -> Any:
    with httpx.Client(base_url=server_url, timeout=20) as client:
        yield client


def _thread(http: httpx.Client) -> str:
    thread: dict[str, Any] = http.post("/threads", json={}).json()
    return str(thread["thread_id"])


def _wait(http: httpx.Client, thread_id: str, graph: str, value: Any) -> dict[str, Any]:
    body = {"assistant_id": graph, "input": value}
    found: dict[str, Any] = http.post(f"/threads/{thread_id}/runs/wait", json=body).json()
    return found


def test_what_the_other_graph_does_not_know_is_still_there_afterwards(http: httpx.Client) -> None:
    thread_id = _thread(http)
    first = _wait(http, thread_id, "echo", {"text": "1"})
    _wait(http, thread_id, "chat", _HELLO)
    _wait(http, thread_id, "chat", _HELLO)
    last = _wait(http, thread_id, "echo", {"text": "2"})
    assert last["n"] == 2 * first["n"]
    assert last["log"] == [*first["log"], "a:2", "b"]


def test_it_outlives_the_checkpoints_before(http: httpx.Client) -> None:
    thread_id = _thread(http)
    first = _wait(http, thread_id, "echo", {"text": "1"})
    _wait(http, thread_id, "chat", _HELLO)
    pruned = {"thread_ids": [thread_id], "strategy": "keep_latest"}
    assert http.post("/threads/prune", json=pruned).json() == {"pruned_count": 1}
    copied = http.post(f"/threads/{thread_id}/copy").json()["thread_id"]
    for each in (thread_id, copied):
        assert _wait(http, each, "echo", {"text": "2"})["n"] == 2 * first["n"]
