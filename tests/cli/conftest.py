"""A small server with the routes that admin commands use, and a way to call the command line."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lgserve.cli.environment import API_KEY_NAMES
from lgserve.cli.main import run
from tests.servers import ServerProcess, serving


@dataclass
class Api:
    """What the server holds, and what it was asked."""

    url: str = ""
    info: dict[str, Any] = field(default_factory=lambda: {"version": "0.16.7"})
    threads: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    #: Answers this instead of everything else.
    answer: tuple[int, bytes] | None = None
    #: Lets nobody in, but to `/info`.
    closed: bool = False
    #: Serves nothing below this address.
    lacking: str = ""
    #: Answers these addresses, byte by byte.
    pages: dict[str, bytes] = field(default_factory=dict)
    #: Breaks off so many requests, after so many pages.
    failing: int = 0
    pages_until_failure: int = 0
    #: Closes the connection after each answer, without having said so.
    hang_up: bool = False
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[tuple[str, Any]] = field(default_factory=list)

    def reply(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Answer a request."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if refused := self._refusal(path):
            return refused
        match [method, *path.strip("/").split("/")]:
            case ["GET", "info"]:
                return 200, self.info
            case ["POST", "assistants", verb]:
                graphs = [{"graph_id": "agent"}, {"graph_id": "other"}]
                return 200, graphs if verb == "search" else len(graphs)
            case ["POST", "threads", verb]:
                found = self._threads(body)
                return 200, page(found, body) if verb == "search" else len(found)
            case ["GET", "threads", thread_id, *rest]:
                return self._thread(thread_id, rest, query)
            case _:
                pass
        return 404, {"detail": "Not Found"}

    def _refusal(self, path: str) -> tuple[int, Any] | None:
        if self.closed and path != "/info":
            return 401, {"detail": "who are you?"}
        if self.lacking and path.startswith(f"/{self.lacking}"):
            return 404, {"detail": "Not Found"}
        return None

    def _threads(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        wanted, metadata = body.get("status"), body.get("metadata", {})
        return [
            thread
            for thread in self.threads
            if wanted in (None, thread["status"])
            and metadata.items() <= thread["metadata"].items()
            and thread["thread_id"] in body.get("ids", [thread["thread_id"]])
        ]

    def _thread(
        self, thread_id: str, rest: list[str], query: dict[str, list[str]]
    ) -> tuple[int, Any]:
        found = next((item for item in self.threads if item["thread_id"] == thread_id), None)
        runs = [run for run in self.runs if run["thread_id"] == thread_id]
        match rest:
            case _ if found is None:
                return 404, {"detail": f"Thread with ID {thread_id} not found"}
            case []:
                return 200, found
            case ["state"]:
                return 200, {"next": ["human"], "checkpoint_id": "1f1e65b9-5c9a-6c35-8001"}
            case ["runs"]:
                status = query.get("status", [None])[0]
                kept = [run for run in runs if status in (None, run["status"])]
                bounds: dict[str, Any] = {
                    name: int(query[name][0]) for name in ("limit", "offset") if name in query
                }
                return 200, page(kept, bounds)
            case ["runs", run_id]:
                for run_found in runs:
                    if run_found["run_id"] == run_id:
                        return 200, run_found
            case _:
                pass
        return 404, {"detail": "Not Found"}


def page(rows: list[dict[str, Any]], body: dict[str, Any]) -> list[dict[str, Any]]:
    start = body.get("offset", 0)
    return rows[start : start + body.get("limit", 10)]


def handler_of(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length", 0)))
            self._answer(json.loads(text))

        do_PUT = do_POST  # noqa: N815 - as the base class names them

        def _answer(self, body: Any) -> None:
            api.headers.append({name.lower(): value for name, value in self.headers.items()})
            api.bodies.append((self.path, body))
            if api.pages_until_failure == 0 and api.failing:
                api.failing -= 1
                self.close_connection = True
                return
            if api.answer is not None:
                status, data = api.answer
            elif self.path in api.pages:
                api.pages_until_failure = max(0, api.pages_until_failure - 1)
                status, data = 200, api.pages[self.path]
            else:
                status, value = api.reply(self.command, self.path, body)
                data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = api.hang_up

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def thread(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "thread_id": f"{number:08x}-0000-4000-8000-000000000000",
        "created_at": "2025-11-22T10:00:00+00:00",
        "updated_at": f"2025-11-22T10:{number:02}:00+00:00",
        "metadata": {"graph_id": "agent", "user_id": str(number)},
        "status": "idle",
        "values": {"log": ["a"]},
        "interrupts": {},
        **fields,
    }


def a_run(number: int, of: int, **fields: Any) -> dict[str, Any]:
    return {
        "run_id": f"{number:08x}-0000-4000-8000-00000000000f",
        "thread_id": f"{of:08x}-0000-4000-8000-000000000000",
        "assistant_id": "046b5dc7-2108-582c-9c6c-31d556d138f0",
        "created_at": f"2025-11-22T10:{number:02}:00+00:00",
        "updated_at": f"2025-11-22T10:{number:02}:02.5+00:00",
        "metadata": {"graph_id": "agent"},
        "status": "success",
        "kwargs": {"input": {"text": "hi"}},
        "multitask_strategy": "enqueue",
        **fields,
    }


@pytest.fixture
def api() -> Iterator[Api]:
    held = Api(
        threads=[thread(3), thread(2, status="interrupted"), thread(1)],
        runs=[a_run(16, of=3), a_run(18, of=2, status="error"), a_run(17, of=1)],
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(held))
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    yield held
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Result:
    """What a command line did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def table(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


Lgserve = Callable[..., Result]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = ("CI", "AI_AGENT", "CLAUDECODE")
    for name in (*API_KEY_NAMES, "NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", *asked):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lgserve(
    capsys: pytest.CaptureFixture[str], api: Api, monkeypatch: pytest.MonkeyPatch
) -> Lgserve:
    """Call the command line in this process, with the small server as its server."""
    monkeypatch.setenv("LGSERVE_URL", api.url)

    def call(*arguments: str) -> Result:
        status = run(list(arguments))
        captured = capsys.readouterr()
        return Result(int(status), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A real server of the sample project, one for all tests."""
    with serving(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture
def real(
    capsys: pytest.CaptureFixture[str], server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> Lgserve:
    """Call the command line in this process, with the real server as its server."""
    monkeypatch.setenv("LGSERVE_URL", server.url)

    def call(*arguments: str, stdin: str | None = None) -> Result:
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = run(list(arguments))
        captured = capsys.readouterr()
        return Result(int(status), captured.out, captured.err)

    return call
