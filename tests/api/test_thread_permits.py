"""What auth handlers decide of copying, pruning, supersteps and TTLs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import served


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("keeping"), "keeping") as url:
        yield url


def ask(url: str, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {who}"}
    return httpx.request(method, url + path, json=body, headers=headers, timeout=30)


def make(url: str, who: str, **body: Any) -> str:
    answer = ask(url, who, "POST", "/threads", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["thread_id"])


def test_a_copy_is_read_and_created(url: str) -> None:
    thread_id = make(url, "alice", metadata={"k": 1})

    copy = ask(url, "alice", "POST", f"/threads/{thread_id}/copy").json()
    assert copy["metadata"] == {"k": 1, "made_by": "alice", "owner": "alice"}
    assert ask(url, "alice", "GET", f"/threads/{copy['thread_id']}").json() == copy

    refused = ask(url, "bob", "POST", f"/threads/{thread_id}/copy")
    assert refused.status_code == 404
    assert refused.json() == {"detail": f"Thread with ID {thread_id} not found"}
    assert ask(url, "bob", "POST", "/threads/count", {}).json() == 0


def test_what_a_thread_takes_is_read(url: str) -> None:
    thread_id = make(url, "alice")
    path = f"/threads/{thread_id}/storage"

    statuses = [ask(url, who, "GET", path).status_code for who in ("alice", "reader", "bob")]
    assert statuses == [200, 404, 404]


@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
def test_others_threads_are_not_pruned(url: str, strategy: str) -> None:
    mine, hers = make(url, "bob"), make(url, "alice")
    body = {"thread_ids": [hers, mine], "strategy": strategy}

    assert ask(url, "bob", "POST", "/threads/prune", body).json() == {"pruned_count": 1}

    assert ask(url, "alice", "GET", f"/threads/{hers}").status_code == 200
    gone = ask(url, "bob", "GET", f"/threads/{mine}").status_code
    assert gone == (404 if strategy == "delete" else 200)


@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
def test_each_thread_to_be_pruned_is_asked_for(url: str, strategy: str) -> None:
    thread_id = make(url, "reader")
    body = {"thread_ids": [thread_id], "strategy": strategy}
    refused = ask(url, "reader", "POST", "/threads/prune", body)

    assert refused.status_code == 403
    assert ask(url, "reader", "GET", f"/threads/{thread_id}").status_code == 200


def test_a_handler_says_which_of_many_are_pruned(url: str) -> None:
    made = [make(url, "alice") for _ in range(5)]

    assert ask(url, "alice", "POST", "/threads/prune", {"thread_ids": made}).json() == {
        "pruned_count": 3
    }
    left = [ask(url, "alice", "GET", f"/threads/{each}").status_code for each in made]
    assert left == [404, 404, 404, 200, 200]


def test_supersteps_are_an_update(url: str) -> None:
    updates = [{"values": {"text": "x"}, "as_node": "__input__"}]
    body = {"metadata": {"graph_id": "steps"}, "supersteps": [{"updates": updates}]}

    statuses = [ask(url, who, "POST", "/threads", body).status_code for who in ("alice", "reader")]
    assert statuses == [200, 403]
    found = ask(url, "reader", "POST", "/threads/search", {"metadata": {"graph_id": "steps"}})
    assert found.json() == []


def test_a_handler_says_how_long_a_thread_is_kept(url: str) -> None:
    for body in ({}, {"ttl": 500}, {"ttl": None}):
        thread_id = make(url, "guest", **body)
        shown = ask(url, "guest", "GET", f"/threads/{thread_id}?include=ttl").json()
        assert (shown["ttl"]["ttl_minutes"], shown["ttl"]["strategy"]) == (5, "delete")

    odd = ask(url, "odd", "POST", "/threads", {})
    assert (odd.status_code, odd.json()["detail"][:5]) == (422, "ttl: ")
