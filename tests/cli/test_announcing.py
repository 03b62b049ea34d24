"""What `dev` and `serve` say."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lgserve import __version__
from lgserve.cli.announcing import Announcer, Launch
from lgserve.core.errors import ConfigurationError
from lgserve.settings import ServerFlags, load_settings
from lgserve.supervisor import LoadError

MISSING: dict[str, Any] = {
    "message": "No module named 'report_lab.pdf'",
    "exception": "ModuleNotFoundError",
    "frames": [
        {"file": "report.py", "line": 1, "function": "<module>", "code": "import report_lab.pdf"}
    ],
    "text": 'File "report.py", line 1\n    import report_lab.pdf\n'
    "ModuleNotFoundError: No module named 'report_lab.pdf'",
    "hint": "Try: pip install report-lab",
}
REPORT: dict[str, Any] = {
    "url": "http://127.0.0.1:2031",
    "data": "ignored",
    "seconds": 0.75,
    "recovered_runs": 0,
    "running_runs": 0,
    "graphs": [
        {"graph_id": "agent", "seconds": 0.812, "error": None, "problem": None},
        {
            "graph_id": "report",
            "seconds": 0.01,
            "error": "ModuleNotFoundError: No module named 'report_lab.pdf'",
            "problem": MISSING,
        },
    ],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "langgraph.json").write_text('{"graphs": {"agent": "./agent.py:graph"}}')
    (tmp_path / "agent.py").write_text("graph = 1")
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def announcer(
    log_format: str = "pretty", *, color: bool = False, terminal: bool = False, **flags: Any
) -> Announcer:
    settings = load_settings(ServerFlags(log_format=log_format, **flags))
    launch = Launch(
        title="development server",
        settings=settings,
        reload=settings.reload,
        started=time.monotonic(),
        studio_url="https://smith.example.com/",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stderr, "isatty", lambda: terminal)
        return Announcer(launch, color=color)


def test_the_banner_tells_what_is_served_from_where(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    announcer(terminal=True).ready(REPORT, reloaded=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert re.fullmatch(rf"lgserve {__version__}   development server +ready in 0\.\d s", lines[0])
    assert [line.split(maxsplit=1) for line in lines[1:10]] == [
        ["API", "http://127.0.0.1:2031           docs /docs · metrics /metrics · health /ok"],
        ["MCP", "http://127.0.0.1:2031/mcp       A2A /a2a/{assistant_id}"],
        ["Studio", "https://smith.example.com/studio/?baseUrl=http://127.0.0.1:2031"],
        ["Config", "./langgraph.json                (found in the current folder)"],
        ["Data", "./.lgserve/lgserve.db           SQLite, kept between starts · --fresh to reset"],
        ["Auth", "none (loopback only)"],
        ["Runs", "64 at once"],
        ["Graphs", "agent ✓ 812 ms   report ✗"],
        ["✗", "report: ModuleNotFoundError: No module named 'report_lab.pdf'"],
    ]
    assert [line.strip() for line in lines[10:]] == [
        'File "report.py", line 1',
        "import report_lab.pdf",
        "hint: pip install report-lab",
        'hint: correct it, or remove "report" from graphs · other graphs are served',
        "Reload     on: ./, langgraph.json",
        "",
    ]


@pytest.mark.usefixtures("project")
def test_the_banner_says_when_nothing_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    announcer(terminal=True, data=":memory:", reload=False, host="0.0.0.0").ready(
        REPORT | {"recovered_runs": 3}, reloaded=False
    )
    err = capsys.readouterr().err
    assert re.search(r"Data +:memory: +gone at the stop", err)
    assert re.search(r"Auth +none\n", err)
    assert re.search(r"Runs +64 at once +3 of the last start go on", err)
    assert re.search(r"Reload +off\n", err)


@pytest.mark.usefixtures("project")
def test_many_graphs_are_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    graphs = [{**REPORT["graphs"][0], "graph_id": f"graph-{number}"} for number in range(20)]
    announcer(terminal=True).ready(REPORT | {"graphs": graphs}, reloaded=False)
    lines = capsys.readouterr().err.splitlines()
    assert sum("✓" in line for line in lines) > 1
    assert max(len(line) for line in lines) <= 105


def test_elsewhere_a_start_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    announcer("pretty").ready(REPORT, reloaded=False)
    line = capsys.readouterr().err
    assert line.startswith(f"lgserve {__version__} ready at http://127.0.0.1:2031 in 0.")
    assert line.splitlines()[0].endswith(
        "data ./.lgserve/lgserve.db, config ./langgraph.json, graphs: agent ✓ 812 ms   report ✗"
    )


@pytest.mark.usefixtures("project")
def test_where_the_log_is_json_every_event_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    telling = announcer("auto")
    telling.ready(REPORT, reloaded=False)
    telling.changed([Path("agent.py")])
    telling.ready(REPORT, reloaded=True)
    telling.not_reloaded(ConfigurationError("wrong", hint="right it"))
    telling.died(-9)
    telling.not_watching("why not")
    telling.note("well")
    telling.stopping()
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == [
        "server.ready", "server.reloading", "server.reloaded", "server.not_reloaded",
        "server.died", "server.warning", "server.note", "server.stopping",
    ]  # fmt: skip
    ready = events[0]
    assert (ready["url"], ready["data"], ready["config"]) == (
        "http://127.0.0.1:2031",
        "./.lgserve/lgserve.db",
        "./langgraph.json",
    )
    assert ready["graphs"][1]["error"].startswith("ModuleNotFoundError")


def test_the_banner_shows_no_address_that_the_config_takes_away(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    off = {"disable_meta": True, "disable_mcp": True, "mount_prefix": "/api"}
    config = {"graphs": {"agent": "./agent.py:graph"}, "http": off}
    (project / "langgraph.json").write_text(json.dumps(config))
    announcer(terminal=True).ready(REPORT, reloaded=False)
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().err.splitlines()[1:3])
    assert rows == {
        "API": "http://127.0.0.1:2031/api       health /ok",
        "A2A": "http://127.0.0.1:2031/api/a2a/{assistant_id}",
    }


def lines_of(captured: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was said, without the time of day."""
    lines = captured.readouterr().err.splitlines()
    return [line[10:] for line in lines]


def test_a_reload_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    telling = announcer(terminal=True)
    telling.changed([project / "agent.py"])
    assert lines_of(capsys) == []
    telling.ready(REPORT | {"graphs": REPORT["graphs"][:1]}, reloaded=True)
    telling.changed([project / f"{name}.py" for name in "abcde"])
    graphs = [{**REPORT["graphs"][0], "graph_id": f"graph-{number}"} for number in range(6)]
    telling.ready(REPORT | {"running_runs": 2, "graphs": graphs}, reloaded=True)
    first, second = lines_of(capsys)
    assert re.fullmatch(r"reload  agent\.py changed → agent ✓ 812 ms   in [\d.]+ m?s", first)
    assert second.startswith("reload  a.py, b.py, c.py and 2 more changed → graph-0 ✓ 812 ms   ")
    assert second.endswith(" · 2 running runs go on")
    assert "   and 2 more   in " in second


def test_of_many_graphs_those_that_changed_are_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telling = announcer(terminal=True)
    telling.changed([project / "agent.py"])
    others = [{**REPORT["graphs"][0], "graph_id": f"graph-{number}"} for number in range(6)]
    telling.ready(REPORT | {"graphs": [*others, REPORT["graphs"][0]]}, reloaded=True)
    assert "changed → agent ✓ 812 ms   and 6 more   in" in lines_of(capsys)[0]


def test_two_changes_in_one_load_are_told_together(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telling = announcer(terminal=True)
    telling.changed([project / "a.py"])
    telling.changed([project / "b.py"])
    telling.ready(REPORT, reloaded=True)
    assert lines_of(capsys)[0].startswith("reload  a.py, b.py changed → ")


def test_what_is_broken_is_told_again_only_when_it_changes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telling = announcer(terminal=True)
    for name in ("AError", "AError", "BError"):
        broken = REPORT["graphs"][1] | {"problem": MISSING | {"text": f"{name}: why"}}
        telling.changed([project / "agent.py"])
        telling.ready(REPORT | {"graphs": [broken]}, reloaded=True)
    said = [line for line in lines_of(capsys) if line.startswith("✗")]
    assert said == ["✗ report: AError: why", "✗ report: BError: why"]


@pytest.mark.usefixtures("project")
def test_code_that_does_not_load_is_told_once_for_all_its_graphs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = MISSING | {
        "frames": [{"file": "src/agent.py", "line": 41, "function": "<module>", "code": "f("}],
        "text": 'File "src/agent.py", line 41, in <module>\n    f(\n     ^\n'
        "SyntaxError: '(' was never closed",
        "hint": None,
    }
    error = LoadError("agent: …", {"graphs": {"agent": problem, "other": problem}})
    announcer(terminal=True).not_reloaded(error)
    assert lines_of(capsys) == [
        "reload  src/agent.py:41 SyntaxError: '(' was never closed → the last good version stays",
        "agent, other",
        'File "src/agent.py", line 41, in <module>',
        "    f(",
        "     ^",
    ]


@pytest.mark.usefixtures("project")
def test_what_else_happens_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    telling = announcer(terminal=True)
    telling.ready(REPORT | {"graphs": REPORT["graphs"][:1]}, reloaded=True)
    telling.not_reloaded(ConfigurationError("langgraph.json, line 1: wrong", hint="right it"))
    telling.died(1)
    assert [re.sub(r"[\d.]+ m?s$", "n ms", line) for line in lines_of(capsys)] == [
        "reload  started again → agent ✓ 812 ms   in n ms",
        "reload  langgraph.json, line 1: wrong → the last good version stays",
        "hint: right it",
        "exit    the server ended by itself (status 1); it starts again on the next change",
    ]
    telling.stopping()
    assert capsys.readouterr().err.endswith(
        "stop    runs may finish for 5 s · Ctrl-C again leaves at once\n"
    )


@pytest.mark.usefixtures("project")
def test_colours_are_used_only_when_they_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    announcer(terminal=True, color=False).ready(REPORT, reloaded=False)
    assert "\x1b[" not in capsys.readouterr().err
    announcer(terminal=True, color=True).ready(REPORT, reloaded=False)
    assert "agent \x1b[32m✓\x1b[0m" in capsys.readouterr().err


def test_word_of_the_server_is_left_in_the_project(project: Path) -> None:
    announcer().ready(REPORT, reloaded=False)
    state = json.loads((project / ".lgserve" / "server.json").read_text())
    assert (state["url"], state["version"]) == (REPORT["url"], __version__)
    assert (project / ".lgserve" / ".gitignore").read_text() == "*\n"
