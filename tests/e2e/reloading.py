"""`lgserve dev` with a project that is edited while it is used."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.servers import ServerProcess, project

SECONDS = 30.0
_ROOT = Path(__file__).parent.parent.parent


@dataclass(slots=True)
class Project:
    """A project that is served and edited."""

    server: ServerProcess
    folder: Path

    @property
    def url(self) -> str:
        return self.server.url

    def edit(self, old: str, new: str) -> float:
        """Change the code; return when."""
        return self.write("steps.py", self.read("steps.py").replace(old, new))

    def write(self, name: str, text: str) -> float:
        (self.folder / name).write_text(text)
        return time.monotonic()

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def post(self, path: str, **body: Any) -> Any:
        answer = httpx.post(
            self.url + path, json={"assistant_id": "steps", **body}, timeout=SECONDS
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = httpx.get(self.url + path, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def version(self) -> str:
        return str(self.post("/runs/wait", input={})["version"])

    def await_version(self, version: str) -> float:
        """Return when the code of a version answers."""
        deadline = time.monotonic() + SECONDS
        while self.version() != version:
            assert time.monotonic() < deadline, self.server.log
        return time.monotonic()

    def thread(self) -> str:
        return str(httpx.post(self.url + "/threads", json={}).json()["thread_id"])

    def await_event(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the server has told something as often as this."""
        deadline = time.monotonic() + SECONDS
        while len(found := self.told(event)) < count:
            assert time.monotonic() < deadline, self.server.log
            time.sleep(0.01)
        return found

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [line for line in self.server.log.splitlines() if f'"{event}"' in line]
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def version_line(self) -> str:
        lines = self.read("steps.py").splitlines()
        return next(line for line in lines if line.startswith("VERSION = "))

    def processes(self) -> list[int]:
        """Return all processes of the server: the parent, the fork server, those that serve."""
        assert self.server.process is not None
        parent = self.server.process.pid
        return [parent, *children_of(parent), *self.children()]

    def await_quiet(self) -> None:
        """Wait until one process serves and nobody else is left but its parents."""
        deadline = time.monotonic() + SECONDS
        while len(self.processes()) > 3:
            assert time.monotonic() < deadline, self.processes()
            time.sleep(0.05)

    def children(self) -> list[int]:
        """Return the processes that serve or have served: those that the fork server made."""
        assert self.server.process is not None
        return [pid for each in children_of(self.server.process.pid) for pid in children_of(each)]


@contextmanager
def reloading(
    folder: Path, *arguments: str, over: str | None = None, **environment: str
) -> Iterator[Project]:
    """Serve the project `reloading` with reload, with the files of another one over it."""
    config = project(folder, "reloading")
    if over is not None:
        project(folder, over)
    (folder / ".env").write_text("WORD=hello\n")
    server = ServerProcess(
        folder=folder, config=config, arguments=arguments, environment=environment
    )
    server.start()
    try:
        yield Project(server, folder)
    finally:
        assert server.process is not None
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
        with suppress(Exception):
            server.process.wait(20)
        server.kill()


@dataclass(slots=True)
class Prober:
    """Asks for /ok again and again, in a process of its own: see `tests.e2e.probing`."""

    url: str
    failures: list[str] = field(default_factory=list)
    longest: float = 0.0
    asked: int = 0

    @contextmanager
    def asking(self) -> Iterator[Prober]:
        command = [sys.executable, "-m", "tests.e2e.probing", self.url]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield self
            finally:
                told, _ = process.communicate()
        seen = json.loads(told)
        self.asked, self.longest, self.failures = seen["asked"], seen["longest"], seen["failures"]


class Line:
    """One connection, kept: whoever closes it fails the test."""

    def __init__(self, url: str, *, narrow: bool = False) -> None:
        address = urlsplit(url)
        self._socket = socket.socket()
        self._socket.settimeout(SECONDS)
        if narrow:  # little is on its way to who does not read
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect((address.hostname, address.port))
        self._answers = self._socket.makefile("rb")
        self._length = 0

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._socket.close()

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, pieces: int = 1
    ) -> tuple[int, bytes]:
        self.send(method, path, body, pieces)
        return self.status(), self.body()

    def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, pieces: int = 1
    ) -> None:
        """Send a request, in as many pieces."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n"
        data = f"{head}content-type: application/json\r\n\r\n".encode() + content
        size = -(-len(data) // pieces)
        for begin in range(0, len(data), size):
            self._socket.sendall(data[begin : begin + size])
            time.sleep(0.01 * (pieces > 1))  # so that they come one by one, mostly

    def status(self) -> int:
        """Read the head of an answer and return its status."""
        line = self._answers.readline()
        assert line, "the connection is closed"
        headers = {}
        while (header := self._answers.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        assert headers.get("connection") != "close"
        self._length = int(headers.get("content-length", -1))
        return int(line.split()[1])

    def body(self) -> bytes:
        """Read the rest of an answer."""
        if self._length >= 0:
            content = self._answers.read(self._length)
            assert len(content) == self._length, f"{len(content)} of {self._length} bytes"
            return content
        chunks = []
        while (size := int(self._answers.readline(), 16)) > 0:
            chunks.append(self._answers.read(size))
            self._answers.readline()
        self._answers.readline()
        return b"".join(chunks)


@dataclass(slots=True)
class Reader:
    """Reads a stream of events in a thread."""

    url: str
    path: str
    body: dict[str, Any] | None
    headers: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, Any]] = field(default_factory=list)
    connected: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    error: str | None = None
    _thread: threading.Thread | None = None

    def start(self) -> Reader:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def end(self) -> list[tuple[str, Any]]:
        """Wait for the end of the stream and return its events."""
        assert self._thread is not None
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        assert self.error is None, self.error
        return self.events

    def thread_end(self) -> None:
        """Wait for the end of a stream that may be broken off."""
        assert self._thread is not None
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        method = "GET" if self.body is None else "POST"
        try:
            with (
                httpx.Client(base_url=self.url, timeout=SECONDS, headers=self.headers) as client,
                client.stream(method, self.path, json=self.body) as answer,
            ):
                self.connected.set()
                name = ""
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        name = line[7:]
                    elif line.startswith("data: "):
                        self.events.append((name, json.loads(line[6:])))
                        if name == "custom":
                            self.begun.set()
        except Exception as exc:  # noqa: BLE001 - told by `end`
            self.error = repr(exc)


def stream(project: Project, path: str = "/runs/stream", **body: Any) -> Reader:
    body = {"assistant_id": "steps", "stream_mode": ["custom", "values"], **body}
    return Reader(project.url, path, body).start()


@dataclass(slots=True)
class Loader:
    """Runs, waits, streams, again and again, over a connection that is kept."""

    project: Project
    failures: list[str] = field(default_factory=list)
    done: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self.project.url, timeout=SECONDS) as client:
            thread = client.post("/threads", json={}).json()["thread_id"]
            while not self._stop.wait(0.02):
                try:
                    self._use(client, thread)
                except Exception as exc:  # noqa: BLE001 - whatever it is, it is a failure
                    self.failures.append(repr(exc))
                self.done += 3

    def _use(self, client: httpx.Client, thread: str) -> None:
        body = {"assistant_id": "steps", "input": {"ticks": 3}, "stream_mode": ["custom"]}
        answer = client.post(f"/threads/{thread}/runs/wait", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["log"][-1].startswith("c:"), answer.text
        answer = client.post("/runs/wait", json=body)
        assert answer.status_code == 200, answer.text
        assert len(answer.json().get("log", ())) == 3, answer.text
        with client.stream("POST", f"/threads/{thread}/runs/stream", json=body) as streamed:
            lines = list(streamed.iter_lines())
        told = [json.loads(line[6:]) for line in lines if line.startswith('data: "')]
        assert told == all_ticks(3), lines


def ticks_of(events: list[tuple[str, Any]]) -> list[str]:
    return [data for name, data in events if name == "custom"]


def all_ticks(count: int) -> list[str]:
    return [f"{name}{number}" for name in "abc" for number in range(count)]


def children_of(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def resident(pid: int) -> float:
    """Return the memory of a process that it shares with nobody, in MB."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def await_ends(*pids: int) -> None:
    deadline = time.monotonic() + SECONDS
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, [pid for pid in pids if is_alive(pid)]
        time.sleep(0.02)


def await_children(pid: int, count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while len(children_of(pid)) < count:
        assert time.monotonic() < deadline, children_of(pid)
        time.sleep(0.02)
