"""A supervisor in a process of its own, with a stand-in for the server as its child."""

from __future__ import annotations

import contextlib
import json
import os
import py_compile
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

import pytest

HERE = Path(__file__).parent
SECONDS = 20


class Driven:
    """A running supervisor and what it says."""

    def __init__(self, root: Path, watch: str, *arguments: str) -> None:
        driver, child = str(HERE / "supervisor_driver.py"), str(HERE / "stand_in_child.py")
        self.process = subprocess.Popen(
            [sys.executable, driver, str(root), child, watch, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(HERE.parent.parent)},
        )
        self.events: Queue[dict[str, Any]] = Queue()
        assert self.process.stdout is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        self.port = self.next("listening")["port"]

    def _read(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            self.events.put(json.loads(line))

    def next(self, event: str) -> dict[str, Any]:
        found = self.events.get(timeout=SECONDS)
        assert found.pop("event") == event
        return found

    def change(self, name: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(name.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as client:
            return client.recv(100).decode()

    def ask_until_hung(self, root: Path) -> bool:
        """Wait until a child hangs; somebody serves meanwhile."""
        deadline = time.monotonic() + SECONDS
        while not (root / "hung").exists():
            assert self.ask()
            assert time.monotonic() < deadline
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


Start = Callable[..., Driven]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "langgraph.json").write_text('{"graphs": {"agent": "./agent.py:graph"}}')
    (tmp_path / "agent.py").write_text("graph = 1")
    (tmp_path / "behaviour").write_text("one")
    return tmp_path


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    started: list[Driven] = []

    def run(watch: str = "stdin", *arguments: str) -> Driven:
        started.append(Driven(root, watch, *arguments))
        return started[-1]

    yield run
    for driven in started:
        driven.process.kill()
        driven.process.wait(SECONDS)
        for pipe in (driven.process.stdin, driven.process.stdout):
            assert pipe is not None
            pipe.close()


def is_alive(pid: int) -> bool:
    """Say whether a process lives; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def write_until_seen(driven: Driven, path: Path) -> dict[str, Any]:
    """Write to a file until the change is told of; nothing tells when the watch has begun."""
    for _ in range(SECONDS * 5):
        path.write_text(path.read_text() + "\n")
        with contextlib.suppress(Empty):
            return driven.events.get(timeout=0.2)
    raise AssertionError(f"nobody saw {path} change")


def await_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ready, _, _ = select.select([descriptor], [], [], SECONDS)
    os.close(descriptor)
    assert ready, "the process lives on"


def test_a_change_puts_a_new_child_on_the_same_socket(root: Path, start: Start) -> None:
    driven = start()
    first = driven.next("ready")
    assert (driven.ask(), first["reloaded"], first["takeover"]) == ("one", False, False)
    (root / "behaviour").write_text("two")
    driven.change("agent.py")
    assert driven.next("changed") == {"paths": ["agent.py"]}
    second = driven.next("ready")
    assert (second["reloaded"], second["takeover"]) == (True, True)
    await_end(first["pid"])
    assert driven.ask() == "two"


def test_a_child_that_does_not_load_leaves_the_one_that_serves_in_its_place(
    root: Path, start: Start
) -> None:
    driven = start()
    driven.next("ready")
    (root / "behaviour").write_text("broken")
    driven.change("agent.py")
    driven.next("changed")
    assert driven.next("not_reloaded") == {"error": "agent: SyntaxError"}
    assert driven.ask() == "one"
    (root / "behaviour").write_text("mended")
    driven.change("agent.py")
    driven.next("changed")
    assert driven.next("ready")["behaviour"] == "mended"


def test_a_child_that_ends_as_it_loads_leaves_the_one_that_serves_in_its_place(
    root: Path, start: Start
) -> None:
    driven = start()
    driven.next("ready")
    (root / "behaviour").write_text("crash")
    driven.change("agent.py")
    driven.next("changed")
    assert driven.next("not_reloaded")["error"].endswith("was loaded (status 9)")
    assert driven.ask() == "one"


def test_a_save_during_a_reload_starts_another_one(root: Path, start: Start) -> None:
    driven = start()
    driven.next("ready")
    (root / "behaviour").write_text("two")
    driven.change("agent.py")
    driven.next("changed")
    driven.change("agent.py")
    seen = [driven.events.get(timeout=SECONDS)["event"] for _ in range(3)]
    assert sorted(seen) == ["changed", "ready", "ready"]


def test_code_that_never_finishes_loading_is_given_up_after_the_next_save(
    root: Path, start: Start
) -> None:
    driven = start()
    driven.next("ready")
    (root / "behaviour").write_text("hangs")
    driven.change("agent.py")
    driven.next("changed")
    assert driven.ask_until_hung(root)
    (root / "behaviour").write_text("mended")
    driven.change("agent.py")
    driven.next("changed")
    assert "signal 9" in driven.next("not_reloaded")["error"]
    assert driven.next("ready")["behaviour"] == "mended"


def test_a_connection_made_while_no_child_serves_is_answered_by_the_next(
    root: Path, start: Start
) -> None:
    driven = start()
    os.kill(driven.next("ready")["pid"], signal.SIGKILL)
    assert driven.next("died") == {"status": -signal.SIGKILL}
    (root / "behaviour").write_text("two")
    with socket.create_connection(("127.0.0.1", driven.port), timeout=SECONDS) as waiting:
        driven.change("agent.py")
        assert waiting.recv(100) == b"two"


def test_byte_code_of_a_changed_file_is_forgotten(root: Path, start: Start) -> None:
    compiled = py_compile.compile(str(root / "agent.py"))
    assert compiled is not None
    driven = start()
    driven.next("ready")
    driven.change("agent.py")
    driven.next("changed")
    driven.next("ready")
    assert not Path(compiled).exists()


def test_the_database_is_emptied_for_the_first_child_only(start: Start) -> None:
    driven = start()
    assert driven.next("ready")["fresh"] is True
    driven.change("agent.py")
    driven.next("changed")
    assert driven.next("ready")["fresh"] is False


def test_a_wrong_config_leaves_the_child_in_its_place(root: Path, start: Start) -> None:
    driven = start()
    driven.next("ready")
    (root / "langgraph.json").write_text('{"grafs": {}}')
    driven.change("langgraph.json")
    assert 'did you mean "graphs"' in driven.next("not_reloaded")["error"]
    assert driven.ask() == "one"
    (root / "langgraph.json").write_text('{"graphs": {"agent": "./agent.py:other"}}')
    driven.change("langgraph.json")
    driven.next("changed")
    driven.next("ready")


def test_a_child_that_ends_by_itself_is_followed_by_another_at_the_next_change(
    root: Path, start: Start
) -> None:
    (root / "behaviour").write_text("crash")
    driven = start()
    assert driven.next("died") == {"status": 9}
    (root / "behaviour").write_text("mended")
    driven.change("agent.py")
    driven.next("changed")
    assert driven.next("ready")["behaviour"] == "mended"
    assert driven.stop() == 0


def test_it_ends_when_the_first_child_cannot_serve_whatever_the_code(
    root: Path, start: Start
) -> None:
    (root / "behaviour").write_text("cannot serve")
    assert start().process.wait(SECONDS) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_its_child(start: Start, number: signal.Signals) -> None:
    driven = start()
    child = driven.next("ready")["pid"]
    assert driven.stop(number) == 0
    driven.next("stopping")
    assert not is_alive(child)


def test_it_ends_by_itself_after_the_time_it_was_given(start: Start) -> None:
    driven = start("stdin", "1.5")
    driven.next("ready")
    assert driven.process.wait(SECONDS) == 0


def test_a_second_interrupt_leaves_at_once(root: Path, start: Start) -> None:
    (root / "behaviour").write_text("deaf")
    driven = start()
    child = driven.next("ready")["pid"]
    driven.process.send_signal(signal.SIGINT)
    driven.next("stopping")
    assert driven.stop(signal.SIGINT) == 130
    assert not is_alive(child)


def test_of_many_that_do_not_leave_the_oldest_is_ended_after_its_grace(
    root: Path, start: Start
) -> None:
    (root / "behaviour").write_text("deaf")
    driven = start()
    first = driven.next("ready")["pid"]
    pids = [first]
    for _ in range(9):
        driven.change("agent.py")
        driven.next("changed")
        pids.append(driven.next("ready")["pid"])
    await_end(first)
    assert is_alive(pids[1])


def test_a_child_dies_with_its_parent(root: Path, start: Start) -> None:
    (root / "behaviour").write_text("deaf")
    driven = start()
    child = driven.next("ready")["pid"]
    driven.process.kill()
    driven.process.wait(SECONDS)
    await_end(child)


def test_it_goes_on_without_watching_when_files_cannot_be_watched(start: Start) -> None:
    driven = start()
    driven.next("ready")
    driven.change("break")
    assert driven.next("not_watching") == {"reason": "no watches are left"}
    assert driven.ask() == "one"


def test_code_config_and_env_files_are_watched_and_nothing_else(root: Path, start: Start) -> None:
    (root / "langgraph.json").write_text('{"graphs": {"a": "./agent.py:g"}, "env": ".env"}')
    (root / ".venv").mkdir()
    (root / ".env").write_text("A=1")
    driven = start("files")
    driven.next("ready")
    changed = set()
    (root / ".venv" / "ignored.py").write_text("")
    (root / "notes.txt").write_text("")
    for name in ("agent.py", ".env", "langgraph.json"):
        path = root / name
        changed |= set(write_until_seen(driven, path)["paths"])
        while (event := driven.events.get(timeout=SECONDS))["event"] != "ready":
            changed |= set(event["paths"])
    assert changed == {"agent.py", ".env", "langgraph.json"}
