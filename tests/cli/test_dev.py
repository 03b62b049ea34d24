"""Starting a server: what is refused before it starts, and real starts as a person does them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

import lgserve as package

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve

ROOT = Path(package.__file__).parent.parent
SECONDS = 40
AGENT = """
from typing import TypedDict
from langgraph.graph import START, StateGraph

class State(TypedDict):
    text: str

builder = StateGraph(State)
builder.add_node("answer", lambda state: {"text": "one"})
builder.add_edge(START, "answer")
graph = builder.compile()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "langgraph.json").write_text('{"graphs": {"agent": "./agent.py:graph"}}')
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / ".git").mkdir()
    return tmp_path


# --- refused before anything starts -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        (["--tunnel"], "--tunnel is not offered", "cloudflared"),
        (["--ssl-certfile", "c", "--ssl-keyfile", "k"], "are not offered yet", "proxy with TLS"),
        (["--wait-for-client"], "--wait-for-client needs --debug-port", ""),
        (["--allow-blocking", "--strict-blocking"], "exclude each other", ""),
        (["--exit-after", "soon"], "'soon' is not a duration", "30s"),
        (["--port", "70000"], "Invalid value for '--port'", "lgserve dev --help"),
        (["--log-format", "xml"], "--log-format must be one of auto, pretty, json", ""),
        (["nowhere"], "nowhere does not exist", "config file"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    lgserve: Lgserve, project: Path, arguments: list[str], sentence: str, hint: str
) -> None:
    result = lgserve("dev", *arguments)
    assert (result.status, result.out) == (2, "")
    assert sentence in result.err.splitlines()[0]
    assert hint in result.err


def test_a_debug_port_without_debugpy_is_refused(
    lgserve: Lgserve, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    result = lgserve("dev", "--debug-port", "5678")
    assert result.status == 1
    assert "pip install debugpy" in result.err


def test_a_folder_without_a_config_is_told_apart(lgserve: Lgserve, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    result = lgserve("dev")
    assert result.status == 3
    assert result.err.startswith("error: no langgraph.yaml, langgraph.yml or langgraph.json in ")
    assert result.err.endswith("code:  E_CONFIG\n")


def test_a_wrong_config_names_line_and_key(lgserve: Lgserve, project: Path) -> None:
    (project / "langgraph.json").write_text('{\n"grafs": {}}')
    result = lgserve("serve")
    assert result.status == 3
    assert 'langgraph.json, line 2: unknown key "grafs", did you mean "graphs"?' in result.err


def test_two_configs_are_one_too_many(lgserve: Lgserve, project: Path) -> None:
    result = lgserve("dev", "langgraph.json", "-c", "langgraph.json")
    assert result.status == 2
    assert "name a config file" in result.err


@pytest.mark.parametrize("verb", ["dev", "serve"])
def test_a_port_asked_for_that_is_busy_is_an_error(
    lgserve: Lgserve, project: Path, verb: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = lgserve(verb, "--port", str(port))
    assert result.status == 1
    assert result.err.startswith(f"error: port {port} is in use\nhint:  `lsof -i :{port}`")


def test_an_address_that_is_not_ours_is_an_error(lgserve: Lgserve, project: Path) -> None:
    result = lgserve("dev", "--host", "192.0.2.1", "--insecure-no-auth", "--port", "0")
    assert result.status == 1
    assert "error: cannot listen on 192.0.2.1:0 (" in result.err


def test_serve_lets_no_other_machine_in_unless_told_to(lgserve: Lgserve, project: Path) -> None:
    result = lgserve("serve", "--host", "0.0.0.0")
    assert result.status == 2
    assert "--insecure-no-auth" in result.err


# --- real starts --------------------------------------------------------------------------------


class Started:
    """A process of the command line whose stderr is read line by line."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lgserve", *arguments],
            cwd=project,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )

    def next(self, event: str) -> dict[str, Any]:
        """Read until an event; the log is JSON where stderr is no terminal."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{") and (found := json.loads(line)).get("event") == event:
                return dict(found)
        raise AssertionError(f"the process ended without {event}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@pytest.fixture
def started() -> Iterator[list[Started]]:
    running: list[Started] = []
    yield running
    for each in running:
        each.process.kill()
        each.process.wait(SECONDS)
        if each.process.stderr is not None:
            each.process.stderr.close()


def ask(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        return json.load(response)


def answer_of(url: str) -> str:
    thread = ask(url, "/threads", {})["thread_id"]
    body = {"assistant_id": "agent", "input": {"text": "?"}}
    return str(ask(url, f"/threads/{thread}/runs/wait", body)["text"])


def test_a_change_of_the_code_is_served_and_the_data_stays(
    project: Path, started: list[Started]
) -> None:
    dev = Started(project, "dev", "--port", "0")
    started.append(dev)
    url = dev.next("server.ready")["url"]
    assert answer_of(url) == "one"
    (project / "agent.py").write_text(AGENT.replace('"one"', '"another"'))
    assert dev.next("server.reloading")["changed"] == [str(project / "agent.py")]
    assert dev.next("server.reloaded")["url"] == url
    assert answer_of(url) == "another"
    assert ask(url, "/threads/count", {}) == 2
    state = project / ".lgserve" / "server.json"
    assert json.loads(state.read_text())["pid"] == dev.process.pid
    assert dev.stop() == 0
    assert not state.exists()


def test_what_is_in_memory_outlives_a_change_but_not_the_server(
    project: Path, started: list[Started]
) -> None:
    dev = Started(project, "dev", "--port", "0", "--data", ":memory:")
    started.append(dev)
    url = dev.next("server.ready")["url"]
    answer_of(url)
    config = {"graphs": {"agent": "./agent.py:graph"}, "lgserve": {"host": "localhost"}}
    (project / "langgraph.json").write_text(json.dumps(config))
    assert dev.next("server.note")["message"] == "another host or port is taken at the next start"
    dev.next("server.reloaded")
    assert ask(url, "/threads/count", {}) == 1
    assert dev.stop() == 0
    assert not list(project.rglob("*.db"))


def test_a_broken_graph_is_told_and_mended_by_a_change(
    project: Path, started: list[Started]
) -> None:
    (project / "agent.py").write_text("import reportlab_that_is_missing")
    dev = Started(project, "dev", "--port", "0")
    started.append(dev)
    ready = dev.next("server.ready")
    assert "reportlab_that_is_missing" in ready["graphs"][0]["error"]
    (project / "agent.py").write_text(AGENT)
    assert dev.next("server.reloaded")["graphs"][0]["error"] is None
    assert answer_of(ready["url"]) == "one"


def test_without_reload_one_process_serves(project: Path, started: list[Started]) -> None:
    dev = Started(project, "dev", "--no-reload", "--port", "0")
    started.append(dev)
    ready = dev.next("server.ready")
    assert ready["pid"] == dev.process.pid
    assert answer_of(ready["url"]) == "one"
    finished = dev.next("run.finished")
    assert (finished["graph_id"], finished["status"]) == ("agent", "success")
    assert dev.stop(signal.SIGINT) == 0


def test_serve_serves_and_admin_commands_find_it(
    project: Path, started: list[Started], lgserve: Lgserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = Started(project, "serve", "--port", "0")
    started.append(serve)
    url = serve.next("server.ready")["url"]
    answer_of(url)
    monkeypatch.delenv("LGSERVE_URL")
    monkeypatch.chdir(project)
    info = dict(lgserve("info").table)
    assert info["server"].startswith(f"{url}   lgserve {package.__version__} · ")
    assert info["graphs"] == "agent (1)"
    run_id = lgserve("runs", "list", "-o", "id").out.strip()
    assert dict(lgserve("runs", "show", run_id).table)["status"] == "success"
    thread = dict(lgserve("runs", "show", run_id).table)["thread"]
    assert dict(lgserve("threads", "show", thread[:13]).table)["values.text"] == '"one"'
    assert serve.stop() == 0


def test_a_second_server_on_the_same_data_is_refused(project: Path, started: list[Started]) -> None:
    first = Started(project, "dev", "--no-reload", "--port", "0")
    started.append(first)
    first.next("server.ready")
    for arguments in (["--no-reload"], []):
        second = subprocess.run(
            [sys.executable, "-m", "lgserve", "dev", "--port", "0", *arguments],
            cwd=project,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=SECONDS,
            check=False,
        )
        assert second.returncode == 1
        assert b"is in use by another lgserve" in second.stderr
    assert first.stop() == 0


@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_it_ends_after_the_time_it_was_given(project: Path, reload: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "lgserve", "dev", "--port", "0", reload, "--exit-after", "4s"],
        cwd=project,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0
    assert b"server.ready" in ended.stderr


def test_a_busy_default_port_makes_way(project: Path, started: list[Started]) -> None:
    with socket.socket() as other:
        # Whoever holds it, this test or somebody else, it is busy.
        try:
            other.bind(("127.0.0.1", 2024))
            other.listen()
        except OSError:
            pass
        dev = Started(project, "dev", "--no-reload")
        started.append(dev)
        note = dev.next("server.note")["message"]
        port = re.fullmatch(r"port 2024 is in use, so this is port (\d+)", note)
        assert port is not None
        assert dev.next("server.ready")["url"] == f"http://127.0.0.1:{port[1]}"


#: Makes stdin the controlling terminal of a new session, as a shell's terminal is.
ON_TERMINAL = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "from lgserve.cli.main import main; main()"
)


def test_on_a_terminal_ctrl_c_ends_parent_and_child(project: Path) -> None:
    """Ctrl-C reaches both processes at once; the child must not take it for a second signal."""
    controller, terminal = pty.openpty()
    dev = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, "dev", "--port", "0"],
        cwd=project,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(terminal)
    with dev, os.fdopen(controller, "r+b", buffering=0) as screen:
        banner = read_until(screen, b"Reload")
        assert b"\x1b[1mlgserve" in banner
        assert "agent \x1b[32m✓".encode() in banner
        screen.write(b"\x03")
        read_until(screen, b"runs may finish")
        assert dev.wait(SECONDS) == 0


def read_until(screen: IO[bytes], text: bytes) -> bytes:
    """Read a terminal until a text has come."""
    seen = b""
    deadline = time.monotonic() + SECONDS
    while text not in seen:
        assert time.monotonic() < deadline, seen
        seen += screen.read(1000)
    return seen
