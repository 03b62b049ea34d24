"""A deleted thread leaves nothing behind: every table of the database is searched for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import served
from tests.api.run_tools import create, new_thread, start, until, wait

LARGE = "large-" * 2000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def http(folder: Path) -> Iterator[httpx.Client]:
    ttl = {"checkpointer": {"ttl": {"sweep_interval_minutes": 0.005}}}
    with (
        served(folder, config=ttl, data=str(folder / "data")) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def dump(folder: Path) -> dict[str, list[bytes]]:
    """Return all rows of all tables, each as bytes in which ids can be found."""
    with closing(sqlite3.connect(folder / "data" / "lgserve.db")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: [_bytes(row) for row in database.execute(f'SELECT * FROM "{name}"')]
            for (name,) in tables
        }


def _bytes(row: tuple[Any, ...]) -> bytes:
    return b"\0".join(each if isinstance(each, bytes) else str(each).encode() for each in row)


def traces(folder: Path, *ids: str) -> list[str]:
    """Return the tables in which any of these ids stands."""
    found = dump(folder)
    wanted = [text.encode() for text in (*ids, LARGE[:600])]
    return [
        name
        for name, rows in found.items()
        if name != "status_counts" and any(text in row for row in rows for text in wanted)
    ]


def fill(http: httpx.Client) -> list[str]:
    """Do with a thread all that leaves something; return its id and those of its runs."""
    key = {"Idempotency-Key": str(uuid4())}
    body = {"metadata": {"label": "x", "graph_id": "echo"}, "ttl": 60}
    thread_id = str(http.post("/threads", json=body, headers=key).json()["thread_id"])
    runs = f"/threads/{thread_id}/runs"
    for graph, given in (
        ("echo", {"text": LARGE}),
        ("parent", {"text": LARGE}),
        ("chat", {"messages": [{"role": "user", "content": LARGE}]}),
        ("boom", {"text": LARGE}),
        ("ask", {"q": LARGE}),
    ):
        wanted = {
            "assistant_id": graph,
            "input": given,
            "stream_resumable": True,
            "stream_subgraphs": True,
            "metadata": {"note": LARGE},
            "stream_mode": ["values", "updates", "messages", "debug"],
        }
        headers = {"Idempotency-Key": str(uuid4())}
        run_id = http.post(runs, json=wanted, headers=headers).json()["run_id"]
        http.get(f"{runs}/{run_id}/join")
    update = {"values": {"q": "y"}, "as_node": "prepare"}
    assert http.post(f"/threads/{thread_id}/state", json=update).status_code == 200
    create(http, thread_id, "echo", input={"text": LARGE}, after_seconds=600)
    found = http.get(runs, params={"limit": 100}).json()
    assert len(found) == 6
    return [thread_id, *(run["run_id"] for run in found)]


@pytest.mark.requirement("THREAD-006")
def test_not_a_row_of_a_deleted_thread_is_left_in_any_table(
    folder: Path, http: httpx.Client
) -> None:
    empty = {name: len(rows) for name, rows in dump(folder).items()}
    ids = fill(http)
    assert {"threads", "runs", "run_events", "checkpoints"} <= set(traces(folder, *ids))

    assert http.delete(f"/threads/{ids[0]}").status_code == 204

    assert traces(folder, *ids) == []
    assert {name: len(rows) for name, rows in dump(folder).items()} == empty


def test_a_copy_takes_nothing_with_it_and_leaves_nothing(folder: Path, http: httpx.Client) -> None:
    empty = {name: len(rows) for name, rows in dump(folder).items()}
    ids = fill(http)
    before = dump(folder)
    copy_id = http.post(f"/threads/{ids[0]}/copy").json()["thread_id"]
    wait(http, copy_id, "ask", input={"q": LARGE})
    assert len(dump(folder)["channel_blobs"]) > len(before["channel_blobs"])

    assert http.delete(f"/threads/{copy_id}").status_code == 204
    assert dump(folder) == before

    copy_id = http.post(f"/threads/{ids[0]}/copy").json()["thread_id"]
    for each in (ids[0], copy_id):
        assert http.delete(f"/threads/{each}").status_code == 204
    assert traces(folder, *ids, copy_id) == []
    assert {name: len(rows) for name, rows in dump(folder).items()} == empty


@pytest.mark.requirement("THREAD-006")
@pytest.mark.parametrize("how", ["delete", "prune", "expire"])
def test_whatever_removes_a_thread_removes_all_of_it(
    folder: Path, http: httpx.Client, how: str
) -> None:
    ids = fill(http)
    running = http.get(f"/threads/{ids[0]}/runs", params={"status": "pending"}).json()
    if how == "expire":
        http.post(f"/threads/{ids[0]}/runs/{running[0]['run_id']}/cancel")
        http.patch(f"/threads/{ids[0]}", json={"ttl": 0.005})
        until(lambda: http.get(f"/threads/{ids[0]}").status_code == 404)
    elif how == "prune":
        http.post("/threads/prune", json={"thread_ids": [ids[0]]})
    else:
        http.delete(f"/threads/{ids[0]}")

    until(lambda: traces(folder, *ids) == [])


def test_a_busy_thread_is_stopped_and_leaves_nothing(folder: Path, http: httpx.Client) -> None:
    thread_id = new_thread(http)
    run_id = start(http, thread_id, stream_resumable=True)
    waiting = create(http, thread_id, "echo", input={"text": LARGE})

    assert http.delete(f"/threads/{thread_id}").status_code == 204

    assert http.get(f"/runs/{run_id}").status_code == 404
    assert traces(folder, thread_id, run_id, waiting) == []
    # Its slot is free, and what its code still writes goes nowhere.
    assert wait(http, new_thread(http), "echo", input={"text": "x"})["n"] == 2
    assert traces(folder, thread_id, run_id, waiting) == []


def test_failed_supersteps_leave_nothing(folder: Path, http: httpx.Client) -> None:
    before = {name: len(rows) for name, rows in dump(folder).items()}
    good = {"values": {"text": LARGE}, "as_node": "__input__"}
    steps = [{"updates": [good]}, {"updates": [{"values": {}, "as_node": "nobody"}]}]
    thread_id = str(uuid4())
    body = {"thread_id": thread_id, "metadata": {"graph_id": "echo"}, "supersteps": steps}

    assert http.post("/threads", json=body).status_code == 400

    assert traces(folder, thread_id) == []
    assert {name: len(rows) for name, rows in dump(folder).items()} == before
