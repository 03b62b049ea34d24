"""What a project's auth handlers are asked about assistants, and what their answers do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import served

Client = Callable[[str], httpx.Client]
Asked = list[tuple[str, str, dict[str, Any]]]
ALL_RUNS = {"run_ids": None, "status": None}


@pytest.fixture(scope="module")
def client_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Make clients of a server that notes what it asks its handlers."""
    config = {"auth": {"path": "./described_guard.py:guard"}}
    with (
        served(tmp_path_factory.mktemp("described"), "described", config) as url,
        ExitStack() as stack,
    ):

        def make(user: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {user}"}
            return stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))

        yield make


@pytest.fixture
def asked(client_of: Client) -> Asked:
    """What the handlers have been asked since the test began."""
    client_of("nobody").get("/assistants/plain")
    loaded = [module for name, module in sys.modules.items() if "described_guard" in name]
    found: Asked = loaded[-1].ASKED
    found.clear()
    return found


def made(client: httpx.Client, graph_id: str = "plain", **body: Any) -> str:
    answer = client.post("/assistants", json={"graph_id": graph_id, **body})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["assistant_id"])


@pytest.mark.parametrize(
    ("method", "view", "body"),
    [
        ("GET", "", None),
        ("GET", "/graph", None),
        ("GET", "/schemas", None),
        ("GET", "/subgraphs", None),
        ("GET", "/subgraphs/x", None),
        ("POST", "/versions", {"metadata": {"a": 1}}),
    ],
)
def test_looking_at_an_assistant_is_reading_it(
    client_of: Client, asked: Asked, method: Literal["GET", "POST"], view: str, body: Any
) -> None:
    assistant_id = made(client_of("nobody"))
    asked.clear()

    assert (
        client_of("reader")
        .request(method, f"/assistants/{assistant_id}{view}", json=body)
        .is_success
    )
    assert asked == [("assistants", "read", {"assistant_id": UUID(assistant_id)})]
    asked.clear()
    hidden = client_of("stranger").request(method, f"/assistants/{assistant_id}{view}", json=body)
    assert hidden.status_code == 404


def test_restoring_a_version_is_an_update_that_a_handler_may_change(
    client_of: Client, asked: Asked
) -> None:
    nobody, restorer = client_of("nobody"), client_of("restorer")
    assistant_id = made(nobody, name="one")
    for name in ("two", "three"):
        nobody.patch(f"/assistants/{assistant_id}", json={"name": name})
    asked.clear()
    path = f"/assistants/{assistant_id}/latest"

    assert restorer.post(path, json={"version": 2}).json()["name"] == "one"
    assert asked == [("assistants", "update", {"assistant_id": UUID(assistant_id), "version": 2})]
    assert client_of("reader").post(path, json={"version": 2}).status_code == 403
    assert client_of("stranger").post(path, json={"version": 2}).status_code == 404
    assert nobody.get(f"/assistants/{assistant_id}").json()["name"] == "one"


def test_a_version_of_somebody_else_s_is_neither_shown_nor_restored(client_of: Client) -> None:
    nobody, stranger = client_of("nobody"), client_of("stranger")
    assistant_id = made(nobody, metadata={"owner": "nobody"}, name="hers")
    nobody.patch(f"/assistants/{assistant_id}", json={"metadata": {"owner": "stranger"}})

    shown = stranger.post(f"/assistants/{assistant_id}/versions", json={}).json()
    assert [each["version"] for each in shown] == [2]
    refused = stranger.post(f"/assistants/{assistant_id}/latest", json={"version": 1})
    assert refused.status_code == 404
    assert refused.json()["detail"].startswith("Version 1 not found")


def test_a_graph_id_is_asked_about_as_its_assistant(client_of: Client, asked: Asked) -> None:
    assistant_id = client_of("nobody").get("/assistants/nested").json()["assistant_id"]
    asked.clear()
    assert client_of("nobody").get("/assistants/nested/graph").is_success
    assert asked == [("assistants", "read", {"assistant_id": UUID(assistant_id)})]


def test_a_search_and_a_count_are_searches(client_of: Client, asked: Asked) -> None:
    nobody = client_of("nobody")
    nobody.post("/assistants/search", json={"name": "x", "metadata": {"a": 1}, "offset": 2})
    nobody.post("/assistants/count", json={"graph_id": "plain"})

    page = {"limit": 10, "offset": 2}
    assert asked == [
        ("assistants", "search", {"graph_id": None, "metadata": {"a": 1}, **page}),
        ("assistants", "search", {"graph_id": "plain", "metadata": {}, "limit": 0, "offset": 0}),
    ]


def test_an_update_shows_objects_where_nothing_is_said(client_of: Client, asked: Asked) -> None:
    nobody = client_of("nobody")
    assistant_id = made(nobody, config={"tags": ["kept"]})
    asked.clear()

    changed = nobody.patch(f"/assistants/{assistant_id}", json={"name": "new"}).json()

    assert (changed["name"], changed["config"]) == ("new", {"tags": ["kept"]})
    value = {"assistant_id": UUID(assistant_id), "graph_id": None, "name": "new", "context": None}
    assert asked == [("assistants", "update", {**value, "config": {}, "metadata": {}})]


def test_a_deletion_also_asks_about_the_runs_and_threads_it_takes(
    client_of: Client, asked: Asked
) -> None:
    nobody = client_of("nobody")
    assistant_id = made(nobody)
    body = {"assistant_id": assistant_id, "input": {"text": ""}, "if_not_exists": "create"}
    thread_id = nobody.post("/threads", json={}).json()["thread_id"]
    assert nobody.post(f"/threads/{thread_id}/runs/wait", json=body).is_success
    asked.clear()
    path = f"/assistants/{assistant_id}"

    # Who may delete assistants, but neither their threads nor their runs.
    for query in ({}, {"delete_threads": "true"}):
        assert client_of("keeper").delete(path, params=query).status_code == 403
    assert nobody.get(path).is_success
    asked.clear()
    assert nobody.delete(path, params={"delete_threads": "true"}).status_code == 204
    cancelling = {"thread_id": None, "action": "interrupt", "metadata": ALL_RUNS}
    assert asked == [
        ("assistants", "delete", {"assistant_id": UUID(assistant_id)}),
        ("threads", "delete", {"thread_id": UUID(thread_id)}),
        ("threads", "update", cancelling),
    ]
    assert nobody.get(f"/threads/{thread_id}").status_code == 404


def test_a_factory_is_told_who_looks(client_of: Client) -> None:
    drawn = client_of("nobody").get("/assistants/telling/graph").json()
    told = drawn["nodes"][1]["id"]
    assert told == "('assistants.read', True, 'nobody', 'nobody', [], 'store')"
