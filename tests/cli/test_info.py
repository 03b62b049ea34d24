from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve


def test_info_works_with_the_reference_server(lgserve: Lgserve, api: Api) -> None:
    api.info = {"version": "0.16.7", "langgraph_py_version": "1.2.22"}
    shown = dict(lgserve("info").table)
    assert shown == {
        "server": f"{api.url}   langgraph-api 0.16.7 · langgraph 1.2.22",
        "from": "LGSERVE_URL",
        "graphs": "agent, other (2)",
        "assistants": "2",
        "threads": "3 (1 interrupted)",
    }


def test_info_shows_the_graphs_that_are_broken(lgserve: Lgserve, api: Api) -> None:
    api.info["graph_errors"] = {"report": "ImportError: No module named 'reportlab'\n..."}
    assert "broken\treport: ImportError: No module named 'reportlab'\n" in lgserve("info").out


def test_info_as_json_is_one_object(lgserve: Lgserve, api: Api) -> None:
    assert json.loads(lgserve("info", "-o", "json").out) == {
        "version": "0.16.7",
        "url": api.url,
        "graphs": ["agent", "other"],
        "assistants": 2,
        "threads": {"total": 3, "busy": 0, "interrupted": 1, "error": 0},
    }


def test_info_tells_what_our_server_says_of_itself(lgserve: Lgserve, api: Api) -> None:
    api.info = {
        "version": "0.16.7",
        "lgserve_version": "0.1.0",
        "uptime_seconds": 61.0,
        "build": {"commit": "0123456789abcdef", "date": "2026-11-22"},
        "graphs": ["agent"],
        "auth": {"type": "jwt"},
        "storage": {"kind": "sqlite", "path": "/data/lgserve.db", "bytes": 1_500_000},
        "queue": {"n_jobs_per_worker": 64, "running": 3, "pending": 2},
        "capabilities": {"store": True, "crons": False, "metrics": True},
    }
    shown = dict(lgserve("info").table)
    assert shown == {
        "server": f"{api.url}   lgserve 0.1.0 · API level langgraph-api 0.16.7 · up 1 m 1 s",
        "from": "LGSERVE_URL",
        "build": "0123456789ab · 2026-11-22",
        "graphs": "agent (1)",
        "assistants": "2",
        "threads": "3 (1 interrupted)",
        "storage": "sqlite · /data/lgserve.db · 1.5 MB",
        "queue": "2 pending · 3/64 running",
        "auth": "jwt",
        "on": "metrics, store",
        "off": "crons",
    }


def test_without_a_key_the_public_part_is_shown_and_the_rest_is_named(
    lgserve: Lgserve, api: Api
) -> None:
    api.info = {"version": "0.16.7", "graphs": ["agent"], "auth": {"type": "api_keys"}}
    api.closed = True
    result = lgserve("info")
    assert result.status == 0
    assert dict(result.table) == {
        "server": f"{api.url}   langgraph-api 0.16.7",
        "from": "LGSERVE_URL",
        "graphs": "agent (1)",
        "auth": "api_keys",
    }
    assert "not shown without a key: assistants, threads · --api-key" in result.err
    assert set(lgserve("info", "-o", "json").json) == {"version", "url", "graphs", "auth"}


def test_a_key_that_is_wrong_is_an_error(lgserve: Lgserve, api: Api) -> None:
    api.closed = True
    result = lgserve("info", "--api-key", "wrong")
    assert (result.status, result.out) == (4, "")


def test_what_a_server_does_not_serve_is_left_out(lgserve: Lgserve, api: Api) -> None:
    api.info = {"version": "0.16.7", "graphs": ["agent"]}
    api.lacking = "threads"
    shown = dict(lgserve("info").table)
    assert "threads" not in shown
    assert shown["assistants"] == "2"
