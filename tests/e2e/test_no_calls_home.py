"""A server connects to nothing that its user did not name: no update check, no telemetry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.fences import Fence
from tests.servers import ServerProcess, after_reload, project

HELLO = {"messages": [{"role": "user", "content": "weather?"}]}
AGENT = {"assistant_id": "agent", "input": HELLO}
#: A key alone asks for nothing: many have one in their shell.
KEYS = {"LANGSMITH_API_KEY": "lsv2_pt_not-a-key", "LANGCHAIN_API_KEY": "lsv2_pt_not-a-key"}


@contextmanager
def receiving() -> Iterator[tuple[str, list[str]]]:
    """Take whatever is posted; yields the address, and the paths that were posted to."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            paths.append(self.path)
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", paths
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextmanager
def fenced(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, verb: str = "dev"
) -> Iterator[tuple[ServerProcess, Fence]]:
    """Serve inside a fence."""
    fence = Fence(folder / "fence")
    file = project(folder, "traced")
    config = json.loads(file.read_text())
    config["graphs"]["outward"] = "./outward_graphs.py:outward"
    file.write_text(json.dumps(config))
    around = {**KEYS, **fence.environment, **(environment or {})}
    server = ServerProcess(
        folder=folder, config=file, arguments=arguments, environment=around, verb=verb
    )
    server.start()
    try:
        yield server, fence
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def walk(http: httpx.Client, webhook: dict[str, str]) -> None:
    """Use the API as clients do."""
    for page in ("/", "/ok", "/ready", "/info", "/metrics", "/metrics/json", "/docs"):
        assert http.get(page).status_code == 200, page
    assert http.get("/openapi.json").status_code == 200
    assistants = http.post("/assistants/search", json={}).json()
    for part in ("graph", "schemas", "subgraphs"):
        assert http.get(f"/assistants/{assistants[0]['assistant_id']}/{part}").status_code == 200
    thread_id = http.post("/threads", json={}).json()["thread_id"]
    base = f"/threads/{thread_id}"
    assert http.post(f"{base}/runs/wait", json={**AGENT, **webhook}).status_code == 200
    with http.stream("POST", f"{base}/runs/stream", json={**AGENT, "stream_mode": "events"}) as it:
        assert "on_chat_model_end" in it.read().decode()
    for graph in ("failing", "asking", "calling"):
        body = {"assistant_id": graph, "input": {"text": "x"}, "feedback_keys": ["liked"]}
        assert http.post("/runs/wait", json=body).status_code == 200
    created = http.post(f"{base}/runs", json=AGENT).json()
    assert http.get(f"{base}/runs/{created['run_id']}/join").status_code == 200
    assert http.get(f"{base}/state").status_code == 200
    assert http.get(f"{base}/history").status_code == 200
    item = {"namespace": ["a"], "key": "k", "value": {"text": "x"}}
    assert http.put("/store/items", json=item).is_success
    assert http.post("/store/items/search", json={"namespace_prefix": []}).status_code == 200
    cron = {"assistant_id": "nested", "schedule": "* * * * * *", "input": {"text": "x"}}
    made = http.post(f"{base}/runs/crons", json=cron)
    assert made.status_code == 200, made.text
    until(lambda: any("nested" in str(run) for run in http.get(f"{base}/runs").json()))
    assert http.delete(f"/runs/crons/{made.json()['cron_id']}").is_success


@pytest.mark.parametrize("verb", ["dev", "serve"])
def test_the_main_path_tries_nothing_beyond_the_loopback(tmp_path: Path, verb: str) -> None:
    with receiving() as (hooks, delivered), fenced(tmp_path, verb=verb) as (server, fence):
        with httpx.Client(base_url=server.url, timeout=30) as http:
            # Only dev lets webhooks go to the loopback.
            walk(http, {"webhook": f"{hooks}/hook"} if verb == "dev" else {})
        if verb == "dev":
            until(lambda: bool(delivered))
            source = tmp_path / "traced_graphs.py"
            text = source.read_text().replace("It rains.", "It pours.")
            after_reload(server.url, lambda: source.write_text(text))
            answer = httpx.post(f"{server.url}/runs/wait", json=AGENT, timeout=30)
            assert "It pours." in answer.text
        assert server.stop() == 0
        assert fence.tried == []


def test_the_fence_notes_every_way_out(tmp_path: Path) -> None:
    with fenced(tmp_path, "--no-reload") as (server, fence):
        body = {"assistant_id": "outward", "input": {"text": "x"}}
        assert httpx.post(f"{server.url}/runs/wait", json=body, timeout=30).json() == {
            "text": "seen"
        }
    assert fence.tried == [
        "socket.getaddrinfo 192.0.2.1",
        "socket.getaddrinfo name.example",
        "socket.sendto 192.0.2.2",
        "socket.getaddrinfo 192.0.2.3",
    ]


def test_the_pages_of_docs_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    with fenced(tmp_path, "--no-reload") as (server, _):
        page = httpx.get(f"{server.url}/docs").text
    for attribute in ('src="http', 'href="http', 'src="//', 'href="//', "url(http", "@import"):
        assert attribute not in page


def test_langsmith_hears_of_runs_if_the_user_asks_for_it(tmp_path: Path) -> None:
    with receiving() as (url, paths):
        asked = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": url}
        with fenced(tmp_path, "--no-reload", environment=asked) as (server, fence):
            httpx.post(f"{server.url}/runs/wait", json=AGENT, timeout=30)
            until(lambda: any(path.startswith("/runs") for path in paths))
        assert fence.tried == []


def test_the_command_line_calls_nobody_but_its_server(tmp_path: Path) -> None:
    with fenced(tmp_path, "--no-reload") as (server, fence):
        for words in (["info"], ["threads", "list"], ["--version"], ["config", "validate"]):
            command = [sys.executable, "-m", "lgserve", *words]
            around = {**os.environ, "LGSERVE_URL": server.url, **server.environment}
            done = subprocess.run(
                command, cwd=tmp_path, env=around, capture_output=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
        assert fence.tried == []
