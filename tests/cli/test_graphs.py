"""`lgserve graphs`: of a real server, and of a project's files without one."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers import PROJECTS
from tests.servers import project as copied

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve

LOCAL = pytest.mark.parametrize("where", [(), ("--local",)], ids=["server", "local"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample project in the current folder."""
    copied(tmp_path)
    return tmp_path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A project with a graph that imports and one that does not."""
    for file in (PROJECTS / "broken").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    return tmp_path


@LOCAL
def test_list_names_every_graph(real: Lgserve, project: Path, where: tuple[str, ...]) -> None:
    rows = real("graphs", "list", *where, "-o", "json").json
    assert {"echo", "ask", "parent", "factory"} <= {row["graph"] for row in rows}
    assert {row["status"] for row in rows} == {"ok"}
    assert real("graphs", "list", *where).table[0][0] == "GRAPH"


@LOCAL
def test_show_tells_nodes_and_state(real: Lgserve, project: Path, where: tuple[str, ...]) -> None:
    item = real("graphs", "show", "ask", *where, "-o", "json").json
    assert item["nodes"] == ["__start__", "prepare", "human", "finish", "__end__"]
    assert item["state"]["log"] == "array of string"
    assert ["node", "__start__ ─▶ prepare"] in real("graphs", "show", "ask", *where).table


@LOCAL
def test_draw_knows_three_formats(
    real: Lgserve, project: Path, where: tuple[str, ...], tmp_path: Path
) -> None:
    text = real("graphs", "draw", "ask", *where)
    assert (text.status, "│ prepare │" in text.out, text.err) == (0, True, "")
    assert "prepare --> human;" in real("graphs", "draw", "ask", *where, "--format", "mermaid").out
    svg = real("graphs", "draw", "ask", *where, "--format", "svg")
    ET.fromstring(svg.out.encode())
    into = tmp_path / "ask.svg"
    result = real("graphs", "draw", "ask", *where, "-f", str(into))
    assert (result.status, result.out, into.read_text()) == (0, "", svg.out)
    assert [file.name for file in tmp_path.glob(".ask*")] == []


@LOCAL
def test_xray_opens_subgraphs(real: Lgserve, project: Path, where: tuple[str, ...]) -> None:
    assert "child:sub_one" not in real("graphs", "draw", "parent", *where).out
    assert "child:sub_one" in real("graphs", "draw", "parent", "--xray", "1", *where).out


def test_draw_as_json_is_what_the_api_says_or_the_drawing(real: Lgserve) -> None:
    drawn = real("graphs", "draw", "ask", "-o", "json").json
    assert [node["id"] for node in drawn["nodes"]][:2] == ["__start__", "prepare"]
    told = real("graphs", "draw", "ask", "-o", "json", "--format", "mermaid").json
    assert told["drawing"].startswith("graph TD;")


@LOCAL
def test_schema_is_all_of_them_or_one(real: Lgserve, project: Path, where: tuple[str, ...]) -> None:
    everything = real("graphs", "schema", "ask", *where).json
    assert set(everything) >= {"input_schema", "output_schema", "state_schema", "context_schema"}
    assert real("graphs", "schema", "ask", "input", *where).json == everything["input_schema"]
    assert real("graphs", "schema", "ask", "nonsense", *where).status == 2


@LOCAL
@pytest.mark.parametrize("verb", ["show", "draw", "schema"])
def test_an_unknown_graph_is_told_with_its_nearest(
    real: Lgserve, project: Path, verb: str, where: tuple[str, ...]
) -> None:
    result = real("graphs", verb, "parrent", *where, "-o", "json")
    error = json.loads(result.err)["error"]
    assert (result.status, result.out, error["code"]) == (5, "", "E_NOT_FOUND")
    assert error["hint"] == 'did you mean "parent"?'


def test_without_a_server_the_hint_names_local(real: Lgserve) -> None:
    result = real("graphs", "list", "--url", "http://127.0.0.1:9")
    assert (result.status, result.out) == (7, "")
    assert "--local" in result.err


def test_check_imports_without_a_server(lgserve: Lgserve, project: Path) -> None:
    result = lgserve("graphs", "check", "-o", "json")
    assert result.status == 0, result.err
    assert {row["status"] for row in result.json} == {"ok"}
    assert [row["graph"] for row in lgserve("graphs", "check", "ask", "-o", "json").json] == ["ask"]
    assert lgserve("graphs", "check", "asq").status == 5


def test_check_shows_only_the_users_lines_of_an_error(lgserve: Lgserve, broken: Path) -> None:
    result = lgserve("graphs", "check")
    assert (result.status, result.out) == (3, "")
    assert 'graph "broken" does not import' in result.err
    assert 'File "broken.py", line 1' in result.err
    assert "lgserve/graphs" not in result.err
    assert "Traceback" not in result.err
    error = json.loads(lgserve("graphs", "check", "-o", "json").err)["error"]
    assert (error["code"], "broken" in error["message"]) == ("E_GRAPH", True)
    assert lgserve("graphs", "check", "fine").status == 0


def test_local_lists_what_is_broken_and_does_not_draw_it(lgserve: Lgserve, broken: Path) -> None:
    rows = {row["graph"]: row for row in lgserve("graphs", "ls", "--local", "-o", "json").json}
    assert (rows["fine"]["status"], rows["broken"]["status"]) == ("ok", "error")
    assert "no_such_module_here" in rows["broken"]["error"]
    assert lgserve("graphs", "draw", "broken", "--local").status == 3
    assert lgserve("graphs", "draw", "fine", "--local").status == 0


def test_what_a_graph_prints_when_imported_is_no_data(lgserve: Lgserve, tmp_path: Path) -> None:
    source = (
        "print('loud')\n"
        "from langgraph.graph import StateGraph, START\n"
        "graph = StateGraph(dict).add_node('a', lambda s: s).add_edge(START, 'a')\n"
    )
    (tmp_path / "loud_graph.py").write_text(source)
    (tmp_path / "langgraph.json").write_text('{"graphs": {"loud": "./loud_graph.py:graph"}}')
    result = lgserve("graphs", "draw", "loud", "--local", "-o", "json")
    assert [node["id"] for node in result.json["nodes"]] == ["__start__", "a", "__end__"]
    assert "loud" in result.err


def test_graphs_of_the_reference_are_those_of_its_assistants(lgserve: Lgserve, api: Api) -> None:
    rows = lgserve("graphs", "list", "-o", "json").json
    assert [row["graph"] for row in rows] == ["agent", "other"]


def test_a_graph_that_is_broken_at_the_server_is_told(lgserve: Lgserve, api: Api) -> None:
    told = {"exception": "ImportError", "message": "No module x", "text": "File a.py, line 3"}
    api.info = {"graphs": ["agent", "bad"], "graph_errors": {"bad": told}}
    rows = {row["graph"]: row for row in lgserve("graphs", "list", "-o", "json").json}
    assert rows["bad"]["error"] == "ImportError: No module x"
    result = lgserve("graphs", "draw", "bad")
    assert (result.status, "File a.py, line 3" in result.err) == (3, True)
