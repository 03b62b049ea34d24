"""`lgserve config` and `lgserve doctor`: what is said about a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lgserve.cli.config_schema import config_schema
from lgserve.settings import settings_table

if TYPE_CHECKING:
    from tests.cli.conftest import Api, Lgserve

GRAPH = """
from langgraph.graph import START, StateGraph
builder = StateGraph(dict)
builder.add_node("answer", lambda state: state)
builder.add_edge(START, "answer")
graph = builder.compile()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "agent.py").write_text(GRAPH)
    (tmp_path / "langgraph.json").write_text('{"graphs": {"agent": "./agent.py:graph"}}')
    return tmp_path


def test_a_valid_config_is_said_to_be_valid(lgserve: Lgserve, project: Path) -> None:
    result = lgserve("config", "validate", "-o", "json")
    assert (result.status, result.json, result.err) == (0, [], "langgraph.json is valid\n")


def test_all_that_is_wrong_is_said_at_once(lgserve: Lgserve, project: Path) -> None:
    (project / "langgraph.yaml").write_text(
        "graphs:\n  agent: ./agnt.py:graph\n  other: nothing\ngrphs: {}\nlgserve: {prt: 1}\n"
    )
    result = lgserve("config", "validate")
    assert (result.status, result.out) == (3, "")
    assert result.err.splitlines() == [
        "error: langgraph.yaml: 3 errors, 0 warnings",
        '       langgraph.yaml, line 4: error: unknown key "grphs", did you mean "graphs"?',
        '       langgraph.yaml, line 2: error: graphs.agent: the file "./agnt.py" does not exist, '
        "did you mean ./agent.py?",
        '       langgraph.yaml, line 3: error: graphs.other: "nothing" names no object; '
        'write "nothing:graph"',
        "code:  E_CONFIG",
    ]


def test_a_single_problem_is_the_sentence_itself(lgserve: Lgserve, project: Path) -> None:
    (project / "langgraph.json").write_text(
        '{"graphs": {"agent": "./agent.py:graph"},\n "lgserve": {"prt": 1}}'
    )
    result = lgserve("config", "validate", "-o", "json")
    assert (result.status, result.out) == (3, "")
    message = json.loads(result.err)["error"]["message"]
    assert message == 'langgraph.json, line 2: lgserve.prt: unknown key, did you mean "port"?'


def test_warnings_are_rows_and_a_failure_only_when_strict(lgserve: Lgserve, project: Path) -> None:
    (project / "langgraph.json").write_text(
        '{"graphs": {"agent": "./agent.py:graph"}, "dependencies": ["./lib"],\n'
        ' "node_version": "20"}'
    )
    rows = lgserve("config", "validate", "-o", "json").json
    assert [(row["level"], row["place"]) for row in rows] == [
        ("warning", "langgraph.json, line 1"), ("note", "langgraph.json, line 2"),
    ]  # fmt: skip
    assert lgserve("config", "validate", "--strict").status == 3


def test_graphs_are_imported_on_request(
    lgserve: Lgserve, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "agent.py").write_text("import no_such_module_anywhere\n")
    assert lgserve("config", "validate").status == 0
    result = lgserve("config", "validate", "--import")
    assert result.status == 3
    assert "no_such_module_anywhere" in result.err


def test_no_config_at_all_is_an_error_of_the_project(lgserve: Lgserve, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    result = lgserve("config", "validate", "-o", "json")
    assert (result.status, result.out) == (3, "")


def test_every_setting_is_shown_with_its_source(
    lgserve: Lgserve, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGSERVE_PORT", "3000")
    rows = {row["name"]: row for row in lgserve("config", "show", "-o", "json").json}
    assert (rows["port"]["value"], rows["port"]["source"]) == (3000, "LGSERVE_PORT")
    assert (rows["host"]["value"], rows["host"]["source"]) == ("127.0.0.1", "default")
    assert {doc.name for doc in settings_table()} <= rows.keys()
    assert lgserve("config", "show", "--sources").table[0] == ["NAME", "VALUE", "SOURCE"]
    assert lgserve("config", "show").table[0] == ["NAME", "VALUE"]


def test_secrets_are_not_shown(lgserve: Lgserve, project: Path) -> None:
    (project / "langgraph.yaml").write_text(
        "graphs: {agent: ./agent.py:graph}\nenv: {TOKEN: hush-hush}\n"
        "lgserve: {auth: {type: api_keys, keys: {ada: not-for-eyes}}}\n"
    )
    result = lgserve("config", "show", "-o", "json")
    assert '"api_keys"' in result.out
    assert "hush-hush" not in result.out
    assert "not-for-eyes" not in result.out


def test_the_schema_knows_every_setting(lgserve: Lgserve) -> None:
    schema = lgserve("config", "schema").json
    assert schema == config_schema()
    own = schema["properties"]["lgserve"]["properties"]
    names = {name for name in own if name not in ("cors", "crons", "auth", "webhooks")} | {
        f"{group}.{name}" for group in ("cors", "crons") for name in own[group]["properties"]
    }
    assert names == {doc.name for doc in settings_table()}


def test_doctor_finds_a_sound_project_and_server_in_order(
    lgserve: Lgserve, api: Api, project: Path
) -> None:
    result = lgserve("doctor", "--import", "-o", "json")
    assert result.status == 0
    assert {row["check"]: row["status"] for row in result.json if row["status"] != "ok"} == {}
    messages = {row["check"]: row["message"] for row in result.json}
    assert messages["config"] == "config langgraph.json, 1 graphs"
    assert messages["graphs"] == "graphs import: agent"
    assert messages["server"] == f"{api.url} answers: langgraph-api 0.16.7"
    assert result.err.startswith("0 failed, 0 warnings, ")


def test_doctor_names_what_is_wrong_and_what_to_do(
    lgserve: Lgserve, api: Api, project: Path
) -> None:
    (project / "langgraph.json").write_text('{"graphs": {"agent": "./agnt.py:graph"}}')
    api.info = {"lgserve_version": "0", "graph_errors": {"report": {"message": "ImportError: x"}}}
    result = lgserve("doctor")
    assert result.status == 8
    wrong = [row for row in result.table[1:] if row[1] != "ok"]
    assert [row[:2] for row in wrong] == [
        ["config", "failed"], ["server", "warning"], ["graphs", "failed"],
    ]  # fmt: skip
    assert "did you mean ./agent.py?" in wrong[0][2]
    assert wrong[2][2] == 'graph "report" does not load: ImportError: x'


def test_doctor_fails_when_the_named_server_is_away(lgserve: Lgserve, project: Path) -> None:
    result = lgserve("doctor", "--url", "http://127.0.0.1:9", "-o", "json")
    assert result.status == 8
    assert [row["check"] for row in result.json if row["status"] == "failed"] == ["server"]


def test_doctor_only_warns_where_there_is_no_project(lgserve: Lgserve, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    result = lgserve("doctor", "-o", "json")
    assert result.status == 0
    assert [row["check"] for row in result.json if row["status"] == "warning"] == ["config"]
    assert lgserve("doctor", "--strict").status == 8
