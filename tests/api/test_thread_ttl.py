"""How long threads are kept: by clients' wishes and by the project's default."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient

from tests.api.conftest import served
from tests.api.run_tools import create, new_thread, start, until, wait

#: Minutes that are over at once, and minutes that are not over while a test lasts.
SOON, LATE = 0.005, 10


def shown(http: httpx.Client, thread_id: str) -> Any:
    """Return the TTL a thread shows; None if it shows none."""
    return http.get(f"/threads/{thread_id}", params={"include": "ttl"}).json().get("ttl")


def after(thread: Any, minutes: float) -> str:
    """Return when a thread expires that was updated last."""
    moment = datetime.fromisoformat(thread["updated_at"]) + timedelta(minutes=minutes)
    return moment.isoformat(timespec="milliseconds")


def same_moment(expires_at: str, expected: str) -> bool:
    difference = datetime.fromisoformat(expires_at) - datetime.fromisoformat(expected)
    return abs(difference) <= timedelta(milliseconds=1)


def gone(http: httpx.Client, thread_id: str) -> bool:
    return http.get(f"/threads/{thread_id}").status_code == 404


@contextmanager
def serving(folder: Path, **ttl: Any) -> Iterator[httpx.Client]:
    """Serve with `checkpointer.ttl`."""
    with (
        served(folder, config={"checkpointer": {"ttl": ttl}}, data=str(folder / "data")) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        yield http


def rows(folder: Path, thread_id: str) -> int:
    """Return how many checkpoints and threads are left of a thread in the database."""
    with sqlite3.connect(folder / "data" / "lgserve.db") as database:
        found = database.execute(
            "SELECT (SELECT count(*) FROM threads WHERE thread_id = ?)"
            " + (SELECT count(*) FROM checkpoints WHERE thread_id = ?)",
            (thread_id, thread_id),
        ).fetchone()
    return int(found[0])


@pytest.mark.requirement("THREAD-009")
@pytest.mark.parametrize(
    ("ttl", "strategy", "minutes"),
    [
        ({"ttl": 5, "strategy": "delete"}, "delete", 5),
        ({"ttl": 0.5}, "delete", 0.5),
        (7, "delete", 7),
        (1.5, "delete", 1.5),
        ({"ttl": 5, "strategy": "keep_latest"}, "keep_latest", 5),
        (10**9, "delete", 10**9),
    ],
)
def test_a_wish_is_shown_to_those_who_ask(
    http: httpx.Client, ttl: Any, strategy: str, minutes: float
) -> None:
    made = http.post("/threads", params={"include": "ttl"}, json={"ttl": ttl}).json()
    thread_id = made["thread_id"]

    assert made["ttl"] == shown(http, thread_id)
    assert list(made["ttl"]) == ["strategy", "ttl_minutes", "expires_at"]
    assert (made["ttl"]["strategy"], made["ttl"]["ttl_minutes"]) == (strategy, minutes)
    assert same_moment(made["ttl"]["expires_at"], after(made, minutes))
    assert "ttl" not in http.get(f"/threads/{thread_id}").json()
    assert "ttl" not in http.get(f"/threads/{thread_id}?include=bogus").json()
    several = http.get(f"/threads/{thread_id}?include=bogus,ttl").json()
    assert several["ttl"] == made["ttl"]
    search: Any = {"ids": [thread_id], "select": ["status"]}
    found = http.post("/threads/search?include=ttl", json=search).json()
    assert found == [{"status": "idle", "ttl": made["ttl"]}]
    assert http.post("/threads/search", json=search).json() == [{"status": "idle"}]


def test_without_a_wish_a_thread_is_kept(http: httpx.Client) -> None:
    bodies: list[Any] = [{}, {"ttl": {}}, {"ttl": None}]
    for body in bodies:
        assert shown(http, http.post("/threads", json=body).json()["thread_id"]) is None


@pytest.mark.requirement("THREAD-009")
def test_a_patch_sets_changes_and_clears_it(http: httpx.Client) -> None:
    thread_id = new_thread(http, metadata={"k": 1})

    def patch(**body: Any) -> Any:
        answer = http.patch(f"/threads/{thread_id}?include=ttl", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert "ttl" not in patch(ttl={})
    made = patch(ttl={"ttl": 5, "strategy": "keep_latest"}, metadata={"l": 2})
    assert (made["ttl"]["ttl_minutes"], made["metadata"]) == (5, {"k": 1, "l": 2})
    again = patch(metadata={})
    assert again["ttl"]["strategy"] == "keep_latest"
    assert again["ttl"]["expires_at"] > made["ttl"]["expires_at"]
    # Minutes that are not given stay; a strategy that is not given is `delete`.
    assert patch(ttl={"strategy": "delete"})["ttl"]["ttl_minutes"] == 5
    assert patch(ttl={"ttl": 6, "strategy": "keep_latest"})["ttl"]["strategy"] == "keep_latest"
    assert patch(ttl=7)["ttl"]["strategy"] == "delete"
    assert "ttl" not in patch(ttl=None)
    assert "ttl" not in patch(metadata={})


def test_runs_and_updates_let_it_begin_anew(http: httpx.Client) -> None:
    thread_id = new_thread(http, ttl=LATE)
    moments = [shown(http, thread_id)["expires_at"]]

    def note() -> None:
        thread = http.get(f"/threads/{thread_id}?include=ttl").json()
        moments.append(thread["ttl"]["expires_at"])
        assert same_moment(moments[-1], after(thread, LATE))

    wait(http, thread_id, "echo", input={"text": "x"})
    note()
    http.post(f"/threads/{thread_id}/state", json={"values": {"text": "y"}})
    note()
    create(http, thread_id, "echo", input={"text": "x"}, after_seconds=600)
    note()
    assert moments == sorted(set(moments))
    http.get(f"/threads/{thread_id}/state")
    assert shown(http, thread_id)["expires_at"] == moments[-1]


@pytest.mark.requirement("THREAD-009")
def test_an_expired_thread_is_gone_at_once(http: httpx.Client) -> None:
    tag, large = str(uuid4()), "x" * 100_000
    kept = new_thread(http, metadata={"tag": tag})
    thread_id = new_thread(http, metadata={"tag": tag}, ttl=LATE)
    wait(http, thread_id, "echo", input={"text": large})
    run_id = create(http, thread_id, "echo", input={"text": large}, stream_resumable=True)
    http.get(f"/threads/{thread_id}/runs/{run_id}/join")
    http.patch(f"/threads/{thread_id}", json={"ttl": SOON})

    until(lambda: gone(http, thread_id))

    one, run = f"/threads/{thread_id}", f"/threads/{thread_id}/runs/{run_id}"
    for method, path, body in (
        ("GET", f"{one}/state", None),
        ("POST", f"{one}/state", {"values": {}}),
        ("GET", f"{one}/history", None),
        ("GET", f"{one}/storage", None),
        ("GET", f"{one}/runs", None),
        ("GET", run, None),
        ("GET", f"{run}/join", None),
        ("GET", f"{run}/stream", None),
        ("GET", f"/runs/{run_id}", None),
        ("POST", f"{one}/copy", None),
        ("POST", f"{one}/runs", {"assistant_id": "echo"}),
        ("PATCH", one, {"metadata": {}}),
        ("DELETE", one, None),
    ):
        assert http.request(method, path, json=body).status_code == 404, path
    assert http.post("/threads/prune", json={"thread_ids": [thread_id]}).json() == {
        "pruned_count": 0
    }
    for where in ({"metadata": {"tag": tag}}, {"metadata": {"tag": tag}, "status": "idle"}):
        found = http.post("/threads/search", json=where)
        assert [row["thread_id"] for row in found.json()] == [kept]
        assert found.headers["X-Pagination-Total"] == "1"
        assert http.post("/threads/count", json=where).json() == 1
    large_ones: Any = {"values": {"text": large}, "ids": [thread_id]}
    assert http.post("/threads/search", json=large_ones).json() == []

    again = http.post("/threads", json={"thread_id": thread_id}).json()  # the id is free
    assert (again["metadata"], again["values"]) == ({}, None)
    assert http.get(f"{one}/runs").json() == []
    assert http.get(f"{one}/history").json() == []


def test_a_busy_thread_does_not_expire(http: httpx.Client) -> None:
    thread_id = new_thread(http, ttl=SOON)
    running = start(http, thread_id, {"assistant_id": "slow", "input": {"seconds": 1, "ticks": 10}})
    other = new_thread(http, ttl=SOON)
    until(lambda: gone(http, other))
    assert not gone(http, thread_id)

    http.get(f"/threads/{thread_id}/runs/{running}/join")
    until(lambda: gone(http, thread_id))


def test_a_copy_is_kept_as_long_as_its_source_from_then_on(http: httpx.Client) -> None:
    thread_id = new_thread(http, ttl={"ttl": LATE, "strategy": "keep_latest"})
    copy = http.post(f"/threads/{thread_id}/copy?include=ttl").json()

    assert copy["ttl"]["strategy"] == "keep_latest"
    assert same_moment(copy["ttl"]["expires_at"], after(copy, LATE))


async def test_the_sdk_sets_it(client: LangGraphClient, server_url: str) -> None:
    params = {"include": "ttl"}
    thread = await client.threads.create(ttl=5)
    thread_id = thread["thread_id"]
    found: Any = await client.threads.get(thread_id, include=["ttl"])
    assert (found["ttl"]["strategy"], found["ttl"]["ttl_minutes"]) == ("delete", 5)
    changed: Any = await client.threads.update(
        thread_id, metadata={}, ttl={"ttl": 6, "strategy": "keep_latest"}, params=params
    )
    assert changed["ttl"]["strategy"] == "keep_latest"

    with get_sync_client(url=server_url) as sync:
        sync.threads.update(thread_id, metadata={"k": 1}, ttl=7, return_minimal=True)
        again: Any = sync.threads.get(thread_id, include=["ttl"])
    assert (again["metadata"], again["ttl"]["ttl_minutes"]) == ({"k": 1}, 7)


def test_a_client_may_do_without_the_answer_to_a_patch(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = http.patch(
        f"/threads/{thread_id}", json={"metadata": {"k": 1}}, headers={"Prefer": "return=minimal"}
    )

    assert (answer.status_code, answer.content) == (204, b"")
    assert http.get(f"/threads/{thread_id}").json()["metadata"] == {"k": 1}


def test_the_project_s_default_is_for_threads_of_which_nobody_says_otherwise(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, default_ttl=LATE, strategy="keep_latest") as http:
        by_default = {"strategy": "keep_latest", "ttl_minutes": LATE}

        def policy(thread_id: str) -> Any:
            ttl = shown(http, thread_id)
            return ttl and {name: ttl[name] for name in by_default}

        assert policy(new_thread(http)) == by_default
        assert policy(new_thread(http, ttl={})) == by_default
        assert policy(new_thread(http, ttl={"strategy": "delete"})) == {
            "strategy": "delete",
            "ttl_minutes": LATE,
        }
        assert policy(new_thread(http, ttl=3)) == {"strategy": "delete", "ttl_minutes": 3}

        forever = new_thread(http, ttl=None)
        wait(http, forever, "echo", input={"text": "x"})
        assert policy(forever) is None

        made_by_run = str(uuid4())
        wait(http, made_by_run, "echo", input={"text": "x"}, if_not_exists="create")
        assert policy(made_by_run) == by_default


def test_an_old_thread_gets_the_default_with_its_next_run(tmp_path: Path) -> None:
    with serving(tmp_path) as http:
        old, idle = new_thread(http), new_thread(http)
    with serving(tmp_path, default_ttl=LATE) as http:
        assert (shown(http, old), shown(http, idle)) == (None, None)
        wait(http, old, "echo", input={"text": "x"})
        assert shown(http, old)["ttl_minutes"] == LATE
        assert shown(http, idle) is None


@pytest.mark.requirement("THREAD-009")
def test_the_sweeper_deletes_what_has_expired(tmp_path: Path) -> None:
    with serving(tmp_path, sweep_interval_minutes=SOON) as http:
        thread_id = new_thread(http, ttl=LATE)
        wait(http, thread_id, "echo", input={"text": "x"})
        assert rows(tmp_path, thread_id) == 5
        http.patch(f"/threads/{thread_id}", json={"ttl": SOON})

        until(lambda: not rows(tmp_path, thread_id))
        assert gone(http, thread_id)


def test_the_sweeper_prunes_what_is_to_be_kept(tmp_path: Path) -> None:
    with serving(tmp_path, sweep_interval_minutes=SOON) as http:
        thread_id = new_thread(http, ttl={"ttl": LATE, "strategy": "keep_latest"})
        for text in ("x", "y"):
            wait(http, thread_id, "echo", input={"text": text})
        http.patch(f"/threads/{thread_id}", json={"ttl": {"ttl": SOON, "strategy": "keep_latest"}})
        before = http.get(f"/threads/{thread_id}").json()

        until(lambda: rows(tmp_path, thread_id) == 2)
        assert http.get(f"/threads/{thread_id}").json() == before
        expires_at = shown(http, thread_id)["expires_at"]
        until(lambda: shown(http, thread_id)["expires_at"] > expires_at)
