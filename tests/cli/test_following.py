"""Streams and waits over connections that break: what was seen last is said again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from lgserve.cli.output import Output
from lgserve.cli.showing_events import EventWriter

if TYPE_CHECKING:
    from tests.cli.conftest import Lgserve

RUN = "01a202ee-4c7c-73d8-9111-56230057b164"


@dataclass
class Script:
    """What the server does at each request in turn: bytes to send, and whether to end properly."""

    url: str = ""
    steps: list[tuple[bytes, bool]] = field(default_factory=list)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Follows a script; the run itself can always be asked for."""

    protocol_version = "HTTP/1.1"
    script: Script

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def do_GET(self) -> None:
        last, path = self.headers.get("last-event-id"), self.path.rpartition("/")[2]
        self.script.asked.append((self.command, path, last))
        if path == RUN:
            self.answer(json.dumps({"run_id": RUN, "status": "success"}).encode())
        elif self.script.steps:
            self.stream(*self.script.steps.pop(0))
        else:
            self.close_connection = True

    def stream(self, data: bytes, whole: bool) -> None:
        if not data:  # not even a head
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("content-location", f"/threads/t/runs/{RUN}")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = not whole

    def answer(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def script() -> Iterator[Script]:
    held = Script()
    handler = type("Scripted", (Handler,), {"script": held})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield held
    server.shutdown()
    server.server_close()


def event(number: int, data: Any, *, with_id: bool = True) -> bytes:
    tail = f"id: {number}-0\r\n" if with_id else ""
    return f"event: updates\r\ndata: {json.dumps(data)}\r\n{tail}\r\n".encode()


START = ("runs", "start", "-a", "agent", "-i", "{}")


def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    lgserve: Lgserve, script: Script
) -> None:
    cut = event(3, "three")
    script.steps = [
        (b": heartbeat\r\n\r\n" + event(1, "one") + event(2, "two") + cut[:10], False),
        (event(3, "three"), True),
    ]
    result = lgserve(*START, "--stream", "updates", "--url", script.url, "-o", "jsonl")
    assert [json.loads(line)["data"] for line in result.out.splitlines()] == ["one", "two", "three"]
    assert script.asked[:2] == [("POST", "stream", None), ("GET", "stream", "2-0")]
    assert (result.status, "trying again" in result.err) == (0, False)


def test_a_server_that_is_away_is_tried_again(lgserve: Lgserve, script: Script) -> None:
    script.steps = [(event(1, "one"), False)]
    result = lgserve(*START, "--stream", "updates", "--url", script.url, "--timeout", "700ms")
    assert (result.status, result.out) == (7, 'updates\t"one"\n')
    assert result.err.count("connection lost; trying again") >= 1
    assert f" · then: lgserve runs join {RUN}\n" in result.err


def test_a_stream_without_ids_that_breaks_is_a_failure(lgserve: Lgserve, script: Script) -> None:
    script.steps = [(event(1, "one", with_id=False), False)]
    result = lgserve(*START, "--stream", "updates", "--url", script.url)
    assert result.status == 7


def test_a_wait_goes_on_by_joining_again(lgserve: Lgserve, script: Script) -> None:
    created = json.dumps({"run_id": RUN}).encode()
    script.steps = [(created, True), (b"", False), (b"\n", False), (b'\n{"n": 1}', True)]
    result = lgserve(*START, "--url", script.url)
    assert (result.status, json.loads(result.out)) == (0, {"n": 1})
    assert [path for _, path, _ in script.asked] == ["runs", "join", "join", "join", RUN]


def chunk(text: str, message_id: str, kind: str = "AIMessageChunk") -> dict[str, Any]:
    return {"type": kind, "id": message_id, "content": text}


def told(capsys: pytest.CaptureFixture[str], *events: tuple[str, Any]) -> str:
    from lgserve.cli.events import Event

    writer = EventWriter(Output())
    for name, data in events:
        writer.show(Event(event=name, data=data, id=None))
    writer.finish()
    return capsys.readouterr().out


def test_tokens_become_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(
        capsys,
        ("metadata", {"run_id": RUN}),
        ("messages", [chunk("Hel", "1"), {}]),
        ("messages", [chunk("lo\x1b[2J", "1"), {}]),
        ("messages", [chunk("result", "2", "tool"), {}]),
        ("updates", {"a": 1}),
        ("messages|sub:1", [{**chunk("", "3"), "content": [{"type": "text", "text": "Hi"}]}, {}]),
    )
    assert out == 'Hello\N{REPLACEMENT CHARACTER}[2J\nupdates\t{"a": 1}\nHi\n'


def test_messages_that_repeat_themselves_are_written_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = told(
        capsys,
        ("messages/metadata", {"1": {}}),
        ("messages/partial", [chunk("Hel", "1", "ai")]),
        ("messages/partial", [chunk("Hello", "1", "ai")]),
        ("messages/complete", [chunk("Hello!", "1", "ai")]),
        ("messages/complete", [chunk("Bye", "2", "ai")]),
    )
    assert out == "Hello!\nBye\n"
