"""Threads between servers: what comes out goes in, whole or not at all, and runs nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import ormsgpack
import pytest

from tests.api.conftest import served
from tests.api.owners import ALICE, API_KEYS, BOB

_SECONDS = 30


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Another server of the sample graphs, with nothing in it."""
    with (
        served(tmp_path_factory.mktemp("other")) as url,
        httpx.Client(base_url=url, timeout=_SECONDS) as client,
    ):
        yield client


def started(http: httpx.Client, graph: str, given: Any, **headers: str) -> str:
    thread_id = http.post("/threads", json={"metadata": {"n": 1}}, headers=headers).json()[
        "thread_id"
    ]
    body = {"assistant_id": graph, "input": given}
    answer = http.post(f"/threads/{thread_id}/runs/wait", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(thread_id)


def exported(http: httpx.Client, thread_id: str, **headers: str) -> Any:
    answer = http.get(f"/threads/{thread_id}/export", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def seen(http: httpx.Client, thread_id: str) -> list[Any]:
    """Return all that the API shows of a thread."""
    paths = ("", "/state", "/state?subgraphs=true", "/history?limit=1000")
    return [http.get(f"/threads/{thread_id}{path}").json() for path in paths]


@pytest.mark.parametrize(
    ("graph", "given"),
    [
        ("echo", {"text": "x"}),
        ("echo", {"text": "large " * 50_000}),
        ("chat", {"messages": [{"role": "user", "content": "hi"}]}),
        ("ask", {"q": "open?"}),
        ("parent", {"text": "x", "stop": True}),
        ("types", {}),
        ("fan", {"n": 3}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_state_history_and_metadata_are_equal_on_the_other_server(
    http: httpx.Client, other: httpx.Client, graph: str, given: Any
) -> None:
    thread_id = started(http, graph, given)
    record = exported(http, thread_id)
    answer = other.post("/threads/import", json=record)
    assert answer.json() == {
        "thread_id": thread_id,
        "outcome": "imported",
        "checkpoints": len(record["checkpoints"]),
    }
    assert seen(other, thread_id) == seen(http, thread_id)
    assert exported(other, thread_id) == record


def test_an_open_question_is_answered_on_the_other_server(
    http: httpx.Client, other: httpx.Client
) -> None:
    thread_id = started(http, "parent", {"text": "x", "stop": True})
    other.post("/threads/import", json=exported(http, thread_id))
    body = {"assistant_id": "parent", "command": {"resume": "go"}}
    values = other.post(f"/threads/{thread_id}/runs/wait", json=body).json()
    assert values["log"][-1] == "sub_two:go"


def test_a_thread_that_has_not_run_moves_too(http: httpx.Client, other: httpx.Client) -> None:
    thread_id = http.post("/threads", json={"metadata": {"a": 1}}).json()["thread_id"]
    other.post("/threads/import", json=exported(http, thread_id))
    assert seen(other, thread_id) == seen(http, thread_id)


def test_a_taken_id_is_a_conflict_or_passed_over_or_replaced(http: httpx.Client) -> None:
    thread_id = started(http, "echo", {"text": "before"})
    record, before = exported(http, thread_id), seen(http, thread_id)
    http.post(f"/threads/{thread_id}/state", json={"values": {"text": "after"}, "as_node": "b"})
    changed = seen(http, thread_id)
    assert http.post("/threads/import", json=record).status_code == 409
    skipped = http.post("/threads/import?on_conflict=skip", json=record).json()
    assert (skipped["outcome"], seen(http, thread_id)) == ("skipped", changed)
    replaced = http.post("/threads/import?on_conflict=replace", json=record).json()
    assert (replaced["outcome"], seen(http, thread_id)) == ("replaced", before)


def test_a_busy_thread_is_not_replaced(http: httpx.Client) -> None:
    thread_id = started(http, "echo", {"text": "x"})
    record = exported(http, thread_id)
    body = {"assistant_id": "echo", "input": {"text": "x"}, "after_seconds": 600}
    run_id = http.post(f"/threads/{thread_id}/runs", json=body).json()["run_id"]
    assert http.post("/threads/import?on_conflict=replace", json=record).status_code == 409
    http.post(f"/threads/{thread_id}/runs/{run_id}/cancel")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.update(version=2), "version"),
        (lambda record: record["thread"].update(thread_id="x"), "thread"),
        (lambda record: record["thread"].update(created_at="yesterday"), "created_at"),
        (lambda record: record["thread"].update(status="odd"), "thread.status"),
        (lambda record: record["blobs"].__setitem__(0, ["msgpack", "%"]), "blobs[0]: not base64"),
        (lambda record: record["blobs"].__setitem__(0, ["pickle", "AA=="]), "'pickle'"),
        (lambda record: record["blobs"].__setitem__(0, ["json", "e30="]), "'json'"),
        (lambda record: record["blobs"].__setitem__(0, ["msgpack", "xg=="]), "broken"),
        (lambda record: record["checkpoints"][0].update(data=10**6), "there is no blob"),
        (lambda record: record["checkpoints"][0].update(data=1), "no checkpoint"),
        (lambda record: record["checkpoints"][0].pop("versions"), "versions"),
        (lambda record: record["checkpoints"][0]["versions"].update(a=2**70), "versions.a"),
        (lambda record: record["checkpoints"][0].update(checkpoint_id="x"), "checkpoint_id"),
        (lambda record: record["checkpoints"].append(record["checkpoints"][0]), "twice"),
        (lambda record: record["thread"].update(config={"configurable": 5}), "configurable"),
    ],
)
def test_what_is_broken_is_refused_and_leaves_nothing(
    http: httpx.Client, change: Any, says: str
) -> None:
    record = exported(http, started(http, "echo", {"text": "x"}))
    record["thread"]["thread_id"] = fresh = str(uuid4())
    change(record)
    answer = http.post("/threads/import", json=record)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert http.get(f"/threads/{fresh}").status_code == 404


def call(code: int, *parts: Any) -> str:
    """Return a value that calls something when LangGraph's serializer reads it."""
    return base64.b64encode(ormsgpack.packb([ormsgpack.Ext(code, ormsgpack.packb(parts))])).decode()


@pytest.mark.parametrize("how", [0, 1, 2, 3, 4, 5])
def test_an_import_calls_nothing_that_a_stranger_names(
    http: httpx.Client, tmp_path: Path, how: int
) -> None:
    target = tmp_path / "made"
    arguments: Any = {1: [str(target)], 2: {"name": str(target)}}.get(how, str(target))
    record = exported(http, started(http, "echo", {"text": "x"}))
    record["thread"]["thread_id"] = str(uuid4())
    place = next(iter(record["checkpoints"][-1]["values"].values()))
    for value in (
        call(how, "os", "mkdir", arguments, "mkdir"),
        call(how, "lgserve.storage.serializer", "load_by_name", "os:system", "x"),
        # hidden in what is allowed
        call(1, "langgraph.types", "Send", ["a", json.loads("null")]),
    )[:2]:
        record["blobs"][place] = ["msgpack", value]
        answer = http.post("/threads/import", json=record)
        assert answer.status_code == 422, answer.text
    inner = ormsgpack.Ext(how, ormsgpack.packb(["os", "mkdir", arguments, "mkdir"]))
    outer = ormsgpack.Ext(1, ormsgpack.packb(["langgraph.types", "Send", ["a", inner]]))
    hidden = base64.b64encode(ormsgpack.packb([outer])).decode()
    record["blobs"][place] = ["msgpack", hidden]
    assert http.post("/threads/import", json=record).status_code == 422
    assert not target.exists()


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("owners_moving"), config=API_KEYS) as url,
        httpx.Client(base_url=url, timeout=_SECONDS) as client,
    ):
        yield client


def test_what_is_taken_in_belongs_to_who_takes_it_in(owners: httpx.Client) -> None:
    record = exported(owners, started(owners, "echo", {"text": "x"}, **ALICE), **ALICE)
    assert "alice" not in json.dumps(record["thread"]["config"])
    for policy in ("fail", "skip", "replace"):
        answer = owners.post(f"/threads/import?on_conflict={policy}", json=record, headers=BOB)
        assert answer.status_code == 409
    record["thread"]["thread_id"] = fresh = str(uuid4())
    assert owners.post("/threads/import", json=record, headers=BOB).status_code == 200
    assert owners.get(f"/threads/{fresh}", headers=BOB).json()["metadata"]["owner"] == "bob"
    assert owners.get(f"/threads/{fresh}", headers=ALICE).status_code == 404


def test_nobody_says_of_himself_that_he_is_somebody_else(owners: httpx.Client) -> None:
    record = exported(owners, started(owners, "echo", {"text": "x"}, **BOB), **BOB)
    record["thread"]["thread_id"] = fresh = str(uuid4())
    user = {"identity": "alice", "is_authenticated": True}
    record["thread"]["config"] = {"configurable": {"langgraph_auth_user": user, "tone": "a"}}
    assert owners.post("/threads/import", json=record, headers=BOB).status_code == 200
    taken = exported(owners, fresh, **BOB)
    assert taken["thread"]["config"] == {"configurable": {"tone": "a"}}
    assert owners.get(f"/threads/{fresh}/state", headers=BOB).status_code == 200


@pytest.mark.parametrize("name", ["own_storage", "sealed"])
def test_other_ways_of_storing_give_and_take_threads_too(tmp_path: Path, name: str) -> None:
    config: dict[str, Any] = {}
    if name == "sealed":
        config = {"env": {"LANGGRAPH_AES_KEY": "0123456789abcdef0123456789abcdef"}}
    with (
        served(tmp_path, name, config, data=str(tmp_path / "data")) as url,
        httpx.Client(base_url=url, timeout=_SECONDS) as client,
    ):
        graph = next(iter(json.loads((tmp_path / "langgraph.json").read_text())["graphs"]))
        thread_id = started(client, graph, {"text": "secret", "messages": []})
        record, before = exported(client, thread_id), seen(client, thread_id)
        answer = client.post("/threads/import?on_conflict=replace", json=record)
        assert answer.json()["outcome"] == "replaced"
        assert seen(client, thread_id) == before
