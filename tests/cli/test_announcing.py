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

REPORT: dict[str, Any] = {
    "url": "http://127.0.0.1:2031",
    "data": "ignored",
    "seconds": 0.75,
    "recovered_runs": 0,
    "graphs": [
        {"graph_id": "agent", "seconds": 0.812, "error": None, "details": None},
        {
            "graph_id": "report",
            "seconds": 0.01,
            "error": "ModuleNotFoundError: No module named 'report_lab.pdf'",
            "details": 'File "report.py", line 1\n    import report_lab.pdf\nModuleNotFoundError',
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
    assert [line.split(maxsplit=1) for line in lines[1:9]] == [
        ["API", "http://127.0.0.1:2031           health /ok"],
        ["Studio", "https://smith.example.com/studio/?baseUrl=http://127.0.0.1:2031"],
        ["Config", "./langgraph.json                (found in the current folder)"],
        ["Data", "./.lgserve/lgserve.db           SQLite, kept between starts · --fresh to reset"],
        ["Auth", "none (loopback only)"],
        ["Runs", "64 at once"],
        ["Graphs", "agent ✓ 812 ms   report ✗"],
        ["✗", "report: ModuleNotFoundError: No module named 'report_lab.pdf'"],
    ]
    assert [line.strip() for line in lines[9:]] == [
        'File "report.py", line 1',
        "import report_lab.pdf",
        'hint: correct it, or remove "report" from graphs · other graphs are served',
        "Reload     on: ./",
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


@pytest.mark.usefixtures("project")
def test_a_reload_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    telling = announcer(terminal=True)
    telling.changed([Path.cwd() / f"{name}.py" for name in "abcde"])
    telling.ready(REPORT | {"graphs": REPORT["graphs"][:1]}, reloaded=True)
    telling.not_reloaded(ConfigurationError("langgraph.json, line 1: wrong", hint="right it"))
    telling.died(1)
    telling.stopping()
    lines = [line[10:] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "reload  a.py, b.py, c.py and 2 more changed",
        "reload  ready in 0.0 s   agent ✓ 812 ms",
        "reload  langgraph.json, line 1: wrong → the last good version stays",
        "hint: right it",
        "exit    the server ended by itself (status 1); it starts again on the next change",
        "stop    runs may finish for 5 s · Ctrl-C again leaves at once",
    ]


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
