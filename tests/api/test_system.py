"""Probes and `/info`."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from lgserve import __version__
from tests.api.conftest import served


@pytest.mark.requirement("SYSTEM-001")
@pytest.mark.parametrize("path", ["/", "/ok", "/health", "/ok?check_db=1"])
def test_a_probe_finds_the_server_well(http: httpx.Client, path: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "services": {}})
    assert http.head(path).status_code == 200


def test_a_server_whose_graphs_are_loaded_is_ready(http: httpx.Client) -> None:
    answer = http.get("/ready")

    assert (answer.status_code, answer.json()) == (200, {"ready": True})


@pytest.mark.requirement("SYSTEM-002")
def test_info_has_the_members_of_the_reference_and_our_own(http: httpx.Client) -> None:
    info = http.get("/info").json()

    assert info["version"] == "0.16.7"
    assert set(info["flags"]) == {
        "assistants",
        "crons",
        "langsmith",
        "langsmith_tracing_replicas",
        "langsmith_tracing_session_on_runs",
        "strict_resume",
    }
    assert info["host"] == {
        "kind": "self-hosted",
        "project_id": None,
        "host_revision_id": None,
        "revision_id": None,
        "tenant_id": None,
    }
    assert info["lgserve_version"] == __version__
    assert "echo" in info["graphs"]
    assert info["graph_errors"] == {}


def test_info_tells_why_a_graph_does_not_load(tmp_path: Path) -> None:
    with served(tmp_path, "broken") as url:
        info = httpx.get(f"{url}/info").json()
        refused = httpx.post(
            f"{url}/runs/wait", json={"assistant_id": "broken", "input": {}}, timeout=30
        ).json()
        thread = httpx.post(f"{url}/threads", json={"metadata": {"graph_id": "broken"}}).json()
        state = httpx.get(f"{url}/threads/{thread['thread_id']}/state")

    error = info["graph_errors"]["broken"]
    assert info["graphs"] == ["fine"]
    assert error["exception"] == "ModuleNotFoundError"
    assert "no_such_module_here" in error["message"]
    assert error["frames"][-1]["file"].endswith("broken.py")
    assert "no_such_module_here" in refused["__error__"]["message"]
    assert state.status_code == 500
    assert state.json()["detail"].startswith("Graph 'broken' cannot be loaded: ModuleNotFoundError")
