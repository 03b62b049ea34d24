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
        "url": api.url,
        "info": {"version": "0.16.7"},
        "graphs": ["agent", "other"],
        "assistants": 2,
        "threads": {"total": 3, "busy": 0, "interrupted": 1, "error": 0},
    }
