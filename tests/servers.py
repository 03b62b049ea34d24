"""Servers for tests: real processes on real sockets, found by the file they write."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECTS = Path(__file__).parent / "projects"
_START_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class ServerProcess:
    """One `lgserve` process; `url` is known once it is ready."""

    folder: Path
    config: Path
    arguments: Sequence[str] = ()
    verb: str = "dev"
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    def start(self) -> str:
        """Start the process and wait until it is ready."""
        log = (self.folder / "server.log").open("ab")
        command = [sys.executable, "-m", "lgserve", self.verb, "-c", str(self.config)]
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--data", str(self.folder / "data"), *self.arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        log.close()
        self.url = self._wait()
        return self.url

    def kill(self) -> None:
        """Kill the process as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask the process to stop and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    @property
    def log(self) -> str:
        """What the server has printed."""
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def _wait(self) -> str:
        assert self.process is not None
        found = self.config.parent / ".lgserve" / "server.json"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server left with {self.process.returncode}:\n{self.log}")
            url = _url_of(found, self.process.pid)
            if url and _answers(f"{url}/ready"):
                return url
            time.sleep(0.02)
        raise AssertionError(f"the server was not ready in {_START_SECONDS} s:\n{self.log}")


def _url_of(file: Path, pid: int) -> str | None:
    try:
        facts: dict[str, Any] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return str(facts["url"]) if facts["pid"] == pid else None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def command_in(folder: Path) -> Path:
    """Put a command `lgserve` of this Python into a folder, for shells that call it."""
    folder.mkdir(exist_ok=True)
    script = folder / "lgserve"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lgserve "$@"\n')
    script.chmod(0o755)
    return script


def after_reload(url: str, edit: Callable[[], object]) -> None:
    """Edit something, and wait until another process of `lgserve dev` serves."""
    process = _process_of(url)
    edit()
    deadline = time.monotonic() + _START_SECONDS
    while _process_of(url) in (None, process):
        if time.monotonic() > deadline:
            raise AssertionError(f"there was no reload in {_START_SECONDS} s")
        time.sleep(0.02)


def _process_of(url: str) -> float | None:
    """Return when the process began that serves, roughly; None while none answers."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=30) as response:
            lines = response.read().decode().splitlines()
    except OSError:
        return None
    name = "process_start_time_seconds "
    return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), None)


def project(folder: Path, name: str = "samples") -> Path:
    """Copy a project of the tests into a folder and return its config."""
    for file in (PROJECTS / name).iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder / "langgraph.json"


@contextmanager
def serving(folder: Path, *arguments: str, name: str = "samples") -> Iterator[ServerProcess]:
    """Serve a project of the tests without reload, as a process of its own."""
    server = ServerProcess(
        folder=folder, config=project(folder, name), arguments=["--no-reload", *arguments]
    )
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
