"""What `lgserve dev` shows on a terminal, and what it writes into a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_dev import ON_TERMINAL, ROOT, SECONDS, Started, ask

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve

AGENT = """
import asyncio
import time
from pathlib import Path
from typing import TypedDict

from helper import call_upstream
from langgraph.graph import START, StateGraph

class State(TypedDict, total=False):
    question: str
    until: str

async def prepare(state: State):
    return {"question": "?"}

async def ask(state: State):
    return call_upstream("http://db")

async def block(state: State):
    time.sleep(0.7)
    return {"question": "!"}

async def wait(state: State):
    Path(state["until"] + ".begun").touch()
    while not Path(state["until"]).exists():
        await asyncio.sleep(0.01)
    return {"question": "!"}

def graph_of(node):
    builder = StateGraph(State)
    builder.add_node("prepare", prepare)
    builder.add_node(node.__name__, node)
    builder.add_edge(START, "prepare")
    builder.add_edge("prepare", node.__name__)
    return builder.compile()

failing, blocking, waiting = graph_of(ask), graph_of(block), graph_of(wait)
"""
HELPER = """
class UpstreamError(Exception):
    pass

def call_upstream(url):
    raise UpstreamError(f"no answer from {url}")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    graphs = {name: f"./agent.py:{name}" for name in ("failing", "blocking", "waiting")}
    config = {"graphs": {**graphs, "report": "./report.py:graph"}}
    (tmp_path / "langgraph.json").write_text(json.dumps(config))
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "report.py").write_text("import reportlab_that_is_missing\n")
    (tmp_path / ".git").mkdir()
    return tmp_path


@dataclass(slots=True)
class Screen:
    """A process on a terminal of its own, and what it has shown."""

    process: subprocess.Popen[bytes]
    terminal: int
    _seen: str = field(default="")

    def until(self, pattern: str) -> str:
        """Read until something is shown; return all that was shown since the last time."""
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self._seen)):
            assert time.monotonic() < deadline, self._seen
            if select.select([self.terminal], [], [], 1)[0]:
                self._seen += self._read()
        shown, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return shown.replace("\r", "")

    def _read(self) -> str:
        try:
            return os.read(self.terminal, 65536).decode("utf-8", "replace")
        except OSError as exc:  # nobody writes any more
            raise AssertionError(f"the process ended: {self._seen}") from exc

    def press(self, key: bytes) -> None:
        os.write(self.terminal, key)

    def url(self) -> str:
        """Read the banner as far as the address."""
        found = re.search(r"API +(http://\S+)", self.until(r"API +http://\S+"))
        assert found is not None
        return found[1]


@contextmanager
def on_terminal(project: Path, *arguments: str, **environment: str) -> Iterator[Screen]:
    """Start `lgserve dev` as a shell does."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, "dev", "--port", "0", *arguments],
        cwd=project, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(terminal)
    try:
        yield Screen(process, controller)
    finally:
        process.kill()
        process.wait(SECONDS)
        os.close(controller)


def run(url: str, graph: str, **given: Any) -> Any:
    return ask(url, "/runs/wait", {"assistant_id": graph, "input": given})


def test_a_terminal_shows_the_banner_runs_errors_and_stalls(project: Path) -> None:
    with on_terminal(project, NO_COLOR="1") as screen:
        url = screen.url()
        banner = screen.until(r"Reload +on: [^\n]+\n")
        assert "docs /docs · metrics /metrics · health /ok" in banner
        assert f"MCP        {url}/mcp" in banner
        assert "Config     ./langgraph.json" in banner
        assert "Data       ./.lgserve/lgserve.db" in banner
        assert "Auth       none (loopback only)" in banner
        assert re.search(r"Graphs +failing ✓ \d+ m?s   blocking ✓ .*   report ✗\n", banner)
        assert "report: ModuleNotFoundError: No module named 'reportlab_that_is_missing'" in banner
        assert "hint: pip install reportlab-that-is-missing" in banner
        assert 'hint: correct it, or remove "report" from graphs · other graphs' in banner
        assert "Reload     on: ./, langgraph.json" in banner

        run(url, "failing", question="?")
        failed = screen.until(r"UpstreamError: no answer from http://db\r?\n")
        assert re.search(
            r"run +failing +[0-9a-f-]{13}  thread \S+  error +[\d.]+ m?s  1 st", failed
        )
        assert [line.strip() for line in failed.splitlines() if line.startswith(" " * 10)] == [
            'in node "ask"  given: question',
            f'File "agent.py", line {line_of(AGENT, "return call_upstream")}, in ask',
            'return call_upstream("http://db")',
            f'File "helper.py", line {line_of(HELPER, "raise")}, in call_upstream',
            'raise UpstreamError(f"no answer from {url}")',
            "UpstreamError: no answer from http://db",
        ]
        run(url, "blocking", question="?")
        where = f"agent.py:{line_of(AGENT, 'time.sleep(0.7)')}"
        told = rf'node "block" blocked the event loop [\d.]+ m?s: time\.sleep\(0\.7\) at {where}'
        line = rf"\d\d:\d\d:\d\d  block   blocking  {told}"
        stalled = screen.until(rf"{line}\r?\n +hint: use an async call")
        assert "\x1b" not in banner + failed + stalled


def line_of(text: str, part: str) -> int:
    """Return the number of the line with a part."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_terminal_shows_reloads_and_why_there_is_none(
    project: Path, lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_terminal(project) as screen:
        url = screen.url()
        banner = screen.until(r"Reload +on: [^\n]+\n")
        assert "report \x1b[31m✗\x1b[0m" in banner
        proceed = project / "proceed"
        begin_waiting(url, proceed)

        (project / "agent.py").write_text(AGENT + "# changed\n")
        line = screen.until(r"reload  agent\.py changed → failing [^\n]*✓[^\n]+\n")
        assert "1 running run goes on" in line
        proceed.touch()
        screen.until(r"run     waiting [^\n]*success")

        (project / "agent.py").write_text(AGENT + "def broken(:\n")
        told = screen.until(r"\n +\^")
        number = len(AGENT.splitlines()) + 1
        assert f"agent.py:{number} SyntaxError: " in told
        assert "→ the last good version stays" in told
        assert "failing, blocking, waiting" in told
        error = await_reload_error(url, True)
        assert error["graphs"]["failing"]["frames"][-1]["line"] == number
        monkeypatch.chdir(project)
        monkeypatch.delenv("LGSERVE_URL")
        why = dict(lgserve("info").table)["not reloaded"]
        assert why.startswith("failing, blocking, waiting: SyntaxError: ")
        assert why.endswith(f"(agent.py, line {number})")
        (project / "agent.py").write_text(AGENT)
        screen.until(r"reload  agent\.py changed → ")
        await_reload_error(url, False)

        good = (project / "langgraph.json").read_text()
        (project / "langgraph.json").write_text(good.replace("graphs", "grafs"))
        screen.until(
            r'unknown key "grafs", did you mean "graphs"\?.* → the last good version stays'
        )
        (project / "langgraph.json").write_text(good)
        screen.until(r"reload  langgraph\.json changed → ")


def begin_waiting(url: str, proceed: Path) -> None:
    """Start a run, and return once it waits for a file in its last node."""
    thread = ask(url, "/threads", {})["thread_id"]
    given = {"assistant_id": "waiting", "input": {"until": str(proceed)}}
    ask(url, f"/threads/{thread}/runs", given)
    deadline = time.monotonic() + SECONDS
    while not proceed.with_name(f"{proceed.name}.begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def await_reload_error(url: str, expected: bool) -> Any:
    """Ask until who serves knows of an error, or of none: the terminal is told first."""
    deadline = time.monotonic() + SECONDS
    while bool(error := ask(url, "/info")["reload_error"]) is not expected:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return error


@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_lets_runs_finish_and_the_second_one_does_not(
    project: Path, again: bool, reload: str
) -> None:
    with on_terminal(project, "--grace", "60s", reload, NO_COLOR="1") as screen:
        url = screen.url()
        screen.until(r"Reload +o")
        proceed = project / "proceed"
        begin_waiting(url, proceed)
        screen.press(b"\x03")
        screen.until(r"stop    runs may finish for 60 s · Ctrl-C again leaves at once")
        if again:
            screen.press(b"\x03")
            assert screen.process.wait(SECONDS) == 130
        else:
            proceed.touch()
            screen.until(r"run     waiting [^\n]*success")
            assert screen.process.wait(SECONDS) == 0


class Piped(Started):
    """A process whose every line has to be JSON."""

    def next(self, event: str) -> dict[str, Any]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if (found := json.loads(line))["event"] == event:
                return dict(found)
        raise AssertionError(f"the process ended without {event}")


@contextmanager
def piped(project: Path) -> Iterator[Piped]:
    dev = Piped(project, "dev", "--port", "0")
    try:
        yield dev
    finally:
        dev.process.kill()
        dev.process.communicate()


def test_into_a_pipe_every_line_is_json(project: Path) -> None:
    with piped(project) as dev:
        ready = dev.next("server.ready")
        run(ready["url"], "failing", question="?")
        failed = dev.next("run.finished")
        run(ready["url"], "blocking", question="?")
        while (stalled := dev.next("loop.stall"))["node"] != "block":
            pass  # a slow machine
        (project / "agent.py").write_text("def broken(:\n")
        refused = dev.next("server.not_reloaded")
        dev.process.send_signal(signal.SIGTERM)
        dev.next("server.stopping")
        assert dev.process.wait(SECONDS) == 0
    assert {graph["graph_id"]: bool(graph["error"]) for graph in ready["graphs"]} == {
        "failing": False, "blocking": False, "waiting": False, "report": True,
    }  # fmt: skip
    assert (failed["status"], failed["node"], failed["steps"]) == ("error", "ask", 1)
    assert failed["input_keys"] == ["question"]
    assert failed["error"] == "UpstreamError: no answer from http://db"
    where = f"agent.py:{line_of(AGENT, 'time.sleep(0.7)')}"
    assert (stalled["where"], stalled["code"]) == (where, "time.sleep(0.7)")
    assert "SyntaxError" in refused["error"]
