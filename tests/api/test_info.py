"""`/info`: what the server is, what works in it, and how it stands."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lgserve.api.keys import ServerFacts
from lgserve.api.system import _capabilities
from tests.api.conftest import served
from tests.servers import PROJECTS, serving

CAPABILITIES = {
    "streaming",
    "resumable_streams",
    "store",
    "semantic_search",
    "crons",
    "a2a",
    "mcp",
    "webhooks",
    "protocol_v2",
    "assistants",
    "threads",
    "runs",
    "metrics",
    "auth",
}


@pytest.fixture(scope="module")
def info(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/info").json()
    return found


@pytest.mark.requirement("SYSTEM-003")
def test_every_capability_is_told_as_a_truth(info: dict[str, Any]) -> None:
    assert set(info["capabilities"]) >= CAPABILITIES
    assert all(type(value) is bool for value in info["capabilities"].values())


@pytest.mark.parametrize(
    "name",
    [
        *("streaming", "resumable_streams", "runs", "metrics", "protocol_v2", "mcp", "a2a"),
        *("webhooks", "crons"),
    ],
)
def test_a_capability_that_is_there_is_true(info: dict[str, Any], name: str) -> None:
    assert info["capabilities"][name] is True


@pytest.mark.parametrize("name", ["auth"])
def test_a_capability_that_is_not_there_is_false(info: dict[str, Any], name: str) -> None:
    assert info["capabilities"][name] is False


def test_the_flag_for_crons_follows_the_capability(info: dict[str, Any]) -> None:
    assert info["flags"]["crons"] is info["capabilities"]["crons"]


def test_storage_queue_runtime_and_tiers_are_told(info: dict[str, Any]) -> None:
    assert info["runtime"] == "aiohttp"
    assert info["tiers"] == {"storage": "sqlite", "streams": "local"}
    assert (info["storage"]["kind"], info["storage"]["path"]) == ("sqlite", ":memory:")
    assert info["storage"]["bytes"] > 10_000
    assert set(info["queue"]) == {"n_jobs_per_worker", "running", "pending"}
    assert info["uptime_seconds"] > 0


def test_the_queue_is_told_as_it_stands_now(http: httpx.Client) -> None:
    before = http.get("/info").json()["queue"]["pending"]
    thread_id = http.post("/threads", json={}).json()["thread_id"]
    http.post(f"/threads/{thread_id}/runs", json={"assistant_id": "echo", "after_seconds": 600})

    assert http.get("/info").json()["queue"]["pending"] == before + 1
    http.delete(f"/threads/{thread_id}")
    assert http.get("/info").json()["queue"]["pending"] == before


def test_the_commit_of_a_checkout_is_told(info: dict[str, Any]) -> None:
    build = info["build"]

    assert set(build) == {"commit", "date"}
    assert build["commit"] is None or re.fullmatch("[0-9a-f]{40}", build["commit"])


def test_an_error_of_a_graph_names_the_class_and_the_file(tmp_path: Path) -> None:
    with served(tmp_path, "broken") as url:
        errors = httpx.get(f"{url}/info").json()["graph_errors"]

    assert set(errors) == {"broken"}
    assert "ModuleNotFoundError" in errors["broken"]["text"]
    assert "broken.py" in errors["broken"]["text"]


@pytest.mark.requirement("SYSTEM-005")
@pytest.mark.parametrize(
    ("switch", "path", "gone"),
    [
        (
            "disable_runs",
            "/runs/stream",
            {"runs", "streaming", "resumable_streams", "crons", "protocol_v2"},
        ),
        (
            "disable_event_streaming",
            "/threads/01a20360-d60a-750e-bc7d-189047d50da7/stream/events",
            {"protocol_v2"},
        ),
        ("disable_mcp", "/mcp", {"mcp"}),
        ("disable_a2a", "/a2a/agent", {"a2a"}),
        ("disable_store", "/store/items", {"store", "semantic_search"}),
        ("disable_threads", "/threads/search", {"threads"}),
        ("disable_assistants", "/assistants/search", {"assistants"}),
    ],
)
def test_what_is_switched_off_is_gone_and_no_capability(
    tmp_path: Path, switch: str, path: str, gone: set[str]
) -> None:
    with served(tmp_path, _project(tmp_path, {"http": {switch: True}})) as url:
        capabilities = httpx.get(f"{url}/info").json()["capabilities"]
        answer = httpx.post(url + path, json={})

    assert answer.status_code == 404
    assert not [name for name in gone if capabilities[name]]
    assert capabilities["metrics"]


@pytest.mark.requirement("SYSTEM-005")
def test_without_meta_the_probes_are_left(tmp_path: Path) -> None:
    with served(tmp_path, _project(tmp_path, {"http": {"disable_meta": True}})) as url:
        answers = {
            path: httpx.get(url + path).status_code
            for path in ("/ok", "/ready", "/info", "/metrics", "/metrics/json")
        }

    assert answers == {
        "/ok": 200,
        "/ready": 200,
        "/info": 404,
        "/metrics": 404,
        "/metrics/json": 404,
    }


def test_below_a_prefix_the_same_capabilities_are_told(tmp_path: Path) -> None:
    with served(tmp_path, _project(tmp_path, {"http": {"mount_prefix": "/api"}})) as url:
        capabilities = httpx.get(f"{url}/api/info").json()["capabilities"]

    assert capabilities["streaming"]
    assert capabilities["crons"]


def test_a_feature_must_work_and_have_its_routes_to_be_a_capability() -> None:
    facts = ServerFacts()
    works = [True]
    facts.features["semantic_search"] = lambda: works[0]

    assert _capabilities({"semantic_search": True}, facts)["semantic_search"]
    assert not _capabilities({"semantic_search": False}, facts)["semantic_search"]
    works.clear()
    works.append(False)
    assert not _capabilities({"semantic_search": True}, facts)["semantic_search"]
    assert not _capabilities({}, ServerFacts())["semantic_search"]


def _project(folder: Path, config: dict[str, Any]) -> str:
    """Make a project of one graph with more in its config; return its folder."""
    source = folder / "project"
    source.mkdir()
    shutil.copy(PROJECTS / "broken" / "fine.py", source)
    graphs = {"fine": "./fine.py:graph"}
    (source / "langgraph.json").write_text(json.dumps({"graphs": graphs, **config}))
    return str(source)


AUTH = {"lgserve": {"auth": {"type": "api_keys", "keys": {"alice": "key-of-alice"}}}}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that asks for keys, with its data and two graphs that fail in a secret way."""
    folder = tmp_path_factory.mktemp("closed")
    source = folder / "source"
    source.mkdir()
    shutil.copy(PROJECTS / "broken" / "fine.py", source)
    (source / "leaky.py").write_text('raise ValueError("postgres://me:pa55word@db", __file__)\n')
    graphs = {
        "fine": "./fine.py:graph",
        "leaky": "./leaky.py:graph",
        "missing": "./fine.py:nothing",
    }
    (source / "langgraph.json").write_text(json.dumps({"graphs": graphs, **AUTH}))
    with serving(folder, name=str(source)) as server:
        yield server.url, folder


def test_nobody_learns_where_a_server_with_keys_keeps_its_files(closed: tuple[str, Path]) -> None:
    url, folder = closed
    text = httpx.get(f"{url}/info").text
    info = json.loads(text)

    assert info["storage"]["path"] == "data/lgserve.db"
    assert str(folder) not in text
    assert sys.prefix not in text
    assert "pa55word" not in text
    assert info["graph_errors"]["leaky"]["text"] == 'File "leaky.py", line 1\nValueError'
    assert "fine.py" in info["graph_errors"]["missing"]["text"]
    assert "GraphLoadError" in info["graph_errors"]["missing"]["text"]


def test_who_has_a_key_sees_why_a_graph_does_not_load(closed: tuple[str, Path]) -> None:
    headers = {"x-api-key": "key-of-alice"}
    info = httpx.get(f"{closed[0]}/info", headers=headers).json()

    assert "pa55word" in info["graph_errors"]["leaky"]["message"]
    assert "pa55word" not in httpx.get(f"{closed[0]}/info", headers={"x-api-key": "no"}).text


def test_a_broken_graph_is_among_the_errors_and_not_among_the_graphs(
    closed: tuple[str, Path],
) -> None:
    info = httpx.get(f"{closed[0]}/info").json()

    assert info["graphs"] == ["fine"]
    assert set(info["graph_errors"]) == {"leaky", "missing"}
